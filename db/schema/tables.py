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

    sort_key, search_text: the name and address as lists sort and search them (db/common). ends_at: the end of
    the membership. end_notified_at: when the member was mailed about it. reset_link_made_at: when an
    Administrator made a password link for them, until the browser has shown it to them.
    administrator_until: when they last were Owner or Administrator, written by a trigger when they lose the
    role; 0 for never, or while they have it.
    """

    id = BigSerial(primary_key=True)
    email = Text()
    email_key = Text(null=True, default=None)
    first_name = Text()
    last_name = Text()
    sort_key = Text()
    search_text = Text()
    password_hash = Text()
    password_generation = BigInt()
    role = Text()
    joined_via = Text()
    link_id = BigInt()
    invited_by = BigInt()
    confirmed_at = BigInt()
    joined_at = BigInt()
    last_activity_at = BigInt()
    time_zone = Text()
    theme = Text(default="system")
    removed_at = BigInt()
    ends_at = BigInt()
    end_notified_at = BigInt()
    reset_link_made_at = BigInt()
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


class RoleCount(Table, tablename="role_count"):
    """Changes of the number of members by role: the number is the sum of n. Only triggers write it."""

    id = BigSerial(primary_key=True)
    role = Text()
    n = BigInt()


class Session(Table, tablename="session"):
    """A signed-in browser. token_hash is SHA-256; gate_hash is for the gate in front of other hosts.

    persistent: 1 when it outlives the browser. password_at: when its member last gave the password.
    """

    id = BigSerial(primary_key=True)
    member_id = ForeignKey(Member)
    token_hash = Text()
    gate_hash = Text(null=True, default=None)
    persistent = BigInt()
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


class RateLimit(Table, tablename="rate_limit"):
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
    """One press of "Send invitations": how many were invited, approved at once, or skipped."""

    id = BigSerial(primary_key=True)
    made_at = BigInt()
    made_by = BigInt()
    invited = BigInt()
    approved = BigInt()
    skipped = BigInt()


class Invitation(Table, tablename="invitation"):
    """An invitation to one address. Its link's row says when it expires; mail_id is its newest mail.

    link_revealed_at: when somebody was first shown its link. new_wanted_at: when the invited person asked for
    a new one. Both 0 for never.
    """

    id = BigSerial(primary_key=True)
    email = Text()
    email_key = Text()
    first_name = Text()
    last_name = Text()
    search_text = Text()
    role = Text()
    invited_by = BigInt()
    batch_id = BigInt()
    link_id = BigInt()
    mail_id = BigInt()
    made_at = BigInt()
    link_revealed_at = BigInt()
    new_wanted_at = BigInt()
    reminded_at = BigInt()
    member_id = BigInt()
    ended_at = BigInt()
    end_reason = Text()


class InvitationLinkViewer(Table, tablename="invitation_link_viewer"):
    """A member who was shown an invitation's current link, and when first."""

    id = BigSerial(primary_key=True)
    invitation_id = ForeignKey(Invitation)
    member_id = ForeignKey(Member)
    viewed_at = BigInt()


class AccessRequest(Table, tablename="access_request"):
    """Somebody's request for access; open until invited, dismissed, joined otherwise, or too old.

    message: what they wrote, "" for nothing. link_id: of the link that confirms the address, 0 when no mail
    could be sent. With one, nobody sees the request before it is confirmed.
    """

    id = BigSerial(primary_key=True)
    email = Text()
    email_key = Text()
    name = Text()
    message = Text()
    search_text = Text()
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
    server_reply = Text()
