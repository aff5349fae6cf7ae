"""The Invite Members dialog: the link, and Reset, which alone changes it."""

from types import ModuleType

import httpx

from db import engine
from db.common.dates import DAY_MS
from db.organization import invite_link
from db.organization import settings as organization_settings
from db.organization.invite_link_limits import End
from db.organization.settings import SettingsChange
from db.policy import Role
from settings import Settings
from tests.support.concurrency import at_once
from tests.support.pages.markup import tree
from tests.support.pages.members_page import ids
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site
from tests.support.steps.member_steps import olga as owner

DIALOG, RESET, SIGNUP = "/organization/invite", "/organization/invite-link/reset", "/user/signup"


async def register(site: Site, name: str, token: str) -> httpx.Response:
    """Somebody new fills in the form of the link."""
    form = {"email": f"{name}@example.org", "password": PASSWORD, "token": token}
    return await site.visitor().submit(SIGNUP, form)


async def test_the_dialog_shows_both_ways_as_a_page(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.get(DIALOG)
    page = tree(answer)
    field = page.one(id="invite-link")

    assert answer.status_code == 200
    assert "readonly" in field
    assert field["value"] == f"http://testserver{SIGNUP}?token={await site.invite_token()}"
    assert page.one("button", data_copy="invite-link").text == "Copy link"
    assert [tab.text for tab in page.all("button", role="tab")] == ["Invite link", "Invite via email"]
    assert [head.text for head in page.all("h3", class_="without-js")] == ["Invite link", "Invite via email"]
    assert page.one(id="invite-link-reset").one("button").text == "Reset Link"
    assert page.one("form", action=RESET).all("button")[0].text.startswith("Yes")


async def test_the_dialog_shows_both_ways_as_a_fragment(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.fragment(DIALOG)
    (dialog,) = tree(answer).roots

    assert (dialog.tag, dialog["id"]) == ("dialog", "invite")
    assert dialog == tree(await olga.get(DIALOG)).one(id="invite")
    assert all("style" not in element for element in dialog.one("svg", class_="qr__code").all())


async def test_looking_changes_nothing(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    token = await site.invite_token()
    olga, ada = await site.sign_in("olga"), await site.sign_in("ada")

    for person in (olga, ada, olga):
        for path in (DIALOG, "/organization/members", f"{SIGNUP}?token={token}"):
            await person.get(path)
            await person.fragment(path)
    answers = [await olga.get(RESET), await olga.head(RESET)]

    assert [answer.status_code for answer in answers] == [405, 405]
    assert await site.invite_token() == token
    async with Site.opened(founded=False) as restarted:
        assert await restarted.invite_token() == token
    await engine.start()


async def test_reset_makes_a_new_link_as_a_page(site: Site) -> None:
    old = await site.invite_token()
    olga = await site.sign_in("olga")

    answer = await olga.submit(RESET)
    page = tree(await olga.get(answer.headers["location"]))

    assert (answer.status_code, answer.headers["location"]) == (303, DIALOG)
    assert page.one(id="toasts").text == "The old link is dead. This is the new one."
    assert page.one(id="invite-link")["value"].endswith(await site.invite_token())
    assert await site.invite_token() != old


async def test_reset_makes_a_new_link_as_a_fragment(site: Site) -> None:
    olga = await site.sign_in("olga")

    answer = await olga.press(RESET)
    pieces = tree(answer)

    assert answer.status_code == 200
    assert pieces.roots[0]["id"] == "panel-link"
    assert pieces.one(id="invite-link")["value"].endswith(await site.invite_token())
    assert [piece["id"] for piece in pieces.all() if "hx-swap-oob" in piece] == ["toasts"]


async def test_a_link_that_stands_behind_the_dialog_is_renewed_with_it(site: Site) -> None:
    olga = await site.sign_in("olga")
    behind = tree(await olga.get("/organization/members")).one(id="first").one("input", type="hidden")
    form = tree(await olga.fragment(DIALOG)).one("form", action=RESET)

    pieces = tree(await olga.press(RESET, {behind["name"]: behind["value"]}))

    assert form["hx-include"] == f"#reset-ask, #first [name={behind['name']}]"
    assert pieces.one(id="first")["hx-swap-oob"] == "true"
    assert pieces.one(id="first-link")["value"] == pieces.one(id="invite-link")["value"]


async def test_the_old_link_is_dead_at_once_and_the_new_one_works(site: Site) -> None:
    old = await site.invite_token()
    olga = await site.sign_in("olga")
    await olga.submit(RESET)
    person = {"email": "ada@example.org", "password": PASSWORD}

    visitor = site.visitor()
    dead = [await visitor.get(f"{SIGNUP}?token={old}"), await visitor.submit(SIGNUP, person, token=old)]
    alive = await visitor.submit(SIGNUP, person, token=await site.invite_token())

    assert [answer.status_code for answer in dead] == [410, 410]
    assert "This invite link no longer works" in dead[0].text
    assert alive.status_code == 303
    page = tree(await olga.get(DIALOG))
    assert "Usedonce" in page.one("dl", class_="facts").text.replace(" ", "")


async def test_a_form_that_is_open_while_the_link_is_reset_makes_nobody(site: Site) -> None:
    visitor, olga = site.visitor(), await site.sign_in("olga")
    page = tree(await visitor.get(f"{SIGNUP}?token={await site.invite_token()}"))
    token = page.one("input", name="token")["value"]
    await olga.submit(RESET)

    answer = await visitor.submit(SIGNUP, email="ada@example.org", password=PASSWORD, token=token)

    assert answer.status_code == 410
    assert await engine.rows("SELECT COUNT(*) FROM member") == [(1,)]


async def test_who_registers_at_the_instant_of_a_reset_is_in_or_gets_410(site: Site) -> None:
    token, olga = await site.invite_token(), await site.sign_in("olga")
    registrations = [register(site, f"ada{number}", token) for number in range(4)]

    answers = await at_once(*registrations[:2], olga.submit(RESET), *registrations[2:])

    codes = [getattr(answer, "status_code", 0) for answer in answers]
    assert set(codes) <= {303, 410}
    ((registered,),) = await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'NO'")
    assert registered == codes.count(303) - 1


async def test_two_who_reset_at_once_both_see_a_link_and_one_is_open(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    olga, ada = await site.sign_in("olga"), await site.sign_in("ada")

    answers = await at_once(*(person.press(RESET) for person in (olga, ada, olga, ada)))

    shown = [tree(answer).one(id="invite-link")["value"] for answer in answers]  # type: ignore[arg-type]
    assert len(set(shown)) == 4
    assert [link for link in shown if link.endswith(await site.invite_token())] != []
    assert await engine.rows("SELECT COUNT(*) FROM links WHERE purpose = 'invite' AND ended_at = 0") == [(1,)]


async def test_a_used_up_link_lets_nobody_in_and_is_told(site: Site) -> None:
    link = await invite_link.present()
    await engine.write(engine.execute, "UPDATE links SET max_uses = 3 WHERE id = ?", link.id)
    token = await site.invite_token()

    answers = await at_once(*(register(site, f"ada{number}", token) for number in range(3 + 5)))

    codes = [getattr(answer, "status_code", 0) for answer in answers]
    assert (codes.count(303), codes.count(410)) == (3, 5)
    assert (await site.visitor().get(f"{SIGNUP}?token={token}")).status_code == 410


NOON = 1_796_558_400_000  # 6 Dec 2026, 12:00 UTC
WISH = SettingsChange(
    link_end=End("on", at=NOON + DAY_MS // 2), link_max_uses=10, link_domains=("example.org",)
)


async def settled(site: Site, wish: SettingsChange = WISH) -> None:
    await organization_settings.change(owner(site), wish)


async def test_the_dialog_shows_the_limits_and_who_came(site: Site, clock: ModuleType) -> None:
    clock.stop_at(NOON)
    await settled(site)
    for name in ("ada", "bob", "cyd"):
        await register(site, name, await site.invite_token())
    olga, link = await site.sign_in("olga"), await invite_link.present()

    page = tree(await olga.get(DIALOG))

    limits = "Works until 6 Dec 2026 · 3 of 10 uses · for addresses at example.org"
    assert page.one(id="invite-link-limits").text == limits
    came = page.one("dl", class_="facts").one("a")
    assert (came["href"], came.text) == (f"/organization/members?link={link.id}", "see who came")
    assert len(ids(await olga.get(came["href"]))) == 3
    asked = page.one(id="reset-ask").text
    assert "3 people have used this link; it stops working for everyone" in asked


@ON_SQLITE
async def test_without_limits_nothing_is_said_of_them(site: Site) -> None:
    page = tree(await (await site.sign_in("olga")).get(DIALOG))

    assert "invite-link-limits" not in [element.attributes.get("id") for element in page.all()]
    assert "Nobody has used this link yet; it stops working for everyone" in page.one(id="reset-ask").text


@ON_SQLITE
async def test_a_link_that_has_stopped_working_says_why(site: Site, clock: ModuleType) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    await settled(site, SettingsChange(link_max_uses=1))
    await register(site, "bob", await site.invite_token())
    dialog = tree(await (await site.sign_in("olga")).get(DIALOG))
    used_up = dialog.one(id="invite-link-dead")
    await settled(site, SettingsChange(link_max_uses=0, link_end=End("after", days=1)))
    clock.move(2 * DAY_MS)

    expired = tree(await (await site.sign_in("ada")).get(DIALOG)).one(id="invite-link-dead")

    page = tree(await (await site.sign_in("ada")).get(DIALOG)).one(id="panel-link")
    assert "Send this link" not in page.text
    assert not page.all(id="invite-link")
    assert page.one(id="invite-link-reset").one("button").text == "Reset Link"
    assert "used as often as it may be" in used_up.text
    assert "Ended used up" in dialog.one("dl", class_="facts").text
    assert used_up.one("a")["href"] == "/organization/settings#link-title"
    assert "Its time ran out on" in expired.text
    assert expired.all("a") == [], "settings are for the Owner"


@ON_SQLITE
async def test_reset_after_the_last_day_is_refused_with_what_to_do(site: Site, clock: ModuleType) -> None:
    clock.stop_at(NOON)
    await settled(site)
    clock.move(DAY_MS)
    olga, token = await site.sign_in("olga"), await site.invite_token()

    answers = [await olga.submit(RESET), await olga.press(RESET)]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert all("end on 6 Dec 2026, and that day is over" in answer.text for answer in answers)
    assert await site.invite_token() == token


async def test_who_comes_too_late_is_told_why_and_keeps_what_they_typed(site: Site) -> None:
    await settled(site, SettingsChange(link_max_uses=3))
    token = await site.invite_token()

    answers = await at_once(*(register(site, f"ada{number}", token) for number in range(3 + 5)))

    late = [answer for answer in answers if isinstance(answer, httpx.Response) and answer.status_code == 410]
    assert len(late) == 5
    for answer in late:
        form = tree(answer).one("form", id="signup")
        assert "It has been used as often as it was meant to be" in answer.text
        assert form.one("input", name="email")["value"].startswith("ada")
        assert "value" not in form.one("input", name="password")
    assert await engine.rows("SELECT COUNT(*) FROM member WHERE role = 'NO'") == [(3,)]


async def test_the_link_is_built_from_host_with_its_sub_path(database: str) -> None:
    settings = Settings(secret_key=SECRET, host="https://members.example.org/gate")

    async with Site.opened(settings) as site:
        olga = await site.sign_in("olga")
        page = tree(await olga.get("https://testserver/gate/organization/invite"))
        shown = await olga.fragment("https://testserver/gate/organization/members?role=NO")

    assert page.one(id="invite-link")["value"].startswith(
        "https://members.example.org/gate/user/signup?token="
    )
    assert all(form["action"].startswith("/gate/") for form in page.all("form"))
    assert shown.headers["hx-push-url"] == "/gate/organization/members?role=NO"


async def test_the_link_is_built_from_the_address_in_the_request(site: Site) -> None:
    olga = await site.sign_in("olga")

    page = tree(await olga.get(DIALOG, headers={"Host": "192.168.1.20:8080"}))

    assert page.one(id="invite-link")["value"].startswith("http://192.168.1.20:8080/user/signup?token=")


@ON_SQLITE
async def test_an_empty_list_offers_no_link_that_has_stopped_working(site: Site, clock: ModuleType) -> None:
    await settled(site, SettingsChange(link_end=End("after", days=1)))
    olga = await site.sign_in("olga")
    before = tree(await olga.get("/organization/members")).one(id="first")
    clock.move(2 * DAY_MS)

    after = tree(await (await site.sign_in("olga")).get("/organization/members")).one(id="first")

    assert "Send one link to everybody" in before.text
    assert "The invite link no longer works" in after.text
    assert not after.all(id="first-link")
