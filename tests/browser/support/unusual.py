"""People who try a layout most: names without a place to break, two directions of writing, long addresses."""

from typing import Final

from db import engine
from db.common import addresses
from db.members import new_member
from db.members.new_member import Person
from db.policy import Role
from tests.support.pages.site import Site, password_hash

LONG_NAME: Final = ("Wolfeschlegelsteinhausenbergerdorff", "Ekwueme-Oluwaseun-Adebayo")
LONG_ADDRESS: Final = (
    f"a-very-long-local-part-without-any-end{'x' * 25}@{'herbarium-of-the-north.' * 7}{'x' * 14}.example.org"
)
ARABIC_NAME: Final = ("فاطمة", "الحسن")


async def come(site: Site) -> None:
    """They register, and wait: site.ids knows them as long, fatima and nameless."""
    for known_as, address, name in (
        ("long", LONG_ADDRESS, LONG_NAME),
        ("fatima", "fatima@xn--mnchen-3ya.example", ARABIC_NAME),
        ("nameless", "nameless@example.org", ("", "")),
    ):
        person = Person(addresses.parse(address), *name, password_hash())
        site.ids[known_as] = await engine.write(new_member.insert, person, Role.PENDING, joined_via="link")
