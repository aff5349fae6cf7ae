"""The operations of the gatehouse command, run in this process on both databases."""

import asyncio
import gzip
import hashlib
import io
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Sink

import cli
import settings
from db import engine
from db.auth import links
from db.auth.links import Link
from db.maintenance import backup, secret_key
from db.members import new_member
from db.organization import settings as organization_settings
from db.organization import setup
from db.organization.invite_link_limits import End
from db.organization.settings import SettingsChange
from db.policy import Actor, Role
from signing import Signer
from tests.support.pages.site import ON_SQLITE, PASSWORD, someone
from tests.support.servers.command import ROOT

SECRET = "a secret for tests, and for nothing else"
COMMANDS = (
    "serve migrate create-owner reset-link invite-link members role backup restore rotate-key check".split()
)
T = TypeVar("T")


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., Done]:
    """Runs a command in a checkout whose data/ is empty: run("role", "ada@example.org", "AN", HOST="…")."""
    monkeypatch.setattr(settings, "CHECKOUT", tmp_path)

    def one(*arguments: str, stdin: str = "", **environment: str) -> Done:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.StringIO(stdin))
            for name, value in environment.items():
                patch.setenv(name, value)
            try:
                code = cli.run(list(arguments))
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else -1
        return Done(code, *capfd.readouterr())

    return one


@pytest.fixture
def filled_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A database with its key, the Owner olga and ada, who waits."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SECRET_KEY", SECRET)

    async def found() -> None:
        await secret_key.remember_fingerprint(Signer(SECRET).fingerprint())
        await setup.found_by_operator("Fenwick Herbarium", someone("olga"))
        await engine.write(lambda: new_member.insert(someone("ada"), Role.PENDING, joined_via="signup"))

    on(database_url, found)
    return database_url


def on(url: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `work()` returns, with the database in use and started."""

    async def run() -> T:
        engine.use(url)
        await engine.start()
        try:
            return await work()
        finally:
            await engine.stop()

    return asyncio.run(run())


def role_of(url: str, name: str) -> str:
    sql = "SELECT role FROM member WHERE email_key = ?"
    return str(on(url, lambda: engine.rows(sql, f"{name}@example.org"))[0][0])


def one_line(done: Done) -> str:
    """What a command that failed said; it is one line on stderr, and nothing on stdout."""
    assert (done.code, done.out) == (1, "")
    assert re.fullmatch(r"gatehouse: .+\n", done.err), done.err
    return done.err


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(run: Callable[..., Done], command: str) -> None:
    done = run(command, "--help")

    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: gatehouse {command}")


def test_the_version_is_the_one_of_pyproject(run: Callable[..., Done]) -> None:
    project = (ROOT / "pyproject.toml").read_text("utf-8")

    stated = re.findall(r'^version = "([^"]+)"$', project, re.MULTILINE)

    assert len(stated) == 1
    assert run("--version") == (0, f"gatehouse {stated[0]}\n", "")


def test_the_list_of_commands_in_the_docs_is_whole(run: Callable[..., Done]) -> None:
    documented = re.findall(
        r"^\| `([a-z-]+)", (ROOT / "docs" / "commands.md").read_text("utf-8"), re.MULTILINE
    )

    offered = re.findall(r"^    ([a-z-]+)(?=\s)", run("--help").out, re.MULTILINE)

    assert sorted(documented) == sorted(offered) == sorted([*COMMANDS, "demo"])


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("fly",),
        ("role", "ada@example.org"),
        ("members", "--fast"),
        ("serve", "--port", "http"),
        ("serve", "--port", "70000"),
        ("serve", "--workers", "0"),
        ("create-owner",),
        ("create-owner", "--email", "ada@example.org", "--password", PASSWORD),
    ],
)
def test_wrong_usage_is_one_line_and_exits_with_1(
    run: Callable[..., Done], arguments: tuple[str, ...]
) -> None:
    assert "--help" in one_line(run(*arguments))


def test_help_loads_neither_the_web_framework_nor_the_database() -> None:
    program = (
        "import sys, cli\n"
        "try: cli.run(['--help'])\n"
        "except SystemExit: print(sorted({'litestar', 'piccolo', 'uvicorn', 'asyncpg'} & set(sys.modules)))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("role", "ada\udcff@example.org", "AN"),
        ("create-owner", "--email", "\udcfc@example.org"),
        ("backup", "\udcfc"),
    ],
)
def test_an_argument_in_other_bytes_than_utf_8_is_refused(
    run: Callable[..., Done], filled_database: str, arguments: tuple[str, ...]
) -> None:
    assert one_line(run(*arguments)) == "gatehouse: an argument isn't UTF-8 text.\n"


@ON_SQLITE
def test_names_that_the_terminal_cannot_show_stop_no_command(filled_database: str) -> None:
    someone_else = replace(someone("zoe"), first_name="Łukasz")
    on(
        filled_database,
        lambda: engine.write(lambda: new_member.insert(someone_else, Role.PENDING, joined_via="signup")),
    )
    environment = os.environ | {
        "PYTHONIOENCODING": "ascii",
        "DATABASE_URL": filled_database,
        "SECRET_KEY": SECRET,
    }

    done = subprocess.run(
        [sys.executable, "-m", "cli", "members"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u0141ukasz" in done.stdout


def test_members_are_a_table(run: Callable[..., Done], filled_database: str) -> None:
    done = run("members")

    lines = [re.split(r"  +", line) for line in done.out.splitlines()]
    assert (done.code, done.err) == (0, "")
    assert lines[0] == ["id", "address", "name", "role", "last activity (UTC)"]
    assert [line[:4] for line in lines[1:]] == [
        ["1", "olga@example.org", "Olga", "Owner"],
        ["2", "ada@example.org", "Ada", "Pending"],
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", lines[1][4])


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("AN", "AN"),
        ("an", "AN"),
        ("Annotator", "AN"),
        ("ADMINISTRATOR", "AD"),
        ("deactivated", "DI"),
    ],
)
@ON_SQLITE
def test_a_role_is_given_by_code_or_name(
    run: Callable[..., Done], filled_database: str, word: str, role: str
) -> None:
    done = run("role", " Ada@EXAMPLE.org", word)

    assert done == (0, f"ada@example.org is {Role(role).label} now, and was Pending.\n", "")
    assert role_of(filled_database, "ada") == role


def test_a_role_that_somebody_has_already_is_reported(run: Callable[..., Done], filled_database: str) -> None:
    assert run("role", "ada@example.org", "not activated").out == "ada@example.org was Pending already.\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("olga@example.org", "AN"), "exactly one Owner"),
        (("olga@example.org", "DI"), "exactly one Owner"),
        (("ada@example.org", "OW"), "never assigned"),
        (("ada@example.org", "Owner"), "never assigned"),
        (("ada@example.org", "boss"), "'boss' is no role"),
        (("nobody@example.org", "AN"), "nobody@example.org"),
    ],
)
def test_a_role_that_the_rules_refuse_changes_nothing(
    run: Callable[..., Done], filled_database: str, arguments: tuple[str, str], message: str
) -> None:
    assert message in one_line(run("role", *arguments))
    assert (role_of(filled_database, "olga"), role_of(filled_database, "ada")) == ("OW", "NO")


def test_the_owner_is_made_with_a_password_from_standard_input(
    run: Callable[..., Done], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    arguments = (
        "create-owner",
        "--email",
        "Olga@Example.org",
        "--first-name",
        "Olga",
        "--title",
        "Herbarium",
    )

    made = run(*arguments, stdin=f"{PASSWORD}\n")
    again = run(*arguments, stdin="another five yellow lanterns\n")

    assert made == (0, "Olga@Example.org is the Owner of 'Herbarium' now.\n", "")
    assert "already" in one_line(again)
    sql = "SELECT email, first_name, role, password_hash FROM member"
    ((email, first_name, role, password_hash),) = on(database_url, lambda: engine.rows(sql))
    assert (email, first_name, role) == ("Olga@example.org", "Olga", "OW")
    assert password_hash.startswith("$argon2id$")


@ON_SQLITE
@pytest.mark.parametrize("password", ["", "short", "qwertyuiop1234", "aaaaaaaaaaaaaaaa", "Gatehouse2026!"])
def test_a_weak_password_and_a_wrong_address_are_refused_together(
    run: Callable[..., Done], database_url: str, password: str
) -> None:
    done = run("create-owner", "--email", "olga", stdin=f"{password}\n", DATABASE_URL=database_url)

    assert "'olga' isn't accepted" in one_line(done)
    assert "The password isn't accepted" in done.err
    assert on(database_url, lambda: engine.rows("SELECT * FROM member")) == []


def token_in(text: str) -> str:
    match = re.search(r"\?token=(\S+)$", text)
    assert match, text
    return match[1]


def link_of(url: str, token: str, purpose: str) -> Link:
    """The row behind a token that this key has signed."""
    signer = Signer(SECRET)
    link = on(url, lambda: engine.read(links.find, signer.id_in(token), purpose))
    assert link is not None
    assert signer.matches(purpose, token, link.nonce)
    return link


def test_a_reset_link_helps_even_the_owner_back_in(run: Callable[..., Done], filled_database: str) -> None:
    done = run("reset-link", "olga@example.org", "--port", "9000")

    assert (done.code, done.err) == (0, "")
    assert "http://127.0.0.1:9000/user/password/reset?token=" in done.out
    link = link_of(filled_database, token_in(done.out), links.RESET)
    assert (link.subject, link.max_uses, link.expires_at - link.made_at) == (1, 1, 24 * 3_600_000)


def test_only_reset_changes_the_invite_link(run: Callable[..., Done], filled_database: str) -> None:
    first, second = run("invite-link"), run("invite-link", HOST="https://members.example.org/club")
    third = run("invite-link", "--reset")

    assert token_in(first.out) == token_in(second.out) != token_in(third.out)
    assert "https://members.example.org/club/user/signup?token=" in second.out
    assert link_of(filled_database, token_in(first.out), links.INVITE).end_reason == "reset"
    assert link_of(filled_database, token_in(third.out), links.INVITE).ended_at == 0


def test_the_invite_link_is_printed_with_its_limits(run: Callable[..., Done], filled_database: str) -> None:
    bare = run("invite-link")
    wish = SettingsChange(link_end=End("after", 14), link_max_uses=10, link_domains=("a.org", "*.b.org"))
    on(filled_database, lambda: organization_settings.change(Actor(1, Role.OWNER), wish))

    limited = run("invite-link", "--reset")

    assert "The invite link (works until it is reset, used 0 times): http" in bare.out
    link = link_of(filled_database, token_in(limited.out), links.INVITE)
    until = datetime.fromtimestamp(link.expires_at / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    limits = f"(works until {until}, 0 of 10 uses, for addresses at a.org or below b.org): http"
    assert limits in limited.out


def test_without_an_organization_there_is_no_invite_link(run: Callable[..., Done], database_url: str) -> None:
    done = run("invite-link", DATABASE_URL=database_url, SECRET_KEY=SECRET)

    assert "create-owner" in one_line(done)


def test_another_key_is_refused_and_can_be_taken(run: Callable[..., Done], filled_database: str) -> None:
    other = "another secret for tests, and for nothing else"
    before = run("invite-link")

    refused = run("invite-link", SECRET_KEY=other)
    same = run("rotate-key")
    taken = run("rotate-key", SECRET_KEY=other)
    after = run("invite-link", SECRET_KEY=other)

    assert "gatehouse rotate-key" in one_line(refused)
    assert "already" in one_line(same)
    assert taken == (
        0,
        "The database belongs to SECRET_KEY now. 1 open link ended; people stay signed in.\n",
        "",
    )
    assert token_in(after.out) != token_in(before.out)
    assert link_of(filled_database, token_in(before.out), links.INVITE).end_reason == "key rotated"


@pytest.mark.parametrize(
    "command", [("members",), ("role", "a@b.example", "AN"), ("backup", "x"), ("rotate-key",)]
)
def test_a_missing_database_is_refused_and_not_made(
    run: Callable[..., Done], tmp_path: Path, command: tuple[str, ...]
) -> None:
    done = run(*command, DATABASE_URL=f"sqlite:///{tmp_path / 'none.db'}")

    assert "gatehouse migrate" in one_line(done)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_is_refused_until_it_is_migrated(
    run: Callable[..., Done], empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    if empty_database_url.startswith("sqlite"):
        Path(empty_database_url.removeprefix("sqlite:///")).touch()

    refused, made, again, fine = run("members"), run("migrate"), run("migrate"), run("members")

    assert "gatehouse migrate" in one_line(refused)
    assert made == (0, "The database is up to date now.\n", "")
    assert again == (0, "The database was up to date.\n", "")
    assert fine.code == 0


def test_a_newer_programs_database_is_refused(run: Callable[..., Done], filled_database: str) -> None:
    newer = (
        "INSERT INTO migration (name, app_name, ran_on) SELECT '2999-01-01', app_name, ran_on FROM migration"
    )
    on(filled_database, lambda: engine.write(engine.execute, newer))

    for command in (("members",), ("migrate",), ("backup", "x"), ("serve", "--port", "0")):
        assert "newer Gatehouse (it knows 2999-01-01)" in one_line(run(*command))
    assert "FAILED" in run("check").out


def test_a_server_that_is_gone_is_one_line_without_the_password(run: Callable[..., Done]) -> None:
    done = run("members", DATABASE_URL="postgresql://ada:pass-of-ada@127.0.0.1:1/members")

    assert "can't be used at the moment" in one_line(done)
    assert "pass-of-ada" not in done.err


def test_a_backup_restores_on_the_command_line(
    run: Callable[..., Done], filled_database: str, tmp_path: Path
) -> None:
    file = str(tmp_path / "a.backup")

    made = run("backup", file)
    again = run("backup", file)
    run("role", "ada@example.org", "AN")
    refused = run("restore", file)
    restored = run("restore", file, "--replace")

    assert (made.code, made.err) == (0, "")
    assert "holds 2 members" in made.out
    assert "--force" in one_line(again)
    assert "--replace" in one_line(refused)
    assert (restored.code, restored.err) == (0, "")
    assert "with 2 members; changes after that are lost" in restored.out
    assert role_of(filled_database, "ada") == "NO"


@ON_SQLITE
def test_a_restore_makes_a_database_and_a_key(
    run: Callable[..., Done], filled_database: str, tmp_path: Path
) -> None:
    run("backup", str(tmp_path / "a.backup"))
    target = tmp_path / "new" / "members.db"

    done = run("restore", str(tmp_path / "a.backup"), DATABASE_URL=f"sqlite:///{target}", SECRET_KEY="")
    link = run("invite-link", DATABASE_URL=f"sqlite:///{target}", SECRET_KEY="")

    assert (done.code, done.err) == (0, "")
    assert "another secret key" in done.out
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600
    assert link.code == 0


def test_a_damaged_backup_makes_no_database(run: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "a.backup").write_bytes(b"no backup at all")

    done = run("restore", str(tmp_path / "a.backup"), DATABASE_URL=f"sqlite:///{tmp_path / 'new.db'}")

    assert "damaged" in one_line(done)
    assert os.listdir(tmp_path) == ["a.backup"]


@ON_SQLITE
def test_a_backup_that_the_database_refuses_leaves_no_database_and_no_key(
    run: Callable[..., Done], filled_database: str, tmp_path: Path
) -> None:
    file = tmp_path / "a.backup"
    run("backup", str(file))
    *lines, _ = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
    content = b"".join(line.replace(b'"OW"', b'"AD"') for line in lines)
    closing = backup.checksum_line(hashlib.sha256(content).hexdigest())
    file.write_bytes(gzip.compress(content + closing))
    target = tmp_path / "new" / "members.db"

    done = run("restore", str(file), DATABASE_URL=f"sqlite:///{target}", SECRET_KEY="")

    assert "The database refuses what the backup holds" in one_line(done)
    assert not target.exists()
    assert not (tmp_path / "data" / "secret.key").exists()


def test_no_name_speaks_to_the_terminal(run: Callable[..., Done], filled_database: str) -> None:
    typed = "UPDATE member SET first_name = ? WHERE email_key = ?"
    evil = "\x1b]0;owned\x07\u202eAda\u200b\x9b2J"
    on(filled_database, lambda: engine.write(engine.execute, typed, evil, "ada@example.org"))

    listed = run("members")
    refused = run("role", f"{evil}@example.org", "AN")
    missing = run("restore", f"{evil}.backup")

    assert "[U+001B]]0;owned[U+0007]" in listed.out
    for output in (listed.out, refused.err, missing.err):
        assert output.replace("\n", "").isprintable()


def check_results(done: Done) -> dict[str, str]:
    """What `check` found, by its subject."""
    lines = [line for line in done.out.splitlines() if not line.startswith("  ")]
    return dict(re.split(r": +", line, maxsplit=1) for line in lines)


def test_check_tells_what_is_fit_in_one_line_each(
    run: Callable[..., Done], filled_database: str, tmp_path: Path
) -> None:
    (tmp_path / "data").mkdir()

    done = run("check", TRUSTED_PROXIES="10.0.0.0/8")

    results = check_results(done)
    assert (done.code, done.err) == (0, "")
    assert list(results) == ["settings", "database", "key", "disk", "mail", "proxies", "address"]
    assert {line.partition(",")[0] for line in results.values()} == {"ok"}
    assert "HOST is not set, though TRUSTED_PROXIES is" in results["settings"]
    assert "members: 2" in results["database"]
    assert ("pg_trgm" if filled_database.startswith("postgres") else "integrity ok") in results["database"]
    assert "GB are free" in results["disk"]
    assert "not set up" in results["mail"]
    assert "10.0.0.0/8" in results["proxies"]
    assert "the Owner's settings page name whoever else sends some" in results["proxies"]
    assert "HOST isn't set" in results["address"]
    assert "the Owner's settings page name addresses that were refused" in results["address"]


@ON_SQLITE
def test_check_says_at_which_address_people_sign_in(run: Callable[..., Done], filled_database: str) -> None:
    secure = check_results(run("check", HOST="https://members.example.org"))["address"]
    plain = check_results(run("check", HOST="http://192.0.2.1:8080"))["address"]

    assert "people open https://members.example.org; over http, or at another address, nobody" in secure
    assert "people open http://192.0.2.1:8080;" in plain


@ON_SQLITE
def test_check_names_what_is_not_fit(run: Callable[..., Done], filled_database: str, tmp_path: Path) -> None:
    wrong = run("check", INVITATION_DAYS="x")
    other_key = run("check", SECRET_KEY="another secret for tests, and for nothing else")
    no_key = run("check", SECRET_KEY="")
    missing = run("check", DATABASE_URL=f"sqlite:///{tmp_path / 'none.db'}")

    assert {done.code for done in (wrong, other_key, no_key, missing)} == {1}
    assert check_results(wrong)["settings"].startswith("FAILED, INVITATION_DAYS='x'")
    assert check_results(other_key)["key"].startswith("FAILED")
    assert check_results(no_key)["key"].startswith("FAILED")
    assert check_results(missing)["database"].startswith("FAILED, There is no database")


@ON_SQLITE
def test_check_finds_a_damaged_file(run: Callable[..., Done], filled_database: str) -> None:
    file = Path(filled_database.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(file)) as connection:
        ((page,),) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'member_by_name'")
        ((size,),) = connection.execute("PRAGMA page_size")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    content[(page - 1) * size : (page - 1) * size + 200] = b"\xff" * 200
    file.write_bytes(content)

    done = run("check")

    assert done.code == 1
    assert check_results(done)["database"].startswith("FAILED")


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
    return port


@pytest.fixture
def mail_port() -> Iterator[str]:
    """The port of an SMTP server that knows neither TLS nor passwords."""
    controller = Controller(Sink(), hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield str(controller.port)
    finally:
        controller.stop()


def test_check_speaks_with_the_mail_server(run: Callable[..., Done], mail_port: str) -> None:
    mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": mail_port, "HOST": "https://members.example.org"}
    secret = {"EMAIL_HOST_USER": "ada", "EMAIL_HOST_PASSWORD": "pass-of-ada"}

    fine = run("check", **mail, EMAIL_USE_TLS="no")
    without_tls = run("check", **mail)
    with_password = run("check", **mail, EMAIL_USE_TLS="no", **secret)
    refused = run("check", **{**mail, "EMAIL_PORT": str(free_port())})

    assert check_results(fine)["mail"] == f"ok, 127.0.0.1:{mail_port} takes mails"
    assert "offers no STARTTLS" in check_results(without_tls)["mail"]
    assert "offers no sign-in: unset EMAIL_HOST_USER" in check_results(with_password)["mail"]
    assert "can't be reached" in check_results(refused)["mail"]
    assert {check_results(done)["mail"][:6] for done in (without_tls, with_password, refused)} == {"FAILED"}
    assert "pass-of-ada" not in with_password.out


def test_check_sends_a_test_mail_and_prints_the_dialogue(run: Callable[..., Done], mail_port: str) -> None:
    mail = {"EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": mail_port, "HOST": "https://members.example.org"}

    fine = run("check", "--mail", "ada@example.org", **mail, EMAIL_USE_TLS="no")
    nobody = run("check", "--mail", "ada", **mail, EMAIL_USE_TLS="no")
    without = run("check", "--mail", "ada@example.org")

    assert check_results(fine)["test"] == "ok, the mail server took it for ada@example.org"
    assert f"  connected to 127.0.0.1:{mail_port}: 220" in fine.out
    assert "  taken: 250" in fine.out
    assert check_results(nobody)["test"].startswith("FAILED, An email address has")
    assert check_results(without)["test"] == "FAILED, EMAIL_HOST isn't set, so nothing can be sent"
    assert (nobody.code, without.code) == (1, 1)


@ON_SQLITE
def test_a_server_that_can_make_no_set_up_link_says_nothing_of_being_there(
    run: Callable[..., Done], empty_database_url: str
) -> None:
    run("migrate", DATABASE_URL=empty_database_url)
    full = "CREATE TRIGGER full BEFORE INSERT ON links BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
    with closing(sqlite3.connect(empty_database_url.removeprefix("sqlite:///"))) as database:
        database.execute(full)

    done = run("serve", "--port", "0", DATABASE_URL=empty_database_url, SECRET_KEY=SECRET)

    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("gatehouse: ")
