"""The fuzz's judge finds what is wrong, and a few thousand of its requests find nothing."""

import random

import pytest

from tests.support.pages.changing_requests import Sent
from tests.trials.scan import fuzz
from tests.trials.scan.fuzz.judge import Facts, Judge
from tests.trials.scan.fuzz.people import Seeded
from tests.trials.scan.fuzz.requests import METHODS, TYPES, Grammar, Request, combinations, routes
from tests.trials.scan.fuzz.values import mark
from tests.trials.scan.fuzz.wire import Malformed, answers
from tests.trials.scan.fuzz.world import KINDS, differences

HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; script-src 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=()",
    "cache-control": "no-store",
    "vary": "HX-Request",
    "strict-transport-security": "max-age=31536000",
}
FACTS = Facts(https=True, root="/desk", secrets=("a-session-token",), links=("7.a-link",))
COOKIE = "__Host-gatehouse_session=a; HttpOnly; Path=/; SameSite=lax; Secure"
MARK = mark(5)


def asked(**changed: object) -> Request:
    """A request of nobody's, to a page for Administrators."""
    values: dict[str, object] = {
        "number": 5,
        "route": "/organization/members",
        "who": "",
        "method": b"GET",
        "kind": None,
        "path": b"/organization/members",
        "query": [],
        "fields": [],
        "file": None,
        "headers": [],
        "cell": "ok",
        "raw": b"GET /organization/members HTTP/1.1\r\n\r\n",
        **changed,
    }
    return Request(**values)  # type: ignore[arg-type]


def heard(body: str = "<p>Members</p>", status: int = 200, **headers: str) -> bytes:
    """An answer with our headers, but for these; "" leaves one out."""
    sent = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"{name}: {value}" for name, value in sent.items() if value]
    length = len(body.encode("utf-8", "surrogateescape"))
    head = "\r\n".join([f"HTTP/1.1 {status} Said", *lines, f"content-length: {length}"])
    return f"{head}\r\n\r\n{body}".encode("utf-8", "surrogateescape")


def test_a_good_answer_is_let_pass() -> None:
    good = heard(f"<p title='{MARK}'>&lt;{MARK}&gt;</p>", location="/desk/user/login", set_cookie=COOKIE)

    assert Judge(FACTS).faults(asked(), good) == ([], 200)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", "no answer"),
        (b"nonsense", "no HTTP"),
        (heard() + heard(), "2 answers"),
        (heard(location="/desk/\rX-Injected: a"), "no HTTP"),
        (heard(x_injected="a"), "a header that isn't ours"),
        (heard(server="uvicorn"), "a header that isn't ours"),
        (heard(x_else=MARK), "what was sent is in"),
        (heard(status=500), "status 500"),
        (heard(status=503), "status 503"),
        (heard(status=405), "405 without Allow"),
        (heard(status=429), "429 without"),
        (heard(content_security_policy=""), "content-security-policy"),
        (
            heard(content_security_policy="default-src 'none'; 'unsafe-inline'; frame-ancestors 'none'"),
            "a policy",
        ),
        (heard(x_content_type_options=""), "x-content-type-options"),
        (heard(referrer_policy="unsafe-url"), "referrer-policy"),
        (heard(cache_control=""), "cache-control"),
        (heard(strict_transport_security=""), "no strict-transport-security"),
        (heard(content_type="text/html"), "content type"),
        (heard(location="https://evil.example/"), "location leads"),
        (heard(location="/desk//evil.example"), "location leads"),
        (heard(location="/user/login"), "location leads"),
        (heard(hx_redirect="/desk/\\evil.example"), "hx-redirect leads"),
        (heard(set_cookie=COOKIE.replace("; Secure", "")), "Set-Cookie"),
        (heard(set_cookie=COOKIE.replace("; HttpOnly", "")), "Set-Cookie"),
        (heard(set_cookie=COOKIE.replace("__Host-", "")), "Set-Cookie"),
        (heard(set_cookie=COOKIE + "; Domain=example.org"), "Set-Cookie"),
        (heard(set_cookie=COOKIE.replace("gatehouse_session", MARK)), "Set-Cookie"),
        (heard("\udcff"), "no UTF-8"),
        (heard("<p>Traceback (most recent call last)"), "says 'traceback'"),
        (heard("<p>sqlite3.OperationalError: no such column</p>"), "says 'sqlite3'"),
        (heard("<p>/home/ada/app.py</p>"), "says '/home/'"),
        (heard(f"<p>{MARK}49</p>"), "a template"),
        (heard("<p>a-session-token</p>"), "shows the token"),
        (heard("<p>7.a-link</p>"), "gives away the link"),
        (heard("<p>Zvk7vesna</p>"), "tells of 'zvk7vesna'"),
        (heard(f"=1+{MARK},b", content_type="text/csv; charset=utf-8"), "a cell"),
        (heard(f"<{MARK}></{MARK}>"), "markup: somebody's element"),
        (heard(f"<p {MARK}='1'></p>"), "markup: somebody's element"),
        (heard("<p onclick='a'></p>"), "markup: an attribute that runs"),
        (heard("<script>a</script>"), "markup: a script"),
        (heard("<script src='//evil.example/a.js'></script>"), "markup: a script"),
        (heard("<iframe></iframe>"), "markup: an element that is never ours"),
        (heard(f"<a href='javascript:{MARK}'>a</a>"), "markup: href leads"),
        (heard("<p><b></p>"), "markup:"),
    ],
)
def test_a_bad_answer_is_found(answer: bytes, fault: str) -> None:
    faults, _ = Judge(FACTS).faults(asked(), answer)

    assert any(found.startswith(fault) for found in faults), faults


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"method": b"PUT"}, 200),
        ({"method": b"FOO"}, 303),
        ({"method": b"POST", "kind": b"text/plain"}, 422),
        ({"cell": "login"}, 200),
        ({"cell": "no"}, 404),
        ({"cell": "method"}, 200),
    ],
)
def test_a_status_that_does_not_fit_what_was_asked_is_found(changed: dict[str, object], status: int) -> None:
    faults, _ = Judge(FACTS).faults(asked(**changed), heard(status=status))

    assert any(found.startswith(f"status {status} instead of") for found in faults), faults


def test_who_says_a_name_or_has_its_link_or_administers_may_hear_it() -> None:
    judge = Judge(FACTS)
    for changed in ({"raw": b"GET /?q=%7Avk7vesna "}, {"raw": b"GET /?token=7.a-link "}, {"who": "ada"}):
        assert judge.faults(asked(**changed), heard("<p>Zvk7vesna</p>"))[0] == []


@pytest.mark.parametrize(
    "body", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\na"]
)
def test_an_answer_whose_end_nobody_can_tell_is_none(body: bytes) -> None:
    with pytest.raises(Malformed):
        answers(body, is_head=False)


def test_who_hangs_up_first_is_not_told_the_rest_and_nobody_else_is_left_without() -> None:
    cut = heard().replace(b"content-length: 14", b"content-length: 15")

    assert Judge(FACTS).faults(asked(cut=True), cut) == ([], 0)
    assert Judge(FACTS).faults(asked(), cut) != ([], 0)


def test_a_changed_row_is_seen() -> None:
    before, after = {"member": [(1, "a"), (2, "b")]}, {"member": [(1, "a"), (2, "c")], "outbox": []}

    assert differences(before, after) == ["member: -(2, 'b')", "member: +(2, 'c')"]


def test_errors_and_foreign_lines_of_the_log_are_found() -> None:
    fine = "2026-11-28T01:02:03.004Z WARNING gatehouse a line"
    wrong = ["2026-11-28T01:02:03.004Z ERROR gatehouse error id=1", "a line of somebody's", "Traceback (most"]

    assert fuzz.log_faults("\n".join([fine, *wrong])) == wrong


def test_every_address_is_tried_with_every_method_and_type() -> None:
    tried = set(combinations())

    assert {route for route, _, _ in tried} == set(routes())
    assert len(tried) == len(routes()) * len(METHODS) * len(TYPES)


def test_the_same_requests_are_made_again_for_their_seed() -> None:
    def made(seed: str) -> list[bytes]:
        people = {name: ["a token"] for name in ("olga", "ada", "penny", "dora")}
        grammar = Grammar(
            Seeded(people, {"/": [Sent({"member_id": 7})]}, [], ["7.a-link"]),
            cookie="gatehouse_session",
            root="",
            host=b"a",
            rng=random.Random(seed),
        )
        return [grammar.request(number, *one).raw for number, one in enumerate(combinations()[:300])]

    assert made("1") == made("1") != made("2")


def test_requests_that_mean_no_good_find_nothing_on_sqlite() -> None:
    outcome = fuzz.fuzz(KINDS[0], "quick", 2_000, "", (0, 40))

    assert outcome.requests == 2_000
    assert list(outcome.broken.values()) == []
    assert {200, 303, 403, 405, 415, 422} <= outcome.statuses.keys()


def test_requests_that_mean_no_good_find_nothing_on_postgres(postgres_server: str) -> None:
    outcome = fuzz.fuzz(KINDS[3], "quick", 1_200, postgres_server, (1, 60))

    assert list(outcome.broken.values()) == []
    assert {200, 303, 403, 405, 415, 422} <= outcome.statuses.keys()
