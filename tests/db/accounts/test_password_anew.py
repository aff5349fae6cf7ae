"""Giving Administrator, password links and ending sessions want a password that was given lately."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from db import engine
from db.accounts import administration, password, sign_in
from db.accounts.sign_in import WrongPassword
from db.auth import sessions
from db.common import clock
from db.errors import PasswordWanted
from db.invitations import access_requests, creation, management, undo_revocation
from db.invitations.management import Revoked
from db.invitations.recipients import address_list, csv_import, uploads
from db.members import removal, roles
from db.policy import COMMAND_LINE, PASSWORD_MS, Actor, Role
from tests.support.pages.site import PASSWORD, Site
from tests.support.steps import access_request_steps
from tests.support.steps.invitation_steps import invited
from tests.support.steps.member_steps import BROWSER, acting, olga, signed_in

# A change that waits for whoever does it.
Change = Callable[[Actor], Awaitable[object]]


async def uploaded(actor: Actor) -> tuple[int, address_list.AddressList]:
    listed = csv_import.parse(b"email,role\nann@example.org,Annotator\nbea@example.org,Administrator\n")
    return await uploads.keep(actor, listed, Role.ANNOTATOR), listed


async def by_bulk(site: Site, actor: Actor) -> Change:
    ids = [await site.person(name) for name in ("ann", "bea")]
    return lambda who: roles.change_roles(who, member_ids=ids, role=Role.ADMINISTRATOR)


async def by_row(site: Site, actor: Actor) -> Change:
    ann = await site.person("ann")
    return lambda who: roles.change_role(who, member_id=ann, role=Role.ADMINISTRATOR)


async def by_undo(site: Site, actor: Actor) -> Change:
    ann = await site.person("ann", Role.ADMINISTRATOR)
    await roles.change_role(actor, member_id=ann, role=Role.MANAGER)
    return lambda who: roles.undo(who, given=Role.MANAGER, before={ann: Role.ADMINISTRATOR})


async def by_invitation(site: Site, actor: Actor) -> Change:
    listed = address_list.parse("ann@example.org")
    return lambda who: creation.invite(who, listed, role=Role.ADMINISTRATOR, days=7)


async def by_file(site: Site, actor: Actor) -> Change:
    upload_id, listed = await uploaded(actor)
    return lambda who: creation.invite(
        who, listed, role=Role.ANNOTATOR, days=7, skip_invalid=True, upload_id=upload_id
    )


async def by_request(site: Site, actor: Actor) -> Change:
    await access_request_steps.switch_on()
    access_request_id = await access_request_steps.submitted("ann")
    return lambda who: access_requests.invite(
        who, access_request_id=access_request_id, role=Role.ADMINISTRATOR, days=7
    )


async def by_its_role(site: Site, actor: Actor) -> Change:
    line = await invited(site, "ann", by=actor)
    return lambda who: management.change_role(who, invitation_id=line.id, role=Role.ADMINISTRATOR)


async def by_sending_again(site: Site, actor: Actor) -> Change:
    line = await invited(site, "ann", Role.ADMINISTRATOR, by=actor)
    return lambda who: management.resend(
        who, invitation_ids=[line.id], days=9, throttle=site.context.throttle
    )


async def by_its_link(site: Site, actor: Actor) -> Change:
    lines = [await invited(site, "ann", by=actor), await invited(site, "bea", Role.ADMINISTRATOR, by=actor)]
    await engine.write(engine.execute, "UPDATE invitation SET link_revealed_at = 0")
    return lambda who: management.mark_link_revealed(who, [line.id for line in lines])


async def by_bringing_back(site: Site, actor: Actor) -> Change:
    line = await invited(site, "ann", Role.ADMINISTRATOR, by=actor)
    revoked: Revoked = await management.revoke(actor, invitation_ids=[line.id])
    return lambda who: undo_revocation.undo(who, revoked)


async def by_undo_of_who_is_invited(site: Site, actor: Actor) -> Change:
    """Ann waits, and her invitation comes back with that."""
    ann = await site.person("ann")
    await invited(site, "ann", Role.ADMINISTRATOR, by=actor)
    await roles.change_role(actor, member_id=ann, role=Role.DEACTIVATED)
    return lambda who: roles.undo(who, given=Role.DEACTIVATED, before={ann: Role.PENDING})


async def a_password_link(site: Site, actor: Actor) -> Change:
    ann = await site.person("ann", Role.MANAGER)
    return lambda who: password.make_reset_link(who, member_id=ann)


async def one_session(site: Site, actor: Actor) -> Change:
    ann = await site.person("ann", Role.MANAGER)
    await site.sign_in("ann")
    ((session_id,),) = await engine.rows("SELECT id FROM session WHERE member_id = ?", ann)
    return lambda who: administration.end_session(who, member_id=ann, session_id=session_id)


async def all_sessions(site: Site, actor: Actor) -> Change:
    ann = await site.person("ann", Role.MANAGER)
    await site.sign_in("ann")
    return lambda who: administration.end_sessions(who, member_id=ann)


WAYS = (
    by_row,
    by_bulk,
    by_undo,
    by_invitation,
    by_file,
    by_request,
    by_its_role,
    by_sending_again,
    by_its_link,
    by_bringing_back,
    by_undo_of_who_is_invited,
    a_password_link,
    one_session,
    all_sessions,
)
TABLES = (
    "member",
    "session",
    "links",
    "invitation",
    "access_request",
    "upload",
    "batch",
    "outbox",
    "activity",
)


async def everything() -> list[object]:
    return [await engine.rows(f"SELECT * FROM {table} ORDER BY id") for table in TABLES]


@pytest.mark.parametrize("way", WAYS)
async def test_it_is_refused_without_and_done_with_a_password_given_lately(
    site: Site, way: Callable[[Site, Actor], Awaitable[Change]]
) -> None:
    await site.person("alma", Role.ADMINISTRATOR)
    alma = acting(site, "alma")
    change = await way(site, alma)
    before = await everything()

    with pytest.raises(PasswordWanted):
        await change(replace(alma, password_at=clock.now() - PASSWORD_MS))
    assert await everything() == before

    await change(replace(alma, password_at=clock.now() - PASSWORD_MS + 5_000))
    assert await everything() != before


async def test_other_changes_want_no_password(site: Site) -> None:
    ids = [await site.person(name, Role.ADMINISTRATOR) for name in ("ann", "bea")]
    long_ago = Actor(site.ids["olga"], Role.OWNER)

    # Who is one already isn't given it.
    await roles.change_roles(long_ago, member_ids=ids, role=Role.ADMINISTRATOR)
    await roles.change_role(long_ago, member_id=ids[0], role=Role.MANAGER)
    await removal.remove(long_ago, member_id=ids[1])
    line = await invited(site, "cyd", by=long_ago)
    await management.mark_link_revealed(long_ago, [line.id])
    await management.resend(long_ago, invitation_ids=[line.id], days=7, throttle=site.context.throttle)
    line = await invited(site, "dan", Role.ADMINISTRATOR, by=olga(site))
    # Less than it was, and less than that.
    await management.change_role(long_ago, invitation_id=line.id, role=Role.MANAGER)
    await management.revoke(long_ago, invitation_ids=[line.id])
    # One's own sessions are one's own.
    await site.sign_in("olga")
    await administration.end_sessions(long_ago, member_id=site.ids["olga"])


async def test_whoever_runs_commands_has_shown_who_they_are(site: Site) -> None:
    ann = await site.person("ann", Role.MANAGER)

    await password.make_reset_link(COMMAND_LINE, member_id=ann)
    await roles.change_role(COMMAND_LINE, member_id=ann, role=Role.ADMINISTRATOR)

    assert await site.role_of("ann") is Role.ADMINISTRATOR


async def test_giving_it_again_gives_the_session_a_new_token(site: Site) -> None:
    olgas = await signed_in(site, "olga")
    session = olgas.session
    assert session is not None
    ((token, given_at),) = await engine.rows("SELECT token_hash, password_at FROM session")
    await engine.write(engine.execute, "UPDATE session SET password_at = 5")

    async def give(password: str) -> tuple[Actor, str]:
        return await sign_in.give_again(
            olgas, password, session=session, throttle=site.context.throttle, browser=BROWSER
        )

    with pytest.raises(WrongPassword):
        await give("not this one")
    assert await engine.rows("SELECT token_hash, password_at FROM session") == [(token, 5)]

    actor, new = await give(PASSWORD)
    ((after, at),) = await engine.rows("SELECT token_hash, password_at FROM session")

    assert token != after == sessions.token_hash(new)
    assert actor.session == replace(session, token_hash=after)
    assert given_at <= at <= actor.password_at
