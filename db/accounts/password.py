"""A new password: by the old one, or by a link that its member asked for or somebody made for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from db import activity, engine, policy
from db.accounts import sign_in
from db.auth import links, passwords, sessions
from db.auth.client import Browser, SignedIn
from db.auth.fair_queue import NO_REQUESTER, Requester
from db.auth.links import Link
from db.auth.rate_limits import Throttle
from db.common import addresses, clock, ids
from db.errors import InvalidLink, NotAllowed
from db.mail import outbox
from db.members import changes, locking
from db.members.changes import Locked
from db.members.locking import ROLE_NOW
from db.policy import Actor, Role, SensitiveChange

HOUR_MS: Final = 60 * 60 * 1000
# A link that a person asked for by mail, and one that somebody hands over.
ASKED_FOR_MS: Final = HOUR_MS
HANDED_OVER_MS: Final = 24 * HOUR_MS


async def change_password(
    actor: Actor,
    *,
    session_id: int,
    current_password: str,
    password: str,
    throttle: Throttle,
    browser: Browser,
) -> SignedIn:
    """Sets a new password, ends all other sessions and open reset links; this session gets a new token.

    Raises WrongPassword, TooManyTries, Busy and SignInFirst.
    """
    stored = await sign_in.check_password(actor, current_password, throttle=throttle, browser=browser)
    new_hash = await passwords.hash_of(password, requester=sign_in.requester_of(actor, browser))

    async def write(_: Locked) -> SignedIn:
        generation = await _set_password(actor.id, new_hash, stored)
        await sessions.end_all(actor.id, "password changed", but=session_id)
        # Every link that somebody made has just ended.
        await engine.execute("UPDATE member SET reset_link_made_at = 0 WHERE id = ?", actor.id)
        await activity.record(actor, "password_changed", actor.id)
        token = await sessions.rotate(session_id)
        return SignedIn(token=token, member_id=actor.id, generation=generation, role=actor.role)

    return await changes.write(actor, policy.may_sign_in, write)


async def make_reset_link(actor: Actor, *, member_id: int, life_ms: int = HANDED_OVER_MS) -> Link:
    """A single-use link with which a member sets a new password; an older one ends.

    Raises SignInFirst, NotAllowed, Unknown and PasswordWanted.
    """

    async def write(locked: Locked) -> Link:
        # Who runs commands on the server owns the data anyway, so may help even the Owner back in.
        acting = locked.acting if actor.kind == "member" else Role.OWNER
        why = policy.why_no_password_link(
            actor.id,
            acting,
            member_id,
            locked.roles[member_id],
            was_administrator=await was_administrator(member_id),
        )
        if why is not None:
            raise NotAllowed(why)
        policy.require_password(actor, SensitiveChange.MAKES_PASSWORD_LINK, clock.now())
        await links.end(links.RESET, "replaced", subject=member_id)
        link = await links.make(
            links.RESET, subject=member_id, made_by=actor.id, expires_at=clock.now() + life_ms, max_uses=1
        )
        await engine.execute("UPDATE member SET reset_link_made_at = ? WHERE id = ?", link.made_at, member_id)
        await activity.record(actor, "reset_link_made", member_id)
        await outbox.queue_admin_reset_link(member_id, link_id=link.id, made_by=actor.id)
        return link

    made = await changes.write(actor, policy.may_manage_members, write, members=(member_id,))
    outbox.wake()
    return made


async def was_administrator(member_id: int) -> bool:
    """Inside a read or write: whether a member who is no Administrator was one lately."""
    found = await engine.rows("SELECT administrator_until FROM member WHERE id = ?", member_id)
    return any(policy.was_administrator(until, clock.now()) for (until,) in found)


@dataclass(frozen=True, slots=True)
class AdminResetLink:
    """A password link that somebody made for a member, who hasn't acknowledged it yet.

    at: when, in ms. by: "command", "owner" or "administrator"; it names nobody.
    """

    at: int
    by: str


async def admin_reset_link(member_id: int, at: int) -> AdminResetLink:
    """The link that was made for this member at that instant (ms), for the note on their pages."""
    found = await engine.read(
        engine.rows,
        "SELECT a.actor_kind, m.role FROM activity AS a LEFT JOIN member AS m ON m.id = a.actor_id"
        " WHERE a.subject_id = ? AND a.kind = 'reset_link_made' ORDER BY a.id DESC LIMIT 1",
        member_id,
    )
    kind, role = found[0] if found else ("", "")
    if kind == "command":
        return AdminResetLink(at, "command")
    return AdminResetLink(at, "owner" if role == Role.OWNER else "administrator")


async def acknowledge(actor: Actor, at: int) -> None:
    """Notes that the actor knows of the password link made for them at that instant (ms).

    The note of a newer link stays. Raises SignInFirst.
    """

    async def write(_: Locked) -> None:
        await engine.execute(
            "UPDATE member SET reset_link_made_at = 0 WHERE id = ? AND reset_link_made_at = ?", actor.id, at
        )

    await changes.write(actor, policy.may_sign_in, write)


async def ask_reset(email: str, address: str) -> None:
    """Somebody forgot the password of this address: mails a link, if there is such a member who may sign in.

    Every address costs the same statements, and nothing is told apart (ASVS 6.3.8): for those who may not
    sign in link and mail are nobody's, and the mail is void when it would be written. Links that somebody
    else made for the member stay. address: of the network.
    """

    async def write() -> None:
        found = await engine.rows(
            "SELECT id, email FROM member WHERE email_key = ?", addresses.account_key(email)
        )
        member_id, recipient = found[0] if found else (0, "")
        role = (await locking.lock_roles((member_id,))).get(member_id, Role.DEACTIVATED)
        await activity.record(policy.visitor(address), "reset_asked_for", member_id)
        if not policy.may_sign_in(role):
            member_id, recipient = 0, ""
        await links.end(links.RESET, "replaced", subject=member_id, made_by=member_id)
        link = await links.make(
            links.RESET,
            subject=member_id,
            made_by=member_id,
            expires_at=clock.now() + ASKED_FOR_MS,
            max_uses=1,
        )
        await outbox.queue("reset", recipient=recipient, member_id=member_id, link_id=link.id)

    await engine.write(write)
    outbox.wake()


async def find_reset_link(link_id: int) -> Link | None:
    return await engine.read(links.find, link_id, links.RESET)


async def whose(link: Link) -> tuple[str, str]:
    """Address and full name of the member a link is for. Raises InvalidLink when they are gone, or whoever
    made the link for them might not make it any more."""
    found = await engine.read(
        engine.rows,
        f"SELECT id, {ROLE_NOW.format(t='m')}, administrator_until, email, first_name, last_name"
        " FROM member AS m WHERE id IN (?, ?) AND removed_at = 0",
        clock.now(),
        link.subject,
        link.made_by,
    )
    lately = any(
        member_id == link.subject and policy.was_administrator(until, clock.now())
        for member_id, _, until, *_ in found
    )
    _check_maker(link, {member_id: Role(role) for member_id, role, *_ in found}, was_administrator=lately)
    for member_id, _, _, email, first_name, last_name in found:
        if member_id == link.subject:
            return email, f"{first_name} {last_name}".strip()
    raise InvalidLink("void")


async def has_role(link: Link) -> bool:
    """Whether the member a link is for is more than an account that anybody can make."""
    found = await engine.read(
        engine.rows, "SELECT role FROM member WHERE id = ? AND removed_at = 0", link.subject
    )
    return any(policy.is_active(Role(role)) for (role,) in found)


def _check_maker(link: Link, roles: Mapping[int, Role], *, was_administrator: bool) -> None:
    """Raises InvalidLink unless whoever made this link might make it today. roles: theirs and its member's.
    was_administrator: of its member, lately.

    Otherwise an Administrator could keep the link of somebody who then rises above them, and become Owner.
    """
    # What the member asked for by mail, or the command line made, hangs on nobody's right.
    if link.made_by not in (0, link.subject) and policy.why_no_password_link(
        link.made_by,
        roles.get(link.made_by, Role.DEACTIVATED),
        link.subject,
        roles.get(link.subject, Role.DEACTIVATED),
        was_administrator=was_administrator,
    ):
        raise InvalidLink("void")


async def reset_password(
    link: Link, *, password: str, address: str, requester: Requester = NO_REQUESTER
) -> int:
    """Sets a new password by a link; it ends, and so does every session. Nobody is signed in by it.

    Returns the password's generation, for the device cookie. Raises InvalidLink when the link was used or
    ended meanwhile, or its maker lost the right, and Busy.
    """
    new_hash = await passwords.hash_of(password, requester=requester)

    async def write() -> int:
        # A member whose last day is over has no valid link any more.
        roles = await locking.lock_roles((link.subject, link.made_by))
        _check_maker(link, roles, was_administrator=await was_administrator(link.subject))
        actor = await links.consume_as_member(link, address)
        generation = await _set_password(link.subject, new_hash)
        await sessions.end_all(link.subject, "password reset")
        await activity.record(actor, "password_reset", link.subject)
        return generation

    return await engine.write(write)


async def _set_password(member_id: int, new_hash: str, old_hash: str | None = None) -> int:
    """One conditional UPDATE: a password that changed meanwhile isn't overwritten. Ends open reset links.

    Returns the password's generation, by which older device cookies are known to be stale.
    """
    condition, args = ("", ()) if old_hash is None else (" AND password_hash = ?", (old_hash,))
    generation = ids.generation()
    changed = await engine.execute(
        "UPDATE member SET password_hash = ?, password_generation = ?"
        f" WHERE id = ? AND removed_at = 0{condition}",
        new_hash,
        generation,
        member_id,
        *args,
    )
    if not changed:
        raise sign_in.WrongPassword
    await links.end(links.RESET, "password changed", subject=member_id)
    await outbox.queue_password_changed(member_id)
    return generation
