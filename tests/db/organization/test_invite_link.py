"""The invite link: one at a time, changed by Reset alone, counted, and never used too often."""

from db import activity, engine
from db.auth import links
from db.auth.client import SignedIn
from db.errors import InvalidLink
from db.members import removal
from db.organization import invite_link
from db.policy import COMMAND_LINE, Role
from tests.support.concurrency import at_once
from tests.support.pages.site import SECRET, Site
from tests.support.steps.member_steps import acting, olga, register


async def open_links() -> list[int]:
    found = await engine.rows("SELECT id FROM links WHERE purpose = 'invite' AND ended_at = 0")
    return [id for (id,) in found]


async def limit(link_id: int, max_uses: int) -> None:
    await engine.write(engine.execute, "UPDATE links SET max_uses = ? WHERE id = ?", max_uses, link_id)


async def test_an_organization_has_a_link_from_the_start(site: Site) -> None:
    link = await invite_link.present()

    assert await open_links() == [link.id]
    assert (link.uses, link.max_uses, link.expires_at) == (0, 0, 0)


async def test_looking_and_a_restart_change_nothing(site: Site) -> None:
    token = await site.invite_token()

    async with Site.opened(founded=False) as restarted:
        again = [await restarted.invite_token() for _ in range(3)]

    assert set(again) == {token}
    await engine.start()


async def test_reset_ends_the_old_link_and_makes_a_new_one(site: Site) -> None:
    old = await invite_link.present()

    new = await invite_link.reset(olga(site))

    ended = await invite_link.find(old.id)
    assert ended is not None
    assert ended.invalid_reason(new.made_at) == "reset"
    assert await open_links() == [new.id]
    assert new.nonce != old.nonce
    assert (await activity.of_member(site.ids["olga"], limit=1))[0].kind == "invite_link_reset"


async def test_the_command_line_resets_it_too(site: Site) -> None:
    new = await invite_link.reset(COMMAND_LINE)

    assert await open_links() == [new.id]


async def test_of_resets_at_the_same_instant_one_link_stays_open(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)

    ended = await at_once(*(invite_link.reset(actor) for actor in (olga(site), acting(site, "ada")) * 5))

    made = [link.id for link in ended if isinstance(link, links.Link)]
    assert len(set(made)) == 10
    assert await open_links() == [max(made)]


async def test_a_registration_counts_as_one_use(site: Site) -> None:
    link = await invite_link.present()

    signed_in = await register(site, "ada", link.id)

    counted = await invite_link.present()
    assert (counted.id, counted.uses) == (link.id, 1)
    came = await engine.rows("SELECT joined_via, link_id, role FROM member WHERE id = ?", signed_in.member_id)
    assert came == [("link", link.id, "NO")]


async def test_a_link_with_a_budget_lets_in_exactly_so_many(site: Site) -> None:
    link = await invite_link.present()
    await limit(link.id, 5)

    ended = await at_once(*(register(site, f"ada{number}", link.id) for number in range(10)))

    refused = [one for one in ended if isinstance(one, InvalidLink)]
    assert sum(isinstance(one, SignedIn) for one in ended) == 5
    assert [one.reason for one in refused] == ["used_up"] * 5
    assert (await invite_link.present()).uses == 5
    assert await engine.rows("SELECT COUNT(*) FROM member") == [(6,)]


async def test_a_taken_address_uses_nothing_up(site: Site) -> None:
    link = await invite_link.present()
    await limit(link.id, 1)

    ended = await at_once(*(register(site, name, link.id) for name in ("olga", "Olga")))

    assert {type(one).__name__ for one in ended} == {"Invalid"}
    assert (await invite_link.present()).uses == 0


async def test_who_registers_while_the_link_is_reset_is_in_or_told_that_it_is_dead(site: Site) -> None:
    link = await invite_link.present()
    people = [f"ada{number}" for number in range(8)]

    ended = await at_once(
        *(register(site, name, link.id) for name in people[:4]),
        invite_link.reset(olga(site)),
        *(register(site, name, link.id) for name in people[4:]),
    )

    came = sum(isinstance(one, SignedIn) for one in ended)
    refused = [one for one in ended if isinstance(one, BaseException)]
    assert [type(one) for one in refused] == [InvalidLink] * (8 - came)
    assert {one.reason for one in refused if isinstance(one, InvalidLink)} <= {"reset"}
    used = await invite_link.find(link.id)
    assert used is not None
    assert used.uses == came == len(await engine.rows("SELECT 1 FROM member WHERE role = 'NO'"))


async def test_a_token_of_another_purpose_or_nonce_is_forged(site: Site) -> None:
    link = await invite_link.present()
    signer = site.context.signer
    token = await site.invite_token()

    assert signer.matches(links.INVITE, token, link.nonce)
    assert not signer.matches(links.RESET, token, link.nonce)
    assert not signer.matches(links.INVITE, token, "0" * 32)
    assert SECRET not in token
    assert link.nonce not in token


async def test_a_member_who_is_removed_leaves_the_link_open(site: Site) -> None:
    link = await invite_link.present()
    signed_in = await register(site, "ada", link.id)

    await removal.remove(olga(site), member_id=signed_in.member_id)

    assert await open_links() == [link.id]
