"""The names of browsers."""

import pytest

from handlers.http.request.user_agents import describe
from tests.support.pages.site import ON_SQLITE, PASSWORD, Site


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
            " Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            " Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0"
            " Mobile Safari/537.36",
            "Chrome on Android",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("", "An unnamed program"),
        ("\x00\x1b[31m" + "x" * 500, "[31m" + "x" * 36),
    ],
)
def test_a_browser_is_told_in_words(user_agent: str, words: str) -> None:
    assert describe(user_agent) == words


@ON_SQLITE
async def test_what_a_browser_says_of_itself_is_shown_as_text(site: Site) -> None:
    visitor = site.visitor()
    visitor.headers["User-Agent"] = "<script>alert(1)</script>"

    await visitor.submit("/user/login", email="olga@example.org", password=PASSWORD)

    assert "<script>alert" not in (await visitor.get("/user/account")).text
