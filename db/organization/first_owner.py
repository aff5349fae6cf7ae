"""The organization's first Owner, made by who runs the server: from the environment or the command line."""

from collections.abc import Sequence
from typing import Final

from db.auth import passwords
from db.common import addresses, visible
from db.members.members import Person
from db.organization import setup
from db.policy import Invalid

TITLE: Final = "Organization"
MAX_CHARACTERS: Final = 100


async def make(
    email: str,
    password: str,
    *,
    names: Sequence[str],
    title: str = "",
    first_name: str = "",
    last_name: str = "",
) -> bool:
    """Makes the organization and its Owner; False, and nothing, when somebody owns it already.

    The rules are those of the set-up page. names: of the app and the server, which a password
    should not be made of, either.
    Raises Invalid with everything that is wrong.
    """
    if (await setup.site()).exists:
        return False
    errors: dict[str, list[str]] = {}
    title, first_name, last_name = (
        visible.name(text) for text in (visible.name(title) or TITLE, first_name, last_name)
    )
    for field, text in (("title", title), ("first_name", first_name), ("last_name", last_name)):
        if len(text) > MAX_CHARACTERS or any(ord(sign) < 32 or ord(sign) == 127 for sign in text):
            errors[field] = [f"{text!r} is too long, or has characters that can't be typed."]
    address = None
    try:
        address = addresses.parse(email)
    except addresses.NotAnAddress as error:
        errors["email"] = [f"{email!r} isn't accepted. {error}"]
    about = (email, first_name, last_name, title, *names)
    if refused := await passwords.why_refused(password, about):
        errors["password"] = ["The password isn't accepted.", *refused]
    if errors or address is None:
        raise Invalid(errors)
    person = Person(address, first_name, last_name, await passwords.hash_of(password))
    return await setup.found_by_operator(title, person)
