"""Requests to every address with every method and content type: valid ones, of which something is changed."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from tests.handlers.test_routes import LOGIN, METHOD, NO, TABLE, WHO
from tests.support.pages.changing_requests import FOR_VISITORS, Sent
from tests.trials.scan.fuzz import wire
from tests.trials.scan.fuzz.people import PEOPLE, Seeded
from tests.trials.scan.fuzz.values import encoded, hostile, mark

ADDRESSES: Final = Path(__file__).parents[4] / "docs" / "addresses.md"
UPLOAD: Final = "/organization/invitations/import"
FORM: Final = b"application/x-www-form-urlencoded"
SAFE: Final = (b"GET", b"HEAD")
# RFC 9110, 5789, 4918, 10008, and invented ones.
STANDARD: Final = (b"PUT", b"DELETE", b"OPTIONS", b"TRACE", b"PATCH", b"PROPFIND", b"REPORT", b"SEARCH")
INVENTED: Final = (
    b"CONNECT",
    b"QUERY",
    b"FOO",
    b"get",
    b"Post",
    b"POST_",
    b"GETPOST",
    b"",
    b"G\x00T",
    b"PRI",
)
METHODS: Final = (*SAFE, b"POST", *STANDARD, *INVENTED)
LONG: Final = b"b" * 9_000
# Of a body; None for no header at all. Those that are no form come last.
FORMS: Final = (
    FORM,
    FORM + b"; charset=utf-8",
    FORM.upper(),
    FORM + b";charset=utf-16;boundary=x",
    None,
    b"",
)
OTHERS: Final = (
    *(b"multipart/form-data; boundary=b", b"multipart/form-data", b"multipart/form-data; boundary=" + LONG),
    *(
        b"application/json",
        b"text/plain",
        b"application/xml",
        b"text/html; charset=utf-7",
        b"nothing of the kind",
    ),
    *(
        b"application/octet-stream",
        b"application/x-www-form-urlencodedx",
        b"image/svg+xml",
        b"multipart/mixed",
    ),
)
TYPES: Final = (*FORMS, *OTHERS)
# What may be answered to something hostile.
EVER: Final = frozenset({200, 204, 303, 304, 400, 401, 403, 404, 405, 409, 410, 413, 414, 415, 422, 429, 431})


@dataclass
class Request:
    """One request, before it is sent and as it goes out.

    who: one of PEOPLE, "" for nobody. cell: what the table of routes says of them and this address. touched:
    which parts aren't those of a valid request any more. body: in place of the fields. content: what was
    sent, without its framing. cut: whether the sender says that nothing more comes; then it may be that no
    answer is owed. answers: how many at most.
    """

    number: int
    route: str
    who: str
    method: bytes
    kind: bytes | None
    path: bytes
    query: list[tuple[bytes, bytes]]
    fields: list[tuple[bytes, bytes]]
    file: tuple[str, bytes] | None
    headers: list[tuple[bytes, bytes]]
    cell: str = ""
    touched: set[str] = field(default_factory=set)
    body: bytes | None = None
    content: bytes = b""
    raw: bytes = b""
    cut: bool = False
    answers: int = 1

    @property
    def mark(self) -> str:
        return mark(self.number)

    @property
    def is_refused(self) -> bool:
        """Whether whoever asks isn't let in here."""
        return self.cell in (LOGIN, NO)

    @property
    def is_of_wrong_type(self) -> bool:
        kind = (self.kind or b"").partition(b";")[0].strip().lower()
        return kind not in (b"", b"multipart/form-data" if self.route == UPLOAD else FORM)

    @property
    def changes_nothing(self) -> bool:
        """Whether every row must be what it was before."""
        if self.method != b"POST" or "two lengths" in self.touched:
            return True
        if self.is_of_wrong_type and "path" not in self.touched:
            return True
        if "from elsewhere" in self.touched and "header" not in self.touched:
            return True
        return self.is_refused and self.route not in FOR_VISITORS

    @property
    def statuses(self) -> frozenset[int]:
        """What may be answered: exactly that where nothing but one part was changed."""
        if not self.touched <= {"field", "query", "htmx"}:
            return EVER
        if self.method in STANDARD:
            return frozenset({405, 414})
        if self.method in INVENTED:
            return frozenset({400, 405, 414})
        if self.method == b"POST" and self.is_of_wrong_type:
            return frozenset({415, 414})
        if self.cell == METHOD:
            return frozenset({405, 414})
        if self.is_refused and self.route not in FOR_VISITORS:
            return frozenset({303, 401, 414} if self.cell == LOGIN else {403, 414})
        return EVER

    @property
    def said(self) -> str:
        """Everything that was sent, decoded as often as an answer might show it."""
        # In chunks it stands there in pieces.
        said = self.raw + self.content
        once = unquote_to_bytes(said.replace(b"+", b" "))
        return (said + once + unquote_to_bytes(once)).decode("utf-8", "replace").lower()


def combinations() -> list[tuple[str, bytes, bytes | None]]:
    """Every address of the application with every method and content type."""
    return [(route, method, kind) for route in routes() for method in METHODS for kind in TYPES]


@cache
def routes() -> tuple[str, ...]:
    """Every address by the application's own word; fails for one that the table of the tests leaves out."""
    from app import create_app
    from settings import Settings
    from tests.support.pages.site import SECRET

    found = {route.path_format for route in create_app(Settings(secret_key=SECRET)).routes}
    assert found == TABLE.keys(), found ^ TABLE.keys()
    return tuple(sorted(found))


@cache
def queries(route: str) -> tuple[str, ...]:
    """What an address takes behind the question mark, by the documentation."""
    found = re.findall(r"`(/[^`?]*)\?([^`]*)`", ADDRESSES.read_text("utf-8"))
    names = {name for path, query in found if path == route for name in re.findall(r"(\w+)=", query)}
    return tuple(sorted(names | {"draft", "filter", "https", "way"}))


class Grammar:
    """Makes requests about what a world holds. The same ones for the same random numbers."""

    def __init__(self, seeded: Seeded, *, cookie: str, root: str, host: bytes, rng: random.Random) -> None:
        self._seeded, self._cookie, self._root, self._host, self._rng = seeded, cookie, root, host, rng
        self._ids = sorted(
            {str(id) for sents in seeded.forms.values() for s in sents for id in s.place.values()}
        )
        self._names = sorted({name for sents in seeded.forms.values() for s in sents for name in s.fields})

    def request(self, number: int, route: str, method: bytes, kind: bytes | None) -> Request:
        """To this address, by anybody, with up to three parts changed."""
        who = self._rng.choice((*PEOPLE, ""))
        if method == b"POST" and self._rng.random() < 0.3:
            who = self._rng.choice(("olga", "ada"))
        request = self._valid(number, route, who, method, kind)
        changes = self._rng.choices((0, 1, 2, 3), (1, 5, 3, 1))[0]
        for change in self._rng.choices(CHANGES, WEIGHTS, k=changes):
            change(self, request)
        wire.write(request, self._host, self._rng)
        return request

    def _valid(self, number: int, route: str, who: str, method: bytes, kind: bytes | None) -> Request:
        rng = self._rng
        sent = rng.choice(self._seeded.forms.get(route) or [Sent()])
        places = {name: rng.choice(self._ids) for name in re.findall(r"{(\w+)}", route)} | sent.place
        path = route.format(**(places | ({"name": "css/app.css"} if "{name}" in route else {})))
        kept = rng.random() < 0.5
        root = self._root if kept else ""
        several = [(n, v) for n, vs in sent.fields.items() for v in (vs if isinstance(vs, list) else [vs])]
        query = [(name.encode(), b"") for name in queries(route) if method in SAFE and rng.random() < 0.2]
        # Each from a network of its own: tries are counted by that.
        network = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        headers = [(b"X-Forwarded-For", network.encode())]
        headers += [(b"X-Forwarded-Proto", b"https" if self._root else b"http")]
        # Over https every browser sends it.
        headers += [(b"Sec-Fetch-Site", b"same-origin")] if self._root or rng.random() < 0.9 else []
        headers += [(b"Accept-Encoding", b"gzip")] if rng.random() < 0.1 else []
        if who:
            token = rng.choice(self._seeded.sessions[who])
            headers.append((b"Cookie", f"{self._cookie}={token}".encode()))
        column = WHO.index(PEOPLE[who][0] if who else "anonymous")
        cell = TABLE[route][method == b"POST"][column]
        file = (str(sent.files["file"][0]), bytes(sent.files["file"][1])) if sent.files else None
        return Request(
            number,
            route,
            who,
            method,
            kind,
            (root + path).encode(),
            query,
            [(name.encode(), encoded(value.encode(), random.Random(1))) for name, value in several],
            file,
            headers,
            cell,
        )

    def value(self, request: Request) -> bytes:
        """Something hostile, or what is somebody else's."""
        if self._rng.random() < 0.15:
            return self._rng.choice((*self._ids, *self._seeded.links, "zvk7vesna@example.org", "2")).encode()
        return encoded(hostile(self._rng, request.mark), self._rng)

    # What may be changed of a request

    def _field(self, request: Request) -> None:
        request.touched.add("field")
        rng, fields = self._rng, request.fields
        at = rng.randrange(len(fields)) if fields else -1
        how = rng.random()
        if how < 0.6 and fields:
            fields[at] = (fields[at][0], self.value(request))
        elif how < 0.7 and fields:
            del fields[at]
        elif how < 0.78 and fields:
            name, value = fields[at]
            fields.append((rng.choice((name, name + b"[]", name + b"[0]", name.upper())), value))
        elif how < 0.8:
            fields += [(b"member", str(number).encode()) for number in range(rng.choice((600, 1_001)))]
        elif how < 0.85:
            fields.append((self.value(request), self.value(request)))
        else:
            names = (
                *self._names,
                "role",
                "active",
                "filter",
                "draft",
                "others",
                "all",
                "seen",
                "before",
                "also",
            )
            fields.append((rng.choice(names).encode(), self.value(request)))

    def _query(self, request: Request) -> None:
        request.touched.add("query")
        rng = self._rng
        names = [*queries(request.route), "token", "code", "amp;token", "role", "member"]
        for name in rng.choices(names, k=rng.choice((1, 1, 2, 4))):
            request.query.append((name.encode(), self.value(request)))
        if rng.random() < 0.05:
            request.query.append((self.value(request), self.value(request) * rng.choice((1, 400))))

    def _path(self, request: Request) -> None:
        request.touched.add("path")
        rng = self._rng
        parts = request.path.split(b"/")
        numbers = [at for at, part in enumerate(parts) if part.isdigit()] or [len(parts) - 1]
        how = rng.random()
        if how < 0.5:
            # No token: the log has every path, and no query.
            odd = encoded(hostile(rng, request.mark), rng).replace(b" ", b"%20")
            parts[rng.choice(numbers)] = rng.choice((odd, odd, rng.choice(self._ids).encode()))
            request.path = b"/".join(parts) or b"/"
        elif how < 0.7:
            parts.insert(rng.randrange(1, len(parts) + 1), rng.choice(ODD_PARTS))
            request.path = b"/".join(parts)
        else:
            shapes: Sequence[Callable[[bytes], bytes]] = (
                lambda path: path + b"/",
                lambda path: b"/" + path,
                lambda path: path.upper(),
                lambda path: path.replace(b"/", b"%2F"),
                lambda path: b"/%2e%2e" + path,
                lambda path: b"http://evil.example" + path,
                lambda path: b"*",
                lambda path: path + b"%00",
                lambda path: path + b";a=b",
                lambda path: b"/static/../../app.py",
                lambda path: b"/static/%2e%2e/%2e%2e/etc/passwd",
                lambda path: path + b"/" + b"a" * 4_000,
                lambda path: path + b"#" + request.mark.encode(),
                lambda path: path[1:],
            )
            request.path = rng.choice(shapes)(request.path)

    def _header(self, request: Request) -> None:
        request.touched.add("header")
        rng = self._rng
        name, values = rng.choice(HEADERS)
        value = rng.choice((*values, *(hostile(rng, request.mark) for _ in range(2))))
        request.headers.append(
            (name, re.sub(rb"[\r\n\0]", b" ", value.replace(b"MARK", request.mark.encode())))
        )

    def _htmx(self, request: Request) -> None:
        request.touched.add("htmx")
        request.headers.append((b"HX-Request", b"true"))

    def _from_elsewhere(self, request: Request) -> None:
        request.touched.add("from elsewhere")
        request.headers = [pair for pair in request.headers if pair[0] != b"Sec-Fetch-Site"]
        elsewhere = (
            (b"Sec-Fetch-Site", self._rng.choice((b"cross-site", b"same-site", b"same-origin, cross-site"))),
            (
                b"Origin",
                self._rng.choice(
                    (b"https://evil.example", b"null", b"http://[", b"https://" + self._host[:-1])
                ),
            ),
        )
        request.headers.append(self._rng.choice(elsewhere))

    def _cookie_header(self, request: Request) -> None:
        request.touched.add("cookie")
        rng, name = self._rng, self._cookie.encode()
        value = re.sub(rb"[\r\n\0]", b" ", hostile(rng, request.mark))
        token = rng.choice(rng.choice(list(self._seeded.sessions.values()))).encode()
        request.headers.append(
            (
                b"Cookie",
                rng.choice(
                    (
                        name + b"=" + value,
                        name + b"=" + token[:-1] + b"; " + name + b"=",
                        name.lower() + b"x=" + token,
                        name.removeprefix(b"__Host-") + b"=" + value + b";;; =; a",
                        name.replace(b"session", b"notice") + b"=" + value,
                        name.replace(b"session", b"device") + b"=1.2.3." + value,
                        b"a=" + value + b"; " * 300,
                    )
                ),
            )
        )

    def _body(self, request: Request) -> None:
        request.touched.add("body")
        rng = self._rng
        fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.fields}
        bodies: Sequence[Callable[[], bytes]] = (
            lambda: hostile(rng, request.mark),
            lambda: json.dumps(fields).encode(),
            lambda: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
            lambda: rng.randbytes(3_000),
            lambda: b"&" * 5_000,
            lambda: b"=" * 5_000 + b"&;",
            lambda: b"a=b&" * 1_500,
            lambda: wire.multipart(request, b"b")[: rng.randrange(1, 300)],
            lambda: b"--b\r\n" * 500,
            lambda: b'--b\r\nContent-Disposition: form-data; name="' + LONG + b'"\r\n\r\n--b--\r\n',
            lambda: (
                b"--b\r\nContent-Disposition: form-data; name=file; filename*=''%ff%00\r\n\r\na\n--b--\r\n"
            ),
            lambda: b"emails=" + b"a" * (1_000_100 if rng.random() < 0.05 else 10_000),
        )
        request.body = rng.choice(bodies)()

    def _file(self, request: Request) -> None:
        request.touched.add("field")
        if request.file is None:
            return
        rng = self._rng
        rows = [b"email,first name,last name,role", b'a@b.example,"MARK",<MARK>,AN', b"=MARK,,,"]
        rows += [
            b",".join(re.sub(rb"\s", b" ", hostile(rng, request.mark)) for _ in range(4)) for _ in range(5)
        ]
        content = rng.choice((b"\n", b"\r\n", b"\r")).join(rng.sample(rows, rng.randrange(1, len(rows))))
        texts = (content, content.replace(b",", b";"), b"\xef\xbb\xbf" + content, b"\xff\xfe" + content)
        chosen = rng.choice((*texts, hostile(rng, request.mark), b"email\n" + b"x@y.example\n" * 1_000))
        request.file = (
            rng.choice(("a.csv", "../../a", f'"<{request.mark}>', "")),
            chosen.replace(b"MARK", request.mark.encode()),
        )

    def _framing(self, request: Request) -> None:
        request.touched.add("framing")


ODD_PARTS: Final = (
    b"",
    b".",
    b"..",
    b"%2e%2e",
    b"%2F",
    b"%5c",
    b"%00",
    b";",
    b"a%0d%0aX-Injected:%20a",
    b"%ff",
    b"%",
)
HEADERS: Final[tuple[tuple[bytes, tuple[bytes, ...]], ...]] = (
    (b"Host", (b"evil.example", b"", b"[::1", b"a:99999", b"a@b", b"MARK")),
    (b"Origin", (b"https://evil.example", b"null", b"http://[", b"http://a:999999", b"MARK://MARK")),
    (
        b"Referer",
        (b"https://evil.example/MARK", b"http://127.0.0.1//evil.example/MARK", b"http://[", b"/\\MARK"),
    ),
    (b"HX-Request", (b"true", b"TRUE", b"1")),
    (
        b"HX-Current-URL",
        (b"https://evil.example//MARK", b"http://a//evil.example", b"http://[", b"?role=XX&q=MARK"),
    ),
    (b"HX-Target", (b"MARK", b"members", b"panel", b"toasts")),
    (b"HX-Trigger", (b"MARK",)),
    (b"HX-Boosted", (b"true",)),
    (b"HX-History-Restore-Request", (b"true",)),
    (b"X-Forwarded-Host", (b"evil.example", b"a,b,MARK", b"[", b"<MARK>")),
    (b"X-Forwarded-For", (b"1.2.3.4", b"::1, x, ::ffff:1.2.3.4", b"," * 500, b"MARK", b"127.0.0.1")),
    (b"X-Forwarded-Proto", (b"https", b"gopher", b"https,http", b"MARK")),
    (b"X-Forwarded-Port", (b"0", b"99999", b"MARK", b"8443")),
    (b"X-Forwarded-Prefix", (b"/MARK",)),
    (b"Forwarded", (b"for=MARK;host=evil.example;proto=https",)),
    (b"X-HTTP-Method-Override", (b"DELETE", b"POST")),
    (b"X-Original-URL", (b"/organization/members",)),
    (b"X-Rewrite-URL", (b"/organization/members",)),
    (b"Accept", (b"application/json", b"*/*;q=NaN", b"a/b," * 200, b"image/MARK")),
    (b"Accept-Language", (b"de", b"*", b"MARK;q=9", b"a-" * 900)),
    (b"Accept-Encoding", (b"gzip;q=0", b"br", b"*", b"gzip;q=MARK", b"identity;q=0")),
    (b"Accept-Charset", (b"utf-7", b"utf-16")),
    (b"Content-Encoding", (b"gzip", b"br", b"MARK")),
    (b"Content-Disposition", (b"attachment",)),
    (b"Range", (b"bytes=0-1", b"bytes=-1", b"bytes=9-1", b"bytes=" + b"0-," * 900, b"MARK=1")),
    (b"If-None-Match", (b"*", b'"MARK"', b'W/"a"')),
    (b"If-Match", (b"*", b'"MARK"')),
    (b"If-Modified-Since", (b"Sat, 29 Oct 1994 19:43:31 GMT", b"MARK")),
    (b"If-Range", (b'"MARK"',)),
    (b"User-Agent", (b"", b"MARK<MARK>", b"Mozilla/5.0 Firefox/<MARK>", b"a" * 8_000)),
    (b"Authorization", (b"Basic MARK", b"Bearer MARK", b"Basic " + b"=" * 90)),
    (b"Sec-Fetch-Site", (b"none", b"MARK", b"")),
    (b"Sec-Fetch-Mode", (b"navigate", b"cors")),
    (b"Upgrade", (b"websocket", b"h2c", b"TLS/1.0")),
    (b"Connection", (b"keep-alive, Cookie", b"MARK")),
    (b"Trailer", (b"Cookie",)),
    (b"Via", (b"1.1 MARK",)),
    (b"Max-Forwards", (b"0",)),
    (b"Date", (b"MARK",)),
    (b"X-Large", (b"a" * 33_000,)),
)
_WEIGHTED: Final = (
    (Grammar._field, 40),
    (Grammar._query, 25),
    (Grammar._path, 14),
    (Grammar._header, 20),
    (Grammar._htmx, 14),
    (Grammar._from_elsewhere, 5),
    (Grammar._cookie_header, 6),
    (Grammar._body, 8),
    (Grammar._file, 12),
    (Grammar._framing, 8),
)
CHANGES: Final = tuple(change for change, _ in _WEIGHTED)
WEIGHTS: Final = tuple(weight for _, weight in _WEIGHTED)
