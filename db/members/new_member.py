"""A new member's row, whichever way they come: by sign-up, invitation, or as the first Owner."""

from dataclasses import dataclass, field

from db import engine
from db.common import addresses, clock, ids, normalization
from db.common.addresses import Address
from db.errors import Unknown
from db.policy import Role
from db.schema.tables import Member
from messages import by_field, refusals

EMAIL_KEY = "member.email_key"


@dataclass(frozen=True, slots=True)
class Person:
    """What somebody says of themself when they register.

    generation: of the password, see db/common/ids.py.
    """

    address: Address
    first_name: str
    last_name: str
    password_hash: str
    generation: int = field(default_factory=ids.generation)


async def why_taken(address: Address) -> list[str]:
    """The polite message before the constraint speaks; empty when the address is free."""
    taken = await engine.read(engine.rows, "SELECT 1 FROM member WHERE email_key = ?", address.key)
    return [by_field.ADDRESS_TAKEN] if taken else []


async def insert(
    person: Person, role: Role, *, joined_via: str, link_id: int = 0, invited_by: int = 0
) -> int:
    """Inside a write: a new member's row; returns its id. Raises engine.UniqueViolation for a taken one."""
    now = clock.now()
    inserted = await Member.insert(
        Member(
            email=person.address.email,
            email_key=person.address.key,
            first_name=person.first_name,
            last_name=person.last_name,
            sort_key=normalization.sort_key(person.first_name, person.last_name, person.address.key),
            search_text=normalization.search_text(
                person.first_name, person.last_name, person.address.email, person.address.key
            ),
            password_hash=person.password_hash,
            password_generation=person.generation,
            role=role.value,
            joined_via=joined_via,
            link_id=link_id,
            invited_by=invited_by,
            confirmed_at=0,
            joined_at=now,
            last_activity_at=now,
            time_zone="",
            theme="system",
            removed_at=0,
        )
    )
    member_id: int = inserted[0]["id"]
    return member_id


async def id_of(email: str) -> int:
    """The id of the member with this address. Raises Unknown."""
    found = await engine.read(
        engine.rows, "SELECT id FROM member WHERE email_key = ?", addresses.account_key(email)
    )
    if not found:
        raise Unknown(refusals.NO_MEMBER_WITH_ADDRESS.format(email=email))
    member_id: int = found[0][0]
    return member_id
