"""Somebody in front of a browser that runs no script: they see only what stands in the page.

What is filled in, pressed or followed must be there and offer the value; hidden fields travel along.
So a journey that ends well proves that the pages lead through it by themselves.
"""

from typing import Self
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from tests.support.pages.markup import Element, tree
from tests.support.pages.site import PASSWORD, Site, Visitor

MAX_REDIRECTS = 5
FILLED = ("input", "select", "textarea")


class Reader:
    """status, path and page are those of the last answer, after its redirects."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.status = 0
        self.path = ""
        self.page = Element("", {})

    @classmethod
    def of(cls, site: Site) -> Self:
        return cls(site.visitor())

    @classmethod
    async def signed_in(cls, site: Site, name: str) -> Self:
        """Somebody who has come in by the login form."""
        reader = cls.of(site)
        await reader.log_in(name)
        assert reader.path == "/", reader.text
        return reader

    async def log_in(self, name: str, password: str = PASSWORD) -> None:
        await self.open("/user/login")
        await self.press("Log in", email=f"{name}@example.org", password=password)

    async def register(self, name: str) -> None:
        """Fills in the form of the sign-up page that is open."""
        await self.press(
            "Create account",
            email=f"{name}@example.org",
            first_name=name.capitalize(),
            password=PASSWORD,
        )

    async def open(self, address: str) -> None:
        """Opens a path, or an address as it was copied."""
        parts = urlsplit(address)
        await self._read(
            await self.visitor.get(parts._replace(scheme="", netloc="", fragment="").geturl() or "/")
        )

    async def reload(self) -> None:
        await self.open(self.path)

    async def follow(self, text: str, within: str = "") -> None:
        """Follows the link with this text."""
        links = [link for link in self._part(within).all("a") if link.text == text and "href" in link]
        assert links, f"no link {text!r} on {self.path}: {[link.text for link in self.page.all('a')]}"
        await self.open(urljoin(self.path, links[0]["href"]))

    async def press(self, button: str, within: str = "", **fields: str | list[str]) -> None:
        """Fills in the form of the button with this text, and presses it.

        A text goes into a field or selects an option; a list of values ticks boxes.
        """
        found = [each for each in self._part(within).all("button") if each.text.startswith(button)]
        assert found, f"no button {button!r}: {[each.text for each in self.page.all('button')]}"
        form = self._form_of(found[0])
        assert form is not None, f"the button {button!r} stands in no form"
        pairs = self._filled(form, fields)
        if "name" in found[0]:
            pairs.append((found[0]["name"], found[0].attributes.get("value", "")))
        leading = found[0] if "formaction" in found[0] else form
        action = urljoin(self.path, leading["formaction" if leading is found[0] else "action"])
        if form["method"] != "post":
            await self.open(f"{urlsplit(action).path}?{urlencode(pairs)}")
            return
        sent: dict[str, list[str]] = {}
        for name, value in pairs:
            sent.setdefault(name, []).append(value)
        headers = {"Sec-Fetch-Site": "same-origin", "Referer": urljoin("http://testserver", self.path)}
        await self._read(await self.visitor.post(action, data=sent, headers=headers))

    def _filled(self, form: Element, fields: dict[str, str | list[str]]) -> list[tuple[str, str]]:
        """What the form sends: its fields as they stand in the page, or as they are filled in now."""
        controls = [each for each in self.page.all() if each.tag in FILLED and "name" in each]
        usable = [each for each in controls if self._form_of(each) is form and "disabled" not in each]
        pairs = []
        for control in usable:
            name, wanted = control["name"], fields.get(control["name"])
            if control.attributes.get("type") == "checkbox":
                ticked = control["value"] in wanted if isinstance(wanted, list) else "checked" in control
                pairs += [(name, control["value"])] if ticked else []
            elif control.attributes.get("type") == "radio":
                chosen = control["value"] == wanted if wanted is not None else "checked" in control
                pairs += [(name, control["value"])] if chosen else []
            else:
                assert not isinstance(wanted, list), f"{name} takes one value"
                pairs.append((name, _value(control, wanted)))
        for name, wanted in fields.items():
            assert any(each["name"] == name for each in usable), f"the form has no field {name}"
            boxes = {value for sent, value in pairs if sent == name}
            assert isinstance(wanted, str) or boxes == set(wanted), f"{name} is offered only as {boxes}"
        return pairs

    def _form_of(self, control: Element) -> Element | None:
        if "form" in control:
            return self._part(control["form"])
        forms = self.page.all("form")
        return next((form for form in forms if any(each is control for each in form.all())), None)

    def _part(self, within: str) -> Element:
        return self.page.one(id=within) if within else self.page

    async def _read(self, answer: httpx.Response) -> None:
        for _ in range(MAX_REDIRECTS):
            if not answer.is_redirect:
                break
            assert answer.status_code == 303
            answer = await self.visitor.get(answer.headers["location"])
        self.status = answer.status_code
        self.path = answer.url.raw_path.decode()
        self.page = tree(answer)

    @property
    def text(self) -> str:
        """All that stands on the page."""
        return self._part("").text

    def part(self, id: str) -> str:
        """The text of a part of the page."""
        return self._part(id).text

    def value(self, id: str) -> str:
        """What stands in a field."""
        return self._part(id).attributes.get("value", "")

    def heading(self) -> str:
        """The first heading of the page."""
        return self.page.one("h1").text

    def names(self) -> list[str]:
        """The names in the members table, in its order."""
        table = self._part("members")
        return [head.one("a").text for head in table.all("th", scope="row")]

    def row(self, name: str) -> str:
        """The id of the row of somebody with this first name."""
        named = [row for row in self._part("members").all("tr") if "id" in row]
        rows = [row["id"] for row in named if row.one("th").one("a").text == name]
        assert len(rows) == 1, f"{name} is in {len(rows)} rows"
        return rows[0]

    def role(self, name: str) -> str:
        """The selected role of somebody with this first name."""
        return next(each.text for each in self._part(self.row(name)).all("option") if "selected" in each)


def _value(control: Element, wanted: str | None) -> str:
    """What a field sends; an option is named by its text or its value."""
    if control.tag == "textarea":
        return control.text if wanted is None else wanted
    if control.tag == "input":
        return control.attributes.get("value", "") if wanted is None else wanted
    options = control.all("option")
    if wanted is None:
        return next((each for each in options if "selected" in each), options[0])["value"]
    found = [each["value"] for each in options if wanted in (each.text, each["value"])]
    assert found, f"{control['name']} doesn't offer {wanted!r}: {[each.text for each in options]}"
    return found[0]
