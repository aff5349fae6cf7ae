"""Each change writes its row in its own transaction; the log knows who, whom and what."""

import ast
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from db import activity, engine
from db.accounts import password
from db.activity import Event
from db.members import removal, roles
from db.organization import invite_link
from db.organization.settings import TABLE
from db.policy import COMMAND_LINE, Actor, Role
from handlers.organization.activity.kinds import GROUPS
from handlers.organization.wording import event_sentence
from messages.logbook import EVENTS
from tests.support.pages.site import Site
from tests.support.steps.member_steps import hand_over, olga, register

ROOT = Path(__file__).parent.parent.parent.parent


async def deactivate(site: Site) -> None:
    await roles.change_role(olga(site), member_id=site.ids["ada"], role=Role.DEACTIVATED)


CHANGES: dict[str, Callable[[Site], Awaitable[object]]] = {
    "role_changed": deactivate,
    "removed": lambda site: removal.remove(olga(site), member_id=site.ids["ada"]),
    "ownership_handed_over": lambda site: hand_over(site, "ada"),
    "registered": lambda site: register(site, "bob"),
    "invite_link_reset": lambda site: invite_link.reset(olga(site)),
    "reset_link_made": lambda site: password.make_reset_link(olga(site), member_id=site.ids["ada"]),
}
# A log that takes no row: whatever wanted to write one must be undone with it.
BROKEN = {
    "sqlite": ("CREATE TRIGGER broken AFTER INSERT ON activity BEGIN SELECT RAISE(ABORT, 'full'); END",),
    "postgres": (
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'full'; END $$",
        "CREATE TRIGGER broken AFTER INSERT ON activity FOR EACH ROW EXECUTE FUNCTION broken()",
    ),
}


async def everything() -> list[list[tuple[object, ...]]]:
    tables = ("member", "organization", "session", "links", "activity")
    return [sorted(await engine.rows(f"SELECT * FROM {table}")) for table in tables]


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_change_is_told_in_its_own_transaction(site: Site, kind: str) -> None:
    await site.person("ada", Role.MANAGER)
    await site.sign_in("ada")
    for statement in BROKEN[engine.dialect()]:
        await engine.write(engine.execute, statement)
    before = await everything()

    with pytest.raises(engine.DatabaseError):
        await CHANGES[kind](site)

    assert await everything() == before


@pytest.mark.parametrize("kind", CHANGES)
async def test_a_change_is_told_once_with_who_and_whom(site: Site, kind: str) -> None:
    ada = await site.person("ada", Role.MANAGER)

    await CHANGES[kind](site)

    told = await engine.rows("SELECT actor_kind, actor_id, subject_id FROM activity WHERE kind = ?", kind)
    owner = site.ids["olga"]
    expected = {"registered": (ada + 1, ada + 1), "invite_link_reset": (owner, 0)}.get(kind, (owner, ada))
    assert told == [("member", *expected)]


async def test_what_fails_later_in_the_transaction_takes_the_row_with_it(site: Site) -> None:
    ada = await site.person("ada")

    async def change() -> None:
        await activity.record(olga(site), "removed", ada)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await engine.write(change)
    assert await activity.of_member(ada) == []


async def test_a_member_s_log_holds_what_they_did_and_what_was_done_to_them_newest_first(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    bob = await site.person("bob")
    await roles.change_role(Actor(ada, Role.ADMINISTRATOR), member_id=bob, role=Role.REVIEWER)
    await roles.change_role(COMMAND_LINE, member_id=ada, role=Role.MANAGER)
    await invite_link.reset(olga(site))

    events = await activity.of_member(ada)

    assert [(event.kind, event.actor_name, event.subject_name) for event in events] == [
        ("role_changed", "", "Ada"),
        ("role_changed", "Ada", "Bob"),
    ]
    assert len(await activity.of_member(ada, limit=1)) == 1


def recorded_kinds() -> Iterator[str]:
    """The kinds in every `activity.record(…, "kind", …)`, `record_many` and `write(activity.record, …)`, and
    those that the table of the organization's settings names."""
    yield from (kind.event for kind in TABLE.values())
    for file in ROOT.glob("db/**/*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and {"activity.record", "activity.record_many"} & set(
                map(ast.unparse, [node.func, *node.args])
            ):
                if ast.unparse(node.args[1]) == "kind.event":
                    continue
                yield next(
                    value.value
                    for value in node.args
                    if isinstance(value, ast.Constant) and isinstance(value.value, str)
                )


def test_every_kind_that_is_recorded_has_its_sentence() -> None:
    kinds = set(recorded_kinds())

    assert len(kinds) >= 15
    assert set(EVENTS) == kinds


def event(kind: str, **more: object) -> Event:
    who = {"actor_kind": "member", "actor_id": 2, "actor_name": "Ada"}
    whom = {"subject_id": 3, "subject_name": "Bob"}
    what = {"id": 1, "at": 0, "kind": kind, "before": "", "after": "", "address": ""}
    return Event(**who | whom | what | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (
            event("role_changed", before="AN", after="MA"),
            "Ada changed the role of Bob from Annotator to Manager",
        ),
        (event("role_changed", before="NO", after="MA"), "Ada gave Bob the role Manager"),
        (
            event("role_changed", before="NO", after="DI"),
            "Ada changed the role of Bob from Pending to Deactivated",
        ),
        (
            event("role_changed", subject_id=2, subject_name="Ada", before="NO", after="AN"),
            "Ada became Annotator and was Pending",
        ),
        (event("sign_in_refused", after="deactivated"), "A sign-in as Bob was refused: they are deactivated"),
        (
            event("password_refused", after="throttled"),
            "Ada typed a wrong password; the next try has to wait",
        ),
        (
            event("limit_reached", after="sign-ups"),
            "Too many sign-ups came from one network; further ones have to wait",
        ),
        (event("registered", after="link"), "Bob registered by the invite link"),
        (
            event("removed", subject_name=""),
            "Ada removed a removed member (number 3, name erased)",
        ),
        (event("restored", actor_kind="command", actor_name=""), "The command line restored a backup"),
        (event("name_changed"), "Ada changed their name"),
        (
            event("organization_made", before="", after="{who}", subject_name="AN"),
            "Ada set up the organization",
        ),
        (event("sign_in_refused", subject_id=0, subject_name=""), "A sign-in as nobody here was refused"),
        (
            event("signed_out", actor_name=""),
            "A removed member (number 2, name erased) signed out",
        ),
    ],
)
def test_an_event_in_words(told: Event, sentence: str) -> None:
    assert event_sentence(told).striptags() == sentence


def test_a_kind_is_offered_in_one_group() -> None:
    offered = [kind for _, kinds in GROUPS.values() for kind in kinds]

    assert sorted(offered) == sorted(EVENTS)
    assert not GROUPS.keys() & EVENTS.keys()


def test_names_are_links_only_where_there_is_somebody() -> None:
    of_member = event("removed", subject_name="")
    of_invitation = event("invitation_resent", about="invitation", subject_name="eve@example.org")

    sentences = [event_sentence(told, "/house/organization") for told in (of_member, of_invitation)]

    assert [sentence.count("<a ") for sentence in sentences] == [1, 1]
    assert all('href="/house/organization/members/2"' in sentence for sentence in sentences)


def test_names_in_sentences_are_escaped_and_isolated() -> None:
    told = event("removed", actor_name="<b>Ada</b>", subject_name="\u202eada & co")

    sentence = event_sentence(told)

    assert "<bdi>&lt;b&gt;Ada&lt;/b&gt;</bdi>" in sentence
    assert "<bdi>\u202eada &amp; co</bdi>" in sentence
