"""Thirty believable people for a throw-away database, with a year of history.

The clock is moved through the year, and the functions behind the pages make everything that happened. So
roles, sessions and the activity log agree.
"""

from dataclasses import dataclass, replace
from typing import Final

from db import activity, engine
from db.auth import passwords
from db.auth.client import Browser
from db.auth.sessions import SessionLimits
from db.common import addresses, clock
from db.common.dates import DAY_MS
from db.invitations import creation
from db.invitations.recipients import address_list
from db.members import last_day, new_member, roles
from db.members.new_member import Person
from db.organization import invite_link, setup, signup
from db.policy import Actor, Role

TITLE: Final = "Fenwick Herbarium"
PASSWORD: Final = "pressed fern, blue ink"
HOUR_MS: Final = 3600 * 1000
SESSION_LIMITS: Final = SessionLimits(persistent=14 * DAY_MS, idle=5 * DAY_MS)
# Networks for documentation (RFC 5737, RFC 3849), and browsers as the account page names them.
BROWSERS: Final = (
    Browser(address="192.0.2.17", device="Firefox on Linux"),
    Browser(address="198.51.100.8", device="Chrome on Windows"),
    Browser(address="2001:db8:5::c4", device="Safari on macOS"),
    Browser(address="203.0.113.90", device="Chrome on Android"),
)


@dataclass(frozen=True, slots=True)
class DemoMember:
    """joined, seen: days ago; seen: -1 for never. by_link: joined by the invite link, not by signing up."""

    first_name: str
    last_name: str
    email: str
    role: str
    joined: float
    seen: float
    by_link: bool = True


# The Owner comes first, then an Administrator, who gives the others their roles.
PEOPLE: Final = (
    DemoMember("Margaret", "Fenwick", "margaret@fenwick.example", "OW", 372, 0.1),
    DemoMember("Hana", "Vodičková", "hana.vodickova@fenwick.example", "AD", 371, 0.02),
    DemoMember("Tomás", "Ó Briain", "tomas.obriain@fenwick.example", "AD", 340, 1.3),
    DemoMember("Rukmini", "Venkataraghavan", "rukmini.venkataraghavan@fenwick.example", "MA", 322, 0.4),
    DemoMember("Ingrid", "Bjørnstad", "ingrid@fieldnotes.example", "MA", 301, 2.2),
    DemoMember(
        "Oluwaseun", "Adebayo-Fitzwilliam", "o.adebayo-fitzwilliam@fieldnotes.example", "RE", 296, 0.9
    ),
    DemoMember("Aroha", "Ngata", "aroha.ngata@fenwick.example", "RE", 284, 3.1),
    DemoMember("Joaquín", "Etxeberria", "joaquin@jardín-botánico.example", "AN", 270, 12),
    DemoMember("", "", "k.abara@fieldnotes.example", "AN", 263, 0.7),
    DemoMember("Mei-Ling", "Tsai", "meiling.tsai@fenwick.example", "RE", 250, 0.05),
    DemoMember("نور", "الهاشمي", "noor.alhashimi@fenwick.example", "AN", 241, 0.3),
    DemoMember("सुनीता", "शर्मा", "sunita.sharma@fieldnotes.example", "AN", 230, 45),
    DemoMember("Thandeka", "Mokoena", "thandeka@fenwick.example", "AN", 214, 1.8, by_link=False),
    DemoMember("יעל", "ברק", "yael.barak@fieldnotes.example", "AN", 205, 4.4),
    DemoMember("Bernard", "Achterberg", "bernard.achterberg@fenwick.example", "DI", 199, 88),
    DemoMember("Zoë", "van der Meer", "zoe@fenwick.example", "AN", 180, 0.6),
    DemoMember("小百合", "田中", "sayuri.tanaka@uni-kanazawa.example", "AN", 171, 6.5),
    DemoMember(
        "Léopold",
        "Quénneville-Saint-Just",
        "leopold.quenneville.saint.just.the.younger@herbarium-of-the-saint-lawrence-valley.example",
        "AN",
        160,
        9,
    ),
    DemoMember("Ana", "Lima", "ana@fenwick.example", "AN", 144, 0.2),
    DemoMember("Søren", "Østergaard", "soren@fenwick.example", "RE", 131, 20, by_link=False),
    DemoMember("Διονύσης", "Παπαδόπουλος", "dionysis@fieldnotes.example", "AN", 118, 3.7),
    DemoMember("", "", "herbarium-scans@fenwick.example", "AN", 102, 0.01),
    DemoMember("Gulnara", "Ибрагимова", "gulnara.ibragimova@fenwick.example", "AN", 90, 2.9),
    DemoMember("Pāora", "Te Rangi", "paora@fenwick.example", "DI", 77, 51),
    DemoMember("Nguyễn Thị", "Minh Khai", "khai.nguyen@uni-hue.example", "AN", 27, 0.8),
    DemoMember("Chidi", "Okonkwo", "chidi@fenwick.example", "AN", 18, 5.2, by_link=False),
    DemoMember("Åsa", "Lindqvist", "asa.lindqvist@fenwick.example", "NO", 3.2, 1.1),
    DemoMember("Piotr", "Wiśniewski", "piotr.wisniewski@uni-krakow.example", "NO", 1.4, 1.4),
    DemoMember("", "", "weekend-volunteer@fieldnotes.example", "NO", 0.6, -1, by_link=False),
    DemoMember("Emeka", "Nwosu", "emeka.nwosu@fenwick.example", "NO", 0.08, 0.03),
)

# Open invitations: sent so many days ago, to what was pasted, with a role. The first has expired.
INVITATIONS: Final = (
    (9.0, "Maria Gómez <maria.gomez@museo.example>", Role.ANNOTATOR),
    (2.1, "Kofi Asante <kofi.asante@fenwick.example>, s.iyer@fenwick.example", Role.ANNOTATOR),
    (0.3, "dr.feng@museum-of-natural-history.example", Role.REVIEWER),
    (0.05, "Lena Hartmann <l.hartmann@botanik-graz.example>", Role.MANAGER),
)
INVITATION_DAYS: Final = 7
# In days: the period of repeated sign-ins, and the interval between those of one member.
SIGN_IN_PERIOD: Final = 30
SIGN_IN_INTERVALS: Final = (1, 3, 2, 4, 2)
# Chidi is here for the season.
LAST_DAY_IN_MS: Final = 12 * DAY_MS

# The command prints their addresses.
PRINTED: Final = ("Margaret", "Hana", "Ana", "Åsa")


async def fill() -> list[tuple[str, str]]:
    """Fills an empty, migrated database. Returns the role and address of some members to sign in as."""
    now = clock.now()
    password_hash = await passwords.hash_of(PASSWORD)
    try:
        administrator = await _found(now, password_hash)
        for number, member in enumerate(PEOPLE[2:]):
            browser = BROWSERS[number % len(BROWSERS)]
            await _register(member, now, password_hash, administrator, browser)
        for number, member in enumerate(PEOPLE):
            await _record_sign_ins(member, now, number)
        for days_ago, pasted, role in INVITATIONS:
            clock.stop_at(now - int(days_ago * DAY_MS))
            listed = address_list.parse(pasted)
            await creation.invite(administrator, listed, role=role, days=INVITATION_DAYS)
    finally:
        clock.go_on()
    await engine.write(_note_last_activity, now)
    chidi = await new_member.id_of("chidi@fenwick.example")
    await last_day.set_last_day(administrator, member_id=chidi, day=last_day.iso(now + LAST_DAY_IN_MS))
    return [(Role(member.role).label, member.email) for member in PEOPLE if member.first_name in PRINTED]


async def _found(now: int, password_hash: str) -> Actor:
    """Makes the organization, its Owner and the first Administrator, who is returned."""
    owner, second = PEOPLE[:2]
    clock.stop_at(now - int(owner.joined * DAY_MS))
    await setup.found_by_operator(TITLE, _person(owner, password_hash))
    owner_id = await new_member.id_of(owner.email)
    actor = Actor(owner_id, Role.OWNER, address=BROWSERS[0].address)
    second_id = await _register(second, now, password_hash, actor, BROWSERS[1])
    return Actor(second_id, Role.ADMINISTRATOR, address=BROWSERS[1].address)


async def _register(member: DemoMember, now: int, password_hash: str, actor: Actor, browser: Browser) -> int:
    """Registers a member and, some hours later, gives them their role. Returns their id.

    Deactivated members were Annotators before.
    """
    joined_at = now - int(member.joined * DAY_MS)
    clock.stop_at(joined_at)
    link = await invite_link.present()
    signed_in = await signup.register(
        _person(member, password_hash),
        link_id=link.id if member.by_link else None,
        session_limits=SESSION_LIMITS,
        browser=browser,
    )
    role = Role(member.role)
    if role is not Role.PENDING:
        clock.stop_at(joined_at + 2 * HOUR_MS + len(member.email) * HOUR_MS // 10)
        first = Role.ANNOTATOR if role is Role.DEACTIVATED else role
        # To make an Administrator takes a password that was entered lately.
        actor = replace(actor, password_at=clock.now())
        await roles.change_role(actor, member_id=signed_in.member_id, role=first)
    if role is Role.DEACTIVATED:
        clock.stop_at(now - int((member.seen - 1) * DAY_MS))
        await roles.change_role(actor, member_id=signed_in.member_id, role=role)
    return signed_in.member_id


async def _record_sign_ins(member: DemoMember, now: int, number: int) -> None:
    """Records the sign-ins of a member's last weeks, up to when they were last seen. Few work on weekends."""
    browser = BROWSERS[number % len(BROWSERS)]
    member_id = await new_member.id_of(member.email)
    actor = Actor(member_id, Role(member.role), address=browser.address)
    since, until = (now - int(days * DAY_MS) for days in (member.joined, max(member.seen, 0)))
    for day in range(now // DAY_MS - SIGN_IN_PERIOD, now // DAY_MS + 1, SIGN_IN_INTERVALS[number % 5]):
        weekend = (day + 3) % 7 >= 5
        at = day * DAY_MS + 7 * HOUR_MS + (number * 53 + day * 17) % 600 * HOUR_MS // 60
        if since < at < until and (not weekend or number % 7 == 0):
            clock.stop_at(at)
            await engine.write(activity.record, actor, "signed_in", member_id)


def _person(member: DemoMember, password_hash: str) -> Person:
    return Person(addresses.parse(member.email), member.first_name, member.last_name, password_hash)


async def _note_last_activity(now: int) -> None:
    for member in PEOPLE:
        if member.seen >= 0:
            seen_at = now - int(member.seen * DAY_MS)
            await engine.execute(
                "UPDATE member SET last_activity_at = ? WHERE email = ?",
                seen_at,
                addresses.parse(member.email).email,
            )
