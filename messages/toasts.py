"""What has just been done, in a sentence at the edge of the page."""

from typing import Final

from messages import Plural

# Members.
IS_ROLE_NOW: Final = "{name} is {role} now."
WAS_ROLE_ALREADY: Final = "{name} was {role} already."
ALL_WERE_ROLE: Final = "All of them were {roles} already."
# {role} for one, {roles} for several.
ARE_ROLE_NOW: Final = Plural("1 person is {role} now.", "{count:,} people are {roles} now.")
ROLES_TAKEN_BACK: Final = "{count:,} people have the role back that they had before."
NAME_CHANGED: Final = "The name is {name} now."
MEMBER_SESSION_ENDED: Final = "That session of {name} has ended."
MEMBER_SESSIONS_ENDED: Final = "{name} is signed out everywhere."
LAST_DAY: Final = "The last day of {name} is {day}."
NO_LAST_DAY: Final = "{name} has no last day."
REMOVED: Final = "{name} is removed."
NAMES_ERASED: Final = Plural(
    "The name and address are erased from the activity log.",
    "The names and addresses of {count:,} removed members are erased from the activity log.",
)
OWNER_NOW: Final = "{name} is the Owner now. You are an Administrator."

# Invitations: a sending says as many of these as apply, one after the other.
INVITATIONS_MAILED: Final = Plural("1 invitation is on the way.", "{count:,} invitations are on the way.")
INVITATIONS_MADE: Final = Plural(
    "1 invitation is made; hand the links over.", "{count:,} invitations are made; hand the links over."
)
ROLES_GIVEN: Final = Plural("1 who waited has the role now.", "{count:,} who waited have the role now.")
LEFT_ALONE: Final = Plural("1 was left alone.", "{count:,} were left alone.")
NOBODY_INVITED: Final = "Nobody had to be invited."
INVITED_AS: Final = "They are invited as {role} now."
INVITED_AS_BY_NEW_LINK: Final = (
    "They are invited as {role} now. Somebody had seen their link, so it has ended: press Resend or"
    " Copy link."
)
MAIL_AGAIN: Final = "The mail goes out again."
LIVES_ON: Final = "It lives on; hand the link over."
INVITATION_DEAD: Final = "The invitation is dead, in every mail where it stands."
INVITATIONS_DEAD: Final = Plural("1 invitation is dead now.", "{count} invitations are dead now.")
INVITATIONS_BROUGHT_BACK: Final = Plural(
    "The invitation is valid again, in every mail where it stands.",
    "{count:,} invitations are valid again, in every mail where they stand.",
)
INVITATIONS_LIVE_ON: Final = Plural(
    "1 invitation lives on for {days} days.", "{count} invitations live on for {days} days."
)
NEW_LINK: Final = "The old link is dead. This is the new one."
REQUEST_MAILED: Final = "{name} is invited as {role}; the mail is on its way."
REQUEST_LINK_MADE: Final = "{name} is invited as {role}; hand the link over."
REQUEST_DISMISSED: Final = "The request of {name} is dismissed."
REQUEST_BROUGHT_BACK: Final = "The request of {name} waits for an answer again."

# One's own account, settings, and doors.
SAVED: Final = "Saved."
MAIL_ON_ITS_WAY: Final = "The mail is on its way."
TEST_MAIL_SENT: Final = "Test mail to {email}: {answer}."
PASSWORD_CHANGED: Final = "Your password is changed, and every other session has ended."
PASSWORD_RESET: Final = "Your password is changed. Log in with the new one."
SESSION_ENDED: Final = "That session has ended."
OTHER_SESSIONS_ENDED: Final = "Every other session has ended."
ADDRESS_CONFIRMED: Final = "Your address is confirmed."
ASKED_FOR_ANOTHER: Final = "Whoever invited you is told. If they agree, you get a new invitation."
