"""The one function every change goes through: whose session is open, who has the right, and no way round."""

import ast
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from db import engine
from db.accounts import administration, password, profile, sign_out
from db.auth import sessions
from db.errors import NotAllowed, SignInFirst, Unknown
from db.members import changes, removal, roles
from db.policy import COMMAND_LINE, Actor, Role, SessionKey, may_manage_members, may_sign_in
from tests.support.concurrency import at_once
from tests.support.modules import ROOT, called, modules_of
from tests.support.pages.site import PASSWORD, Site
from tests.support.steps.member_steps import BROWSER, olga, signed_in

ROUNDS: Final = 200
FEW: Final = 40
NEW: Final = "nine green herons over the marsh"


async def rename(actor: Actor, name: str = "Zed") -> None:
    await profile.change(actor, first_name=name, last_name="", time_zone="", theme="system")


async def names(member_id: int) -> str:
    ((name,),) = await engine.rows("SELECT first_name FROM member WHERE id = ?", member_id)
    return str(name)


async def test_it_is_refused_with_another_token_of_the_same_session_or_another_session(site: Site) -> None:
    await site.person("ada", Role.ANNOTATOR)
    ada, other = await signed_in(site, "ada"), await signed_in(site, "ada")
    assert ada.session
    assert other.session
    mixed = SessionKey(ada.session.id, other.session.token_hash, ada.session.ends_at)

    await rename(ada)
    with pytest.raises(SignInFirst):
        await rename(Actor(ada.id, ada.role, session=mixed), "Mixed")
    await engine.write(sessions.rotate, ada.session.id)
    with pytest.raises(SignInFirst):
        await rename(ada, "Rotated")

    assert await names(ada.id) == "Zed"


async def test_a_session_whose_time_is_over_is_noted_as_ended_for_good(site: Site, clock: ModuleType) -> None:
    await site.person("ada", Role.ANNOTATOR)
    ada = await signed_in(site, "ada")
    assert ada.session
    clock.move(ada.session.ends_at - clock.now() - 1)
    await rename(ada)
    clock.move(1)

    with pytest.raises(SignInFirst):
        await rename(ada, "Late")
    clock.move(-1000)
    with pytest.raises(SignInFirst):
        await rename(ada, "Back")

    assert await names(ada.id) == "Zed"
    assert await engine.rows("SELECT end_reason FROM session") == [("expired",)]


async def test_who_lost_the_right_but_not_the_session_is_not_allowed(site: Site) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    actor = await signed_in(site, "ada")
    await roles.change_role(olga(site), member_id=ada, role=Role.ANNOTATOR)

    with pytest.raises(NotAllowed):
        await roles.change_role(actor, member_id=site.ids["olga"], role=Role.ANNOTATOR)
    await rename(actor)


async def test_nobody_learns_whether_a_member_is_there_by_an_ended_session(site: Site) -> None:
    await site.person("ada", Role.ADMINISTRATOR)
    actor = await signed_in(site, "ada")

    with pytest.raises(Unknown):
        await removal.remove(actor, member_id=999)
    await sign_out.end_others(actor, 0)

    with pytest.raises(SignInFirst):
        await removal.remove(actor, member_id=999)


async def test_the_last_day_over_is_an_ended_session(site: Site, clock: ModuleType) -> None:
    ada = await site.person("ada", Role.ADMINISTRATOR)
    actor = await signed_in(site, "ada")
    await engine.write(engine.execute, "UPDATE member SET ends_at = ? WHERE id = ?", clock.now(), ada)

    for right in (may_sign_in, may_manage_members):
        with pytest.raises(SignInFirst):
            await changes.check(actor, right)


async def test_command_line_goes_through_it_without_a_session(site: Site) -> None:
    await changes.check(COMMAND_LINE, may_manage_members)
    with pytest.raises(NotAllowed):
        await changes.check(Actor(site.ids["olga"] + 1, Role.OWNER), may_manage_members)


# At the same instant


async def deactivate(site: Site, actor: Actor) -> object:
    return await roles.change_role(olga(site), member_id=actor.id, role=Role.DEACTIVATED)


async def remove(site: Site, actor: Actor) -> object:
    return await removal.remove(olga(site), member_id=actor.id)


async def sign_out_elsewhere(site: Site, actor: Actor) -> None:
    assert actor.session
    await sign_out.sign_out(actor, actor.session.id)


async def end_by_others(site: Site, actor: Actor) -> object:
    return await administration.end_sessions(olga(site), member_id=actor.id)


async def set_password(site: Site, actor: Actor) -> object:
    """In the very session the other change is made by."""
    assert actor.session
    return await password.change_password(
        actor,
        session_id=actor.session.id,
        current_password=PASSWORD,
        password=NEW,
        throttle=site.context.throttle,
        browser=BROWSER,
    )


END_OF: Final = {
    deactivate: "role_changed",
    remove: "removed",
    sign_out_elsewhere: "signed_out",
    end_by_others: "member_sessions_ended",
    set_password: "password_changed",
}


@pytest.mark.parametrize(
    ("end", "rounds"),
    [(deactivate, ROUNDS), *((end, FEW) for end in END_OF if end is not deactivate)],
)
async def test_nothing_is_written_after_the_end_of_the_session_was_committed(
    site: Site, end: Callable[[Site, Actor], Awaitable[object]], rounds: int
) -> None:
    first = {"change": 0, "end": 0}
    for number in range(rounds):
        name = f"ada{number}"
        await site.person(name, Role.ANNOTATOR)
        actor = await signed_in(site, name)
        both: list[Awaitable[Any]] = [rename(actor), end(site, actor)]
        is_turned = random.random() < 0.5

        ended = await at_once(*(reversed(both) if is_turned else both))

        changed, closed = reversed(ended) if is_turned else ended
        assert not isinstance(closed, BaseException), closed
        at: dict[str, int] = dict(
            await engine.rows(
                "SELECT kind, id FROM activity WHERE subject_id = ? AND kind IN ('name_changed', ?)",
                actor.id,
                END_OF[end],  # type: ignore[index]
            )
        )
        if changed is None:
            assert at["name_changed"] < at[END_OF[end]]  # type: ignore[index]
            first["change"] += 1
        else:
            assert isinstance(changed, SignInFirst), changed
            assert "name_changed" not in at
            first["end"] += 1

    assert sum(first.values()) == rounds
    # Where there are many rounds, either was first at times.
    assert all(first.values()) or rounds < ROUNDS, first


async def test_two_administrators_who_shut_each_other_out_leave_one(site: Site) -> None:
    for number in range(FEW):
        for name in (f"ada{number}", f"bob{number}"):
            await site.person(name, Role.ADMINISTRATOR)
        ada, bob = await signed_in(site, f"ada{number}"), await signed_in(site, f"bob{number}")

        ended = await at_once(
            roles.change_role(ada, member_id=bob.id, role=Role.DEACTIVATED),
            roles.change_role(bob, member_id=ada.id, role=Role.DEACTIVATED),
        )

        assert sum(isinstance(one, SignInFirst) for one in ended) == 1
        assert sum(isinstance(one, BaseException) for one in ended) == 1


# No way round

# Tries are counted and reset for every caller alike.
COUNTED: Final = "engine.write(reset,"


def own_writes(tree: ast.AST, acts: bool = False) -> list[int]:
    """The lines that write past the check in a function that is told who acts, or in one inside of it."""
    found = []
    for node in ast.iter_child_nodes(tree):
        inside = acts
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = [*node.args.args, *node.args.kwonlyargs]
            inside = acts or any(one.annotation and ast.unparse(one.annotation) == "Actor" for one in given)
        if isinstance(node, ast.Call) and ast.unparse(node).startswith(COUNTED):
            continue
        if inside and isinstance(node, ast.Attribute) and ast.unparse(node) == "engine.write":
            found.append(node.lineno)
        found += own_writes(node, inside)
    return found


def test_who_acts_writes_by_the_one_function_alone() -> None:
    found = {}
    for module, file in modules_of(ROOT).items():
        if module == "db.members.changes" or module == "db.maintenance.demo":
            continue
        if lines := own_writes(ast.parse(file.read_text(encoding="utf-8"))):
            found[module] = lines

    assert found == {}
    assert own_writes(ast.parse("async def f(actor: Actor):\n    async def g(): await engine.write(h)"))


def test_a_request_acts_by_its_session_alone() -> None:
    """In one place the handlers say who acts."""
    made = {
        str(file.relative_to(ROOT))
        for module, file in modules_of(ROOT).items()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if module.startswith("handlers") and isinstance(node, ast.Call) and called(node) == "Actor"
    }

    assert made == {str(Path("handlers/http/auth/identity.py"))}


def test_no_handler_writes_by_itself() -> None:
    found = [
        module
        for module, file in modules_of(ROOT).items()
        if module.startswith("handlers") and "engine.write" in file.read_text(encoding="utf-8")
    ]

    assert found == []
