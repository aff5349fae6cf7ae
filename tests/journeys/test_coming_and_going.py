"""People come, get roles, are shut out, come back, and leave: by plain forms."""

from types import ModuleType

from db import engine
from db.policy import Role
from tests.support.pages.site import PASSWORD, Site
from tests.support.pages.without_script import Reader


async def test_deactivation_shuts_out_at_once_and_is_taken_back(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    olga, ada = await Reader.signed_in(site, "olga"), await Reader.signed_in(site, "ada")
    await olga.open("/organization/members")

    await olga.press("Save", within=olga.row("Ada"), role="Deactivated")
    await ada.reload()
    assert ada.path.startswith("/user/login")
    await ada.log_in("ada")
    assert (ada.status, ada.heading()) == (403, "Your account is deactivated")
    assert olga.names() == ["Olga"]

    await olga.press("Apply", role=["DI"])
    await olga.press("Save", within=olga.row("Ada"), role="Annotator")
    await ada.log_in("ada")
    assert ada.heading() == "Welcome, Ada"


async def test_a_removed_person_is_gone_and_may_come_again_as_somebody_new(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    olga, ada = await Reader.signed_in(site, "olga"), await Reader.signed_in(site, "ada")
    await olga.open("/organization/members")

    await olga.follow("Ada")
    await olga.follow("Remove")
    assert "Removing can't be taken back" in olga.text
    await olga.press("Remove")
    assert olga.part("toasts") == "Ada is removed."
    assert olga.names() == ["Olga"]
    await ada.reload()
    assert ada.path.startswith("/user/login")
    await ada.log_in("ada")
    assert ada.status == 422

    await ada.follow("Create one")
    await ada.register("ada")
    assert ada.heading() == "You're registered, waiting for approval"


async def test_several_people_get_a_role_at_once(site: Site) -> None:
    for name in ("ada", "ben", "cleo"):
        await site.person(name)
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/members?role=NO")
    ids = [str(site.ids[name]) for name in ("ada", "cleo")]

    await olga.press("Give this role", member=ids, role="Reviewer")

    assert olga.part("toasts") == "2 people are Reviewers now.Undo"
    assert olga.names() == ["Ben"]
    await olga.press("Apply", role=["RE"])
    assert olga.names() == ["Cleo", "Ada"]


async def test_a_choice_for_several_is_all_or_nothing(site: Site) -> None:
    for name, role in (("ada", Role.PENDING), ("alma", Role.ADMINISTRATOR)):
        await site.person(name, role)
    old_page, elsewhere = await Reader.signed_in(site, "olga"), await Reader.signed_in(site, "olga")
    await old_page.open("/organization/members")
    await hand_over_to(elsewhere, "alma", site)

    both = [str(site.ids["ada"]), str(site.ids["alma"])]
    await old_page.press("Give this role", member=both, role="Annotator")

    assert old_page.status == 409
    assert "Nothing was changed, because of Alma: There is always exactly one Owner" in old_page.text
    assert await site.role_of("ada") is Role.PENDING


async def test_search_filter_and_order_stand_in_the_address(site: Site) -> None:
    for name, role in (("ada", Role.ANNOTATOR), ("adam", Role.REVIEWER), ("ben", Role.ANNOTATOR)):
        await site.person(name, role)
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/members")

    await olga.press("Apply", q="ada", role=["AN", "RE"], sort="By name")
    assert olga.names() == ["Ada", "Adam"]
    assert olga.part("members-count") == "2 members found, of 4"
    other = await Reader.signed_in(site, "olga")
    await other.open(olga.path)
    assert other.names() == olga.names()

    await olga.follow("Show everybody")
    assert olga.names() == ["Ben", "Adam", "Ada", "Olga"]


async def test_a_change_comes_back_to_the_same_view(site: Site) -> None:
    for name in ("ada", "ben"):
        await site.person(name)
    olga = await Reader.signed_in(site, "olga")
    await olga.open("/organization/members?role=NO&sort=name")

    await olga.press("Save", within=olga.row("Ada"), role="Annotator")

    assert olga.path == "/organization/members?role=NO&sort=name"
    assert olga.names() == ["Ben"]


async def test_ownership_is_handed_over(site: Site) -> None:
    await site.person("ada", Role.MANAGER)
    olga, ada = await Reader.signed_in(site, "olga"), await Reader.signed_in(site, "ada")

    await hand_over_to(olga, "ada", site, password="a wrong one, I am sorry")
    assert (olga.status, olga.part("password-error")) == (422, "That isn't your password.")
    await olga.press("Hand over ownership", password=PASSWORD)
    assert olga.part("toasts") == "Ada is the Owner now. You are an Administrator."

    # She logs in as the Owner.
    await ada.open("/organization/members")
    assert ada.path.startswith("/user/login")
    await ada.log_in("ada")
    await ada.open("/organization/members")
    assert (ada.role("Ada"), ada.role("Olga")) == ("Owner", "Administrator")
    await olga.open("/organization/ownership")
    assert olga.status == 403


async def test_a_password_given_long_ago_is_asked_for_on_the_way(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    olga = await Reader.signed_in(site, "olga")
    await engine.write(engine.execute, "UPDATE session SET password_at = 0")
    await olga.open("/organization/members?sort=name")

    await olga.press("Save", within=olga.row("Ada"), role="Administrator")
    assert olga.status == 403
    await olga.press("Go on", current_password="a wrong one, I am sorry")
    assert (olga.status, olga.part("anew-password-error")) == (422, "That isn't your password.")
    await olga.press("Go on", current_password=PASSWORD)

    assert olga.part("toasts") == "Ada is Administrator now.Undo"
    assert await site.role_of("ada") is Role.ADMINISTRATOR


async def test_an_administrators_link_sets_a_forgotten_password(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    await site.person("alma", Role.ADMINISTRATOR)
    alma, ada = await Reader.signed_in(site, "alma"), Reader.of(site)
    await ada.log_in("ada", "what was it, what was it")
    assert ada.status == 422
    await ada.follow("Forgot your password?")
    assert "Ask the Owner or an Administrator" in ada.text

    await alma.open("/organization/members")
    await alma.follow("Ada")
    await alma.press("Make a password link")
    link = alma.value("reset-link")
    await ada.open(link)
    await ada.press("Set new password", password="seven grey geese over the hill")

    assert ada.path == "/user/login"
    assert "Your password is changed. Log in with the new one." in ada.text
    await ada.log_in("ada", PASSWORD)
    assert ada.status == 422
    await ada.log_in("ada", "seven grey geese over the hill")
    assert ada.heading() == "Welcome, Ada"
    await ada.open(link)
    assert ada.status == 410


async def test_a_new_password_signs_out_everywhere_else(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    here, there = await Reader.signed_in(site, "ada"), await Reader.signed_in(site, "ada")
    await here.open("/user/account")
    assert "Sign out everywhere else" in here.text

    await here.press("Change password", current_password=PASSWORD, password="seven grey geese over the hill")
    await there.reload()

    assert "Your password is changed, and every other session has ended." in here.part("toasts")
    assert there.path.startswith("/user/login")


async def test_a_membership_ends_by_itself_and_begins_again(site: Site, clock: ModuleType) -> None:
    # An hour before midnight UTC.
    clock.stop_at(1_796_425_200_000)
    await site.person("ada", Role.ANNOTATOR)
    olga, ada = await Reader.signed_in(site, "olga"), await Reader.signed_in(site, "ada")
    await olga.open(f"/organization/members/{site.ids['ada']}")
    await olga.press("Set last day", last_day="2026-12-03")
    assert "That day is over" in olga.part("panel-end-error")
    await olga.press("Set last day", last_day="2026-12-04")
    assert "until 4 Dec 2026" in olga.part(olga.row("Ada"))
    await ada.reload()
    assert "Your access ends on 4 Dec 2026" in ada.text

    clock.move(3600 * 1000)
    await ada.reload()
    assert ada.path.startswith("/user/login")
    await ada.log_in("ada")
    assert (ada.status, ada.heading()) == (403, "Your account is deactivated")
    await olga.open("/organization/members?role=DI")
    await olga.press("Save", within=olga.row("Ada"), role="Annotator")
    await ada.log_in("ada")
    assert ada.heading() == "Welcome, Ada"
    assert "Your access ends" not in ada.text


async def test_who_was_made_a_password_link_is_told_when_they_come_in(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    olga, ada = await Reader.signed_in(site, "olga"), Reader.of(site)
    await olga.open(f"/organization/members/{site.ids['ada']}")
    await olga.press("Make a password link")

    await ada.log_in("ada")
    assert "the Owner made a link that sets a new password for you" in ada.part("handed")
    await ada.press("I know about it")

    assert ada.heading() == "Welcome, Ada"
    assert "made a link" not in ada.text


async def hand_over_to(owner: Reader, name: str, site: Site, password: str = PASSWORD) -> None:
    await owner.open(f"/organization/members/{site.ids[name]}")
    await owner.follow("Hand over ownership")
    await owner.press("Hand over ownership", password=password)
