"""Thirty believable people for a throw-away database, with a history that the domain itself has written.

The clock is moved through a year, and what happened is done again by the functions that pages call, so that
roles, sessions, activity and "how they came" go together.
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
# The documentation's networks (RFC 5737, RFC 3849), and browsers as the account page names them.
BROWSERS: Final = (
    Browser(address="192.0.2.17", device="Firefox on Linux"),
    Browser(address="198.51.100.8", device="Chrome on Windows"),
    Browser(address="2001:db8:5::c4", device="Safari on macOS"),
    Browser(address="203.0.113.90", device="Chrome on Android"),
)


@dataclass(frozen=True, slots=True)
class Somebody:
    """joined, seen: days ago, seen -1 for never since. by_link: came by the invite link, else signed up."""

    first_name: str
    last_name: str
    email: str
    role: str
    joined: float
    seen: float
    by_link: bool = True


# The Owner first, then an Administrator, who lets the others in.
PEOPLE: Final = (
    Somebody("Margaret", "Fenwick", "margaret@fenwick.example", "OW", 372, 0.1),
    Somebody("Hana", "Vodičková", "hana.vodickova@fenwick.example", "AD", 371, 0.02),
    Somebody("Tomás", "Ó Briain", "tomas.obriain@fenwick.example", "AD", 340, 1.3),
    Somebody("Rukmini", "Venkataraghavan", "rukmini.venkataraghavan@fenwick.example", "MA", 322, 0.4),
    Somebody("Ingrid", "Bjørnstad", "ingrid@fieldnotes.example", "MA", 301, 2.2),
    Somebody("Oluwaseun", "Adebayo-Fitzwilliam", "o.adebayo-fitzwilliam@fieldnotes.example", "RE", 296, 0.9),
    Somebody("Aroha", "Ngata", "aroha.ngata@fenwick.example", "RE", 284, 3.1),
    Somebody("Joaquín", "Etxeberria", "joaquin@jardín-botánico.example", "AN", 270, 12),
    Somebody("", "", "k.abara@fieldnotes.example", "AN", 263, 0.7),
    Somebody("Mei-Ling", "Tsai", "meiling.tsai@fenwick.example", "RE", 250, 0.05),
    Somebody("نور", "الهاشمي", "noor.alhashimi@fenwick.example", "AN", 241, 0.3),
    Somebody("सुनीता", "शर्मा", "sunita.sharma@fieldnotes.example", "AN", 230, 45),
    Somebody("Thandeka", "Mokoena", "thandeka@fenwick.example", "AN", 214, 1.8, by_link=False),
    Somebody("יעל", "ברק", "yael.barak@fieldnotes.example", "AN", 205, 4.4),
    Somebody("Bernard", "Achterberg", "bernard.achterberg@fenwick.example", "DI", 199, 88),
    Somebody("Zoë", "van der Meer", "zoe@fenwick.example", "AN", 180, 0.6),
    Somebody("小百合", "田中", "sayuri.tanaka@uni-kanazawa.example", "AN", 171, 6.5),
    Somebody(
        "Léopold",
        "Quénneville-Saint-Just",
        "leopold.quenneville.saint.just.the.younger@herbarium-of-the-saint-lawrence-valley.example",
        "AN",
        160,
        9,
    ),
    Somebody("Ana", "Lima", "ana@fenwick.example", "AN", 144, 0.2),
    Somebody("Søren", "Østergaard", "soren@fenwick.example", "RE", 131, 20, by_link=False),
    Somebody("Διονύσης", "Παπαδόπουλος", "dionysis@fieldnotes.example", "AN", 118, 3.7),
    Somebody("", "", "herbarium-scans@fenwick.example", "AN", 102, 0.01),
    Somebody("Gulnara", "Ибрагимова", "gulnara.ibragimova@fenwick.example", "AN", 90, 2.9),
    Somebody("Pāora", "Te Rangi", "paora@fenwick.example", "DI", 77, 51),
    Somebody("Nguyễn Thị", "Minh Khai", "khai.nguyen@uni-hue.example", "AN", 27, 0.8),
    Somebody("Chidi", "Okonkwo", "chidi@fenwick.example", "AN", 18, 5.2, by_link=False),
    Somebody("Åsa", "Lindqvist", "asa.lindqvist@fenwick.example", "NO", 3.2, 1.1),
    Somebody("Piotr", "Wiśniewski", "piotr.wisniewski@uni-krakow.example", "NO", 1.4, 1.4),
    Somebody("", "", "weekend-volunteer@fieldnotes.example", "NO", 0.6, -1, by_link=False),
    Somebody("Emeka", "Nwosu", "emeka.nwosu@fenwick.example", "NO", 0.08, 0.03),
)

# Who is invited and hasn't come yet: days ago, what was pasted, role. The first has expired.
INVITED: Final = (
    (9.0, "Maria Gómez <maria.gomez@museo.example>", Role.ANNOTATOR),
    (2.1, "Kofi Asante <kofi.asante@fenwick.example>, s.iyer@fenwick.example", Role.ANNOTATOR),
    (0.3, "dr.feng@museum-of-natural-history.example", Role.REVIEWER),
    (0.05, "Lena Hartmann <l.hartmann@botanik-graz.example>", Role.MANAGER),
)
INVITATION_DAYS: Final = 7
# How far back people have signed in again and again, and how often each of them does: days.
SIGN_INS_FOR: Final = 30
SIGN_INS_EVERY: Final = (1, 3, 2, 4, 2)
# Chidi is here for the season.
LAST_DAY_IN_MS: Final = 12 * DAY_MS

# Whose addresses are printed.
SIGN_IN: Final = ("Margaret", "Hana", "Ana", "Åsa")


async def fill() -> list[tuple[str, str]]:
    """Makes the people in an empty, migrated database; returns role and address of some to sign in as."""
    now = clock.now()
    password_hash = await passwords.hash_of(PASSWORD)
    try:
        administrator = await _begin(now, password_hash)
        for number, somebody in enumerate(PEOPLE[2:]):
            browser = BROWSERS[number % len(BROWSERS)]
            await _join(somebody, now, password_hash, administrator, browser)
        for number, somebody in enumerate(PEOPLE):
            await _come_back(somebody, now, number)
        for days_ago, pasted, role in INVITED:
            clock.stop_at(now - int(days_ago * DAY_MS))
            listed = address_list.parse(pasted)
            await creation.invite(administrator, listed, role=role, days=INVITATION_DAYS)
    finally:
        clock.go_on()
    await engine.write(_note_last_activity, now)
    chidi = await new_member.id_of("chidi@fenwick.example")
    await last_day.set_last_day(administrator, member_id=chidi, day=last_day.iso(now + LAST_DAY_IN_MS))
    return [
        (Role(somebody.role).label, somebody.email) for somebody in PEOPLE if somebody.first_name in SIGN_IN
    ]


async def _begin(now: int, password_hash: str) -> Actor:
    """The Owner makes the organization and lets in the first Administrator, who is returned."""
    owner, second = PEOPLE[:2]
    clock.stop_at(now - int(owner.joined * DAY_MS))
    await setup.found_by_operator(TITLE, _person(owner, password_hash))
    owner_id = await new_member.id_of(owner.email)
    actor = Actor(owner_id, Role.OWNER, address=BROWSERS[0].address)
    second_id = await _join(second, now, password_hash, actor, BROWSERS[1])
    return Actor(second_id, Role.ADMINISTRATOR, address=BROWSERS[1].address)


async def _join(somebody: Somebody, now: int, password_hash: str, actor: Actor, browser: Browser) -> int:
    """They register, and some hours later somebody gives them their role; the deactivated had one before."""
    joined_at = now - int(somebody.joined * DAY_MS)
    clock.stop_at(joined_at)
    link = await invite_link.present()
    signed_in = await signup.register(
        _person(somebody, password_hash),
        link_id=link.id if somebody.by_link else None,
        session_limits=SESSION_LIMITS,
        browser=browser,
    )
    role = Role(somebody.role)
    if role is not Role.PENDING:
        clock.stop_at(joined_at + 2 * HOUR_MS + len(somebody.email) * HOUR_MS // 10)
        first = Role.ANNOTATOR if role is Role.DEACTIVATED else role
        # Whoever makes an Administrator has just given their password.
        actor = replace(actor, password_at=clock.now())
        await roles.change_role(actor, member_id=signed_in.member_id, role=first)
    if role is Role.DEACTIVATED:
        clock.stop_at(now - int((somebody.seen - 1) * DAY_MS))
        await roles.change_role(actor, member_id=signed_in.member_id, role=role)
    return signed_in.member_id


async def _come_back(somebody: Somebody, now: int, number: int) -> None:
    """The sign-ins of the last weeks, by day, until they were last seen; few work on a weekend."""
    browser = BROWSERS[number % len(BROWSERS)]
    member_id = await new_member.id_of(somebody.email)
    actor = Actor(member_id, Role(somebody.role), address=browser.address)
    since, until = (now - int(days * DAY_MS) for days in (somebody.joined, max(somebody.seen, 0)))
    for day in range(now // DAY_MS - SIGN_INS_FOR, now // DAY_MS + 1, SIGN_INS_EVERY[number % 5]):
        weekend = (day + 3) % 7 >= 5
        at = day * DAY_MS + 7 * HOUR_MS + (number * 53 + day * 17) % 600 * HOUR_MS // 60
        if since < at < until and (not weekend or number % 7 == 0):
            clock.stop_at(at)
            await engine.write(activity.record, actor, "signed_in", member_id)


def _person(somebody: Somebody, password_hash: str) -> Person:
    return Person(addresses.parse(somebody.email), somebody.first_name, somebody.last_name, password_hash)


async def _note_last_activity(now: int) -> None:
    for somebody in PEOPLE:
        if somebody.seen >= 0:
            seen_at = now - int(somebody.seen * DAY_MS)
            await engine.execute(
                "UPDATE member SET last_activity_at = ? WHERE email = ?",
                seen_at,
                addresses.parse(somebody.email).email,
            )
