"""What the page says of a password while it is typed: what the server would say of it."""

from playwright.async_api import Browser, Page, expect

from db import engine
from db.policy import Role
from tests.browser.support.desk import Desk
from tests.support import known_passwords
from tests.support.pages.site import Site

WARNING = "Too much of it is your name"
USUAL = "Too easy to guess."
EMAIL, FIRST_NAME, LAST_NAME, TITLE = known_passwords.JOERG


async def at_sign_up(desk: Desk) -> Page:
    """The sign-up page of that organization, with address and names filled in."""
    await engine.write(engine.execute, "UPDATE organization SET title = ?", TITLE)
    page = await desk.page(path="/user/signup")
    await page.get_by_label("Email address").fill(EMAIL)
    await page.get_by_label("First name").fill(FIRST_NAME)
    await page.get_by_label("Last name").fill(LAST_NAME)
    return page


async def test_the_page_and_the_server_agree_on_what_is_made_of_known_words(site: Site, desk: Desk) -> None:
    page = await at_sign_up(desk)
    host = known_passwords.INSTALLATION[1]
    await page.locator("#password-known").evaluate(
        "(note, host) => { note.dataset.known += '\\n' + host }", host
    )

    said = {}
    for password in (*known_passwords.MADE_OF_KNOWN, *known_passwords.OTHERS, *known_passwords.DRAWN):
        await page.get_by_label("Password", exact=True).fill(password)
        said[password] = await page.get_by_text(WARNING).is_visible()

    assert said == (
        dict.fromkeys(known_passwords.MADE_OF_KNOWN, True)
        | dict.fromkeys((*known_passwords.OTHERS, *known_passwords.DRAWN), False)
    )


async def test_the_page_warns_of_usual_guesses_and_of_nothing_that_the_server_accepts(
    site: Site, desk: Desk
) -> None:
    page = await at_sign_up(desk)

    said = {}
    for password in (
        *known_passwords.USUAL_GUESSES,
        *known_passwords.OTHERS,
        *known_passwords.DRAWN,
        *known_passwords.HONEST,
    ):
        await page.get_by_label("Password", exact=True).fill(password)
        said[password] = await page.get_by_text(USUAL).is_visible()

    accepted = (*known_passwords.OTHERS, *known_passwords.DRAWN, *known_passwords.HONEST)
    assert said == dict.fromkeys(known_passwords.USUAL_GUESSES, True) | dict.fromkeys(accepted, False)


async def test_the_warning_follows_what_is_typed_in_other_fields(site: Site, desk: Desk) -> None:
    page = await desk.page(path="/user/signup")
    await page.get_by_label("Password", exact=True).fill("Mueller-Joerg-1")
    await expect(page.get_by_text(WARNING)).to_be_hidden()

    await page.get_by_label("Last name").fill("Müller")
    await expect(page.get_by_text(WARNING)).to_be_visible()

    await page.get_by_label("Password", exact=True).fill("Mueller quiet harbour swans")
    await expect(page.get_by_text(WARNING)).to_be_hidden()


async def test_the_account_page_knows_its_own_person(site: Site, desk: Desk) -> None:
    await site.person("ada", Role.ANNOTATOR)
    page = await desk.page("ada", "/user/account")

    await page.get_by_label("New password").fill("ada@example.org")

    await expect(page.get_by_text(WARNING)).to_be_visible()


async def test_at_set_up_the_title_that_is_typed_counts(database: str, browser: Browser) -> None:
    async with Site.opened(founded=False) as site, Desk.of(site, browser) as desk:
        page = await desk.page(path=f"/setup?code={await site.setup_code()}")
        await page.get_by_label("Password", exact=True).fill("Translation Bureau")
        await expect(page.get_by_text(WARNING)).to_be_hidden()

        await page.get_by_label("Name of the organization").fill(TITLE)
        await expect(page.get_by_text(WARNING)).to_be_visible()


async def test_a_password_is_sent_nowhere_while_it_is_typed(site: Site, desk: Desk) -> None:
    page = await at_sign_up(desk)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    await page.get_by_label("Password", exact=True).press_sequentially("Lindenhof2026!")
    await expect(page.get_by_text(WARNING)).to_be_visible()

    assert asked == []
