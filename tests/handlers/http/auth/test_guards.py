"""The guards themselves: each looks at the body too, but the one for signing out."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from db import policy
from db.errors import NotAllowed
from db.policy import Permission, Role
from handlers.http.auth import guards, identity
from handlers.http.request.bodies import BodyTooLarge


@pytest.fixture
def asked_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[Role], Any]:
    """A connection of somebody with this role, whose body was too large."""

    def check() -> None:
        raise BodyTooLarge

    def connection(role: Role) -> Any:
        async def current(_: object) -> SimpleNamespace:
            return SimpleNamespace(role=role)

        for name in ("identify", "require_session"):
            monkeypatch.setattr(identity, name, current)
        monkeypatch.setattr(guards, "body_of", lambda _: SimpleNamespace(check=check))
        return SimpleNamespace(scope={})

    return connection


@pytest.mark.parametrize("guard", [guards.public, guards.signed_in, guards.Requires(policy.may_invite)])
async def test_a_body_that_was_not_read_to_its_end_is_refused(
    asked_as: Callable[[Role], Any], guard: Any
) -> None:
    with pytest.raises(BodyTooLarge):
        await guard(asked_as(Role.OWNER), None)


async def test_whatever_the_body_is_people_sign_out(asked_as: Callable[[Role], Any]) -> None:
    await guards.public_unchecked(asked_as(Role.PENDING), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("permission", "role", "why"),
    [
        (policy.may_invite, Role.MANAGER, "This part is for the Owner and Administrators."),
        (policy.may_change_settings, Role.ADMINISTRATOR, "This part is for the Owner alone."),
    ],
)
async def test_a_lesser_role_is_refused_whatever_the_body_is(
    asked_as: Callable[[Role], Any], permission: Permission, role: Role, why: str
) -> None:
    with pytest.raises(NotAllowed, match=why):
        await guards.Requires(permission)(asked_as(role), None)  # type: ignore[arg-type]
