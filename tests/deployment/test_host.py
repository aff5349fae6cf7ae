"""Each address that HOST takes works on every page of a server that was really started with it."""

from pathlib import Path

import httpx
import pytest

from tests.support.pages.forms import read
from tests.support.pages.markup import tree
from tests.support.servers.command import Checkout

PASSWORD = "four purple lanterns by the sea"
OWNER = {"LABEL_STUDIO_USERNAME": "olga@example.org", "LABEL_STUDIO_PASSWORD": PASSWORD}
APP = "https://app.example.org/projects?tab=1&next=/#open"
# Followed, these end the session or make files.
LEFT_OUT = ("logout", ".csv", "static")


def pages_from(browser: httpx.Client, root: str) -> dict[str, int]:
    """The status of every page that the links of other pages lead to, from the home page on."""
    found: dict[str, int] = {}
    waiting = [f"{root}/"]
    while waiting:
        address = waiting.pop()
        plain = address.partition("?")[0]
        if plain in found or any(word in plain for word in LEFT_OUT):
            continue
        answer = browser.get(address, follow_redirects=True)
        found[plain] = answer.status_code
        if "text/html" in answer.headers.get("content-type", ""):
            local = [other for other in read(answer).addresses if other.startswith("/")]
            assert [other for other in local if not other.startswith(f"{root}/")] == []
            waiting += [link["href"] for link in tree(answer).all("a") if link["href"].startswith("/")]
    return found


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("http://members.example.org", "http://members.example.org"),
        ("HTTP://Members.Example.org:80/Club_2.0/~lab/", "http://members.example.org/Club_2.0/~lab"),
        ("http://my_server:8080/-", "http://my_server:8080/-"),
        ("http://members.example.org./members?", "http://members.example.org/members"),
        ("http://bücher.example:9000/gate", "http://xn--bcher-kva.example:9000/gate"),
        ("http://192.0.2.4:65535", "http://192.0.2.4:65535"),
        ("http://[2001:DB8::1]:8080/a/b/c", "http://[2001:db8::1]:8080/a/b/c"),
        ("http://localhost:1/users", "http://localhost:1/users"),
    ],
)
def test_every_page_works_at_this_address(tmp_path: Path, host: str, plain: str) -> None:
    checkout = Checkout(tmp_path / "checkout")
    root = httpx.URL(plain).path.rstrip("/")
    with checkout.serve(**OWNER, HOST=host, APP_URL=APP) as server, server.browser() as browser:
        # As a proxy passes it on that keeps the name; the browser tells only its origin.
        del browser.headers["Sec-Fetch-Site"]
        origin = plain.removesuffix(root) if root else plain
        browser.headers.update({"Host": origin.partition("//")[2], "Origin": origin})
        form = {"email": "olga@example.org", "password": PASSWORD}
        signed_in = browser.post(f"{root}/user/login", data=form)
        browser.headers["Cookie"] = signed_in.headers["set-cookie"].partition(";")[0]
        pages = pages_from(browser, root)
        to_app = tree(browser.get(f"{root}/")).all("a", href=APP)
        link = read(browser.get(f"{root}/organization/invite")).controls[""]["value"]

    assert server.lines == [f"Gatehouse is at {plain} and listens at {server.base}"]
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, f"{root}/")
    assert set(pages.values()) == {200}
    assert len(pages) > 8
    assert [element.text for element in to_app] == ["Open Label Studio", "Open Label Studio"]
    assert link.startswith(f"{plain}/user/signup?token=")
