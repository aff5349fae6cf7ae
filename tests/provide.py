"""Fetches what the tests need beside Python packages: PostgreSQL, a Chromium, nginx, Caddy and fail2ban.

`python -m tests.provide` runs once before the tests, so that their processes don't fetch side by side.
It ends with 1 and one line that says how to get what is missing.
`python -m tests.provide full-server` prints the url of a PostgreSQL with pg_trgm on 127.0.0.1:5432, or
ends with 1 and says why there is none.
"""

import getpass
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import uuid4

import asyncpg

from tests.support.servers import postgres
from tests.support.servers.postgres import Missing

ROOT = Path(__file__).parent.parent

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
# The browser last found to work, so that not every run has to try it.
REMEMBERED = ROOT / ".venv" / "browser"

# Only apt-get needs its list of packages brought up to date first.
PACKAGE_MANAGERS = {
    "apt-get": ["install", "--yes", "--quiet", "--no-install-recommends", "chromium"],
    "dnf": ["install", "--assumeyes", "--quiet", "chromium"],
    "pacman": ["-Sy", "--noconfirm", "chromium"],
}

# The package that brings each of these programs, by apt.
PROGRAMS = {"nginx": "nginx-light", "caddy": "caddy", "fail2ban-regex": "fail2ban"}
if sys.platform == "linux":
    PROGRAMS["systemd-analyze"] = "systemd"

# The same for what a long trial alone needs, or `make container`; it is provided when that runs.
OF_TRIALS = {
    "strace": "strace",
    "faketime": "faketime",
    "mmdebstrap": "mmdebstrap",
    "podman": "podman",
    "runc": "runc",
}

BROWSER_START_SECONDS = 60
CONNECT_SECONDS = 5


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["full-server"]:
            print(postgres.run_apart(full_server()))
            return 0
        print(f"PostgreSQL for the tests: {check_postgres()}")
        print(f"Browser for the tests: {browser()}")
        print(f"Programs for the tests: {', '.join(program(name) for name in PROGRAMS)}")
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


def check_postgres() -> str:
    """Says which PostgreSQL the tests will use. Raises Missing."""
    url = os.environ.get("TEST_POSTGRES_URL")
    if not url:
        return postgres.check()
    try:
        return postgres.run_apart(_can_create_databases(url))
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Missing(
            f"TEST_POSTGRES_URL can't be used ({_first_line(error)}): name a running server and a user "
            "who may create databases, or unset it."
        ) from None


async def _can_create_databases(url: str, extension: str | None = None) -> str:
    """Makes a database, with an extension if one is named, and drops it; returns the server's version."""
    name = f"gatehouse_test_{uuid4().hex}"
    server = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    try:
        await server.execute(f'CREATE DATABASE "{name}"')
        try:
            if extension:
                database = await asyncpg.connect(postgres.on_database(url, name), timeout=CONNECT_SECONDS)
                try:
                    await database.execute(f'CREATE EXTENSION "{extension}"')
                finally:
                    await database.close()
        finally:
            await server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        return str(await server.fetchval("SELECT 'PostgreSQL ' || current_setting('server_version')"))
    finally:
        await server.close()


async def full_server() -> str:
    """The url of a server with pg_trgm on 127.0.0.1:5432 that asks no password. Raises Missing."""
    reason = ""
    for user in dict.fromkeys(["postgres", "root", getpass.getuser()]):
        url = f"postgresql://{user}@127.0.0.1:5432/postgres"
        try:
            await _can_create_databases(url, "pg_trgm")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            reason = reason or f"{user}: {_first_line(error)}"
        else:
            return url
    raise Missing(f"No PostgreSQL with pg_trgm to be used on 127.0.0.1:5432 ({reason}).")


def program(name: str) -> str:
    """The full path of one of PROGRAMS or OF_TRIALS, installed by apt if missing and root. Raises Missing."""
    package = {**PROGRAMS, **OF_TRIALS}[name]
    if not _installed_program(name) and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {name} with apt-get", flush=True)
        _succeeds(["apt-get", "update", "--quiet"])
        _succeeds(["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", package])
    if found := _installed_program(name):
        return found
    raise Missing(
        f"{name} is missing: install it (Debian: apt install {package}; macOS: brew install {name})."
    )


def _installed_program(name: str) -> str | None:
    # Debian keeps some where only root looks.
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def browser() -> str:
    """The program of a Chromium that runs here, fetched if there is none. Raises Missing."""
    named = os.environ.get("CHROMIUM")
    if named:
        if found := _working(named):
            return found
        raise Missing(f"CHROMIUM={named} doesn't start without a screen: name another browser, or unset it.")
    found = _remembered() or _installed() or _from_playwright() or _from_package_manager()
    if not found:
        raise Missing(
            "No Chromium or Chrome starts here and none could be fetched: install one (Debian: apt install "
            "chromium; macOS: brew install --cask chromium), or set CHROMIUM=/path/to/it."
        )
    REMEMBERED.write_text(found)
    return found


def browser_arguments() -> list[str]:
    """What Chromium has to be told to run here: as root it can't use its sandbox."""
    return ["--no-sandbox"] if os.geteuid() == 0 else []


def _remembered() -> str | None:
    try:
        return shutil.which(REMEMBERED.read_text())
    except FileNotFoundError:
        return None


def _installed() -> str | None:
    return next((found for name in BROWSERS if (found := _working(name))), None)


def _working(name: str) -> str | None:
    """The full path of a browser that really renders a page: some are stubs or lack system libraries."""
    program = shutil.which(name)
    if program is None:
        return None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, "--headless", "--disable-gpu", f"--user-data-dir={profile}", *browser_arguments()]
        try:
            done = subprocess.run(
                [*command, "--dump-dom", "data:text/html,<p>works</p>"],
                check=False,
                capture_output=True,
                text=True,
                timeout=BROWSER_START_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
    return program if "<p>works</p>" in done.stdout else None


def _from_playwright() -> str | None:
    print("No browser is installed: fetching Playwright's Chromium", flush=True)
    playwright = [sys.executable, "-m", "playwright"]
    if not _succeeds([*playwright, "install", "--no-shell", "chromium"]):
        return None
    program = _playwright_program()
    if found := _working(program):
        return found
    # It needs libraries of the system, which Playwright can name to the package manager.
    if os.geteuid() == 0:
        _succeeds([*playwright, "install-deps", "chromium"])
    return _working(program)


def _playwright_program() -> str:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _from_package_manager() -> str | None:
    manager = next((name for name in PACKAGE_MANAGERS if shutil.which(name)), None)
    if os.geteuid() != 0 or manager is None:
        return None
    print(f"Installing Chromium with {manager}", flush=True)
    if manager == "apt-get":
        _succeeds([manager, "update", "--quiet"])
    _succeeds([manager, *PACKAGE_MANAGERS[manager]])
    return _installed()


def _succeeds(command: list[str]) -> bool:
    """Runs a command; of what it says only the reason of a failure is shown, in one line."""
    done = subprocess.run(
        command,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode != 0:
        said = done.stdout.splitlines()
        reason = next((line for line in said if "error" in line.lower()), said[-1] if said else "")
        print(f"This failed: {' '.join(command)}: {reason.strip()[:200]}", file=sys.stderr)
    return done.returncode == 0


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
