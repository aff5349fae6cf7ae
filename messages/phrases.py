"""Names of roles and what they may do, counts, and other pieces that pages and mails take in."""

from collections.abc import Mapping
from typing import Final

from messages import Plural

# Roles by their code.
ROLES: Final[Mapping[str, str]] = {
    "OW": "Owner",
    "AD": "Administrator",
    "MA": "Manager",
    "RE": "Reviewer",
    "AN": "Annotator",
    "NO": "Pending",
    "DI": "Deactivated",
}
# The word for several of them. Pending and Deactivated say how somebody is, and stay.
ROLES_OF_SEVERAL: Final[Mapping[str, str]] = {
    "OW": "Owners",
    "AD": "Administrators",
    "MA": "Managers",
    "RE": "Reviewers",
    "AN": "Annotators",
    "NO": "Pending",
    "DI": "Deactivated",
}
# Roles in a sentence: "the Owner and Administrators".
THE_OWNER: Final = "the Owner"
AND_THE_LAST: Final = "{others} and {last}"
# What a role may do here.
OPENS_APP: Final = "Opens {app}"
MANAGES_MEMBERS: Final = "Manages members"
MANAGES_INVITATIONS: Final = "Manages invitations"
CHANGES_SETTINGS: Final = "Changes the settings, and hands the organization over"
WAITS: Final = "Logs in, sees that they wait, and nothing else"
SHUT_OUT: Final = "Can't log in, until somebody gives them another role"
# What they usually do in the app, where the Owner hasn't said it in the app's own words.
USUALLY: Final[Mapping[str, str]] = {
    "OW": "All of it",
    "AD": "All of it",
    "MA": "Runs projects",
    "RE": "Labels and checks",
    "AN": "Labels",
    "NO": "Nothing yet",
    "DI": "Nothing",
}
# The same in a mail to whoever has the role, after "you are …:".
DOES: Final[Mapping[str, str]] = {
    "OW": "the organization is yours",
    "AD": "you look after people and their roles",
    "MA": "you run projects in {app}",
    "RE": "you label and check in {app}",
    "AN": "you label in {app}",
    "NO": "you wait for a role",
    "DI": "you have no access",
}

# What #members-count says; it begins with the number of people the filter shows.
MEMBERS: Final = Plural("1 member", "{count:,} members")
MEMBERS_SOME_WAITING: Final = Plural(
    "1 member, {waiting:,} of them waiting", "{count:,} members, {waiting:,} of them waiting"
)
MEMBERS_SOME_AWAY: Final = Plural(
    "1 member. {away:,} deactivated not shown", "{count:,} members. {away:,} deactivated not shown"
)
MEMBERS_SOME_WAITING_SOME_AWAY: Final = Plural(
    "1 member, {waiting:,} of them waiting. {away:,} deactivated not shown",
    "{count:,} members, {waiting:,} of them waiting. {away:,} deactivated not shown",
)
ONLY_YOU: Final = "1 member: you"
# Of one or of many: the number that the plural is of comes last.
MEMBERS_OF_ALL: Final = Plural("{shown:,} of 1 member", "{shown:,} of {count:,} members")
MEMBERS_FOUND: Final = Plural("1 member found, of {everybody:,}", "{count:,} members found, of {everybody:,}")
MORE_MEMBERS_FOUND: Final = "More than {count:,} members found; the newest {count:,} are listed, newest first"
CAME_BY_LINK_OLDEST: Final = Plural(
    "1 member came by this link, oldest first", "{count:,} members came by this link, oldest first"
)
CAME_BY_LINK_NEWEST: Final = Plural(
    "1 member came by this link, newest first", "{count:,} members came by this link, newest first"
)
MORE_CAME_BY_LINK_OLDEST: Final = "More than {count:,} members came by this link, oldest first"
MORE_CAME_BY_LINK_NEWEST: Final = "More than {count:,} members came by this link, newest first"

# The domains whose addresses may register, as a list: "below example.net, at a.org or at b.org".
AT_DOMAIN: Final = "at {domain}"
BELOW_DOMAIN: Final = "below {domain}"
AT_MORE_DOMAINS: Final = Plural("at one more domain", "at one of {count:,} more domains")
ONE_OR_THE_LAST: Final = "{others} or {last}"

# The question before all of a list get a role, and its button.
GIVE_ROLE_ASK: Final = Plural("Give 1 person the role {role}?", "Give {count:,} people the role {role}?")
GIVE_ROLE: Final = Plural("Change 1 person", "Change {count:,} people")
DEACTIVATE_ASK: Final = Plural("Deactivate 1 person?", "Deactivate {count:,} people?")
DEACTIVATE: Final = Plural("Deactivate 1 person", "Deactivate {count:,} people")

BROWSER_ON_SYSTEM: Final = "{browser} on {system}"
UNNAMED_PROGRAM: Final = "An unnamed program"
QR_CODE: Final = "QR code of the invite link"
SERVER_KEEPER: Final = "Whoever runs the server"
SOMEBODY_REMOVED: Final = "A removed member"
# The mail that an administrator's own program begins for them.
MAILTO_SUBJECT: Final = "Invitation to {title}"
MAILTO_BODY: Final = "You are invited to {title}. Open this link to set a password:\n\n{link}\n"
