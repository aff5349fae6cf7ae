"""Reads a form as a program that helps people read would: its controls, and what describes them."""

import httpx

from tests.support.pages.markup import tree


class Page:
    """controls: field -> attributes. texts: id -> the text within. addresses: where links and forms lead."""

    def __init__(self, answer: httpx.Response) -> None:
        elements = tree(answer).all()
        fields = [element for element in elements if element.tag in ("input", "select", "textarea")]
        self.controls = {field.attributes.get("name", ""): field.attributes for field in fields}
        self.texts = {element["id"]: element.text for element in elements if "id" in element}
        leading = ("href", "src", "action", "hx-get", "hx-post")
        self.addresses = [element[name] for element in elements for name in leading if name in element]

    def error_of(self, name: str) -> str:
        """What describes a wrong field; fails unless it is marked as wrong and the description is there."""
        control = self.controls[name]
        assert control.get("aria-invalid") == "true", f"{name} is not marked as wrong"
        return " ".join(self.texts[id] for id in control["aria-describedby"].split())


def read(answer: httpx.Response) -> Page:
    return Page(answer)


def wrong_fields(answer: httpx.Response) -> set[str]:
    """The fields marked as wrong, each described by a sentence that is there."""
    page = read(answer)
    return {
        name for name, control in page.controls.items() if "aria-invalid" in control and page.error_of(name)
    }
