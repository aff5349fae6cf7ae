"""What costs is counted before it is done, and what members change of themselves, too."""

import ast
import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType

import httpx
import pytest

from db import engine
from db.accounts import profile
from db.auth import passwords, rate_limits
from db.members import removal
from db.policy import COMMAND_LINE, Actor, Role
from settings import Settings
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site, Visitor
from tests.support.steps.invitation_steps import invited, token

ROOT = Path(__file__).parents[3]
NEW = "seven silver herons on the ice"
ACCOUNT = {"first_name": "Ada", "last_name": "", "time_zone": "", "theme": "system"}
Send = Callable[[int], Awaitable[httpx.Response]]
MINUTE = 60_000
COSTLY = (
    "passwords.why_refused",
    "passwords.hash_of",
    "passwords.matches",
    "accounts.reset_password",
)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often it was hashed or estimated."""
    done: Counter[str] = Counter()

    def watch(name: str) -> None:
        original = getattr(passwords, name)

        def watched(*args: object) -> object:
            done[name] += 1
            return original(*args)

        monkeypatch.setattr(passwords, name, watched)

    watch("_why_guessable")
    watch("_verify")
    return done


async def flood(send: Send, times: int) -> Counter[int]:
    """The statuses of so many at once."""
    answers = await asyncio.gather(*map(send, range(times)))
    for answer in answers:
        if answer.status_code == 429:
            assert 0 < int(answer.headers["retry-after"]) <= 3600
    return Counter(answer.status_code for answer in answers)


async def change_names(person: Visitor, times: int) -> Counter[int]:
    answers = [
        await person.submit("/user/account", {**ACCOUNT, "first_name": f"A{number}"})
        for number in range(times)
    ]
    return Counter(answer.status_code for answer in answers)


async def test_new_passwords_by_one_session_are_twenty_whatever_comes_of_them(
    site: Site, work: Counter[str]
) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    statuses = await flood(
        lambda _: ada.submit("/user/account/password", current_password="", password=NEW), 60
    )

    assert statuses == {422: 20, 429: 40}
    assert work == {"_why_guessable": 20}


async def test_the_right_password_is_looked_at_thirty_times(site: Site, work: Counter[str]) -> None:
    await site.person("ada")
    await site.person("ben", Role.ANNOTATOR)
    olga = await site.sign_in("olga")
    pending = str(site.ids["ada"])

    fields = {"member": pending, "password": PASSWORD}

    answers = [await olga.submit("/organization/ownership", fields) for _ in range(40)]

    assert [answer.status_code for answer in answers] == [409] * 30 + [429] * 10
    assert "Too many tries. Wait 15 minutes" in answers[-1].text
    assert work == {"_verify": 30}


async def test_accounts_that_anybody_can_make_use_up_nobody_elses_tries(site: Site) -> None:
    await site.person("ada")
    ada, olga = await site.sign_in("ada"), await site.sign_in("olga")
    network = "192.0.2.1"
    await rate_limits.count([site.context.throttle.own_password(0, network)[1]])
    await rate_limits.count(site.context.throttle.new_password(network))
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = 300 WHERE tries = 1")

    fields = {"current_password": PASSWORD, "password": NEW}
    answers = [await person.submit("/user/account/password", fields) for person in (ada, olga)]

    assert [answer.status_code for answer in answers] == [429, 303]


async def test_nor_the_tries_of_those_with_a_role_who_come_by_a_link(site: Site) -> None:
    await site.person("ada")
    await site.person("ben", Role.ANNOTATOR)
    await rate_limits.count(site.context.throttle.new_password("192.0.2.1"))
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = 300")

    answers = [
        await site.visitor().submit("/user/password/reset", token=reset, password=NEW)
        for reset in [await site.reset_token(name) for name in ("ada", "ben")]
    ]

    assert [answer.status_code for answer in answers] == [429, 303]


async def test_accounts_that_anybody_can_make_have_one_limit_together_for_what_fills_the_log(
    site: Site,
) -> None:
    names = ("ada", "ben", "cleo", "dan")
    people = [await site.sign_in(name) for name in names if await site.person(name)]
    olga = await site.sign_in("olga")

    pending = [await change_names(person, 99) for person in people]

    assert [done[303] for done in pending] == [99, 99, 99, 3]
    assert (await change_names(olga, 1))[303] == 1
    assert await engine.rows("SELECT COUNT(*) FROM activity WHERE kind = 'name_changed'") == [(301,)]


async def test_of_accounts_that_anybody_can_make_300_sessions_begin_from_one_network(site: Site) -> None:
    await site.person("ada")
    network, form = "192.0.2.1", {"email": "ada@example.org", "password": PASSWORD}
    await rate_limits.count(site.context.throttle.signed_in("", network)[1:2])
    await engine.write(engine.execute, "UPDATE rate_limit SET tries = 299")

    answers = [await site.visitor(network).submit("/user/login", form) for _ in range(2)]
    elsewhere = await site.visitor("198.51.100.1").submit("/user/login", form)
    olga = await site.visitor(network).submit("/user/login", {**form, "email": "olga@example.org"})

    assert [answer.status_code for answer in (*answers, elsewhere, olga)] == [303, 429, 303, 303]
    failures = site.context.throttle.sign_in("ada@example.org", network, "")[0]
    # The right password is no failure, also when it has to wait.
    assert await engine.rows("SELECT tries FROM rate_limit WHERE key = ?", failures.key) == [(0,)]


@ON_SQLITE
async def test_a_password_link_is_no_way_round(site: Site, work: Counter[str]) -> None:
    await site.person("ada")
    reset = await site.reset_token("ada")
    visitor = site.visitor()

    statuses = await flood(
        lambda _: visitor.submit("/user/password/reset", token=reset, password="x" * 12), 40
    )

    assert statuses == {422: 20, 429: 20}
    assert work["_why_guessable"] == 20


@ON_SQLITE
async def test_an_invitation_is_no_way_round(site: Site, work: Counter[str]) -> None:
    line = await invited(site, "ada")
    visitor = site.visitor()

    statuses = await flood(
        lambda _: visitor.submit("/user/invitation", token=token(site, line), password="x" * 12), 320
    )

    assert statuses == {422: 300, 429: 20}
    assert work["_why_guessable"] == 300


@ON_SQLITE
async def test_nor_is_the_sign_up_page(site: Site, work: Counter[str]) -> None:
    visitor = site.visitor()

    statuses = await flood(
        lambda number: visitor.submit("/user/signup", email=f"a{number}@example.org", password="x" * 12), 40
    )

    assert statuses == {422: 30, 429: 10}
    assert work["_why_guessable"] == 30


@ON_SQLITE
async def test_nor_is_the_set_up_link(database: str, work: Counter[str]) -> None:
    async with Site.opened(Settings(secret_key=SECRET), founded=False) as site:
        code, visitor = await site.setup_code(), site.visitor()

        statuses = await flood(
            lambda _: visitor.submit(
                "/setup", code=code, title="T", email="a@example.org", password="x" * 12
            ),
            310,
        )

    assert statuses == {422: 300, 429: 10}
    assert work["_why_guessable"] == 300


def asked_for() -> Iterator[tuple[str, ast.Call]]:
    """Where a page or a rule has a password estimated, hashed or looked at."""
    for folder in ("handlers", "db"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Attribute)
                    and ast.unparse(node.func) in COSTLY
                ):
                    yield path.relative_to(ROOT).as_posix(), node


def test_every_costly_call_names_its_requester() -> None:
    without = {
        path for path, call in asked_for() if "requester" not in {keyword.arg for keyword in call.keywords}
    }

    # The command line and the demo wait for nobody.
    assert without == {"db/organization/setup.py", "db/maintenance/demo.py"}


async def test_changes_of_oneself_are_a_hundred_and_what_was_typed_stays(
    site: Site, clock: ModuleType
) -> None:
    await site.person("ada")
    ada, olga = await site.sign_in("ada"), await site.sign_in("olga")

    statuses = await flood(
        lambda number: ada.submit("/user/account", ACCOUNT, last_name=f"Lovelace {number}"), 120
    )
    refused = await ada.submit("/user/account", ACCOUNT, last_name="Byron", theme="dark")
    rows = await engine.rows("SELECT COUNT(*) FROM activity WHERE kind = 'name_changed'")

    assert statuses == {303: 100, 429: 20}
    assert rows == [(100,)]
    assert refused.status_code == 429
    assert tree(refused).one(id="form-error").text == "Too many tries. Wait 15 minutes, then try again."
    assert tree(refused).one(id="last_name").attributes["value"] == "Byron"
    assert (await olga.submit("/user/account", ACCOUNT)).status_code == 303, "it is a limit of one member"
    clock.move(15 * MINUTE)
    assert (await ada.submit("/user/account", ACCOUNT, last_name="Byron")).status_code == 303


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/user/account/notices", {"wants_notices": "true"}),
        ("/user/account/acknowledgement", {"at": "1"}),
    ],
)
@ON_SQLITE
async def test_nothing_else_of_oneself_goes_on_for_ever(
    site: Site, path: str, fields: dict[str, str]
) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")

    statuses = await flood(lambda _: ada.submit(path, fields), 110)
    by_htmx = await ada.press(path, fields)

    assert statuses[429] == 10
    assert by_htmx.status_code == 429


async def test_a_thief_s_changes_keep_nobody_from_ending_the_thief_s_session(site: Site) -> None:
    await site.person("ada")
    thief, other, ada = [await site.sign_in("ada") for _ in range(3)]
    await flood(lambda number: thief.submit("/user/account", ACCOUNT, last_name=f"{number}"), 101)
    assert (await ada.submit("/user/account", ACCOUNT, last_name="Byron")).status_code == 429
    ((stolen,),) = await engine.rows("SELECT MIN(id) FROM session WHERE member_id = ?", site.ids["ada"])

    one = await ada.submit(f"/user/account/sessions/{stolen}/end")
    assert (await thief.get("/user/account")).status_code == 303
    others = await ada.submit("/user/account/sessions/end-others")

    assert (one.status_code, others.status_code) == (303, 303)
    assert (await other.get("/user/account")).status_code == 303
    assert (await ada.get("/user/account")).status_code == 200


async def test_ending_what_has_ended_is_never_refused_and_leaves_no_row(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")
    before = await engine.rows("SELECT COUNT(*) FROM activity")

    all_others = await flood(lambda _: ada.submit("/user/account/sessions/end-others"), 101)
    nobody_s = await flood(lambda _: ada.submit("/user/account/sessions/999/end"), 101)

    assert (all_others, nobody_s) == ({303: 101}, {404: 101})
    assert await engine.rows("SELECT COUNT(*) FROM activity") == before


@pytest.mark.parametrize("role", [Role.PENDING, Role.ANNOTATOR])
async def test_a_thief_s_guesses_keep_nobody_from_a_new_password(site: Site, role: Role) -> None:
    await site.person("ada", role)
    ada, thief = site.visitor(), await site.sign_in("ada")
    await ada.submit("/user/login", email="ada@example.org", password=PASSWORD)
    reset = await site.reset_token("ada")
    wrong = {"current_password": "no idea what it is", "password": "short"}
    guesses = Counter[int]()
    # One stolen session, sent from many networks.
    for network in range(7):
        elsewhere = site.visitor(f"198.51.100.{network}")
        elsewhere.cookies = thief.cookies
        for _ in range(5):
            guesses[(await elsewhere.submit("/user/account/password", wrong)).status_code] += 1

    by_a_link = await site.visitor().submit("/user/password/reset", token=reset, password="short")
    by_the_page = await ada.submit("/user/account/password", current_password=PASSWORD, password=NEW)

    assert guesses == {422: 20, 429: 15}
    assert (by_a_link.status_code, by_the_page.status_code) == (422, 303)
    assert (await thief.get("/user/account")).status_code == 303


async def test_a_thief_s_looks_at_the_password_are_thirty_and_count_for_that_session_alone(
    site: Site,
) -> None:
    other = await site.person("ben", Role.ANNOTATOR)
    await site.person("alan", Role.ADMINISTRATOR)
    thief, alan = site.visitor(), site.visitor()
    for browser in (thief, alan):
        await browser.submit("/user/login", email="alan@example.org", password=PASSWORD)
    path, right = f"/organization/members/{other}/sessions/end-all", {"current_password": PASSWORD}

    looked = [(await thief.submit(path, right)).status_code for _ in range(31)]

    assert looked == [303] * 30 + [429]
    assert (await alan.submit(path, right)).status_code == 303
    new = await alan.submit("/user/account/password", right, password=NEW)
    assert new.status_code == 303


@ON_SQLITE
async def test_a_password_link_has_a_count_of_its_own(site: Site) -> None:
    await site.person("ada")
    first = await site.reset_token("ada")
    visitor = site.visitor()

    statuses = await flood(lambda _: visitor.submit("/user/password/reset", token=first, password="x"), 21)
    second = await site.reset_token("ada")
    set_by_it = await visitor.submit("/user/password/reset", token=second, password=NEW)

    assert statuses == {422: 20, 429: 1}
    assert set_by_it.status_code == 303


@ON_SQLITE
async def test_others_cannot_use_up_the_mails_that_confirm_ones_address(site: Site) -> None:
    await site.person("ada")
    ada, stranger = await site.sign_in("ada"), site.visitor("198.51.100.7")
    for _ in range(6):
        await stranger.submit("/user/password/forgot", email="ada@example.org")

    statuses = [(await ada.submit("/user/account/confirmation")).status_code for _ in range(6)]

    # Without mail there is nothing to send, which is said (409).
    assert statuses == [409] * 5 + [429]


@ON_SQLITE
async def test_who_is_removed_and_registers_anew_has_no_more_mails_that_confirm(site: Site) -> None:
    for statuses in ([409] * 5, [429]):
        ada_id = await site.person("ada")
        ada = await site.sign_in("ada")
        assert [(await ada.submit("/user/account/confirmation")).status_code for _ in statuses] == statuses
        await removal.remove(COMMAND_LINE, member_id=ada_id)


async def test_a_hundred_roles_in_a_row_meet_no_limit(site: Site) -> None:
    ada = await site.person("ada", Role.ANNOTATOR)
    await site.person("alma", Role.ADMINISTRATOR)
    alma = await site.sign_in("alma")

    statuses = [
        (
            await alma.submit(f"/organization/members/{ada}/role", role="RE" if number % 2 else "AN")
        ).status_code
        for number in range(100)
    ]

    assert statuses == [303] * 100


async def test_sessions_begin_a_thousand_times_an_hour(site: Site, clock: ModuleType) -> None:
    await site.person("ada")
    limit, *_ = site.context.throttle.signed_in("ada@example.org", "")
    await engine.write(
        engine.execute,
        "INSERT INTO rate_limit (key, tries, last_at, ends_at) VALUES (?, 999, 0, ?)",
        limit.key,
        clock.now() + 30 * MINUTE,
    )
    fields = {"email": "ada@example.org", "password": PASSWORD}

    first, second = [await site.visitor().submit("/user/login", fields) for _ in range(2)]

    assert (first.status_code, second.status_code) == (303, 429)
    assert len(await engine.rows("SELECT 1 FROM activity WHERE kind = 'signed_in'")) == 1


async def open_sessions(site: Site, name: str, count: int) -> None:
    for _ in range(count):
        await site.sign_in(name)


async def test_a_long_list_of_sessions_has_an_end_and_all_can_be_reached(site: Site) -> None:
    ada_id = await site.person("ada")
    ada, olga = await site.sign_in("ada"), await site.sign_in("olga")
    await open_sessions(site, "ada", 99)

    own = tree(await ada.get("/user/account"))
    panel = tree(await olga.fragment(f"/organization/members/{ada_id}"))

    assert [page.text.count("And 80 more") for page in (own, panel)] == [1, 1]
    ((first,),) = await engine.rows("SELECT MIN(id) FROM session WHERE member_id = ?", ada_id)
    assert "this browser" in own.one(id=f"session-{first}").text
    assert panel.text.count("the session on") == 100
    assert panel.text.count("Sign out everywhere") == 1


async def test_a_short_list_of_sessions_is_whole(site: Site) -> None:
    await site.person("ada")
    ada = await site.sign_in("ada")
    await open_sessions(site, "ada", 19)

    assert " more" not in tree(await ada.get("/user/account")).one(id="sessions").text
    assert "more-sessions" not in (await ada.get("/user/account")).text


@ON_SQLITE
async def test_changes_of_one_member_go_on_one_by_one_and_those_of_others_beside_them(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.person("ada")
    ada, elsewhere, olga = [await site.sign_in(name) for name in ("ada", "ada", "olga")]
    going_on, at_most = Counter[int](), Counter[int]()
    change = profile.change

    async def watched(actor: Actor, **wanted: str) -> None:
        going_on[actor.id] += 1
        at_most[actor.id] = max(at_most[actor.id], going_on[actor.id])
        at_most[0] = max(at_most[0], going_on.total())
        await asyncio.sleep(0.02)
        await change(actor, **wanted)
        going_on[actor.id] -= 1

    monkeypatch.setattr(profile, "change", watched)

    statuses = await flood(
        lambda number: (ada, elsewhere, olga)[number % 3].submit("/user/account", ACCOUNT), 30
    )

    assert statuses == {303: 30}
    assert at_most == {site.ids["ada"]: 1, site.ids["olga"]: 1, 0: 2}
    assert not site.context.one_by_one, "who is done is forgotten"
