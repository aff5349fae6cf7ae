"""The guards themselves: each looks at the body too, but the one for signing out."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from db.errors import NotAllowed
from db.policy import Role
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


@pytest.mark.parametrize("name", ["public", "signed_in", "administrators", "owners"])
async def test_a_body_that_was_not_read_to_its_end_is_refused(
    asked_as: Callable[[Role], Any], name: str
) -> None:
    with pytest.raises(BodyTooLarge):
        await getattr(guards, name)(asked_as(Role.OWNER), None)


async def test_whatever_the_body_is_people_sign_out(asked_as: Callable[[Role], Any]) -> None:
    await guards.public_unchecked(asked_as(Role.PENDING), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "role"), [("administrators", Role.MANAGER), ("owners", Role.ADMINISTRATOR)])
async def test_a_lesser_role_is_refused_whatever_the_body_is(
    asked_as: Callable[[Role], Any], name: str, role: Role
) -> None:
    with pytest.raises(NotAllowed):
        await getattr(guards, name)(asked_as(role), None)
