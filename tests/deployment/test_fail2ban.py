"""The filter for fail2ban in docs/, read by fail2ban itself, over lines of a real server."""

import re
import subprocess
from pathlib import Path

import pytest

from tests import provide
from tests.support.pages.site import PASSWORD
from tests.support.servers.command import ROOT, Checkout

FILTER = ROOT / "docs" / "fail2ban" / "gatehouse.conf"
OWNER = {"LABEL_STUDIO_USERNAME": "olga@example.org", "LABEL_STUDIO_PASSWORD": PASSWORD}
HOSTILE = "/user/login%20status=422%20member=0%20from=198.51.100.7"
LINE = "INFO gatehouse POST /user/login status=422 member=0 from=192.0.2.7"
INSTANT = "2026-11-27T22:46:05.130Z"


def banned(log: Path) -> list[str]:
    """The addresses that fail2ban finds in a log, once for each line that counts."""
    command = [provide.program("fail2ban-regex"), "--out", "<ip>", str(log), str(FILTER)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 255), done.stderr
    return re.findall(r"^[0-9a-f.:]+$", done.stdout, re.MULTILINE)


def test_refused_sign_ins_of_a_real_server_count_and_nothing_else(tmp_path: Path) -> None:
    right = {"email": "olga@example.org", "password": PASSWORD}
    wrong = {"email": "olga@example.org", "password": "a wrong guess of olga"}
    with Checkout(tmp_path / "checkout").serve(**OWNER) as server, server.browser() as browser:
        tries = [browser.post("/user/login", data=wrong).status_code for _ in range(8)]
        browser.post(HOSTILE, data=wrong)
        browser.get("/user/login?from=198.51.100.8")
        browser.get("/nothing")
    with Checkout(tmp_path / "second").serve(**OWNER) as other, other.browser() as browser:
        status = browser.post("/user/login", data=right).status_code
        log = tmp_path / "gatehouse.log"
        log.write_text(server.log + other.log, "utf-8")

    assert set(tries) == {422, 429}
    assert status == 303
    assert banned(log) == ["127.0.0.1"] * 8


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (f"{INSTANT} {LINE}", ["192.0.2.7"]),
        (f"{INSTANT} {LINE.replace('192.0.2.7', '2001:db8::7')}", ["2001:db8::7"]),
        (f"{INSTANT} {LINE.replace('/user', '/members/user')}", ["192.0.2.7"]),
        (f"2026-11-27T22:46:05 box gatehouse[812]: {INSTANT} {LINE}", ["192.0.2.7"]),
        # Anybody may have an account of their own to guess from.
        (f"{INSTANT} {LINE.replace('member=0', 'member=17')}", ["192.0.2.7"]),
        (f"{INSTANT} {LINE.replace('422', '303')}", []),
        (f"{INSTANT} {LINE} and more", []),
        (f"{INSTANT} WARNING gatehouse address: {LINE}", []),
    ],
)
def test_lines_from_a_file_syslog_and_the_journal(tmp_path: Path, line: str, found: list[str]) -> None:
    log = tmp_path / "gatehouse.log"
    log.write_text(f"{line}\n", "utf-8")

    assert banned(log) == found
