"""wapiti as the Owner, an Administrator, somebody Pending and nobody, on both databases.

Each scan has a house of its own, since the forms that it sends remove people and change roles.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tests.trials.sample import Sample
from tests.trials.scan import weak
from tests.trials.scan.front import Front, standing
from tests.trials.scan.house import ADMINISTRATOR, DATABASES, OWNER, PENDING, House, open_house
from tests.trials.scan.sqlmap import folder
from tests.trials.scan.tools import STOPPED, Finding, run

AT_ONCE: Final = 2
# What each of them gets to see at least, if the scan comes in: else it was signed out by its first click.
MUST_REACH: Final = {
    OWNER: ("/organization/settings", "/organization/members", "/organization/activity", "/user/account"),
    ADMINISTRATOR: ("/organization/members", "/organization/invitations", "/user/account"),
    PENDING: ("/user/account",),
    "": ("/user/login", "/user/access-request", "/user/password/forgot"),
}
CALLED: Final = {
    OWNER: "the Owner",
    ADMINISTRATOR: "an Administrator",
    PENDING: "somebody Pending",
    "": "nobody",
}
MODULES: Final = (
    *("backup", "buster", "cookieflags", "crlf", "csp", "csrf", "exec", "file", "htaccess", "http_headers"),
    *("ldap", "methods", "permanentxss", "redirect", "shellshock", "spring4shell", "sql", "ssrf", "timesql"),
    *("upload", "xss", "xxe"),
)
LEFT_OUT: Final = {
    "brute_login_form": "five passwords, after which each further try has to wait:"
    " tests/db/auth/test_rate_limits.py",
    "cms": "other people's programs",
    "htp": "asks a database that has to be fetched",
    "https_redirect": "TLS is the proxy's",
    "log4shell": "needs a name server outside",
    "network_device": "other people's programs",
    "nikto": "asks a list that has to be fetched",
    "ssl": "TLS is the proxy's",
    "takeover": "asks name servers outside",
    "wapp": "asks a database that has to be fetched",
    "wp_enum": "other people's programs",
}
# Seconds for finding pages, and for each module.
SAMPLE_SECONDS: Final = (45, 9)
FULL_SECONDS: Final = (240, 90)
# At the end of a path: a static file's hash; anywhere: ids.
_CHANGES: Final = ((r"\.[0-9a-f]{12}\.", "."), (r"/[0-9]+", "/{id}"))
# They end the session that is scanned with.
EXCLUDED: Final = (
    "/user/logout",
    "/user/account/sessions/*",
    *(f"/organization/members/{{{name}}}/sessions/*" for name in ("own_id", "administrator_id")),
)


def run_all(sample: Sample) -> tuple[list[Finding], list[str]]:
    """What wapiti found, and what is wrong with how it was tried. Prints its figures."""
    broken = prove()
    pairs = list(product(MUST_REACH, DATABASES))
    if not sample.full:
        # Each of the four on one of the databases, in turn.
        first = sample.seed % 2
        pairs = [(who, DATABASES[(first + number) % 2]) for number, who in enumerate(MUST_REACH)]
        sample.left_out.append(f"Left out {len(pairs)} of {2 * len(pairs)} scans by wapiti.")
    for name, reason in LEFT_OUT.items():
        sample.left_out.append(f"Left out wapiti's module {name}: {reason}.")
    findings: list[Finding] = []
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for found, wrong in threads.map(lambda pair: _scan(*pair, full=sample.full), pairs):
            findings += found
            broken += wrong
    return findings, broken


def prove() -> list[str]:
    """Whether it finds the faults of a weak server."""
    with weak.serving() as base, standing() as front:
        report, said = _run(front, base, ("xss", "sql"), (15, 20), ())
    found = {finding.what for finding in _findings(report)}
    missed = {"Reflected Cross Site Scripting", "SQL Injection"} - found
    print(f"wapiti finds at the weak server: {', '.join(sorted(found)) or 'NOTHING'}", flush=True)
    return [f"wapiti misses at the weak server: {name}: {said[-300:]}" for name in sorted(missed)]


def _scan(who: str, kind: str, *, full: bool) -> tuple[list[Finding], list[str]]:
    """One scan of a house of its own."""
    name = f"wapiti as {CALLED[who]} on {kind}"
    with open_house(kind) as house:
        house.front.worn = house.sessions.get(who, "")
        seconds = FULL_SECONDS if full else SAMPLE_SECONDS
        excluded = tuple(path.format(**house.values) for path in EXCLUDED)
        report, said = _run(house.front, house.front.base, MODULES, seconds, excluded)
        house.front.worn = ""
        answers = house.front.answers.pop("", Counter())
        broken = [f"{name}: {sentence}" for sentence in _wrong(house, who, report, said)]
    reached = _reached(report)
    shown = ", ".join(f"{status}: {count:,}" for status, count in sorted(answers.items()))
    print(
        f"{name}: {report.get('infos', {}).get('crawled_pages_nbr', 0):,} URLs and forms,"
        f" {len(reached)} addresses answered, {answers.total():,} requests ({shown})",
        flush=True,
    )
    return _findings(report), broken


def _wrong(house: House, who: str, report: dict[str, Any], said: str) -> Iterator[str]:
    if not report or STOPPED in said:
        yield f"no report: {said[-300:]}"
    reached = {path for path, status in _reached(report) if status == 200}
    for path in MUST_REACH[who]:
        if path not in reached:
            yield f"it never saw {path}"
    if who and not house.lives(who):
        yield "its session has ended"
    yield from house.broken()


def _run(
    front: Front, base: str, modules: tuple[str, ...], seconds: tuple[float, float], excluded: tuple[str, ...]
) -> tuple[dict[str, Any], str]:
    """The report, {} if there is none, and what it printed. seconds: to find pages, and for each module."""
    crawl, attack = seconds
    call = f"http://127.0.0.1:{front.call_port}/"
    with folder() as home:
        said = run(
            "wapiti",
            *("--url", f"{base}/", "--module", ",".join(modules), "--scope", "folder"),
            *("--header", "Sec-Fetch-Site: same-origin", "--drop-set-cookie", "--flush-session"),
            # It looks nothing up: its calls come here, and it reports its own faults to nobody.
            *("--endpoint", call, "--dns-endpoint", "localhost", "--no-bugreport"),
            *("--store-session", "session", "--store-config", "config"),
            *("--max-scan-time", str(crawl), "--max-attack-time", str(attack), "--max-parameters", "40"),
            *("--timeout", "30", "--format", "json", "--output", "report.json", "--detailed-report", "1"),
            *(part for path in excluded for part in ("--exclude", base + path)),
            seconds=2 * (crawl + attack * len(modules)) + 120,
            home=Path(home),
        )
        written = Path(home) / "report.json"
        return json.loads(written.read_text("utf-8")) if written.exists() else {}, said


def _reached(report: dict[str, Any]) -> set[tuple[str, int]]:
    """Which addresses answered with which status."""
    pages = [page["request"] for page in report.get("infos", {}).get("crawled_pages", [])]
    return {(_place(page["url"]), page["status_code"]) for page in pages if page["status_code"]}


def _findings(report: dict[str, Any]) -> list[Finding]:
    """Faults, and anomalies such as a status 500, by address."""
    return [
        Finding("wapiti", what, f"{one['method']} {_place(one['path'])}")
        for kind in ("vulnerabilities", "anomalies")
        for what, ones in report.get(kind, {}).items()
        for one in ones
    ]


def _place(url: str) -> str:
    path = urlsplit(url).path
    for pattern, instead in _CHANGES:
        path = re.sub(pattern, instead, path)
    return path
