"""Fills the database in use with believable members, fast; the same ones each time.

`python -m tests.bench.support.seed URL NUMBER` migrates the database and fills it.
"""

import asyncio
import random
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from db import engine
from db.common import clock, normalization
from db.members import directory
from db.schema import migrate

FIRST_NAMES: Final = """
    Ada Amina Anders Anna Aoife Beatriz Björn Bruno Chiara Chloé Daniel Dilek Elif Émile Emma Fatima
    Fiona François Giulia Grace Hana Hans Hiroshi Ida Ines İbrahim Jan Jürgen Kateřina Kofi Lars
    Leïla Linh Łukasz Maja Marek María Mehmet Mia Mohamed Nadia Ngozi Noah Olga Omar Paulo Petra
    Priya Quentin Rahel Ravi Renée Rosa Sara Siobhán Søren Sofia Tariq Thandeka Tomás Uma Vera Wei
    Xenia Yuki Yusuf Zeynep Zoë محمد فاطمة ليلى Ольга Дмитрий Ελένη 小明 美咲 지민
""".split()
LAST_NAMES: Final = """
    Abe Adeyemi Al-Hassan Andersson Bauer Bianchi Brown Çelik Chen Costa Demir Dubois Eriksen
    Fernández Fischer García Großmann Haddad Hernández Hoffmann Ibrahim Ivanova Jansen Johnson Jones
    Kaya Keller Khan Kim Kowalski Kumar Larsson Lee Lindqvist Lopes Maier Meyer Mokoena Molnár
    Moreau Müller Nakamura Nguyen Novák Nowak Nuñez O'Brien Okafor Olsen Ortiz Patel Pavlović Petrov
    Pham Rossi Ruiz Sánchez Sato Schäfer Schmidt Silva Singh Smith Strauß Suzuki Świątek Tanaka
    Taylor Torres Tran Vodičková Wagner Walker Wang Weiß Williams Wójcik Yılmaz Young Zhang الحسن
    العربي Иванов Παπαδόπουλος 田中 김
""".split()
DOMAINS: Final = ("example.org",) * 12 + (
    "fenwick.example",
    "labs.example.com",
    "uni-tuebingen.example",
    "xn--mnchen-3ya.example",
)
# Role and how many of a thousand have it; the rest annotate, as labelling teams do.
PER_MILLE: Final = (("NO", 8), ("AD", 2), ("MA", 12), ("RE", 90), ("DI", 30))
YEARS_MS: Final = 3 * 365 * 24 * 3_600_000
COLUMNS: Final = {
    "email": "text",
    "email_key": "text",
    "first_name": "text",
    "last_name": "text",
    "sort_key": "text",
    "search_text": "text",
    "password_hash": "text",
    "password_generation": "bigint",
    "role": "text",
    "joined_via": "text",
    "link_id": "bigint",
    "invited_by": "bigint",
    "confirmed_at": "bigint",
    "joined_at": "bigint",
    "last_activity_at": "bigint",
    "time_zone": "text",
    "theme": "text",
    "removed_at": "bigint",
}
ROWS_PER_WRITE: Final = 10_000


def people(number: int, owner: bool) -> Iterator[tuple[Any, ...]]:
    """Rows of the table in joining order, one in 200 a removed member's; the first the Owner if asked for."""
    chance = random.Random(number)
    now = clock.now()
    for count in range(number):
        joined_at = now - YEARS_MS + YEARS_MS * count // number
        role = "OW" if owner and count == 0 else _role(chance)
        if role != "OW" and chance.random() < 0.005:
            yield row(joined_at, "DI", removed_at=now)
            continue
        first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
        local = (
            normalization.normalize(f"{first}.{last}").encode("ascii", "ignore").decode().strip(".'")
            or "member"
        )
        email = f"{local}{count}@{chance.choice(DOMAINS)}"
        # One in twenty gave no name.
        names = ("", "") if chance.random() < 0.05 else (first, last)
        invited_by = chance.randrange(1, 20) if chance.random() < 0.3 else 0
        activity = joined_at if chance.random() < 0.1 else chance.randrange(joined_at, now + 1)
        # Nearly everybody who wasn't invited came by the first invite link, some by the second.
        link_id = 0 if invited_by else 2 if count % 1_000 == 0 else 1
        yield row(joined_at, role, email, *names, invited_by=invited_by, activity=activity, link_id=link_id)


def _role(chance: random.Random) -> str:
    drawn = chance.randrange(1_000)
    for role, share in PER_MILLE:
        if drawn < share:
            return role
        drawn -= share
    return "AN"


def row(
    joined_at: int,
    role: str,
    email: str = "",
    first: str = "",
    last: str = "",
    *,
    invited_by: int = 0,
    activity: int = 0,
    removed_at: int = 0,
    link_id: int = 0,
) -> tuple[Any, ...]:
    key = email.lower() or None
    sort_key = normalization.sort_key(first, last, key) if key else ""
    search_text = normalization.search_text(first, last, email, key) if key else ""
    joined_via = "invitation" if invited_by else "link"
    times = (invited_by, joined_at if invited_by else 0, joined_at, activity)
    who = (email, key, first, last, sort_key, search_text)
    return (*who, "", 0, role, joined_via, link_id, *times, "", "system", removed_at)


async def fill(number: int) -> None:
    """Adds so many members to the database in use, and an organization when there is none."""
    exists = await engine.read(engine.rows, "SELECT 1 FROM organization")
    rows = people(number, owner=not exists)
    first = True
    while some := list(islice(rows, ROWS_PER_WRITE)):
        await engine.write(insert, some)
        if first and not exists:
            await engine.write(_found)
        first = False
        # Role counts are compacted each minute; here many minutes' changes come at once.
        await directory.compact()
    if engine.dialect() == "postgres":
        # What autovacuum does a minute later.
        await engine.write(engine.execute, "ANALYZE member")


async def insert(rows: list[tuple[Any, ...]]) -> None:
    """Inside a write: members, as `people` gives them."""
    await insert_into("member", COLUMNS, rows)


async def insert_into(table: str, columns: Mapping[str, str], rows: list[tuple[Any, ...]]) -> None:
    """Inside a write: rows of any table. columns: with their types on PostgreSQL, in the order of a row."""
    into = f"INSERT INTO {table} ({', '.join(columns)})"
    if engine.dialect() == "postgres":
        arrays = ", ".join(f"CAST(? AS {kind}[])" for kind in columns.values())
        await engine.execute(f"{into} SELECT * FROM unnest({arrays})", *map(list, zip(*rows, strict=True)))
        return
    marks = f"({', '.join('?' * len(columns))})"
    for some in engine.chunks(rows):
        values = ", ".join([marks] * len(some))
        await engine.execute(f"{into} VALUES {values}", *(value for row in some for value in row))


async def _found() -> None:
    await engine.execute(
        "INSERT INTO organization (id, title, made_at, owner_id, owner_role)"
        " SELECT 1, 'Fenwick Herbarium', joined_at, id, 'OW' FROM member WHERE role = 'OW'"
    )


async def main(url: str, number: int) -> None:
    """Migrates the database at `url` and adds `number` members."""
    engine.use(url)
    await engine.start()
    try:
        await migrate.migrate()
        await fill(number)
    finally:
        await engine.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
