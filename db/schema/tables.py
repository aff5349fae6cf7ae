"""Columns of every table; the constraints stand in the migrations' DDL. No behaviour.

Every instant is a BIGINT of milliseconds since 1970 UTC, 0 for "not". Hashes and nonces are hex text.
"""

from piccolo.columns import BigInt, BigSerial, ForeignKey, Text
from piccolo.table import Table


class Installation(Table, tablename="installation"):
    """One row: which secret key this database belongs to."""

    id = BigInt(primary_key=True)
    key_fingerprint = Text()
    made_at = BigInt()


class Member(Table, tablename="member"):
    """A person. A removed one stays as a tombstone: no address, no name, no password.

    ends_at: the end of the membership. end_told_at: when that was told. handed_at: when somebody made a
    password link for them that they haven't been told of in the browser yet. administrator_until: when they
    were Owner or Administrator last, written by a trigger when the role goes; 0 for never, or while they are.
    """

    id = BigSerial(primary_key=True)
    email = Text()
    email_key = Text(null=True, default=None)
    first_name = Text()
    last_name = Text()
    name_key = Text()
    search_key = Text()
    password_hash = Text()
    password_generation = BigInt()
    role = Text()
    came_by = Text()
    link_id = BigInt()
    invited_by = BigInt()
    confirmed_at = BigInt()
    joined_at = BigInt()
    last_activity_at = BigInt()
    time_zone = Text()
    theme = Text(default="system")
    removed_at = BigInt()
    ends_at = BigInt()
    end_told_at = BigInt()
    handed_at = BigInt()
    wants_notices = BigInt(default=1)
    administrator_until = BigInt()


class Organization(Table, tablename="organization"):
    """The one organization, by foreign key its one Owner, and what the Owner has settled.

    link_ends: never, link_days after each reset, or on link_ends_at. link_max_uses 0 and link_domains "": no
    limit; domains as A-labels with spaces between. notice_…: who gets it. session_age and session_idle: in
    ms, 0 for as long as the environment allows. may_ask: the closed sign-up page offers to ask for access.
    """

    id = BigInt(primary_key=True)
    title = Text()
    made_at = BigInt()
    owner_id = BigInt()
    owner_role = Text(default="OW")
    link_ends = Text(default="never")
    link_days = BigInt()
    link_ends_at = BigInt()
    link_max_uses = BigInt()
    link_domains = Text()
    notice_waiting = Text(default="administrators")
    notice_asked = Text(default="administrators")
    notice_ending = Text(default="administrators")
    session_age = BigInt()
    session_idle = BigInt()
    may_ask = BigInt()


class RoleNote(Table, tablename="role_note"):
    """What the Owner says of a role in the app's own words."""

    id = BigSerial(primary_key=True)
    role = Text()
    text = Text()


class RoleLedger(Table, tablename="role_ledger"):
    """Changes of the number of members by role; the count is the sum. Written by triggers only."""

    id = BigSerial(primary_key=True)
    role = Text()
    n = BigInt()


class Session(Table, tablename="session"):
    """A signed-in browser. token_hash is SHA-256; gate_hash is for the gate in front of other hosts.

    password_at: when its member gave the password last.
    """

    id = BigSerial(primary_key=True)
    member_id = ForeignKey(Member)
    token_hash = Text()
    gate_hash = Text(null=True, default=None)
    kept = BigInt()
    made_at = BigInt()
    used_at = BigInt()
    expires_at = BigInt()
    ended_at = BigInt()
    end_reason = Text()
    address = Text()
    device = Text()
    password_at = BigInt()


class Link(Table, tablename="links"):
    """A link that was given out; its token is derived from id and nonce, never stored."""

    id = BigSerial(primary_key=True)
    purpose = Text()
    subject = BigInt()
    nonce = Text()
    made_at = BigInt()
    made_by = BigInt()
    expires_at = BigInt()
    ended_at = BigInt()
    end_reason = Text()
    uses = BigInt()
    max_uses = BigInt()


class Throttle(Table, tablename="throttle"):
    """Counted tries under an HMAC of account or address, until the window ends."""

    key = Text(primary_key=True)
    tries = BigInt()
    last_at = BigInt()
    ends_at = BigInt()


class Activity(Table, tablename="activity"):
    """What happened: written in the transaction of each change, and never changed.

    about: what subject_id is an id of.
    """

    id = BigSerial(primary_key=True)
    at = BigInt()
    actor_kind = Text()
    actor_id = BigInt()
    kind = Text()
    about = Text()
    subject_id = BigInt()
    before = Text()
    after = Text()
    address = Text()


class ActivityMark(Table, tablename="activity_mark"):
    """One row, once there is something to forget: what is older may be deleted from the log."""

    id = BigInt(primary_key=True)
    at = BigInt()


class ActivityName(Table, tablename="activity_name"):
    """Who a removed member was, for the log: of themself and of their invitations, until that is erased.

    about: what subject_id is an id of, as in the log. member_id: the removed member whom it belongs to.
    """

    id = BigSerial(primary_key=True)
    member_id = BigInt()
    about = Text()
    subject_id = BigInt()
    name = Text()
    email = Text()
    removed_at = BigInt()


class Batch(Table, tablename="batch"):
    """One press of "Send invitations": how many were invited, approved at once, or left alone."""

    id = BigSerial(primary_key=True)
    made_at = BigInt()
    made_by = BigInt()
    invited = BigInt()
    approved = BigInt()
    left_alone = BigInt()


class Invitation(Table, tablename="invitation"):
    """An invitation to one address. Its link's row says when it expires; mail_id is its newest mail."""

    id = BigSerial(primary_key=True)
    email = Text()
    email_key = Text()
    first_name = Text()
    last_name = Text()
    search_key = Text()
    role = Text()
    invited_by = BigInt()
    batch_id = BigInt()
    link_id = BigInt()
    mail_id = BigInt()
    made_at = BigInt()
    shown_at = BigInt()
    asked_at = BigInt()
    reminded_at = BigInt()
    member_id = BigInt()
    ended_at = BigInt()
    end_reason = Text()


class InvitationShown(Table, tablename="invitation_shown"):
    """A member who was shown an invitation's link, as it is now, and when first."""

    id = BigSerial(primary_key=True)
    invitation_id = ForeignKey(Invitation)
    member_id = ForeignKey(Member)
    shown_at = BigInt()


class Request(Table, tablename="request"):
    """Somebody who asks to be let in; open until invited, dismissed, joined otherwise, or too old.

    link_id: of the link that confirms the address, 0 when no mail could be sent. With one, nobody sees the
    request before it is confirmed.
    """

    id = BigSerial(primary_key=True)
    email = Text()
    email_key = Text()
    name = Text()
    words = Text()
    search_key = Text()
    link_id = BigInt()
    made_at = BigInt()
    confirmed_at = BigInt()
    invitation_id = BigInt()
    ended_at = BigInt()
    end_reason = Text()


class Upload(Table, tablename="upload"):
    """A CSV file between its preview and "Send": rows as JSON, kept for an hour."""

    id = BigSerial(primary_key=True)
    made_at = BigInt()
    made_by = BigInt()
    role = Text()
    content = Text()


class Draft(Table, tablename="draft"):
    """What was typed into a form whose session had ended: fields as JSON, for its member, for an hour."""

    id = BigSerial(primary_key=True)
    member_id = BigInt()
    key_hash = Text()
    page = Text()
    content = Text()
    made_at = BigInt()


class Outbox(Table, tablename="outbox"):
    """A mail that is owed: queued in the transaction of its cause, delivered by whoever claims it."""

    id = BigSerial(primary_key=True)
    kind = Text()
    recipient = Text()
    member_id = BigInt()
    subject_id = BigInt()
    invitation_id = BigInt()
    link_id = BigInt()
    batch_id = BigInt()
    message_id = Text()
    state = Text(default="queued")
    tries = BigInt()
    made_at = BigInt()
    due_at = BigInt()
    leased_until = BigInt()
    lease = Text()
    done_at = BigInt()
    said = Text()
