"""A page or fragment as a tree, to ask what stands where: `page.one(id="members-count").text`.

Read by the standard library's parser, since lxml and selectolax mend what they read: an element that isn't
closed, or an attribute that stands there twice, has to fail here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

import httpx

VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "path", "circle"})


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    children: list["Element | str"] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text within, with single spaces."""
        return " ".join("".join(self._texts()).split())

    def _texts(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            else:
                yield from child._texts()

    def strings(self) -> list[str]:
        """Each text node by itself."""
        return list(self._texts())

    def __getitem__(self, name: str) -> str:
        return self.attributes[name]

    def __contains__(self, name: str) -> bool:
        return name in self.attributes

    def all(self, tag: str = "", **attributes: str) -> list["Element"]:
        """Elements within, in order; `hx_post` stands for hx-post, `class_` for class."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        return [
            element
            for element in self._elements()
            if (not tag or element.tag == tag) and wanted.items() <= element.attributes.items()
        ]

    def one(self, tag: str = "", **attributes: str) -> "Element":
        """The only such element; fails if there is none or another."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, f"{len(found)} of {tag} {attributes}"
        return found[0]

    def _elements(self) -> Iterator["Element"]:
        for child in self.children:
            if isinstance(child, Element):
                yield child
                yield from child._elements()

    @property
    def chosen(self) -> list[str]:
        """The values of the selected options within."""
        return [option["value"] for option in self.all("option") if "selected" in option]

    @property
    def roots(self) -> list["Element"]:
        return [child for child in self.children if isinstance(child, Element)]


class _Parser(HTMLParser):
    """Takes only well-formed markup: an end tag that closes nothing fails."""

    def __init__(self) -> None:
        super().__init__()
        self.path = [Element("", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.path[-1].children.append(element)
        if tag not in VOID:
            self.path.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.path[-1].children.append(Element(tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.path[-1].tag == tag, f"</{tag}> closes <{self.path[-1].tag}>"
        self.path.pop()

    def handle_data(self, data: str) -> None:
        self.path[-1].children.append(data)


def tree(answer: httpx.Response | str) -> Element:
    """What was answered. Fails for tags that don't match, and for an id that stands there twice."""
    parser = _Parser()
    parser.feed(answer if isinstance(answer, str) else answer.text)
    parser.close()
    assert len(parser.path) == 1, f"<{parser.path[-1].tag}> isn't closed"
    root = parser.path[0]
    ids = [element["id"] for element in root.all() if "id" in element]
    assert len(ids) == len(set(ids)), "an id stands there twice"
    return root
