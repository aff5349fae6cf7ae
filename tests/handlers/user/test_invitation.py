"""/user/invitation: who invites to what in which role; a name and a password, and the person is in."""

from types import ModuleType

import pytest

from db import engine
from db.common.dates import DAY_MS
from db.invitations import management
from db.invitations.listing import InvitationRow
from db.mail import delivery, outbox
from db.members import new_member, removal, roles
from db.policy import Role
from mailer import OutboxRenderer, contents
from tests.support.concurrency import at_once
from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site
from tests.support.servers.smtp import ReceivedMail, Server
from tests.support.steps.invitation_steps import accept, invited, mailed, mails, one, state, token
from tests.support.steps.mail_steps import TEMPLATES
from tests.support.steps.member_steps import acting, olga

PATH = "/user/invitation"
pytestmark = ON_SQLITE


async def test_the_page_says_who_invites_to_what_and_uses_nothing_up(site: Site) -> None:
    line = await invited(site, "ada", Role.REVIEWER)
    guest = site.visitor()

    params = {"token": token(site, line)}
    for method in ("HEAD", "GET", "HEAD"):
        assert (await guest.request(method, PATH, params=params)).status_code == 200
    page = tree(await guest.get(PATH, params=params))

    assert page.one("h1").text == "Olga invites you"
    assert "To Fenwick Herbarium, as Reviewer." in page.text
    assert page.one("input", id="email")["value"] == "ada@example.org"
    assert "readonly" in page.one("input", id="email")
    assert "name" not in page.one("input", id="email")
    assert await engine.rows("SELECT uses FROM links WHERE id = ?", line.link_id) == [(0,)]
    assert await state("ada@example.org") == "unsent"


async def test_a_name_and_a_password_and_the_person_is_in(site: Site) -> None:
    line = await invited(site, "ada", Role.REVIEWER)
    guest = site.visitor()
    sent = {"token": token(site, line), "password": PASSWORD, "first_name": "Ada"}

    # What a form can't choose isn't read.
    answer = await guest.submit(PATH, sent, email="evil@example.org", role="OW")

    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert "You are in, as Reviewer" in (await guest.get("/")).text
    assert await engine.rows("SELECT email, role FROM member ORDER BY id DESC LIMIT 1") == [
        ("ada@example.org", "RE")
    ]
    again = await site.visitor().get(PATH, params={"token": token(site, line)})
    assert again.status_code == 410
    assert "It was accepted already" in again.text
    assert tree(again).one("a", href="/user/login").text == "Log in"


async def test_a_wrong_form_uses_nothing_up_and_keeps_what_was_typed(site: Site) -> None:
    line = await invited(site, "ada")
    guest = site.visitor()

    answer = await guest.submit(PATH, token=token(site, line), password="short", first_name="Ada")

    assert answer.status_code == 422
    assert read(answer).error_of("password")
    assert read(answer).controls["first_name"]["value"] == "Ada"
    assert read(answer).controls["password"].get("value", "") == ""
    assert await state("ada@example.org") == "unsent"


async def test_ten_at_the_same_instant_and_one_gets_in(site: Site) -> None:
    line = await invited(site, "ada")
    sent = {"token": token(site, line), "password": PASSWORD}

    answers = await at_once(*(site.visitor().submit(PATH, sent) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers if not isinstance(answer, BaseException)) == [
        303,
        *[410] * 9,
    ]


@pytest.mark.parametrize("end", ["used", "expired", "revoked", "void"])
async def test_a_dead_one_says_so_and_asks_for_a_new_one(posting: Site, clock: ModuleType, end: str) -> None:
    site, line = posting, await ended(posting, clock, end)
    guest = site.visitor()

    for answer in (
        await guest.get(PATH, params={"token": token(site, line)}),
        await guest.submit(PATH, token=token(site, line), password=PASSWORD),
    ):
        assert answer.status_code == 410
        assert tree(answer).one("h1").text == "This invitation no longer works"
    form = tree(answer).one("form", action="/user/invitation/renewal")
    for _ in range(3):
        said = await guest.submit(form["action"], token=form.one("input", name="token")["value"])
        assert said.status_code == 200
        assert "Whoever invited you is told" in said.text
    assert await mails("asked") == ["olga@example.org" if end == "void" else "alma@example.org"]
    admin = await site.sign_in("olga")
    assert "They ask for a new one." in (await admin.get("/organization/invitations")).text


async def test_asking_for_another_leads_to_one_that_lives_again(posting: Site) -> None:
    line = await invited(posting, "ada")

    answer = await posting.visitor().submit(f"{PATH}/renewal", token=token(posting, line))

    assert answer.status_code == 303
    assert answer.headers["location"] == f"{PATH}?token={token(posting, line)}"
    assert await mails("asked") == []


@pytest.mark.parametrize(
    ("end", "button"),
    [
        ("expired", "Resend"),
        ("revoked", "Invite again"),
        ("void", "Invite again"),
        ("used", "See the member"),
        ("deactivated", "See the member"),
        ("removed", "Invite Members"),
    ],
)
async def test_the_mail_to_the_inviter_names_a_button_of_its_row(
    posting: Site, clock: ModuleType, end: str, button: str
) -> None:
    line = await ended(posting, clock, end)
    await posting.visitor().submit(f"{PATH}/renewal", token=token(posting, line))

    mail = next(mail for mail in await delivery.claim("one", 20, 60_000) if mail.kind == "asked")
    told = OutboxRenderer(
        Server(25).account(),
        signer=posting.context.signer,
        host="https://members.fenwick.example",
        app_name="Label Studio",
        app_url="",
        templates=TEMPLATES,
    ).render(mail, await contents.read(mail))
    page = tree(await (await posting.sign_in("olga")).get("/organization/invitations"))

    assert f"press {button}" in " ".join(ReceivedMail("", told).text.split())
    place = page if end == "removed" else page.one(id=f"invitation-{line.id}").one("td", class_="actions")
    named = [each.text for kind in ("a", "button") for each in place.all(kind)]
    assert [text for text in named if text.startswith(button)], named


async def ended(site: Site, clock: ModuleType, end: str) -> InvitationRow:
    """Ada's invitation by alma, ended in this way."""
    await site.person("alma", Role.ADMINISTRATOR)
    line = await invited(site, "ada", by=acting(site, "alma"))
    if end in ("used", "deactivated", "removed"):
        ada = (await accept(site, line)).member_id
        if end == "deactivated":
            await roles.change_role(olga(site), member_id=ada, role=Role.DEACTIVATED)
        if end == "removed":
            await removal.remove(olga(site), member_id=ada)
    elif end == "expired":
        clock.move(8 * DAY_MS)
    elif end == "revoked":
        await management.revoke(olga(site), invitation_ids=[line.id])
    else:
        await roles.change_role(olga(site), member_id=site.ids["alma"], role=Role.MANAGER)
    return line


async def test_who_is_in_already_needs_no_new_one(site: Site) -> None:
    line = await invited(site, "ada", Role.REVIEWER)
    await accept(site, line)
    site.ids["ada"] = await new_member.id_of("ada@example.org")
    await site.person("bob", Role.ANNOTATOR)
    ada, bob = await site.sign_in("ada"), await site.sign_in("bob")

    mine = await ada.get(PATH, params={"token": token(site, line)})
    other = await bob.get(PATH, params={"token": token(site, line)})

    assert (mine.status_code, other.status_code) == (410, 410)
    assert "You are in without it, as Reviewer." in mine.text
    assert not tree(mine).all("form", action="/user/invitation/renewal")
    assert tree(other).all("form", action="/user/invitation/renewal")


@pytest.mark.parametrize("forged", ["", "x", "1.", "1." + "A" * 32, "999." + "A" * 32, "１.x", "1.é"])
async def test_a_forged_one_tells_nobody_anything(posting: Site, forged: str) -> None:
    line = await invited(posting, "ada")
    await management.revoke(olga(posting), invitation_ids=[line.id])
    guest = posting.visitor()

    for answer in (
        await guest.get(PATH, params={"token": forged}),
        await guest.submit(PATH, token=forged, password=PASSWORD),
    ):
        assert answer.status_code == 410
        assert "taken back" not in answer.text
        assert not tree(answer).all("form", action="/user/invitation/renewal")
    answer = await guest.submit(f"{PATH}/renewal", token=forged)
    assert answer.status_code == 200
    assert await mails("asked") == []


async def test_another_purpose_s_token_is_forged(site: Site) -> None:
    line = await invited(site, "ada")
    other = site.context.signer.token("reset", line.link_id, line.nonce)

    assert (await site.visitor().get(PATH, params={"token": other})).status_code == 410


async def test_a_living_one_asks_for_nothing(posting: Site) -> None:
    line = await invited(posting, "ada")

    await posting.visitor().submit(f"{PATH}/renewal", token=token(posting, line))

    assert await mails("asked") == []
    assert (await one("ada@example.org")).new_wanted_at == 0


async def test_signed_in_with_the_address_it_takes_one_button(site: Site) -> None:
    line = await invited(site, "ada", Role.MANAGER)
    await site.person("ada")
    ada = await site.sign_in("ada")

    page = tree(await ada.get(PATH, params={"token": token(site, line)}))
    form = page.one("form", action=PATH)
    assert [field["name"] for field in form.all("input")] == ["token"]
    assert form.one("button").text == "Accept the invitation"
    answer = await ada.submit(PATH, token=form.one("input")["value"])

    assert answer.status_code == 303
    assert await site.role_of("ada") is Role.MANAGER
    assert "You are in, as Manager" in (await ada.get("/")).text


async def test_a_pending_account_is_taken_over_and_its_sessions_end(site: Site) -> None:
    outbox.use(True, "members.fenwick.example")
    line = await invited(site, "ada", Role.REVIEWER)
    await mailed(line)
    outbox.use(False)
    await site.person("ada")
    stranger, ada = await site.sign_in("ada", "192.0.2.66"), site.visitor()
    assert "You registered before" in (await ada.get(PATH, params={"token": token(site, line)})).text
    password = "seven silver herons on the ice"

    answer = await ada.submit(PATH, token=token(site, line), password=password, first_name="Ada")

    assert answer.status_code == 303
    assert (await ada.get("/user/account")).status_code == 200
    assert (await stranger.get("/")).headers["location"].startswith("/user/login")
    old = await site.visitor().submit("/user/login", email="ada@example.org", password=PASSWORD)
    new = await site.visitor().submit("/user/login", email="ada@example.org", password=password)
    assert (old.status_code, new.status_code) == (422, 303)


async def test_whose_account_isn_t_theirs_reads_what_to_do(site: Site) -> None:
    line = await invited(site, "ada", Role.REVIEWER)
    await site.person("ada")

    page = await site.visitor().get(PATH, params={"token": token(site, line)})
    answer = await site.visitor().submit(PATH, token=token(site, line), password=PASSWORD)

    assert "Ask Olga to remove it and to invite you again." in tree(page).text
    assert (answer.status_code, await site.role_of("ada")) == (409, Role.PENDING)


@pytest.mark.parametrize("role", [Role.PENDING, Role.ANNOTATOR, Role.DEACTIVATED])
async def test_who_has_an_account_already_is_told(site: Site, role: Role) -> None:
    line = await invited(site, "ada", Role.ADMINISTRATOR)
    await site.person("ada", role)

    page = tree(await site.visitor().get(PATH, params={"token": token(site, line)}))
    answer = await site.visitor().submit(PATH, token=token(site, line), password=PASSWORD)

    assert page.all("form", action=PATH) == []
    links = [link["href"] for link in page.all("a", class_="btn btn--primary btn--wide")]
    assert links == [f"/user/login?next=/user/invitation%3Ftoken%3D{token(site, line)}"]
    assert answer.status_code == 409
    assert "There is an account with this address already. Log in with it." in answer.text
    assert await site.role_of("ada") is role


async def test_signed_in_as_somebody_else_one_is_told_and_nothing_is_used_up(site: Site) -> None:
    line = await invited(site, "ada")
    await site.person("bob", Role.ANNOTATOR)
    bob = await site.sign_in("bob")

    shown = await bob.get(PATH, params={"token": token(site, line)})
    answer = await bob.submit(PATH, token=token(site, line), password=PASSWORD)

    assert (shown.status_code, answer.status_code) == (200, 409)
    for page in (shown, answer):
        assert tree(page).one("h1").text == "This invitation is for somebody else"
        assert "ada@example.org" in page.text
        assert "bob@example.org" in page.text
    assert await state("ada@example.org") == "unsent"
    await bob.submit("/user/logout")
    assert (await bob.submit(PATH, token=token(site, line), password=PASSWORD)).status_code == 303


async def test_signed_in_as_somebody_else_one_button_logs_out_and_leads_to_the_invitation(site: Site) -> None:
    line = await invited(site, "ada")
    await site.person("bob", Role.ANNOTATOR)
    bob = await site.sign_in("bob")
    form = tree(await bob.get(PATH, params={"token": token(site, line) + ")."})).one("form")
    assert form.one("button").text == "Log out and accept"

    answer = await bob.submit(form["action"], next=form.one("input", name="next")["value"])
    page = await bob.get(answer.headers["location"])

    assert answer.status_code == 303
    assert tree(page).one("h1").text == "Olga invites you"
    assert tree(page).one("input", name="token")["value"] == token(site, line)
    assert (await bob.get("/user/account")).status_code == 303


async def test_the_members_table_says_who_vouches_and_who_hasn_t_confirmed(site: Site) -> None:
    await accept(site, await invited(site, "ada"))
    await site.person("bob", joined_via="link")
    admin = await site.sign_in("olga")

    text = tree(await admin.get("/organization/members")).one(id="members").text

    assert "Address not confirmed, vouched for by Olga" in text
    # Without mail nobody can confirm anything.
    assert "Address not confirmed yet" not in text
