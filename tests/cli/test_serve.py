"""`gatehouse serve` as a process: how it starts, what it prints, and how it ends, well or not."""

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Barrier

import asyncpg
import httpx
import pytest

from cli.serving import own_address, start_line
from tests.support.servers import postgres
from tests.support.servers.command import ROOT, TIMEOUT_SECONDS, Checkout, Server

PASSWORD = "four purple lanterns by the sea"
OWNER = {"LABEL_STUDIO_USERNAME": "olga@example.org", "LABEL_STUDIO_PASSWORD": PASSWORD}
# A server that waits at its end for a request or for a lock waits for 10 seconds.
SOON_SECONDS = 9


@pytest.fixture
def checkout(tmp_path: Path, empty_database_url: str) -> Checkout:
    """A fresh clone with an empty database, on SQLite and on PostgreSQL."""
    return Checkout(tmp_path / "checkout", empty_database_url)


@pytest.fixture
def plain_checkout(tmp_path: Path) -> Checkout:
    """A fresh clone without any settings."""
    return Checkout(tmp_path / "checkout")


def rows(checkout: Checkout, sql: str) -> list[tuple[object, ...]]:
    """What the database says, asked past the program."""
    url = checkout.url or f"sqlite:///{checkout.data / 'gatehouse.db'}"
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            return connection.execute(sql).fetchall()

    async def ask() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(record) for record in await connection.fetch(sql)]
        finally:
            await connection.close()

    return postgres.run_apart(ask())


def set_up(server: Server, browser: httpx.Client, email: str = "olga@example.org") -> httpx.Response:
    form = {"title": "Fenwick Herbarium", "first_name": "Olga", "last_name": "", "email": email}
    return browser.post("/setup", data={**form, "password": PASSWORD, "code": server.setup_code})


def complaints(server: Server) -> list[str]:
    """What it logged beside the events of every day."""
    return [line for line in server.log.splitlines() if " INFO gatehouse " not in line]


def test_three_servers_on_an_empty_database_agree(checkout: Checkout) -> None:
    with ExitStack() as stack:
        started = [stack.enter_context(checkout.start("serve")) for _ in range(3)]
        servers = [server.wait_until_it_answers() for server in started]

        codes = {server.setup_code for server in servers}
        statuses = {
            server.browser().get(f"/setup?code={server.setup_code}").status_code for server in servers
        }

    assert len(codes) == 1
    assert "" not in codes
    assert statuses == {200}
    assert rows(checkout, "SELECT COUNT(*) FROM links WHERE ended_at = 0 AND purpose = 'setup'") == [(1,)]
    assert (checkout.data / "secret.key").stat().st_mode & 0o777 == 0o600
    assert len([name for name in checkout.data.iterdir() if name.name.startswith("secret")]) == 1


def test_of_twenty_set_ups_at_once_one_makes_an_owner(checkout: Checkout) -> None:
    with checkout.serve() as server:
        barrier = Barrier(20)

        def one(number: int) -> int:
            with server.browser() as browser:
                barrier.wait()
                return set_up(server, browser, f"olga{number}@example.org").status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = sorted(pool.map(one, range(20)))
        again = server.browser().get(f"/setup?code={server.setup_code}").status_code

    assert statuses == [303] + [404] * 19
    assert again == 404
    assert rows(checkout, "SELECT COUNT(*) FROM member") == [(1,)]
    assert rows(checkout, "SELECT role FROM member") == [("OW",)]


def test_the_first_owner_comes_from_the_environment_and_is_never_changed(checkout: Checkout) -> None:
    with checkout.serve(**OWNER) as server:
        assert len(server.lines) == 1
        assert server.log == ""
    first = rows(checkout, "SELECT email, password_hash, role FROM member")

    changed = {**OWNER, "LABEL_STUDIO_PASSWORD": "another five yellow lanterns"}
    with checkout.serve(**changed) as server:
        log = server.log

    assert [row[::2] for row in first] == [("olga@example.org", "OW")]
    assert rows(checkout, "SELECT title FROM organization") == [("Organization",)]
    assert rows(checkout, "SELECT email, password_hash, role FROM member") == first
    assert log.count("\n") == 1
    assert "change no account" in log
    assert "lanterns" not in log


@pytest.mark.parametrize("password", ["olga@example.org", "Label Studio 2026"])
def test_a_password_that_the_rules_refuse_stops_the_start(plain_checkout: Checkout, password: str) -> None:
    done = plain_checkout.run("serve", "--port", "0", **{**OWNER, "LABEL_STUDIO_PASSWORD": password})

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert "LABEL_STUDIO_PASSWORD" in done.stderr
    assert rows(plain_checkout, "SELECT COUNT(*) FROM member") == [(0,)]


def test_a_fresh_clone_says_where_it_is_and_keeps_all_in_a_private_folder(plain_checkout: Checkout) -> None:
    with plain_checkout.serve() as server:
        lines = server.lines
        modes = {file.name: file.stat().st_mode & 0o777 for file in plain_checkout.data.iterdir()}

    assert len(lines) == 2
    assert re.fullmatch(r"Gatehouse is at http://127\.0\.0\.1:\d+", lines[0])
    assert lines[1].endswith(server.setup_code)
    assert plain_checkout.data.stat().st_mode & 0o777 == 0o700
    assert {"gatehouse.db", "secret.key"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_with_a_public_address_the_set_up_link_is_built_from_it(plain_checkout: Checkout) -> None:
    with plain_checkout.start("serve", HOST="https://members.example.org/club") as server:
        until = time.monotonic() + TIMEOUT_SECONDS
        while len(server.lines) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        lines = server.lines

    assert lines[0].startswith("Gatehouse is at https://members.example.org/club")
    assert "https://members.example.org/club/setup?code=" in lines[1]


def test_the_line_at_the_start_says_each_address_once() -> None:
    local = "http://127.0.0.1:8080"

    assert start_line(local, local) == "Gatehouse is at http://127.0.0.1:8080"
    assert start_line("https://members.example.org", local) == (
        "Gatehouse is at https://members.example.org and listens at http://127.0.0.1:8080"
    )


def test_a_port_in_use_is_reported_before_anything_is_touched(
    plain_checkout: Checkout, tmp_path: Path
) -> None:
    with plain_checkout.serve() as server:
        port = server.base.rpartition(":")[2]
        other = Checkout(tmp_path / "other")
        done = other.run("serve", "--port", port)

    assert (done.returncode, done.stdout) == (1, "")
    message = re.fullmatch(r"gatehouse: Port (\d+) is in use\. Try make run PORT=(\d+)\.\n", done.stderr)
    assert message
    assert message[1] == port
    assert int(message[2]) != int(port)
    assert not other.data.exists()


def test_a_database_of_another_key_is_refused_until_the_key_is_rotated(plain_checkout: Checkout) -> None:
    key_file = plain_checkout.data / "secret.key"
    with plain_checkout.serve() as server:
        code = server.setup_code
    key = key_file.read_text()
    key_file.write_text("x" * 64)

    refused = plain_checkout.run("serve", "--port", "0")
    key_file.unlink()
    gone = plain_checkout.run("serve", "--port", "0")
    rotated = plain_checkout.run("rotate-key")

    for done in (refused, gone):
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
        assert "gatehouse rotate-key" in done.stderr
    assert (rotated.returncode, rotated.stderr) == (0, "")
    assert "1 open link ended" in rotated.stdout
    assert key_file.read_text() not in (key, "x" * 64)
    with plain_checkout.serve() as server:
        assert server.setup_code not in ("", code)
        assert server.browser().get(f"/setup?code={code}").status_code == 403


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"INVITATION_DAYS": "many"}, "INVITATION_DAYS='many'"),
        ({"HOST": "http://127.0.0.1:9/my%20members"}, "HOST='http://127.0.0.1:9/my%20members'"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgresql://ada:pass-of-ada@127.0.0.1:1/members"}, "can't be used at the moment"),
        ({"DATABASE_URL": "sqlite:////proc/nowhere/x.db"}, "/proc/nowhere"),
        ({"EMAIL_HOST": "mail.example.org"}, "HOST is not set"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY"),
    ],
)
def test_what_stops_the_start_is_reported_in_one_line(
    plain_checkout: Checkout, environment: dict[str, str], named: str
) -> None:
    done = plain_checkout.run("serve", "--port", "0", **environment)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert named in done.stderr
    assert "pass-of-ada" not in done.stderr


def test_a_folder_that_cannot_be_made_is_reported_in_one_line(plain_checkout: Checkout) -> None:
    plain_checkout.data.write_text("a file where the folder should be")

    done = plain_checkout.run("serve", "--port", "0")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "data" in done.stderr


def test_a_machines_name_in_host_is_a_warning_only(plain_checkout: Checkout) -> None:
    with plain_checkout.serve(HOST="debian") as server:
        assert "HOST='debian'" in server.log
        assert server.log.count("\n") == 1


@pytest.mark.parametrize(("options", "status"), [((), 404), (("--debug",), 200)])
def test_the_style_guide_is_served_on_demand(
    plain_checkout: Checkout, options: tuple[str, ...], status: int
) -> None:
    with plain_checkout.start("serve", *options, **OWNER) as server:
        browser = server.wait_until_it_answers().browser()

        assert browser.get("/styleguide").status_code == status


def test_a_start_loads_nothing_that_only_others_need() -> None:
    program = (
        "import sys, app; from settings import Settings;"
        "app.create_app(Settings(secret_key='x' * 40)); print(*sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    loaded = set(done.stdout.split())
    assert "litestar" in loaded
    # Each takes a good part of a start, or some ten megabytes.
    assert loaded & {"blib2to3", "pydantic", "zxcvbn"} == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_stopped_by_a_signal_ends_well_and_soon(
    plain_checkout: Checkout, number: signal.Signals
) -> None:
    with plain_checkout.serve(**OWNER) as server, server.browser() as browser:
        signed_in_at = sign_in(browser, "olga@example.org")
        time.sleep(0.05)
        assert browser.get("/organization/members").status_code == 200
        began = time.monotonic()
        code = server.stop(number)
        seconds = time.monotonic() - began

    assert (code, complaints(server)) == (0, [])
    assert seconds < SOON_SECONDS
    # The last activity, which is kept in memory for a minute, was written.
    ((seen,),) = rows(plain_checkout, "SELECT last_activity_at FROM member")
    assert isinstance(seen, int)
    assert seen > signed_in_at


def sign_in(browser: httpx.Client, email: str) -> int:
    """Signs in; returns the instant in ms."""
    answer = browser.post("/user/login", data={"email": email, "password": PASSWORD, "next": "/"})
    assert answer.status_code == 303, answer.text
    return time.time_ns() // 1_000_000


def test_several_workers_serve_and_stop_together(checkout: Checkout) -> None:
    with checkout.serve("--workers", "2", **OWNER) as server:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: httpx.get(f"{server.base}/health").status_code, range(40)))
        large = {"Cookie": "a" * 100_000}
        refused = [httpx.get(f"{server.base}/health", headers=large).status_code for _ in range(4)]
        began = time.monotonic()
        code = server.stop()
        seconds = time.monotonic() - began

    assert answers == [200] * 40
    assert refused == [431] * 4
    assert code == 0
    assert seconds < SOON_SECONDS
    assert len(server.lines) == 1


def test_every_worker_and_command_ships_the_activity_log(checkout: Checkout) -> None:
    shipped = {"ACTIVITY_TO_STDERR": "true", **OWNER}
    with checkout.serve("--workers", "2", **shipped) as server:
        # Five tries of one account at once would make the sixth wait.
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda _: sign_in(server.browser(), "olga@example.org"), range(16)))
        server.stop()
        log = server.log
    done = checkout.run("reset-link", "olga@example.org", ACTIVITY_TO_STDERR="true")

    lines = [json.loads(line) for line in (log + done.stderr).splitlines() if line.startswith("{")]
    assert sorted(line["id"] for line in lines) == [
        number for (number,) in rows(checkout, "SELECT id FROM activity ORDER BY id")
    ]
    assert [line["action"] for line in lines].count("signed_in") == 16
    assert "token=" not in str(lines)


def test_workers_end_with_a_parent_that_was_killed(plain_checkout: Checkout) -> None:
    with plain_checkout.serve("--workers", "2") as server:
        server.stop(signal.SIGKILL)
        until = time.monotonic() + TIMEOUT_SECONDS
        while answers(server) and time.monotonic() < until:
            time.sleep(0.1)

        assert not answers(server)


def answers(server: Server) -> bool:
    try:
        return httpx.get(f"{server.base}/health", timeout=TIMEOUT_SECONDS).status_code == 200
    except httpx.TransportError:
        return False


def test_what_was_acknowledged_survives_kill_9(checkout: Checkout) -> None:
    with checkout.serve(**OWNER) as server, server.browser() as browser:
        sign_in(browser, "olga@example.org")
        with server.browser() as other:
            form = {"email": "ada@example.org", "password": PASSWORD, "first_name": "", "last_name": ""}
            assert other.post("/user/signup", data={**form, "token": ""}).status_code == 303
        ((member,),) = rows(checkout, "SELECT id FROM member WHERE email = 'ada@example.org'")
        acknowledged: list[str] = []

        def go_on_changing() -> None:
            for number in range(10_000):
                role = ("AN", "RE", "MA")[number % 3]
                try:
                    answer = browser.post(f"/organization/members/{member}/role", data={"role": role})
                except httpx.TransportError:
                    return
                if answer.status_code == 303:
                    acknowledged.append(role)

        changing = threading.Thread(target=go_on_changing)
        changing.start()
        until = time.monotonic() + TIMEOUT_SECONDS
        while len(acknowledged) < 20 and time.monotonic() < until:
            time.sleep(0.02)
        server.stop(signal.SIGKILL)
        changing.join()

    with checkout.serve():
        ((role,),) = rows(checkout, f"SELECT role FROM member WHERE id = {member}")
        changes = rows(checkout, "SELECT after FROM activity WHERE kind = 'role_changed' ORDER BY id")

    # One more may have been written whose answer never came.
    assert len(acknowledged) > 3
    assert [after for (after,) in changes][: len(acknowledged)] == acknowledged
    assert len(changes) - len(acknowledged) in (0, 1)
    assert (role,) == changes[-1]
    if checkout.url.startswith("sqlite"):
        assert rows(checkout, "PRAGMA integrity_check") == [("ok",)]


def test_a_backup_is_made_beside_a_server_and_restored_only_when_it_is_stopped(
    checkout: Checkout, tmp_path: Path
) -> None:
    file = str(tmp_path / "a.backup")
    with checkout.serve(**OWNER) as server:
        made = checkout.run("backup", file)
        refused = checkout.run("restore", file, "--replace")
        key = checkout.run("rotate-key")
        server.stop()
    restored = checkout.run("restore", file, "--replace")

    assert (made.returncode, made.stderr) == (0, "")
    assert "doesn't hold the secret key" in made.stdout
    for done in (refused, key):
        assert (done.returncode, done.stdout) == (1, "")
        assert "A server is running" in done.stderr
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "with 1 member;" in restored.stdout
    assert "are lost" in restored.stdout
    with checkout.serve() as server, server.browser() as browser:
        assert server.setup_code == ""
        sign_in(browser, "olga@example.org")


def test_nothing_of_a_query_or_a_form_gets_into_the_log(plain_checkout: Checkout) -> None:
    with plain_checkout.serve(**OWNER) as server, server.browser() as browser:
        browser.get("/user/signup?token=secret-of-a-link")
        browser.get("/nowhere?token=secret-of-a-link")
        browser.post("/user/login", data={"email": "olga@example.org", "password": "secret-of-a-person"})
        server.stop()

    assert "secret-of" not in server.log
    assert "secret-of" not in "".join(server.lines)


def test_the_demo_has_people_to_sign_in_as_and_leaves_nothing(
    plain_checkout: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "temporary").mkdir()
    with plain_checkout.start("demo", TMPDIR=str(tmp_path / "temporary"), DATABASE_URL="mysql://x") as server:
        server.wait_until_it_answers()
        emails = re.findall(r"(\w+): +(\S+@\S+)", "\n".join(server.lines))
        password = server.lines[-1].partition("password: ")[2]
        with server.browser() as browser:
            form = {"email": dict(emails)["Owner"], "password": password}
            assert browser.post("/user/login", data=form).status_code == 303
            page = browser.get("/organization/members").text
        code = server.stop()

    assert [role for role, _ in emails] == ["Owner", "Administrator", "Annotator", "Pending"]
    assert page.count('<tr id="member-') == 28
    assert (code, complaints(server)) == (0, [])
    assert list((tmp_path / "temporary").iterdir()) == []
    assert not plain_checkout.data.exists()


def test_a_second_server_on_one_file_warns_and_serves_all_the_same(plain_checkout: Checkout) -> None:
    with plain_checkout.serve("--workers", "2", **OWNER) as first:
        alone = complaints(first)
        with plain_checkout.serve(**OWNER) as second:
            warned = complaints(second)
    with plain_checkout.serve(**OWNER) as third:
        later = complaints(third)

    assert not [line for line in alone + later if "Another server" in line]
    assert len([line for line in warned if "Another server on this computer serves the same" in line]) == 1


def test_servers_on_one_postgresql_database_are_no_cause_to_warn(
    tmp_path: Path, empty_database_url: str, database_kind: str
) -> None:
    checkout = Checkout(tmp_path / "checkout", empty_database_url)

    with checkout.serve(), checkout.serve() as second:
        assert ("Another server" in second.log) == (database_kind == "sqlite")


def test_a_server_that_listens_everywhere_prints_an_address_for_others(plain_checkout: Checkout) -> None:
    with plain_checkout.serve("--host", "0.0.0.0") as server:
        host = httpx.URL(server.base).host

        # What this computer is called by others, unless it is in no network at all.
        assert host == own_address("0.0.0.0") != "0.0.0.0"
        assert server.lines[1].endswith(f"{server.base}/setup?code={server.setup_code}")


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "http://127.0.0.1", "a" * 64, "2001:db8::1"])
def test_an_address_that_is_not_ours_is_reported_in_one_line(plain_checkout: Checkout, host: str) -> None:
    done = plain_checkout.run("serve", "--host", host, "--port", "0")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{host} isn't an address of this computer. Try --host" in done.stderr


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ((), ""),
        (("PORT=9000",), " --port 9000"),
        (("LISTEN=0.0.0.0",), " --host 0.0.0.0"),
        (("LISTEN=::", "PORT=9000"), " --host :: --port 9000"),
    ],
)
def test_make_hands_port_and_address_on(words: tuple[str, ...], options: str) -> None:
    environment = {"PATH": os.environ["PATH"], "PORT": "1", "LISTEN": "192.0.2.1"}

    command = ["make", "--dry-run", "run", *words]
    done = subprocess.run(command, check=True, cwd=ROOT, env=environment, capture_output=True, text=True)

    (last,) = [line for line in done.stdout.splitlines() if "gatehouse serve" in line]
    assert " ".join(last.split()) == f"exec .venv/bin/gatehouse serve{options}"
