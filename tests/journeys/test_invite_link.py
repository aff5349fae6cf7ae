"""The invite link in the hands of people: it lives until somebody resets it, and a dead one says so."""

from db.policy import Role
from settings import Settings
from tests.support.pages.site import SECRET, Site
from tests.support.pages.without_script import Reader

CLOSED = Settings(secret_key=SECRET, closed=True)


async def test_looking_never_changes_the_link(site: Site) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    olga, alma = await Reader.signed_in(site, "olga"), await Reader.signed_in(site, "alma")
    link = await link_of(olga)

    assert await link_of(olga) == link
    assert await link_of(alma) == link
    await olga.reload()
    assert olga.value("invite-link") == link


async def test_reset_kills_the_old_link_at_once(site: Site) -> None:
    olga, ada, ben = await Reader.signed_in(site, "olga"), Reader.of(site), Reader.of(site)
    old = await link_of(olga)

    await olga.press("Yes, make a new link")
    new = olga.value("invite-link")
    await ada.open(old)
    await ben.open(new)

    assert "The old link is dead. This is the new one." in olga.part("toasts")
    assert new != old
    assert (ada.status, ada.heading()) == (410, "This invite link no longer works")
    assert "It was replaced by a new one." in ada.text
    await ben.register("ben")
    assert ben.heading() == "You're registered, waiting for approval"


async def test_a_link_reset_while_the_form_is_filled_in_makes_no_account(site: Site) -> None:
    olga, ada = await Reader.signed_in(site, "olga"), Reader.of(site)
    await ada.open(await link_of(olga))
    await olga.press("Yes, make a new link")

    await ada.register("ada")

    assert (ada.status, ada.heading()) == (410, "This invite link no longer works")
    await olga.open("/organization/members")
    assert olga.names() == ["Olga"]


async def test_a_good_link_keeps_through_errors_of_the_form(site: Site) -> None:
    olga, ada = await Reader.signed_in(site, "olga"), Reader.of(site)
    await ada.open(await link_of(olga))

    await ada.press("Create account", email="ada", first_name="Ada", password="short")
    assert ada.status == 422
    assert (ada.value("email"), ada.value("first_name"), ada.value("password")) == ("ada", "Ada", "")
    await ada.register("ada")

    assert ada.heading() == "You're registered, waiting for approval"
    await olga.open("/organization/members")
    assert "Invite link" in olga.part(olga.row("Ada"))


async def test_while_it_is_closed_only_a_link_lets_register(database: str) -> None:
    async with Site.opened(CLOSED) as site:
        olga, ada = await Reader.signed_in(site, "olga"), Reader.of(site)
        await ada.open("/user/login")
        assert "Create one" not in ada.text

        await ada.open("/user/signup")
        assert (ada.status, ada.heading()) == (403, "Registration is by invitation only")
        assert not ada.page.all("form")
        await ada.open(await link_of(olga))
        await ada.register("ada")

        assert ada.heading() == "You're registered, waiting for approval"


async def test_somebody_signed_in_is_told_who_they_are_and_what_to_do(site: Site) -> None:
    olga = await Reader.signed_in(site, "olga")
    link = await link_of(olga)

    await olga.open(link)
    assert (olga.status, olga.heading()) == (200, "You are signed in already")
    assert "olga@example.org" in olga.text
    await olga.press("Log out")
    await olga.open(link)

    assert olga.heading() == "Create your account"


async def link_of(admin: Reader) -> str:
    """The link as it stands in the dialog's page."""
    await admin.open("/organization/members")
    await admin.follow("Invite Members")
    return admin.value("invite-link")
