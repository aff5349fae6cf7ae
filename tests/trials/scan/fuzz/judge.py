"""What must hold for every answer, whatever was asked: each rule says what is wrong, or nothing."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.support.pages.markup import Element, tree
from tests.trials.scan.fuzz.requests import Request
from tests.trials.scan.fuzz.values import CALCULATED, MARK, SECRET
from tests.trials.scan.fuzz.wire import Answer, BrokenOff, Malformed, answers

# Words of programs and folders of the machine, which no page of ours has.
INSIDE: Final = re.compile(
    r"traceback|site-packages|\bfile \"|sqlite3?\b|asyncpg|psycopg|postgres|piccolo|litestar|jinja2?\b"
    r"|uvicorn|httptools|msgspec|\w+error\b: |exception\b|constraint failed|syntax error|invalid input"
    r"|argon2|/usr/|/etc/|/home/|/tmp/|\.py\b|select .* from |insert into |<built-in|object at 0x",
    re.IGNORECASE,
)
OURS: Final = {
    "x-content-type-options": re.compile("nosniff"),
    "referrer-policy": re.compile("same-origin|strict-origin"),
    "cross-origin-opener-policy": re.compile("same-origin"),
    "permissions-policy": re.compile(r"camera=\(\).*"),
    "content-security-policy": re.compile("default-src 'none'; [^*]*frame-ancestors 'none'"),
    "cache-control": re.compile("no-store|no-cache|public, max-age=31536000, immutable"),
    "vary": re.compile(".+"),
}
LEADS: Final = ("location", "hx-redirect", "hx-location", "hx-push-url", "hx-replace-url")
COOKIES: Final = frozenset({"gatehouse_session", "gatehouse_device", "gatehouse_notice"})
TYPES: Final = re.compile(
    r"text/(html|plain|csv|css|javascript); charset=utf-8|image/svg\+xml; charset=utf-8|image/(png|x-icon)"
    r"|application/json"
)
# Elements that load or run something, and attributes that lead somewhere.
NEVER: Final = frozenset({"iframe", "object", "embed", "base", "applet", "frame", "style"})
ADDRESSES: Final = (
    "href",
    "src",
    "action",
    "formaction",
    "hx-get",
    "hx-post",
    "hx-push-url",
    "poster",
    "data",
)
FORMULA: Final = tuple("=+-@\t\r")


@dataclass(frozen=True)
class Facts:
    """What the judge knows of the server: its sub-path, and words that it must never say, or to few."""

    https: bool = False
    root: str = ""
    secrets: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


Rule = Callable[[Request, Answer, Facts], Iterator[str]]


class Judge:
    """Remembers pages without a mark that were found well-formed, since most come often."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._well_formed: set[int] = set()

    def faults(self, request: Request, heard: bytes) -> tuple[list[str], int]:
        """What is wrong with the answer, a sentence each, and its status, 0 for none."""
        if not heard:
            return ([] if request.cut else ["no answer"]), 0
        try:
            found = answers(heard, is_head=request.method == b"HEAD")
        except (Malformed, ValueError) as error:
            # Whoever hangs up first isn't told the rest.
            is_owed = not (request.cut and isinstance(error, BrokenOff))
            return [f"no HTTP: {error}"] if is_owed else [], 0
        is_as_many = (0 if request.cut else 1) <= len(found) <= request.answers
        wrong = [] if is_as_many else [f"{len(found)} answers to one request"]
        for answer in found:
            wrong += [fault for rule in RULES for fault in rule(request, answer, self._facts)]
            wrong += self._markup(answer)
        if found and found[0].status not in request.statuses and request.answers == 1:
            wrong.append(f"status {found[0].status} instead of {sorted(request.statuses)}")
        return wrong, found[0].status if found else 0

    def _markup(self, answer: Answer) -> list[str]:
        if (
            not answer.header("content-type").startswith("text/html")
            or hash(answer.body) in self._well_formed
        ):
            return []
        wrong = markup(answer.body.decode("utf-8", "replace"))
        if not wrong and len(self._well_formed) < 100_000:
            self._well_formed.add(hash(answer.body))
        return wrong


def _status(request: Request, answer: Answer, facts: Facts) -> Iterator[str]:
    if answer.status >= 500:
        yield f"status {answer.status}"
    if answer.status == 405 and "GET" not in answer.header("allow") and "POST" not in answer.header("allow"):
        yield "405 without Allow"
    if answer.status == 429 and not answer.header("retry-after").isdecimal():
        yield "429 without Retry-After"


def _headers(request: Request, answer: Answer, facts: Facts) -> Iterator[str]:
    for name, value in OURS.items():
        sent = answer.all(name)
        if len(sent) != 1 or not value.fullmatch(sent[0]):
            yield f"{name}: {sent}"
    if "unsafe" in answer.header("content-security-policy"):
        yield "a policy with unsafe"
    if facts.https and not answer.header("strict-transport-security"):
        yield "no strict-transport-security"
    if answer.all("server") or answer.all("x-injected") or answer.all("x-powered-by"):
        yield f"a header that isn't ours: {answer.headers}"
    marked = [
        name for name, value in answer.headers if MARK.search(value) and name not in (*LEADS, "set-cookie")
    ]
    if marked:
        yield f"what was sent is in {marked}"


def _places(request: Request, answer: Answer, facts: Facts) -> Iterator[str]:
    for name in LEADS:
        for place in answer.all(name):
            if not is_local(place, facts.root):
                yield f"{name} leads to {place[:200]!r}"


def is_local(place: str, root: str = "") -> bool:
    """Whether it is a path of ours, for every browser."""
    return place.startswith(f"{root}/") and not re.match(r"/[/\\]", place[len(root) :]) and "\\" not in place


def _cookies(request: Request, answer: Answer, facts: Facts) -> Iterator[str]:
    for cookie in answer.all("set-cookie"):
        pair, *flags = cookie.split("; ")
        name, given = pair.partition("=")[0], {flag.lower() for flag in flags}
        wanted = {"httponly", "samesite=lax", "path=/"} | ({"secure"} if facts.https else set())
        bare = name.removeprefix("__Host-")
        # One that http has left in a browser is only taken away.
        is_ours = bare in COOKIES and (name != bare or not facts.https or "max-age=0" in given)
        if not is_ours or not wanted <= given or any(flag.startswith("domain") for flag in given):
            yield f"Set-Cookie: {cookie[:200]}"


def _content(request: Request, answer: Answer, facts: Facts) -> Iterator[str]:
    if not answer.body:
        return
    kind = answer.header("content-type")
    if not TYPES.fullmatch(kind):
        yield f"content type {kind!r}"
    if not kind.startswith(("text/html", "text/plain", "text/csv", "application/json")):
        return
    try:
        text = answer.body.decode()
    except UnicodeDecodeError as error:
        yield f"no UTF-8: {error}"
        return
    lowered = text.lower()
    inside = {found[0].lower() for found in INSIDE.finditer(lowered)}
    yield from (f"says {word!r}" for word in sorted(inside) if word not in request.said)
    if CALCULATED.search(lowered):
        yield "a template was made of what was sent"
    yield from (f"shows the token {token[:9]}…" for token in facts.secrets if token in text)
    if kind.startswith("text/csv"):
        yield from _cells(text)


def _cells(text: str) -> Iterator[str]:
    for row in csv.reader(io.StringIO(text)):
        yield from (f"a cell that calculates: {cell[:50]!r}" for cell in row if cell.startswith(FORMULA))


def _secrets(request: Request, answer: Answer, facts: Facts) -> Iterator[str]:
    """For those who aren't Owner or Administrator. Whoever says a name, or has its link, may hear it."""
    said = request.said
    if request.who in ("olga", "ada") or any(token.lower() in said for token in facts.links):
        return
    text = answer.body.decode("utf-8", "replace").lower() + repr(answer.headers).lower()
    yield from (f"tells of {word!r}" for word in sorted(set(SECRET.findall(text))) if word not in said)
    yield from (f"gives away the link {token[:9]}…" for token in facts.links if token.lower() in text)


RULES: Final[tuple[Rule, ...]] = (_status, _headers, _places, _cookies, _content, _secrets)


def markup(text: str) -> list[str]:
    """What is wrong with a page or a piece of one: its form, or something in it that somebody put there."""
    try:
        page = tree(text)
    except AssertionError as error:
        return [f"markup: {error}"]
    return [f"markup: {wrong}" for element in page.all() if (wrong := _element(element))]


def _element(element: Element) -> str:
    names = (element.tag, *element.attributes)
    if any(MARK.search(name) for name in names):
        return f"somebody's element <{' '.join(names)}>"
    if any(name.startswith("on") or name in ("style", "srcdoc") for name in element.attributes):
        return f"an attribute that runs: <{' '.join(names)}>"
    if element.tag in NEVER or (element.tag == "meta" and "http-equiv" in element):
        return f"an element that is never ours: <{' '.join(names)}>"
    if element.tag == "script" and (element.children or "/static/" not in element.attributes.get("src", "")):
        return "a script that is no file of ours"
    for name in ADDRESSES:
        value = element.attributes.get(name, "")
        if MARK.search(value) and not (value.startswith(("?", "#", "mailto:")) or is_local(value)):
            return f"{name} leads to {value[:100]!r}"
    return ""
