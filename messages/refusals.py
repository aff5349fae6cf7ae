"""What isn't done, and why: refusals of the rules, what isn't there, and pages for errors."""

from collections.abc import Mapping
from typing import Final

from messages import Plural

# status: what happened, in a heading and a sentence; error.html adds whose turn it is and what to do next.
PAGES: Final[Mapping[int, tuple[str, str]]] = {
    400: ("That request can't be read", "The server did not understand what was sent."),
    403: ("This is not open to you", "Your role does not reach this far."),
    404: ("There is nothing here", "This address leads to no page."),
    405: ("That isn't possible here", "This address does not take what was sent."),
    408: ("That took too long", "What was sent didn't come to its end in time; nothing was changed."),
    409: ("That was not changed", "A rule of the house forbids it."),
    410: ("This link no longer works", "It was used, replaced, or its time has run out."),
    413: ("That is too much at once", "What was sent is larger than this address takes."),
    415: ("That isn't a form", "This address takes forms only."),
    422: ("Something in it isn't right", "One of the fields can't be accepted."),
    429: ("Too many tries", "To keep guessers out, this has to wait a little."),
    500: ("Something broke here", "It is our fault, and it is noted in the log."),
    503: ("Just a moment", "The server can't answer right now; nothing was changed."),
}
# Both in one line, for a toast.
PAGE_IN_A_LINE: Final = "{heading}. {text}"
# Where no page of ours can answer: before it is known which one, or when the page for errors itself fails.
BROKEN: Final = "Something broke here. It is our fault, and it is noted in the log."
GET_AND_POST: Final = "This address takes GET and POST."
# By origins.Reason. said: the address in the browser; own: what this server calls itself.
WRONG_ADDRESS: Final[Mapping[str, str]] = {
    "another-site": "This form was sent from another site. Nothing was changed.",
    "unsaid": "Nothing was changed: your browser doesn't say which site this page belongs to. "
    "Reload the page and try again. If that doesn't help, tell the person who runs this server.",
    "plain": "You opened this page over http. This server is set up for {server_origin}: open it there.",
    "other-address": "Nothing was changed: your browser says {browser_origin}, but this server calls itself "
    "{server_origin}. Tell the person who runs this server.",
}
# Said by the server itself, before it is known which page was asked for.
UNREADABLE: Final = "That request can't be read."
NOT_ONE_HOST: Final = "That request doesn't name one host."
ADDRESS_TOO_LONG: Final = "That address is longer than this server takes."
HEADERS_TOO_LARGE: Final = "The headers are larger than this server takes."
TOO_SLOW: Final = "That took too long to arrive."
FULL: Final = "The server has too many visitors. Try again in a moment."
FORMS_ONLY: Final = "This address takes forms only."
TOO_LARGE: Final = "That is more than this address takes."

TOO_MANY_TRIES_SECONDS: Final = Plural(
    "Too many tries. Wait 1 second, then try again.", "Too many tries. Wait {count} seconds, then try again."
)
TOO_MANY_TRIES_MINUTES: Final = Plural(
    "Too many tries. Wait 1 minute, then try again.", "Too many tries. Wait {count} minutes, then try again."
)
SEARCH_TOOK_TOO_LONG: Final = "The search took too long. Try more letters."
NO_SUCH_PAGE: Final = "This address leads to no page."
NO_SUCH_ID: Final = "This address leads to nobody."

# Who may do what to whom.
PART_IS_FOR: Final = "This part is for {who}."
PART_IS_FOR_ALONE: Final = "This part is for {who} alone."
MANAGE_MEMBERS: Final = "Only {who} may manage members."
INVITE_PEOPLE: Final = "Only {who} may invite people."
READ_ACTIVITY: Final = "Only {who} may read the activity log."
OPEN_ORGANIZATION: Final = "Only {who} may open the pages of the organization."
CHANGE_SETTINGS: Final = "Only {who} may change the settings."
ERASE_NAMES: Final = "Only {who} may erase names from the activity log."
HAND_OVER: Final = "Only the Owner hands the organization over."
NOT_ONESELF: Final = (
    "Nobody changes their own role or removes themself. Ask another Administrator or the Owner."
)
NOT_THE_OWNER: Final = "There is always exactly one Owner: only the Owner can hand ownership over."
NEVER_ASSIGNED: Final = "{role} is never assigned: the Owner hands ownership over."
OWNER_NAMES_THEMSELF: Final = "Only the Owner changes the Owner's name."
OWNER_SIGNS_OUT_THEMSELF: Final = "Only the Owner ends the Owner's sessions."
NO_LAST_DAY: Final = "Who is deactivated has no access that could end: give them a role first."
NO_LINK_FOR_ONESELF: Final = "Change your own password on your account page."
NO_LINK_FOR_DEACTIVATED: Final = "Who is deactivated can't log in: give them a role first."
NO_LINK_FOR_OWNER: Final = (
    "Nobody else makes a password link for the Owner. Whoever runs this server can help with a command."
)
OWNER_MAKES_LINK: Final = (
    "They are an Administrator, or were one in the last 30 days. Only {who} may make a password link for"
    " them."
)

# Members and ownership.
NOT_TAKEN_BACK: Final = "Their role was changed once more meanwhile, so this wasn't taken back."
CHANGED_AFTER_ASKING: Final = "Their role was changed after you were asked. Look at the list again."
TOO_LATE_TO_UNDO: Final = "Too late to undo."
NO_NAME_KEPT: Final = "The activity log keeps no name of this person; perhaps it was erased already."
NO_SUCH_MEMBER: Final = "There is no such member."
MEMBER_REMOVED: Final = "There is no such member; perhaps they were removed."
MEMBER_REMOVED_MEANWHILE: Final = "There is no such member; perhaps somebody else removed them meanwhile."
NO_MEMBER_WITH_ADDRESS: Final = "Nobody here has the address {email}."
TOO_MANY_AT_ONCE: Final = "At most {most} people can get a role at once. Narrow the list down first."
BECAUSE_OF: Final = "Nothing was changed, because of {name}: {reason}"
SOMEBODY_ELSE_OWNS: Final = "Somebody else is the Owner by now."
YOU_OWN: Final = "You are the Owner already."
OWNER_TO_BE_INACTIVE: Final = "Ownership goes to an active member: give them a role first."
SET_UP_ALREADY: Final = "The organization is set up already."
NOT_THE_SETUP_CODE: Final = (
    "Open the set-up link that the server printed when it started; this code isn't the one. It may be"
    " incomplete: copy the whole link."
)

# One's own account.
NO_SUCH_SESSION: Final = "There is no such session, or it has ended already."
NO_MAIL: Final = "Mail isn't set up on this server, so nothing can be sent."
TEST_MAIL_TOOK_TOO_LONG: Final = (
    "The mail server gave no answer within {seconds} seconds. Check EMAIL_HOST and EMAIL_PORT."
)
MAIL_NOT_NOTED: Final = (
    "Given up after five days: Gatehouse could not record whether the mail server accepted it."
)
CONFIRMED_ALREADY: Final = "Your address is confirmed already."

# Invitations, files of them, and the invite link.
NO_SUCH_INVITATION: Final = "There is no such invitation."
INVITATION_NOT_BROUGHT_BACK: Final = (
    "Somebody has decided otherwise about the invitation of {email} since, so nothing was brought back."
)
NO_OPEN_INVITATIONS: Final = "There are no open invitations in this sending."
SELECT_AN_INVITATION: Final = "Select an invitation first."
RESENT_TOO_OFTEN: Final = Plural(
    "The invitation of {email} was sent again three times within an hour. Wait 1 minute, or copy its link.",
    "The invitation of {email} was sent again three times within an hour. Wait {count} minutes, or copy its"
    " link.",
)
NO_ROLE_TO_INVITE_TO: Final = (
    "An invitation gives one of the roles Annotator, Reviewer, Manager, Administrator."
)
INVITATION_ENDED: Final = "This invitation has ended, so its link no longer works. Nothing was changed."
# By the reason for which it has ended.
INVITATION_ENDED_BY: Final[Mapping[str, str]] = {
    "accepted": "The invitation of {email} was accepted already. Nothing was changed.",
    "revoked": "The invitation of {email} was revoked already. Nothing was changed.",
    "void": "The invitation of {email} is void already. Nothing was changed.",
    "joined": "{email} has joined another way, so the invitation isn't needed any more. Nothing was changed.",
}
ACCOUNT_EXISTS: Final = "There is an account with this address already. Log in with it."
INVITATION_OF_ANOTHER: Final = "This invitation is for somebody else's address."
ACCOUNT_DEACTIVATED: Final = "This account is deactivated."
FILE_GONE: Final = (
    "This file is gone: it was sent, its hour is over, or five newer ones took its place. The list of"
    " invitations says who is invited; to invite anybody else choose the file once more."
)
LINKS_ENDED: Final = (
    "Invite links end on {day}, and that day is over. The Owner can choose another in Settings."
)

# Requests to be let in.
NOBODY_IS_ASKED: Final = "Nobody is asked for access here."
TOO_MANY_REQUESTS: Final = (
    "So many people have asked that no more requests are taken now. Try again tomorrow, or ask the person you"
    " work with."
)
NO_SUCH_REQUEST: Final = "There is no such request; perhaps it was forgotten meanwhile."
REQUEST_OF_MEMBER: Final = "They have an account by now, so their request has ended. Nobody was invited."
REQUEST_ANSWERED: Final = "Somebody else has answered this request meanwhile. Nothing was changed."
REQUEST_NOT_BROUGHT_BACK: Final = (
    "Somebody has decided otherwise about the request of {name} since, so it wasn't brought back."
)
# By the reason for which it has ended.
REQUEST_ENDED_BY: Final[Mapping[str, str]] = {
    "invited": "They have been invited meanwhile. Nothing was changed.",
    "dismissed": "Somebody else has dismissed this request meanwhile. Nothing was changed.",
    "joined": "They have an account by now, so their request has ended. Nothing was changed.",
    "expired": "This request was too old and has ended by itself. Nothing was changed.",
}
