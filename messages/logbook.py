"""What the activity log says, and the filter of its page."""

from collections.abc import Mapping
from typing import Final

from messages import Plural

# Every kind that the log records: {who} acted, {whom} it concerns; {before} and {after} are roles, days or
# what somebody typed.
EVENTS: Final[Mapping[str, str]] = {
    "organization_made": "{who} set up the organization",
    "restored": "{who} restored a backup",
    "key_rotated": "{who} changed the secret key; links made before are dead",
    "registered": "{whom} registered",
    "signed_in": "{who} signed in",
    "signed_out": "{who} signed out",
    "sign_in_refused": "A sign-in as {whom} was refused",
    "password_refused": "{who} typed a wrong password",
    "limit_reached": "Too many tries came from one network; further ones have to wait",
    "password_changed": "{who} changed their password",
    "password_reset": "{whom} set a new password with a link",
    "reset_link_made": "{who} made a password link for {whom}",
    "session_ended": "{who} signed out one of their other sessions",
    "other_sessions_ended": "{who} signed out everywhere else",
    "name_changed": "{who} changed their name",
    "name_corrected": "{who} changed the name of {whom}",
    "member_session_ended": "{who} signed {whom} out of one session",
    "member_sessions_ended": "{who} signed {whom} out everywhere",
    "own_notices_switched": "{who} switched notices for themself",
    "confirmation_asked_for": "{who} asked for the mail that confirms their address",
    "address_confirmed": "{who} confirmed their address",
    "reset_asked_for": "Somebody asked for a new password for {whom}",
    "accepted_invitation": "{whom} accepted an invitation as {after}",
    "invitation_made": "{who} invited {whom} as {after}",
    "invitation_role_changed": "{who} changed the role in the invitation of {whom} from {before} to {after}",
    "invitation_resent": "{who} sent the invitation of {whom} again",
    "invitation_revoked": "{who} revoked the invitation of {whom}",
    "invitation_brought_back": "{who} undid the revocation of the invitation of {whom}",
    "invitation_shown": "{who} was shown the invitation link of {whom}",
    "invitation_voided": (
        "The invitation of {whom} became void: {who} took the right to invite from somebody who had its link"
    ),
    "invitation_reminded": "{who} reminded {whom} of their invitation",
    "invitation_asked_for": "{whom} asked for a new invitation",
    "request_made": "{who} asked to be let in (request {after})",
    "request_left_alone": "{who} asked to be let in with an address that is known here",
    "request_confirmed": "{who} confirmed the address of request {after} to be let in",
    "request_dismissed": "{who} dismissed request {after} to be let in",
    "request_brought_back": "{who} undid the dismissal of request {after} to be let in",
    "request_expired": "{who} ended request {after} to be let in, which nobody answered for 90 days",
    "role_changed": "{who} changed the role of {whom} from {before} to {after}",
    "end_set": "{who} set the last day of {whom} to {after}",
    "end_lifted": "{who} lifted the last day of {whom}, which was {before}",
    "ownership_handed_over": "{who} handed ownership over to {whom}",
    "removed": "{who} removed {whom}",
    "name_erased": "{who} erased the name and address of removed member {after} from the log",
    "invite_link_reset": "{who} reset the invite link",
    "title_changed": "{who} changed the organization's name from {before} to {after}",
    "link_limits_changed": "{who} changed a limit of the invite link from “{before}” to “{after}”",
    "notices_changed": "{who} changed who gets a notice from “{before}” to “{after}”",
    "session_ages_changed": "{who} changed how long sessions last from “{before}” to “{after}”",
    "asking_switched": "{who} switched asking for access",
    "role_note_changed": "{who} changed the words for a role from “{before}” to “{after}”",
}
# The same kinds where the log notes more, by what it notes.
EVENTS_WITH: Final[Mapping[tuple[str, str], str]] = {
    ("registered", "link"): "{whom} registered by the invite link",
    ("registered", "signup"): "{whom} registered by the sign-up page",
    ("sign_in_refused", "throttled"): "A sign-in as {whom} was refused; the next try has to wait",
    ("sign_in_refused", "deactivated"): "A sign-in as {whom} was refused: they are deactivated",
    ("password_refused", "throttled"): "{who} typed a wrong password; the next try has to wait",
    ("limit_reached", "sign-ups"): "Too many sign-ups came from one network; further ones have to wait",
    ("limit_reached", "set-up codes"): (
        "Too many set-up codes came from one network; further ones have to wait"
    ),
    ("limit_reached", "forgotten passwords"): (
        "Too many forgotten passwords came from one network; further ones have to wait"
    ),
    ("own_notices_switched", "on"): "{who} switched notices for themself on",
    ("own_notices_switched", "off"): "{who} switched notices for themself off",
    ("asking_switched", "on"): "{who} switched asking for access on",
    ("asking_switched", "off"): "{who} switched asking for access off",
}
# Requests to be let in while it is kept whose they are; {after} is their number.
REQUESTS: Final[Mapping[str, str]] = {
    "request_made": "{who} asked to be let in as {whom} (request {after})",
    "request_confirmed": "{who} confirmed the address of {whom}, who asks to be let in (request {after})",
    "request_dismissed": "{who} dismissed the request of {whom} to be let in (request {after})",
    "request_brought_back": (
        "{who} undid the dismissal of the request of {whom} to be let in (request {after})"
    ),
    "request_expired": (
        "{who} ended the request of {whom} to be let in (request {after}), which nobody answered for 90 days"
    ),
}
# A role changed by the person themself: by an invitation, or by handing ownership over.
OWN_ROLE_CHANGED: Final = "{who} became {after} and was {before}"
# How a Pending person is let in: what the page is for, so it has the plainest words.
APPROVED: Final = "{who} gave {whom} the role {after}"

# Who acted, where it was no member; by the kind of actor.
ACTORS: Final[Mapping[str, str]] = {
    "command": "The command line",
    "system": "Gatehouse",
    "visitor": "A visitor",
}
# Somebody removed whose name isn't kept (any more): the number tells them apart.
REMOVED_ACTOR: Final = "A removed member (number {number}, name erased)"
REMOVED: Final = "a removed member (number {number}, name erased)"
# Who invited somebody, in the lists of members and invitations.
REMOVED_INVITER: Final = "a removed member"
REMOVED_INVITED: Final = "a removed member (invitation {number}, address erased)"
# Beside the name of somebody who was removed.
WAS_REMOVED: Final = "removed, number {number}"
NOBODY: Final = "nobody here"
GONE: Final = "somebody who is no longer here"

# The kinds in the filter, in a word or two.
KINDS: Final[Mapping[str, str]] = {
    "organization_made": "Organization made",
    "restored": "Restored",
    "key_rotated": "Key rotated",
    "registered": "Registered",
    "signed_in": "Signed in",
    "signed_out": "Signed out",
    "sign_in_refused": "Sign in refused",
    "password_refused": "Password refused",
    "limit_reached": "Limit reached",
    "password_changed": "Password changed",
    "password_reset": "Password reset",
    "reset_link_made": "Reset link made",
    "session_ended": "Session ended",
    "other_sessions_ended": "Other sessions ended",
    "name_changed": "Name changed",
    "name_corrected": "Name changed by somebody else",
    "member_session_ended": "Session of a member ended",
    "member_sessions_ended": "Sessions of a member ended",
    "own_notices_switched": "Own notices switched",
    "confirmation_asked_for": "Confirmation asked for",
    "address_confirmed": "Address confirmed",
    "reset_asked_for": "Reset asked for",
    "accepted_invitation": "Accepted invitation",
    "invitation_made": "Invitation made",
    "invitation_role_changed": "Invitation role changed",
    "invitation_resent": "Invitation resent",
    "invitation_revoked": "Invitation revoked",
    "invitation_brought_back": "Invitation brought back",
    "invitation_shown": "Invitation shown",
    "invitation_voided": "Invitation voided",
    "invitation_reminded": "Invitation reminded",
    "invitation_asked_for": "Invitation asked for",
    "request_made": "Request made",
    "request_left_alone": "Request left alone",
    "request_confirmed": "Request confirmed",
    "request_dismissed": "Request dismissed",
    "request_brought_back": "Request brought back",
    "request_expired": "Request expired",
    "role_changed": "Role changed",
    "end_set": "End set",
    "end_lifted": "End lifted",
    "ownership_handed_over": "Ownership handed over",
    "removed": "Removed",
    "name_erased": "Name erased",
    "invite_link_reset": "Invite link reset",
    "title_changed": "Title changed",
    "link_limits_changed": "Link limits changed",
    "notices_changed": "Notices changed",
    "session_ages_changed": "Session ages changed",
    "asking_switched": "Asking switched",
    "role_note_changed": "Role note changed",
}
# The groups that the filter offers them in.
GROUPS: Final[Mapping[str, str]] = {
    "sign-ins": "Sign-ins",
    "roles": "Roles",
    "accounts": "Accounts",
    "invitations": "Invitations",
    "requests": "Requests to be let in",
    "links": "Links",
    "house": "Organization and server",
}

# What the Owner has settled, as the log keeps it: before a change and after.
LINK_NEVER_ENDS: Final = "no end"
LINK_ENDS_AFTER: Final = Plural("1 day after each reset", "{count:,} days after each reset")
LINK_ENDS_ON: Final = "until {day}"
LINK_USES: Final = Plural("1 use", "{count:,} uses")
LINK_USED_BY_ANY_NUMBER: Final = "any number of uses"
ANY_DOMAIN: Final = "any domain"
DOMAINS_AND_MORE: Final = "{domains} and {count:,} more"
SOMEBODY_WAITS: Final = "somebody waits: {who}"
SOMEBODY_ASKS: Final = "somebody asks for access: {who}"
MEMBERSHIP_ENDS: Final = "a membership is about to end: {who}"
TOLD: Final[Mapping[str, str]] = {
    "administrators": "Owner and Administrators",
    "owner": "the Owner",
    "nobody": "nobody",
}
SESSION_AGE: Final = Plural("1 day in all", "{count:,} days in all")
SESSION_AGE_ALLOWED: Final = "as long as the environment allows in all"
SESSION_IDLE: Final = Plural("1 day unused", "{count:,} days unused")
SESSION_IDLE_ALLOWED: Final = "as long as the environment allows unused"
ROLE_NOTE: Final = "{role}: {text}"
NO_ROLE_NOTE: Final = "{role}: nothing"
