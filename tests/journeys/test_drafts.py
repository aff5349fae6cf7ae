"""What was typed when the session had ended, with plain forms: it is there again after signing in."""

import pytest

from db import engine
from db.policy import Role
from handlers.http.auth import drafts
from handlers.organization import dialog
from handlers.organization.settings import settings_form
from handlers.user import account
from tests.support.pages.site import PASSWORD, Site
from tests.support.pages.without_script import Reader

KEPT = "We kept what you typed. Check it and send it again."


async def sign_in(reader: Reader, name: str = "olga") -> None:
    """By the login page that is open, which leads back."""
    assert reader.path.startswith("/user/login")
    await reader.press("Log in", email=f"{name}@example.org", password=PASSWORD)


@pytest.mark.parametrize("button", ["Send invitations", "Preview first"])
async def test_pasted_addresses_are_there_again(site: Site, button: str) -> None:
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/invite?way=email")
    await site.expire("olga")

    await olga.press(button, emails="Ada <ada@example.org>, ben@example.org", role="Reviewer")
    await sign_in(olga)
    assert KEPT in olga.text
    assert await engine.rows("SELECT 1 FROM invitation") == []
    await olga.press("Send invitations")

    found = await engine.rows("SELECT email, role FROM invitation ORDER BY id")
    assert found == [("ada@example.org", "RE"), ("ben@example.org", "RE")]
    assert await engine.rows("SELECT 1 FROM draft") == []


async def test_a_wrong_address_of_a_draft_is_told_and_the_draft_lives_on(site: Site) -> None:
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/invite?way=email")
    await site.expire("olga")
    await olga.press("Send invitations", emails="ada@example.org, nobody@", role="Annotator")
    await sign_in(olga)

    await olga.press("Send invitations")

    assert olga.status == 422
    assert len(await engine.rows("SELECT 1 FROM draft")) == 1
    await olga.press("Send invitations", emails="ada@example.org")
    assert await engine.rows("SELECT 1 FROM draft") == []


async def test_settings_and_role_notes_are_there_again(site: Site) -> None:
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/settings")
    await site.expire("olga")

    await olga.press(
        "Save", title="Lindenhof", note_RE="Checks labels", link_domains="example.org\nx.example"
    )
    await sign_in(olga)
    assert KEPT in olga.text
    assert await engine.rows("SELECT title FROM organization") == [("Fenwick Herbarium",)]
    await olga.press("Save", within="settings")

    assert await engine.rows("SELECT title, link_domains FROM organization") == [
        ("Lindenhof", "example.org x.example")
    ]
    assert await engine.rows("SELECT role, text FROM role_note") == [("RE", "Checks labels")]
    assert await engine.rows("SELECT 1 FROM draft") == []


async def test_the_account_form_is_there_again_for_everybody(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    ada = await Reader.signed_in(site, "ada")
    await ada.open("/user/account")
    await site.expire("ada")

    await ada.press("Save", first_name="Augusta")
    await sign_in(ada, "ada")
    await ada.press("Save")

    assert await engine.rows("SELECT first_name FROM member WHERE id = ?", site.ids["ada"]) == [("Augusta",)]


@pytest.mark.parametrize(
    ("posted_to", "fields"),
    [
        ("/organization/invitations", dialog.FIELDS),
        ("/organization/invitations/preview", dialog.FIELDS),
        ("/organization/settings", settings_form.FIELDS),
        ("/user/account", account.NAME_FIELDS),
    ],
)
def test_what_is_kept_are_the_fields_of_the_form(posted_to: str, fields: tuple[str, ...]) -> None:
    _, names = drafts.SHOWN_BY[posted_to]

    assert names == set(fields)


async def test_a_session_ended_by_a_new_password_keeps_nothing(site: Site) -> None:
    olga, thief = await site.sign_in("olga"), site.visitor()
    thief.cookies.update(olga.cookies)
    other = await site.sign_in("olga")
    await other.submit(
        "/user/account/password", current_password=PASSWORD, password="four purple lanterns by the sea"
    )

    answer = await thief.submit("/organization/invitations", emails="evil@example.org", role="AD")

    assert answer.status_code == 303
    assert "draft" not in answer.headers["location"]
    assert await engine.rows("SELECT 1 FROM draft") == []


async def test_it_is_forgotten_also_where_the_password_was_asked_for_anew(site: Site) -> None:
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/invite?way=email")
    await site.expire("olga")
    await olga.press("Send invitations", emails="ada@example.org", role="Administrator")
    await sign_in(olga)
    await engine.write(engine.execute, "UPDATE session SET password_at = 0")

    await olga.press("Send invitations")
    assert len(await engine.rows("SELECT 1 FROM draft")) == 1
    await olga.press("Go on", current_password=PASSWORD)

    assert await engine.rows("SELECT email, role FROM invitation") == [("ada@example.org", "AD")]
    assert await engine.rows("SELECT 1 FROM draft") == []


async def test_somebody_else_who_signs_in_sees_nothing_of_it(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/invite?way=email")
    await site.expire("olga")
    await olga.press("Send invitations", emails="ada@example.org", role="Annotator")

    await sign_in(olga, "alma")

    assert olga.path.startswith("/organization/invite")
    assert olga.part("emails") == ""
    assert KEPT not in olga.text


async def test_htmx_is_led_there_too(site: Site) -> None:
    olga = await site.sign_in("olga")
    await site.expire("olga")

    for path in ("/organization/invitations", "/organization/invitations/preview"):
        answer = await olga.press(path, emails="ada@example.org", role="AN")

        assert answer.status_code == 401
        assert answer.headers["HX-Redirect"].startswith(
            "/user/login?next=/organization/invite%3Fway%3Demail%26draft%3D"
        )


async def test_a_form_at_an_address_without_a_query_is_led_to_by_its_draft_alone(site: Site) -> None:
    olga = await site.sign_in("olga")
    await site.expire("olga")

    answer = await olga.submit("/user/account", first_name="Olga")

    assert answer.headers["Location"].startswith("/user/login?next=/user/account%3Fdraft%3D")


async def test_a_stranger_and_a_form_that_is_not_kept_only_sign_in(site: Site) -> None:
    olga = await site.sign_in("olga")
    await site.expire("olga")

    stranger = await site.visitor().submit("/organization/invitations", emails="ada@example.org", role="AN")
    password = await olga.submit("/user/account/password", current_password=PASSWORD, password="x" * 20)
    large = await olga.submit("/organization/invitations", emails="a" * 900_000, role="AN")

    assert [answer.status_code for answer in (stranger, password, large)] == [303, 303, 303]
    assert await engine.rows("SELECT 1 FROM draft") == []
    assert "draft" not in f"{stranger.headers['location']} {password.headers['location']}"


@pytest.mark.parametrize("key", ["", "x", "é", "A" * 32, "A" * 5_000, "'; DROP TABLE draft"])
async def test_a_key_that_is_none_shows_the_plain_page(site: Site, key: str) -> None:
    olga = await site.sign_in("olga")

    for path in ("/organization/invite", "/organization/settings", "/user/account"):
        answer = await olga.get(path, params={"draft": key})

        assert answer.status_code == 200
        assert KEPT not in answer.text
