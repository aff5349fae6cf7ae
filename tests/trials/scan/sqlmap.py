"""sqlmap at every place of tests/trials/scan/places.py, on both databases."""

import re
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from tests.trials.sample import Sample
from tests.trials.scan import weak
from tests.trials.scan.front import ANYONE, CASE, SESSION
from tests.trials.scan.house import DATABASES, House, database, open_house
from tests.trials.scan.places import PLACES, Place
from tests.trials.scan.tools import STOPPED, Finding, run

AT_ONCE: Final = 2
# (level, risk), how many of the places without FULL=1, and seconds for one of them.
EACH: Final = ((1, 3), len(PLACES), 240)
DEEPER: Final = ((3, 3), 6, 420)
DEEPEST: Final = ((5, 3), 0, 3_600)
NOT_INJECTABLE: Final = "all tested parameters do not appear to be injectable"
FOUND: Final = "sqlmap identified the following injection point"
_POINT: Final = re.compile(r"^Parameter: (.+)$", re.MULTILINE)
# The mark where sqlmap puts what it tries.
MARK: Final = "*"
# A request that didn't come to where SQL is: not signed in, not allowed, not there, too often, busy.
# 404 tells something: the request itself is answered otherwise, and a number must look like one.
_BLIND: Final = (0, 401, 403, 405, 408, 413, 415, 429, 431, 500, 503)
# What it asks while it runs, where its own answer would be to try what isn't marked.
ANSWERS: Final = "process them too=N,in the target URL itself=N"
MAX_BLIND: Final = 0.1


@dataclass(frozen=True)
class Request:
    """A place with the values of a house. With marks it is what sqlmap is given, without them it works."""

    place: Place
    values: dict[str, str]

    def path(self, mark: str = "") -> str:
        marked = mark if self.place.path_too else ""
        path = re.sub(r"{(\w+)}", lambda found: self.values[found[1]] + marked, self.place.path)
        if self.place.method == "POST":
            return path
        return f"{path}?{self._fields(mark)}" if self.place.fields else path

    def body(self, mark: str = "") -> str:
        """Of a form; "" of a GET."""
        return self._fields(mark) if self.place.method == "POST" else ""

    def headers(self, mark: str = "") -> dict[str, str]:
        tried = {name: self._filled(value) + mark for name, value in self.place.headers.items()}
        if self.place.who:
            session = ANYONE if self.place.who == ANYONE else self.values[f"session of {self.place.who}"]
            tried.setdefault("Cookie", f"{SESSION}={session}")
        return {"Sec-Fetch-Site": "same-origin", **tried}

    def _fields(self, mark: str) -> str:
        tried = "&".join(f"{urlencode({name: self._filled(value)})}{mark}" for name, value in self._tried())
        kept = urlencode({name: self._filled(value) for name, value in self.place.kept.items()})
        return "&".join(part for part in (tried, kept) if part)

    def _tried(self) -> list[tuple[str, str]]:
        return list(self.place.fields.items())

    def _filled(self, text: str) -> str:
        return text.format(**self.values)


def run_all(sample: Sample) -> tuple[list[Finding], list[str]]:
    """What sqlmap found, and what is wrong with how it was tried. Prints its figures."""
    findings: list[Finding] = []
    broken: list[str] = []
    for kind in DATABASES:
        with database(kind) as url:
            broken += prove(kind, url)
        with open_house(kind) as house, ThreadPoolExecutor(AT_ONCE) as threads:
            jobs = [
                threads.submit(_try, house, place, kind, depth, seconds)
                for depth, most, seconds in (EACH, DEEPER, DEEPEST)
                for place in sample.draw(f"places of sqlmap at level {depth[0]} on {kind}", PLACES, most)
            ]
            answers: Counter[int] = Counter()
            for job in jobs:
                found, wrong, answered = job.result()
                findings += found
                broken += wrong
                answers += answered
            broken += [f"{kind}: {who}'s session ended under sqlmap" for who in house.signed_out()]
            broken += [f"sqlmap on {kind}: {sentence}" for sentence in house.broken()]
        shown = ", ".join(f"{status}: {count:,}" for status, count in sorted(answers.items()))
        print(
            f"sqlmap on {kind}: {len(jobs)} runs at {len(PLACES)} places,"
            f" {answers.total():,} requests ({shown})",
            flush=True,
        )
    return findings, broken


def prove(kind: str, url: str) -> list[str]:
    """Whether it finds the fault of a weak server."""
    with weak.serving("" if kind == "sqlite" else url) as base, folder() as home:
        said = run(
            "sqlmap", *_how(kind, (1, 3)), "-u", f"{base}/members?q=ana{MARK}", seconds=240, home=Path(home)
        )
    found = FOUND in said
    print(f"sqlmap {'finds' if found else 'MISSES'} the fault of the weak server on {kind}", flush=True)
    return [] if found else [f"sqlmap misses the fault of the weak server on {kind}: {said[-500:]}"]


def folder() -> "tempfile.TemporaryDirectory[str]":
    """Where a scanner keeps its own files: in memory where that can be had.

    wapiti gives up when its database isn't written within five seconds, as on a busy disk.
    """
    memory = Path("/dev/shm")
    return tempfile.TemporaryDirectory(prefix="gatehouse-scan-", dir=memory if memory.is_dir() else None)


def _how(kind: str, depth: tuple[int, int]) -> Sequence[str]:
    dbms = {"sqlite": "SQLite", "postgres": "PostgreSQL"}[kind]
    level, risk = depth
    return (
        f"--answers={ANSWERS}",
        *("--batch", "--disable-coloring", "--flush-session", "--ignore-code=*", "--ignore-redirects"),
        *(f"--dbms={dbms}", f"--level={level}", f"--risk={risk}", "--time-sec=2", "--output-dir=found"),
    )


def _try(
    house: House, place: Place, kind: str, depth: tuple[int, int], seconds: float
) -> tuple[list[Finding], list[str], Counter[int]]:
    """What it found at one place, what is wrong with how it was tried, and how often which status came."""
    name = f"{place.name}, level {depth[0]}, {kind}"
    request = Request(place, house.values)
    if wrong := _works(house, request):
        return [], [f"{name}: {wrong}"], Counter()
    headers = (
        "\n".join(f"{key}: {value}" for key, value in request.headers(MARK).items()) + f"\n{CASE}: {name}"
    )
    arguments = [
        "-u",
        house.front.base + request.path(MARK),
        f"--method={place.method}",
        f"--headers={headers}",
    ]
    if place.method == "POST":
        arguments.append(f"--data={request.body(MARK)}")
    if place.another:
        arguments.append(f"--randomize={place.another}")
    with folder() as home:
        said = run("sqlmap", *_how(kind, depth), *arguments, seconds=seconds, home=Path(home))
    answered = house.front.answers.pop(name, Counter())
    findings = [Finding("sqlmap", point, place.name) for point in _POINT.findall(said)]
    if not findings and NOT_INJECTABLE not in said:
        reason = STOPPED if STOPPED in said else said.strip()[-300:]
        return findings, [f"{name}: sqlmap didn't come to its end: {reason}"], answered
    blind = sum(answered[status] for status in _BLIND)
    if blind > MAX_BLIND * answered.total():
        return findings, [f"{name}: too many answers tell nothing: {dict(answered)}"], answered
    return findings, [], answered


def _works(house: House, request: Request) -> str:
    """What is wrong with the request as it is without anything injected, "" if it does what a page's does."""
    place = request.place
    with house.browser() as browser:
        answer = browser.request(
            place.method,
            request.path(),
            content=request.body() or None,
            headers={**request.headers(), "Content-Type": "application/x-www-form-urlencoded"},
        )
    fine = answer.status_code in (200, 204, 303, 409, 410, 422) or (place.gone and answer.status_code == 404)
    signed_out = place.who and answer.headers.get("location", "").startswith("/user/login")
    return "" if fine and not signed_out else f"the request itself is answered {answer.status_code}"
