"""Migrations that are killed halfway, started three times at once, or met by an older program."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from db import engine
from db.schema import migrate
from tests.support.engine.small_database import from_outside
from tests.support.pages.site import SECRET
from tests.support.servers import postgres
from tests.support.servers.command import ROOT, TIMEOUT_SECONDS, Checkout
from tests.trials.faults.support.databases import each
from tests.trials.sample import Sample

KILLS: Final = 300
KILLS_OF_A_PART: Final = 36
MEMBERS: Final = 3_000
DONE: Final = "The database is up to date now."
# What a PostgreSQL database says of itself, beside its rows.
ABOUT: Final = (
    "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text, column_default::text,"
    " collation_name::text FROM information_schema.columns WHERE table_schema = current_schema()",
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint"
    " WHERE connamespace = current_schema()::regnamespace",
    "SELECT tablename::text, indexdef FROM pg_indexes WHERE schemaname = current_schema()",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT proname::text, prosrc FROM pg_proc WHERE pronamespace = current_schema()::regnamespace",
)


def run(sample: Sample) -> list[str]:
    """Tries all of it on SQLite and on PostgreSQL; prints the figures and returns what broke."""
    broken = []
    for name, url in each():
        times = sample.times(f"killed migrations on {name}", KILLS, KILLS_OF_A_PART)
        found, said = tried(url, states(), times, random.Random(f"{sample.seed} {name} migrations"))
        print(f"migrations on {name}: {said}", flush=True)
        broken += [f"migrations on {name}: {sentence}" for sentence in found]
    return broken


def states() -> list[str]:
    """Every state an older database may be in: empty, or after a migration but the newest."""
    return ["", *sorted(migrate.known())[:-1]]


def tried(
    url: str, states: list[str], times: int, chance: random.Random, members: int = MEMBERS
) -> tuple[list[str], str]:
    """What broke on copies of an empty database brought to these states, and the figures in one sentence."""
    broken, killed, halfway = list[str](), 0, 0
    for place, state in enumerate(states):
        older = _copy(url, "older")
        if state:
            postgres.run_apart(_bring_to(older, state, members))
        undisturbed = _copy(older, "undisturbed")
        began = time.monotonic()
        assert _ended(_started(undisturbed)) == (0, DONE)
        seconds, before, after = time.monotonic() - began, _dump(older), _dump(undisturbed)
        for _ in range(place, times, len(states)):
            copy = _copy(older, "killed")
            process = _started(copy)
            time.sleep(chance.uniform(0.2, 1.05) * seconds)
            process.kill()
            killed += process.wait(TIMEOUT_SECONDS) == -signal.SIGKILL
            process.communicate()
            found = _dump(copy)
            halfway += found == before
            if found not in (before, after):
                broken.append(f"a migration from {state or 'nothing'} that was killed left a half")
            code, said = _ended(_started(copy))
            if code or _dump(copy) != after:
                broken.append(f"a migration from {state or 'nothing'} that was killed can't go on: {said}")
            _remove(copy)
        broken += _at_once(older, after, state)
        if state == states[-1]:
            broken += _by_an_older_program(undisturbed, after)
        _remove(older)
        _remove(undisturbed)
    return broken, (
        f"{killed} killed, {halfway} of them before they were done; states of the database: {len(states)};"
        f" three at once: {len(states)} times; {len(broken)} broken"
    )


async def _bring_to(url: str, state: str, members: int) -> None:
    """Migrates to an older schema, with people and a log."""
    engine.use(url)
    await engine.start()
    try:
        async with engine.migration_lock():
            await engine.write(migrate.forwards, state)
        await engine.write(_fill, members)
    finally:
        await engine.stop()


async def _fill(members: int) -> None:
    columns = (
        "email, email_key, first_name, last_name, name_key, search_key, password_hash, password_generation,"
        " role, came_by, link_id, invited_by, confirmed_at, joined_at, last_activity_at, time_zone, theme,"
        " removed_at"
    )
    for number in range(members):
        email, role = f"person{number}@example.org", "AN" if number else "OW"
        await engine.execute(
            f"INSERT INTO member ({columns}) VALUES (?, ?, 'Zoë', ?, '', '', '', 0, ?, 'link', 0, 0, 0, 1, 1,"
            " '', 'system', 0)",
            *(email, email, f"Łukasz {number}", role),
        )
        await engine.execute(
            "INSERT INTO activity (at, actor_kind, actor_id, kind, about, subject_id, before, after, address)"
            " VALUES (?, 'member', 1, 'role_changed', 'member', ?, 'AD', 'AN', '')",
            *(1_000 + number, number + 1),
        )
    await engine.execute(
        "INSERT INTO organization (id, title, made_at, owner_id, owner_role) VALUES (1, 'Old', 1, 1, 'OW')"
    )


def _at_once(older: str, after: list[Any], state: str) -> list[str]:
    """Two `migrate` and a `serve` at once: one of them migrates, the others wait."""
    copy = _copy(older, "at-once")
    with _checkout(copy) as checkout, checkout.start("serve", SECRET_KEY=SECRET) as server:
        ended = [_ended(process) for process in [_started(copy), _started(copy)]]
        server.wait_until_it_answers()
    broken = []
    if any(code for code, _ in ended) or [said for _, said in ended].count(DONE) > 1:
        broken.append(f"of three migrations at once from {state or 'nothing'}: {ended}")
    # The server writes what is its own; the schema is the same.
    if _dump(copy)[0] != after[0]:
        broken.append(f"three migrations at once from {state or 'nothing'} made another schema")
    _remove(copy)
    return broken


def _by_an_older_program(url: str, before: list[Any]) -> list[str]:
    """A program without the newest migration says so in one line, and touches nothing."""
    broken = []
    with _checkout(url) as checkout:
        max((checkout.root / "db" / "schema" / "migrations").glob("m*.py")).unlink()
        for command in (("serve", "--port", "0"), ("migrate",), ("members",)):
            done = checkout.run(*command, SECRET_KEY=SECRET)
            said = "newer Gatehouse" in done.stderr and done.stderr.count("\n") == 1
            if (done.returncode, done.stdout, said) != (1, "", True):
                broken.append(f"an older program's {command[0]} answers: {done.stdout}{done.stderr}")
    return broken if _dump(url) == before else [*broken, "an older program has changed the database"]


@contextmanager
def _checkout(url: str) -> Iterator[Checkout]:
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
        yield Checkout(Path(folder) / "checkout", url)


def _started(url: str) -> "subprocess.Popen[str]":
    """`gatehouse migrate`, as it begins."""
    kept = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": url}
    command = [sys.executable, "-m", "cli", "migrate"]
    return subprocess.Popen(
        command, cwd="/", env=kept, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def _ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """Its exit code and what it said."""
    said, _ = process.communicate(timeout=TIMEOUT_SECONDS)
    return process.returncode, said.strip()


def _copy(url: str, name: str) -> str:
    """The url of a copy of a database that nobody uses."""
    if url.startswith("sqlite:"):
        file = Path(url.removeprefix("sqlite:///"))
        copy = file.with_name(f"{name}-{uuid4().hex}.db")
        if file.exists():
            shutil.copyfile(file, copy)
        return f"sqlite:///{copy}"
    return postgres.create_database(url, f"gatehouse_test_{uuid4().hex}", _name_of(url))


def _remove(url: str) -> None:
    if url.startswith("sqlite:"):
        file = Path(url.removeprefix("sqlite:///"))
        for each_file in file.parent.glob(f"{file.name}*"):
            each_file.unlink()
    else:
        postgres.drop_database(postgres.on_database(url, "postgres"), _name_of(url))


def _name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _dump(url: str) -> list[Any]:
    """Everything in a database: what it says of itself, then the rows, but for when migrations ran."""
    if url.startswith("sqlite:"):
        # A reader would take what a killed process has left behind for good; so does the next migration.
        about = sorted(map(str, from_outside(url, "SELECT type, name, tbl_name, sql FROM sqlite_master")))
        named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'member_search%'"
    else:
        about = sorted(str(row) for sql in ABOUT for row in from_outside(url, sql))
        named = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
    tables = sorted(name for (name,) in from_outside(url, named))
    columns = {"migration": "name, app_name"}
    rows = [
        sorted(map(str, from_outside(url, f'SELECT {columns.get(table, "*")} FROM "{table}"')))
        for table in tables
    ]
    return [about, tables, rows]
