"""The limits of the invite link: which domains they mean, and that they hold whoever comes at once."""

from types import ModuleType

import pytest

from db import engine
from db.auth import links
from db.auth.client import SignedIn
from db.common import addresses
from db.common.dates import DAY_MS
from db.errors import Invalid, InvalidLink, Refused
from db.maintenance import secret_key
from db.members import new_member
from db.organization import invite_link, invite_link_limits, signup
from db.organization import settings as organization_settings
from db.organization.invite_link_limits import End, Limits, NotADomain
from db.organization.settings import SettingsChange
from db.policy import COMMAND_LINE
from tests.support.concurrency import at_once
from tests.support.pages.site import ON_SQLITE, Site, password_hash
from tests.support.steps.member_steps import BROWSER, olga, register


async def settle(site: Site, wish: SettingsChange) -> None:
    await organization_settings.change(olga(site), wish)


async def comes(site: Site, email: str, link_id: int | None = None) -> SignedIn:
    person = new_member.Person(addresses.parse(email), "", "", password_hash())
    return await signup.register(
        person, link_id=link_id, session_limits=site.context.session_limits, browser=BROWSER
    )


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("example.org", "example.org"),
        ("@Example.ORG.", "example.org"),
        ("*.example.org", "*.example.org"),
        ("straße.de", "xn--strae-oqa.de"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
        ("fenwick.local", "fenwick.local"),
    ],
)
def test_a_domain_is_compared_as_its_a_labels(typed: str, domain: str) -> None:
    assert invite_link_limits.parse_domain(typed) == domain


@pytest.mark.parametrize(
    "typed",
    ["", "*", "*.", "foo", "*.*.org", "ada@example.org", "a b.org", "-a.org", "1.2.3.4", "http://a.org"],
)
def test_what_is_no_domain_is_refused(typed: str) -> None:
    with pytest.raises(NotADomain):
        invite_link_limits.parse_domain(typed)


@pytest.mark.parametrize(
    ("domains", "email", "in_"),
    [
        ((), "ada@anywhere.example", True),
        (("example.org",), "ada@EXAMPLE.org", True),
        (("example.org",), "ada@sub.example.org", False),
        (("example.org",), "ada@notexample.org", False),
        (("*.example.org",), "ada@a.b.example.org", True),
        (("*.example.org",), "ada@example.org", False),
        (("*.example.org",), "ada@evilexample.org", False),
        (("a.org", "xn--strae-oqa.de"), "ada@straße.de", True),
        (("strasse.de",), "ada@straße.de", False),
    ],
)
def test_a_domain_lets_in_its_own_addresses(domains: tuple[str, ...], email: str, in_: bool) -> None:
    limits = Limits(End(), 0, domains)

    assert limits.lets_in(addresses.parse(email)) is in_
    assert bool(limits.why_not(addresses.parse(email))) is not in_


def test_the_sentence_names_the_domains_and_not_all_of_fifty() -> None:
    some = Limits(End(), 0, ("example.org", "*.example.net", "xn--bcher-kva.example"))
    many = Limits(End(), 0, tuple(f"d{number}.org" for number in range(50)))

    assert some.where == "at example.org, below example.net or at bücher.example (xn--bcher-kva.example)"
    assert many.where.endswith("at d11.org or at one of 38 more domains")


@pytest.mark.parametrize(
    ("domains", "where"),
    [
        ((), ""),
        (("*.a.org",), "below a.org"),
        (("a.org", "b.org"), "at a.org or at b.org"),
        (tuple(f"d{number}.org" for number in range(12)), " or at d11.org"),
        (tuple(f"d{number}.org" for number in range(13)), ", at d11.org or at one more domain"),
    ],
)
def test_each_of_twelve_domains_is_named(domains: tuple[str, ...], where: str) -> None:
    said = Limits(End(), 0, domains).where

    assert said.endswith(where)
    assert bool(said) is bool(domains)


@pytest.mark.parametrize(
    ("end", "ends_at"),
    [
        (End(), 0),
        (End("after", days=2), 100 + 2 * DAY_MS),
        (End("after", days=2, at=7), 100 + 2 * DAY_MS),
        (End("on", days=2, at=7), 7),
    ],
)
def test_a_link_ends_so_long_after_it_was_made_or_on_a_day(end: End, ends_at: int) -> None:
    assert end.of(100) == ends_at


async def test_limits_hold_for_the_present_link_at_once(site: Site) -> None:
    made = await invite_link.present()

    await settle(site, SettingsChange(link_end=End("after", days=14), link_max_uses=2))

    link = await invite_link.present()
    assert (link.id, link.expires_at, link.max_uses) == (made.id, made.made_at + 14 * DAY_MS, 2)


async def test_limits_hold_for_every_later_link_from_its_reset_on(site: Site, clock: ModuleType) -> None:
    await settle(site, SettingsChange(link_end=End("after", days=14), link_max_uses=2))
    clock.move(3 * DAY_MS)

    made = [await invite_link.reset(COMMAND_LINE)]
    clock.move(DAY_MS)
    await secret_key.rotate_key("another")
    made.append(await invite_link.present())

    assert [(link.expires_at - link.made_at, link.max_uses) for link in made] == [(14 * DAY_MS, 2)] * 2


async def test_a_link_whose_time_has_run_out_is_shown_and_works_again_when_the_owner_says_so(
    site: Site, clock: ModuleType
) -> None:
    link = await invite_link.present()
    await settle(site, SettingsChange(link_end=End("after", days=1)))
    clock.move(2 * DAY_MS)
    await engine.write(links.stamp_expired)
    assert (await invite_link.present()).invalid_reason(clock.now()) == "expired"
    with pytest.raises(InvalidLink):
        await register(site, "ada", link.id)

    await settle(site, SettingsChange(link_end=End()))

    assert (await register(site, "bob", link.id)).member_id
    assert (await invite_link.present()).id == link.id


async def test_no_link_is_made_that_would_be_dead(site: Site, clock: ModuleType) -> None:
    await settle(site, SettingsChange(link_end=End("on", at=clock.now() + DAY_MS)))
    link = await invite_link.present()
    clock.move(DAY_MS)

    with pytest.raises(Refused, match="that day is over"):
        await invite_link.reset(COMMAND_LINE)

    assert (await invite_link.present()).id == link.id


async def test_of_n_plus_five_at_one_instant_exactly_n_come_in(site: Site) -> None:
    await settle(site, SettingsChange(link_max_uses=7))
    link = await invite_link.present()

    ended = await at_once(*(register(site, f"ada{number}", link.id) for number in range(12)))

    assert sum(isinstance(one, SignedIn) for one in ended) == 7
    assert [one.reason for one in ended if isinstance(one, InvalidLink)] == ["used_up"] * 5
    assert await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'NO'") == [(7,)]


async def test_a_limit_set_while_people_register_is_never_exceeded(site: Site) -> None:
    link = await invite_link.present()
    people = [register(site, f"ada{number}", link.id) for number in range(10)]

    ended = await at_once(*people[:5], settle(site, SettingsChange(link_max_uses=3)), *people[5:])

    now = await invite_link.present()
    assert now.uses == sum(isinstance(one, SignedIn) for one in ended)
    # Either it was set in time, or so many had come that it was refused.
    assert isinstance(ended[5], Invalid) if now.uses > 3 else (now.max_uses, now.uses) == (3, 3)


async def test_domains_hold_for_the_link_and_the_open_page(site: Site) -> None:
    await settle(site, SettingsChange(link_domains=("fenwick.example", "*.uni.example")))
    link = await invite_link.present()

    for link_id in (link.id, None):
        with pytest.raises(Invalid) as refused:
            await comes(site, "ada@gmail.example", link_id)
        assert refused.value.errors == {
            "email": ["Here you register with an address at fenwick.example or below uni.example."]
        }

    assert (await comes(site, "ada@fenwick.example", link.id)).member_id
    assert (await comes(site, "bob@cs.uni.example")).member_id
    assert (await invite_link.present()).uses == 1


async def test_who_registers_while_the_domains_change_is_decided_by_one_of_them(site: Site) -> None:
    people = [comes(site, f"ada{number}@gmail.example") for number in range(8)]

    ended = await at_once(
        *people[:4], settle(site, SettingsChange(link_domains=("fenwick.example",))), *people[4:]
    )

    told = await engine.rows("SELECT id FROM activity WHERE kind = 'link_limits_changed'")
    late = await engine.rows("SELECT id FROM activity WHERE kind = 'registered' AND id > ?", told[0][0])
    assert late == [], "nobody comes in after the change is done"
    assert {type(one) for one in ended if one is not None} <= {SignedIn, Invalid}


@ON_SQLITE
async def test_fifty_domains_are_kept_in_their_order(site: Site) -> None:
    domains = tuple(f"d{number}.example" for number in range(50))

    await settle(site, SettingsChange(link_domains=domains))

    assert (await invite_link.limits()).domains == domains
