"""What stands beside a field of a form, or of a filter in the address, that can't be accepted."""

from typing import Final

from messages import Plural

# Any field.
NOT_READ: Final = "The form couldn't be read. Send it again."
SENT_TWICE: Final = "This field was sent more than once."
FAR_TOO_LONG: Final = "This is far too long."
CONTROL_CHARACTERS: Final = "There are characters in it that can't be typed (control characters)."
AT_MOST: Final = "Use at most {most} characters; this has {count}."
CHOOSE_A_ROLE: Final = "Choose one of the roles in the list."
ONE_OF_THREE: Final = "Choose one of the three."

# Filters, and places in a list.
GIVE_ONCE: Final = "Give this once."
SEARCH_AT_MOST: Final = "Search for at most {most} characters."
SEARCH_CONTROL_CHARACTERS: Final = "A search can't hold control characters such as tabs or line breaks."
SEARCH_PLAIN: Final = "Search for at most {most} characters, none of them a control character."
LOOK_FOR_AT_MOST: Final = "Look for at most {most} characters."
PLAIN_AT_MOST: Final = "Use at most {most} characters, none of them a control character."
SORT_BY: Final = "Sort by one of {columns}, with a minus in front to reverse."
ROLE_IS_ONE_OF: Final = "A role is one of {roles}."
STATE_IS_ONE_OF: Final = "A state is one of {states}."
NO_SUCH_LINK: Final = "There is no such invite link: open the list from the dialog that shows the link."
NO_SUCH_PERSON: Final = "There is no such person: choose one by name or address."
NO_SUCH_EVENT: Final = "There is no such kind of event: choose one from the list."
WRITE_A_DAY: Final = "Write a day as 2026-11-22: year, month and day."
LAST_BEFORE_FIRST: Final = "The last day is before the first. Choose a later one, or leave it empty."
AFTER_OR_BEFORE: Final = "Give either after or before, not both."
NO_PLACE_IN_LIST: Final = "This place in the list isn't one: start from the first page."
NO_PLACE_IN_LOG: Final = "This place in the log isn't one: start from the first page."
NO_TOP_OF_LOG: Final = "This place in the log isn't one."
NO_NUMBER: Final = "This is no number of ours: start from the first page."

# Addresses, passwords and names of whoever registers or signs in.
ENTER_ADDRESS: Final = "Enter an email address."
ADDRESS_TOO_LONG: Final = "An email address has at most {most} characters."
ADDRESS_PARTS: Final = "An email address has a name, an @ sign and a domain, like name@example.org."
ADDRESS_LINK: Final = "This is a link to a web page. Enter an email address, like name@example.org."
ADDRESS_ASCII: Final = "The part before the @ sign may hold only plain letters, digits and signs (ASCII)."
ADDRESS_NAME_TOO_LONG: Final = "The part before the @ sign has at most {most} characters."
ADDRESS_TWO_AT: Final = "There are two @ signs in it."
ADDRESS_HIDDEN: Final = (
    "There is an invisible character in it: {character}. Delete it, or type the address anew."
)
ADDRESS_ALONE: Final = "Enter only the address, without a name or angle brackets."
ADDRESS_QUOTED: Final = "Remove the quotation marks from it."
ADDRESS_ENCODED: Final = "Mail programs read =? in an address as something else. Enter another address."
ADDRESS_WIDE_AT: Final = "Its @ sign is a wide one. Type an ordinary @."
ADDRESS_ARPA: Final = "Mail can't be sent to names below .arpa, except home.arpa."
ADDRESS_TAKEN: Final = "Somebody already has an account with this address. If it is yours, log in instead."
OTHER_DOMAIN: Final = "Here you register with an address {where}."
AT_LEAST: Final = "Use at least {least} characters; this has {count}."
ENTER_A_PASSWORD: Final = "Enter a password."
ENTER_YOUR_PASSWORD: Final = "Enter your password."
ENTER_PRESENT_PASSWORD: Final = "Enter your current password."
NOT_YOUR_PASSWORD: Final = "That isn't your password."
NOT_PRESENT_PASSWORD: Final = "That isn't your present password."
GUESSED_PASSWORD: Final = "This password is too easy to guess. Add a word or two that nobody expects."
MADE_OF_KNOWN: Final = (
    "This password is mostly your name, your email, or the name of the organization or app. Add other words."
)
NOT_TOGETHER: Final = "That address and password don't go together. Check both."
UNCHECKED: Final = "No password is checked before that."
ENTER_TITLE: Final = "Enter the organization's name; it stands at the top of every page."
ENTER_YOUR_NAME: Final = "Enter your name, so that they know who asks."
CHOOSE_TIME_ZONE: Final = "Choose a time zone of the list, like Europe/Prague."

# Invitations, typed and in a file.
ENTER_ADDRESSES: Final = "Enter at least one email address."
TOO_MANY_ADDRESSES: Final = (
    "These are more than {most} addresses, and so many go at a time. Leave some out, or use a CSV file."
)
SOME_NO_ADDRESSES: Final = Plural(
    "{named} isn't an email address. Nothing was sent.", "{named} aren't email addresses. Nothing was sent."
)
MANY_NO_ADDRESSES: Final = "{named} and {more:,} more aren't email addresses. Nothing was sent."
ALL_NO_ADDRESSES: Final = "None of these is an email address. Nothing was sent."
PRESS_RESEND_OR_REVOKE: Final = "Press Resend or Revoke."
CHOOSE_A_FILE: Final = "Choose a CSV file first."
FILE_EMPTY: Final = "There are no rows in this file below the names of the columns."
FILE_ROWS_WRONG: Final = "{wrong} of {rows:,} rows can't be invited."
FILE_NOT_UTF8: Final = "Line {line} is neither UTF-8 nor Windows-1252. Save the file as CSV in UTF-8."
FILE_NO_TEXT: Final = "This is no text file. Save the table as CSV."
FILE_NO_EMAIL: Final = (
    "No heading says which column holds the email addresses. Headings read: {headings}."
    " Looked for: “email”, “Email Address”, “Mail”, “User Name” and the like."
)
FILE_STRAY_QUOTE: Final = (
    "Line {line}: a quotation mark opens here that isn't closed on the same line, so the rows below would be"
    " lost. Delete it, or close it."
)
FILE_LINE_BREAK: Final = (
    "A quotation mark opens here, and the cell goes on in the next line. Put it on one line."
)
FILE_MORE_CELLS: Final = Plural(
    "This row has {cells} cells, but there is 1 column.",
    "This row has {cells} cells, but there are {count} columns.",
)
FILE_TOO_LONG: Final = "The file has more than {most:,} rows. Split it."
FILE_TOO_WIDE: Final = "Line {line} has more than {most:,} cells. Delete the columns that you don't need."
FILE_NO_ROLE: Final = "“{word}” is no role to invite to; use Annotator, Reviewer, Manager or Administrator."
FILE_NO_SUCH_ROLE: Final = {
    "OW": "“{word}”: nobody can be invited as Owner. Enter another role, or leave the row out.",
    "NO": "“{word}” is what people are who have no role yet. Enter a role, or leave the cell empty.",
    "DI": "“{word}”: nobody can be invited as Deactivated. Enter a role, or leave the row out.",
}

# Members, and handing over.
FILTER_NOT_READ: Final = "The filter of the list couldn't be read. Open the list again."
SELECT_SOMEBODY: Final = "Select somebody first."
WHO_HAD_WHICH_ROLE: Final = "Write who had which role as number and code, like 17:RE."
ENTER_A_DAY: Final = "Enter a day as year, month and day, like 2026-12-06."
LAST_DAY_OVER: Final = "That day is over. Choose today ({today}) or a later day."
LAST_DAY_TOO_FAR: Final = "Choose a day of the next {years} years, or none at all."
CHOOSE_THE_OWNER: Final = "Choose who becomes the Owner."

# Settings.
DAY_OVER: Final = "That day is over. Choose today or a later one."
CHOOSE_A_DAY: Final = "Choose a day, like 2026-12-06."
WHOLE_USES: Final = "Enter a whole number from 1 to {most:,}, or nothing for no limit."
WHOLE_LINK_DAYS: Final = "Enter a whole number of days from 1 to {most:,}."
WHOLE_SESSION_DAYS: Final = (
    "Enter whole days from 1 to {most}, which is all that {setting} allows, or nothing."
)
LESS_THAN_A_DAY: Final = "{setting} allows less than a day, so nothing can be chosen here."
NO_DOMAIN: Final = Plural(
    "{domains} is no domain. Write example.org, or *.example.org for all below it.",
    "{domains} are no domains. Write example.org, or *.example.org for all below it.",
)
NO_DOMAIN_AND_MORE: Final = (
    "{domains} and {count} more are no domains. Write example.org, or *.example.org for all below it."
)
QUOTED: Final = "“{text}”"
TOO_MANY_DOMAINS: Final = "Use at most {most} domains; these are {count}."
LINK_TOO_OLD: Final = Plural(
    "The present link is 1 day old, so it would stop working at once. Allow more, or reset the link first:"
    " its days begin anew.",
    "The present link is {count} days old, so it would stop working at once. Allow more, or reset the link"
    " first: its days begin anew.",
)
LINK_TOO_USED: Final = Plural(
    "1 person has registered by the present link, so it would stop working at once. Allow more, or reset the"
    " link first: the new one counts from 0.",
    "{count:,} people have registered by the present link, so it would stop working at once. Allow more, or"
    " reset the link first: the new one counts from 0.",
)
