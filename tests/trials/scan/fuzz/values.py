"""Values that mean no good: what somebody could put where a page expects a name, a number or a day.

Each holds the mark of its request where it can, so that an answer shows what became of it. SECRETS is the
mark of whatever was put into the database and isn't for everybody.
"""

import base64
import json
import random
import re
from typing import Final
from urllib.parse import quote_from_bytes

# A mark is harmless by itself; where it comes back as a tag, an attribute or a header, somebody got through.
MARK: Final = re.compile(r"xq[0-9a-f]{7}z")
SECRETS: Final = "zvk7"
SECRET: Final = re.compile(rf"{SECRETS}[a-z0-9]*")
# What MARK{{7*7}} and its kin become where a template is made of it.
CALCULATED: Final = re.compile(r"xq[0-9a-f]{7}z49")


class Encoded(bytes):
    """Goes into an address or a form as it is; any other value is percent-encoded before."""


def mark(number: int) -> str:
    """The mark of a request, by its number."""
    return f"xq{number:07x}z"


# MARK stands for the mark.
MARKUP: Final = (
    '"><MARK MARK=1>',
    "' MARK='1",
    '" onfocus=MARK autofocus MARK="',
    "<script>MARK</script>",
    "<img src=x onerror=MARK>",
    "</title></textarea></script></style><MARK>",
    "<!--MARK",
    "]]><MARK>",
    "<svg/onload=MARK>",
    "&lt;MARK&gt;<MARK>",
    "<MARK\n\t/MARK>",
    "javascript:MARK",
    "data:text/html,<MARK>",
)
TEMPLATES: Final = (
    "MARK{{7*7}}",
    "MARK${7*7}",
    "MARK#{7*7}",
    "MARK<%= 7*7 %>",
    "MARK{% print(7*7) %}",
    "MARK{}{0}{heading}{0.__class__}{title.__init__.__globals__}",
    "MARK%s%n%(x)s%",
    "MARK$(7*7)`id`|id;id&&id",
)
QUOTES: Final = (
    "MARK' OR '1'='1",
    "MARK'; DROP TABLE member; --",
    'MARK" OR ""="',
    "MARK') UNION SELECT password_hash FROM member --",
    "MARK\\' OR 1=1 #",
    "MARK?1 $1 :1 %s",
    "MARK%_[a-z]*?\\",
    'MARK" NEAR(* OR -"',
    "1;SELECT pg_sleep(20)",
    "MARK'||(SELECT 1/0)||'",
)
LINES: Final = (
    "MARK\r\nX-Injected: MARK",
    "MARK\nX-Injected: MARK\n\n<MARK>",
    "\r\nSet-Cookie: MARK=1",
    "MARK\x00MARK",
    "MARK\x1b[31m\x07",
    "\x85MARK\u2028MARK\u2029",
    "\tMARK\x0b\x0c",
)
UNICODE: Final = (
    "\u202eMARK\u202c\u200f",
    "\ufeffMARK\u200b\u2060",
    "MARK\ufffe\uffff\U0010ffff",
    "MARK\ufb01\u212a\u0130\u017f",
    "MARK" + "\u0301" * 3_000,
    "\U0001f469\u200d\U0001f4bb" * 300,
    "\u3164\u115f\uffa0",
    "\uff1cMARK\uff1e",
    "ا" * 2_100,
)
NUMBERS: Final = (
    *(
        "0",
        "-1",
        "-0",
        "+1",
        "1_0",
        "01",
        "1e309",
        "NaN",
        "Infinity",
        "0x10",
        "1.5",
        " 1",
        "1 ",
        "true",
        "null",
    ),
    *("2147483648", "9223372036854775807", "9223372036854775808", "999999999999999999", "1" + "0" * 400),
    *("\u0661\u0662", "\uff11", "\u00b2", "1\u0308", "-9223372036854775809", "1,2", "1\x00", "[1]", "{}"),
)
DAYS: Final = (
    *("0000-00-00", "0001-01-01", "9999-12-31", "10000-01-01", "2026-02-30", "-001-01-01", "2026-W01-1"),
    *(
        "2026-1-1",
        "20260101",
        "2026-12-06T00:00",
        "\uff12\uff10\uff12\uff16-01-01",
        "1970-01-01",
        "2026-13-01",
    ),
)
WORDS: Final = (
    *(
        "",
        " ",
        "MARK",
        "OW",
        "DI",
        "ad",
        "XX",
        "NO",
        "AD",
        "on",
        "0",
        "system",
        "-email",
        "state",
        "everybody",
    ),
    *("Europe/Prague", "../../etc/passwd", "/etc/localtime", "Etc/GMT+99", "right/UTC", "a" * 300),
    *(
        "olga@example.org",
        "MARK@example.org",
        "MARK@xn--",
        "MARK <a@b.example>, c@d.example",
        "a@[127.0.0.1]",
    ),
    *("MARK@" + "a." * 130 + "org", '"MARK"@example.org', "a@b@c", "@", ",;,", "MARK@ex\u00e4mple.org"),
    *("*.example.org", "*", ".", "xn--MARK", "example.org\n" * 60, "1:AN", "1:OW 2:NO", "0:XX", ":" * 50),
    *("role=NO&q=MARK", "role=%zz", "q=" + "a" * 500, "sort=MARK", "after=MARK", "%"),
    *("=HYPERLINK(MARK)", "+MARK", "-MARK", "@MARK", "=cmd|MARK!A1"),
    *("__proto__", "constructor", "__class__", "None", "undefined", "{}", "[]", "\\", "\\\\MARK"),
)
PLACES: Final = (
    "https://evil.example/MARK",
    "//evil.example/MARK",
    "/\\evil.example/MARK",
    "/\t/evil.example/MARK",
    "\\\\evil.example",
    "https:evil.example",
    "http://[MARK",
    "/../..//evil.example/MARK",
    "/user/login?next=/MARK",
    "/MARK\r\nX-Injected: MARK",
    "javascript:MARK",
    "/%0d%0aX-Injected:%20MARK",
    "/%5c%5cevil.example",
    "/MARK#<MARK>",
)
# Percent-encoded by hand, since no encoder would.
MANGLED: Final = (
    *(
        "%",
        "%z",
        "%zzMARK",
        "%%",
        "%0",
        "%u0041MARK",
        "%25%32%35MARK",
        "MARK%00",
        "%00",
        "%ff%feMARK",
        "%c0%afMARK",
    ),
    *(
        "%c0%80",
        "%ed%a0%80MARK",
        "%f4%90%80%80",
        "%f8%88%80%80%80",
        "%e2%82",
        "%80",
        "MARK%0d%0aX-Injected:MARK",
    ),
    *(
        "MARK%e5%98%8a%e5%98%8dX-Injected:MARK",
        "%2526MARK",
        "+MARK+",
        "MARK=MARK=MARK",
        ";MARK",
        "a%3Db",
        "%26a=b",
    ),
)
BINARY: Final = (
    b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + b"\xff" * 40,
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03MARK",
    b"\xff\xfeM\x00A\x00R\x00K\x00",
    b"\x80MARK\xbf",
    b"\xed\xb2\x80MARK",
    bytes(range(256)),
    b"%PDF-1.4 MARK",
    b"GIF89a<MARK>",
)
KINDS: Final[tuple[tuple[str | bytes, ...], ...]] = (
    *(
        MARKUP,
        TEMPLATES,
        QUOTES,
        LINES,
        UNICODE,
        NUMBERS,
        NUMBERS,
        DAYS,
        WORDS,
        WORDS,
        PLACES,
        MANGLED,
        BINARY,
    ),
)


def hostile(rng: random.Random, mark: str) -> bytes:
    """A value, already encoded or to be."""
    kind = rng.choice(KINDS)
    if rng.random() < 0.06:
        return _made(rng, mark)
    value = rng.choice(kind)
    raw = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    raw = raw.replace(b"MARK", mark.encode())
    return Encoded(raw) if kind is MANGLED else raw


def _made(rng: random.Random, mark: str) -> bytes:
    """What is long, deep or random."""
    depth = rng.choice((50, 1_500, 20_000))
    return rng.choice(
        (
            lambda: mark.encode() * rng.choice((20, 200, 2_500)),
            lambda: b"[" * depth,
            lambda: b'{"a":' * depth + mark.encode(),
            lambda: rng.randbytes(rng.randrange(1, 200)),
            lambda: "".join(chr(rng.randrange(1, 0xD7FF)) for _ in range(40)).encode(),
            lambda: cursor(rng, mark),
            lambda: b"a@b.example, " * rng.choice((10, 501)),
            lambda: base64.urlsafe_b64encode(rng.randbytes(30)),
        )
    )()


def cursor(rng: random.Random, mark: str) -> bytes:
    """A place in a list as the pages write it, with something else in it."""
    inside: list[object] = [
        rng.choice(
            (mark, "", None, True, -1, 0, 5, 2**63, 10**30, 1.5, [], {}, [mark], "NO", "AN", "a\0", "\ud800")
        )
        for _ in range(rng.randrange(1, 5))
    ]
    text = json.dumps(inside, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def encoded(value: bytes, rng: random.Random) -> bytes:
    """As it stands in a form or an address; now and then with more or less of it encoded than usual."""
    if isinstance(value, Encoded):
        return value
    how = rng.random()
    if how < 0.1:
        return b"".join(b"%%%02x" % byte for byte in value)
    if how < 0.2:
        return quote_from_bytes(value, safe="/:@!$'()*,;?[]{}|<>\"").replace("%20", "+").encode()
    return quote_from_bytes(value, safe="").encode()
