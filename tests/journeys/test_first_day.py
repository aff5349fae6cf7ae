"""The whole way once: from the set-up link to a second member who is in. Plain forms, nothing else."""

from db.auth import links
from db.organization import setup
from tests.support.pages.site import PASSWORD, Site
from tests.support.pages.without_script import Reader


async def test_an_owner_sets_up_and_lets_a_second_person_in(database: str) -> None:
    async with Site.opened(founded=False) as site:
        olga, ada = Reader.of(site), Reader.of(site)

        await set_up(site, olga)
        await olga.follow("Invite Members")
        link = olga.value("invite-link")

        await ada.open(link)
        await ada.register("ada")
        assert (ada.path, ada.heading()) == ("/", "You're registered, waiting for approval")

        await let_in(olga, "Ada", "Annotator")
        await ada.follow("Check now")

        assert ada.heading() == "Welcome, Ada"
        assert "You are in, as Annotator at Fenwick Herbarium." in ada.text


async def test_before_the_set_up_every_door_is_shut(database: str) -> None:
    async with Site.opened(founded=False) as site:
        somebody = Reader.of(site)

        for path in ("/", "/user/login", "/user/signup", "/organization/members", "/nowhere"):
            await somebody.open(path)
            assert (somebody.status, somebody.heading()) == (503, "Not set up yet")

        await somebody.open("/setup?code=guessed")
        assert somebody.status == 403


async def test_the_set_up_link_works_once(database: str) -> None:
    async with Site.opened(founded=False) as site:
        code = await set_up_code(site)
        await set_up(site, Reader.of(site))
        late = Reader.of(site)

        await late.open(f"/setup?code={code}")

        assert late.status == 404


async def test_a_wrong_set_up_form_keeps_what_was_typed(database: str) -> None:
    async with Site.opened(founded=False) as site:
        olga = Reader.of(site)
        await olga.open(f"/setup?code={await set_up_code(site)}")

        await olga.press("Set up and go in", first_name="Olga", email="olga", password="short")

        assert olga.status == 422
        assert olga.value("first_name") == "Olga"
        assert olga.value("email") == "olga"
        assert olga.value("password") == ""
        wrong = [field["name"] for field in olga.page.all("input", aria_invalid="true")]
        assert sorted(wrong) == ["email", "password", "title"]

        await olga.press(
            "Set up and go in", title="Fenwick Herbarium", email="olga@example.org", password=PASSWORD
        )

        assert olga.path == "/organization/members"


async def test_who_registers_without_a_link_waits_too(site: Site) -> None:
    ada = Reader.of(site)
    await ada.open("/")
    await ada.follow("Create one")

    await ada.register("ada")

    assert ada.heading() == "You're registered, waiting for approval"
    for path in ("/organization/members", "/organization/invite", "/organization/ownership"):
        await ada.open(path)
        assert ada.status == 403


async def set_up_code(site: Site) -> str:
    link = await setup.open_link()
    assert link is not None
    return site.context.signer.token(links.SETUP, link.id, link.nonce)


async def set_up(site: Site, olga: Reader) -> None:
    await olga.open(f"/setup?code={await set_up_code(site)}")
    await olga.press(
        "Set up and go in",
        title="Fenwick Herbarium",
        first_name="Olga",
        email="olga@example.org",
        password=PASSWORD,
    )
    assert olga.path == "/organization/members"
    assert olga.part("members-count") == "1 member: you"


async def let_in(admin: Reader, name: str, role: str) -> None:
    """As somebody does who comes to look who waits."""
    await admin.open("/")
    await admin.follow("Organization")
    assert "1 person is waiting for a role." in admin.part("waiting-note")
    await admin.follow("Show only them")
    assert admin.names() == [name]
    await admin.press("Save", within=admin.row(name), role=role)
    assert admin.part("toasts") == f"{name} is {role} now.Undo"
