"""Registration: open, closed, by a link that works and by one that doesn't."""

import asyncio
from typing import Any

import pytest

from db import engine
from db.auth import links
from db.invitations import creation
from db.invitations.recipients import address_list
from db.organization import invite_link
from db.organization import settings as organization_settings
from db.organization.settings import SettingsChange
from db.policy import COMMAND_LINE, Role
from messages import by_field
from settings import Settings
from tests.support.pages.forms import read, wrong_fields
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site
from tests.support.steps.member_steps import olga as owner

ADA = {"email": "ada@example.org", "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"}
CLOSED = Settings(secret_key=SECRET, closed=True)


async def people() -> list[tuple[Any, ...]]:
    """Everybody but the Owner: address, role, how they came."""
    return await engine.rows("SELECT email, role, joined_via FROM member WHERE role <> 'OW' ORDER BY id")


async def test_anybody_registers_and_waits_as_a_page(site: Site) -> None:
    visitor = site.visitor()

    answer = await visitor.submit("/user/signup", ADA)

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert await people() == [("ada@example.org", "NO", "signup")]
    assert "You're registered, waiting for approval" in (await visitor.get("/")).text


async def test_anybody_registers_and_waits_as_a_fragment(site: Site) -> None:
    visitor = site.visitor()

    answer = await visitor.press("/user/signup", ADA)

    assert (answer.status_code, answer.headers["hx-redirect"]) == (200, "/")
    assert "You're registered, waiting for approval" in (await visitor.get("/")).text


@ON_SQLITE
async def test_names_are_optional_and_a_final_slash_changes_nothing(site: Site) -> None:
    visitor = site.visitor()

    form = await visitor.get("/user/signup/")
    answer = await visitor.submit("/user/signup/", email="ada@example.org", password=PASSWORD)

    assert form.status_code == 200
    assert answer.status_code == 303
    assert len(await people()) == 1


async def test_nobody_chooses_more_than_name_and_password(site: Site) -> None:
    wishes = {"role": "OW", "active": "true", "id": "1", "joined_via": "setup", "confirmed_at": "1"}

    answer = await site.visitor().submit("/user/signup", ADA, **wishes)

    assert answer.status_code == 303
    assert await engine.rows("SELECT role, joined_via, confirmed_at FROM member WHERE email LIKE 'ada%'") == [
        ("NO", "signup", 0)
    ]


async def test_a_good_link_lets_register_while_it_is_closed(database: str) -> None:
    async with Site.opened(CLOSED) as site:
        token, visitor = await site.invite_token(), site.visitor()
        form = await visitor.get("/user/signup/", params={"token": token})
        hidden = read(form).controls["token"]["value"]

        answer = await visitor.submit("/user/signup", ADA, token=hidden)

        assert (form.status_code, hidden, answer.status_code) == (200, token, 303)
        assert await people() == [("ada@example.org", "NO", "link")]
        assert await engine.rows("SELECT uses FROM links WHERE purpose = 'invite'") == [(1,)]


@ON_SQLITE
async def test_without_a_link_nobody_registers_while_it_is_closed(database: str) -> None:
    async with Site.opened(CLOSED) as site:
        visitor = site.visitor()

        answers = [
            await visitor.get("/user/signup"),
            await visitor.get("/user/signup/?token="),
            await visitor.submit("/user/signup", ADA),
            await visitor.press("/user/signup", ADA, token=""),
        ]

        assert [answer.status_code for answer in answers] == [403] * 4
        assert all("Registration is by invitation only" in answer.text for answer in answers)
        assert not any('name="email"' in answer.text for answer in answers)
        assert await people() == []


async def dead_tokens(site: Site) -> dict[str, str]:
    """A token for each way in which a link is not current, and a sentence of its page."""

    async def change_link(assignments: str) -> None:
        await engine.write(engine.execute, f"UPDATE links SET {assignments} WHERE ended_at = 0")

    reset = await site.invite_token()
    await invite_link.reset(COMMAND_LINE)
    expired = await site.invite_token()
    await change_link("ended_at = 1, end_reason = 'expired'")
    await invite_link.reset(COMMAND_LINE)
    used_up = await site.invite_token()
    await change_link("uses = 1, max_uses = 1")
    password_link = await site.reset_token("olga")
    return {
        reset: "replaced by a new one",
        expired: "Its time has run out",
        used_up: "as often as it was meant to be",
        password_link: "It may be incomplete: copy the whole link.",
        used_up[:-1] + ("A" if used_up[-1] != "A" else "B"): "It may be incomplete: copy the whole link.",
        "99999." + used_up.partition(".")[2]: "It may be incomplete: copy the whole link.",
        "not shaped like a token": "It may be incomplete: copy the whole link.",
    }


@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@ON_SQLITE
async def test_a_dead_link_says_why_and_registers_nobody(database: str, closed: bool) -> None:
    async with Site.opened(Settings(secret_key=SECRET, closed=closed)) as site:
        visitor = site.visitor()

        for token, why in (await dead_tokens(site)).items():
            shown = await visitor.get("/user/signup/", params={"token": token})
            sent = await visitor.submit("/user/signup", ADA, token=token)
            pressed = await visitor.press("/user/signup", ADA, token=token)

            assert [shown.status_code, sent.status_code, pressed.status_code] == [410] * 3, why
            assert "This invite link no longer works" in shown.text
            assert why in shown.text
            assert 'name="email"' not in shown.text

        assert await people() == []


async def test_a_link_reset_while_somebody_types_makes_nothing(site: Site) -> None:
    token, visitor = await site.invite_token(), site.visitor()
    assert (await visitor.get("/user/signup", params={"token": token})).status_code == 200

    await (await site.sign_in("olga")).submit("/organization/invite-link/reset")
    answer = await visitor.submit("/user/signup", ADA, token=token)

    assert answer.status_code == 410
    assert await people() == []


async def test_a_budget_of_uses_is_never_exceeded(site: Site) -> None:
    token = await site.invite_token()
    await engine.write(engine.execute, "UPDATE links SET max_uses = 3 WHERE purpose = 'invite'")
    visitors = [site.visitor(f"192.0.2.{number}") for number in range(8)]

    answers = await asyncio.gather(
        *(
            visitor.submit("/user/signup", ADA, email=f"ada{number}@example.org", token=token)
            for number, visitor in enumerate(visitors)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [303] * 3 + [410] * 5
    assert len(await people()) == 3


@ON_SQLITE
async def test_every_error_is_told_at_its_field_and_what_was_typed_is_kept(site: Site) -> None:
    token, visitor = await site.invite_token(), site.visitor()
    fields = {"email": "no <address>", "password": "<secret>", "first_name": "A" * 101, "last_name": "Love"}

    page = await visitor.submit("/user/signup", fields, token=token)
    fragment = await visitor.press("/user/signup", fields, token=token)

    for answer in (page, fragment):
        assert answer.status_code == 422
        assert wrong_fields(answer) == {"email", "password", "first_name"}
    form = read(page)
    assert "at most 100 characters; this has 101" in form.error_of("first_name")
    kept = {name: form.controls[name].get("value", "") for name in (*fields, "token")}
    assert kept == {**fields, "token": token, "password": ""}
    assert "&lt;secret" not in page.text


@ON_SQLITE
async def test_a_password_made_of_what_we_know_is_refused(site: Site) -> None:
    for weak in ("adalovelace1", "fenwickherbarium", "label studio", "ada@example.org"):
        answer = await site.visitor().submit("/user/signup", ADA, password=weak)

        assert answer.status_code == 422
        assert by_field.MADE_OF_KNOWN in read(answer).error_of("password"), weak


async def test_a_taken_address_is_an_error_of_the_form(site: Site) -> None:
    answer = await site.visitor().submit("/user/signup", ADA, email="OLGA@example.ORG")

    assert answer.status_code == 422
    assert "already has an account" in read(answer).error_of("email")
    assert wrong_fields(answer) == {"email"}


async def test_of_ten_sign_ups_at_the_same_instant_one_makes_an_account(site: Site) -> None:
    cased = [
        "".join(c.upper() if n % 8 == k % 8 else c for k, c in enumerate("ada@example.org"))
        for n in range(10)
    ]
    visitors = [site.visitor() for _ in cased]

    answers = await asyncio.gather(
        *(
            visitor.submit("/user/signup", ADA, email=email)
            for visitor, email in zip(visitors, cased, strict=True)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [303] + [422] * 9
    assert all("email" in wrong_fields(answer) for answer in answers if answer.status_code == 422)
    assert len(await people()) == 1


async def test_who_is_signed_in_is_told_who_they_are(site: Site) -> None:
    await site.person("ada")
    ada, token = await site.sign_in("ada"), await site.invite_token()

    shown = await ada.get("/user/signup/", params={"token": token})
    sent = await ada.submit("/user/signup", ADA, email="eve@example.org", token=token)

    assert (shown.status_code, sent.status_code) == (200, 409)
    assert "You are signed in already" in shown.text
    assert "ada@example.org" in shown.text
    assert 'name="email"' not in shown.text
    assert len(await people()) == 1


async def test_who_is_signed_in_logs_out_and_keeps_the_link(site: Site) -> None:
    await site.person("ada")
    token = await site.invite_token()
    for path in (f"/user/signup?token={token}", "/user/signup"):
        ada = await site.sign_in("ada")
        form = tree(await ada.get(path)).one("form")
        assert form.one("button").text == "Log out and continue"

        answer = await ada.submit(form["action"], next=form.one("input", name="next")["value"])
        page = await ada.get(answer.headers["location"])

        assert answer.status_code == 303
        assert tree(page).one("h1").text == "Create your account"
        assert tree(page).one("input", name="token")["value"] == (token if "token" in path else "")


async def test_opening_a_link_uses_nothing_up(site: Site) -> None:
    token, visitor = await site.invite_token(), site.visitor()
    before = await engine.rows("SELECT * FROM links")

    await visitor.get("/user/signup", params={"token": token})
    await visitor.head("/user/signup", params={"token": token})

    assert await engine.rows("SELECT * FROM links") == before


@ON_SQLITE
async def test_sign_ups_from_one_network_are_counted(site: Site) -> None:
    throttled = site.context.throttle.sign_up("192.0.2.1", with_link=False)[0].key
    await site.visitor().submit("/user/signup", email="wrong")
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = 30 WHERE key = ?", throttled)

    answer = await site.visitor().submit("/user/signup", ADA)
    by_link = await site.visitor().submit("/user/signup", ADA, token=await site.invite_token())

    assert answer.status_code == 429
    assert 800 < int(answer.headers["retry-after"]) <= 900
    assert 'value="ada@example.org"' in answer.text
    assert by_link.status_code == 303


@ON_SQLITE
async def test_ipv6_is_counted_by_64_bits(site: Site) -> None:
    await site.visitor("2001:db8:1:2:aaaa::1").submit("/user/signup", email="wrong")
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = 30")

    neighbour = await site.visitor("2001:db8:1:2:bbbb::2").submit("/user/signup", ADA)
    stranger = await site.visitor("2001:db8:1:3::1").submit("/user/signup", ADA)

    assert (neighbour.status_code, stranger.status_code) == (429, 303)


async def test_a_removed_persons_address_can_register_again(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await (await site.sign_in("olga")).submit(f"/organization/members/{ada}/removal")

    answer = await site.visitor().submit("/user/signup", ADA)

    assert answer.status_code == 303


async def test_a_domain_that_is_not_let_in_says_which_are(site: Site) -> None:
    await organization_settings.change(
        owner(site), SettingsChange(link_domains=("fenwick.example", "*.uni.example"))
    )
    visitor, where = site.visitor(), "an address at fenwick.example or below uni.example."

    shown = await visitor.get("/user/signup")
    answers = [
        await visitor.submit("/user/signup", ADA, token=token) for token in ("", await site.invite_token())
    ]
    taken = await visitor.submit("/user/signup", ADA, email="olga@example.org")
    let_in = await visitor.submit("/user/signup", ADA, email="ada@cs.uni.example")

    assert f"Use {where}" in shown.text
    for answer in answers:
        assert answer.status_code == 422
        assert f"Here you register with {where}" in read(answer).error_of("email")
        assert read(answer).controls["email"]["value"] == ADA["email"]
    # Whoever may not register isn't told who has.
    assert "already has an account" not in taken.text
    assert let_in.status_code == 303
    assert await people() == [("ada@cs.uni.example", "NO", "signup")]


async def test_a_domain_is_told_together_with_every_other_error(site: Site) -> None:
    await organization_settings.change(owner(site), SettingsChange(link_domains=("fenwick.example",)))

    answer = await site.visitor().submit("/user/signup", ADA, password="short", first_name="x" * 101)

    assert wrong_fields(answer) == {"email", "password", "first_name"}


async def test_domains_do_not_hold_for_invitations(site: Site) -> None:
    await organization_settings.change(owner(site), SettingsChange(link_domains=("fenwick.example",)))
    invited = address_list.parse("ada@example.org")
    await creation.invite(owner(site), invited, role=Role.ANNOTATOR, days=7)
    ((link_id, nonce),) = await engine.rows("SELECT id, nonce FROM links WHERE purpose = 'invitation'")
    token = site.context.signer.token(links.INVITATION, link_id, nonce)

    answer = await site.visitor().submit("/user/invitation", token=token, password=PASSWORD)

    assert answer.status_code == 303
    assert await people() == [("ada@example.org", "AN", "invitation")]
