"""The bill of materials names all that people run, and fits the schema of CycloneDX, or isn't written."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support import packages
from tests.tools import sbom


@pytest.fixture(scope="module")
def bill() -> dict[str, Any]:
    written: dict[str, Any] = json.loads(sbom.bill())
    return written


def test_it_lists_every_package_of_the_lock_and_htmx(bill: dict[str, Any]) -> None:
    listed = [each["name"] for each in bill["components"]]

    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert sorted(listed) == sorted([*packages.runtime(), "htmx.org"])


def test_each_has_a_version_hashes_a_licence_and_a_purl(bill: dict[str, Any]) -> None:
    for each in bill["components"]:
        assert each["purl"].endswith(f"/{each['name']}@{each['version']}")
        assert each["licenses"], each["name"]
        assert {found["alg"] for found in each["hashes"]} == {"SHA-256"}


def test_the_hashes_of_a_package_are_those_of_its_lock(bill: dict[str, Any]) -> None:
    lock = sbom.read_lock()
    hashes = [found["content"] for each in bill["components"] for found in each["hashes"]]
    htmx = hashlib.sha256(sbom.HTMX.read_bytes()).hexdigest()

    assert sorted(hashes) == sorted([htmx, *(part[:64] for part in lock.split("--hash=sha256:")[1:])])


def test_everything_is_there_because_gatehouse_needs_it(bill: dict[str, Any]) -> None:
    wanted = {each["ref"]: each.get("dependsOn", []) for each in bill["dependencies"]}

    def needed(ref: str) -> Iterator[str]:
        yield ref
        for each in wanted[ref]:
            yield from needed(each)

    assert set(needed(bill["metadata"]["component"]["bom-ref"])) == wanted.keys()


def test_what_does_not_fit_the_schema_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom, "pins", lambda lock: [sbom.Pin("segno", "1.6.6", ["no hash"], ["gatehouse"])])

    with pytest.raises(ValueError, match="doesn't fit its schema"):
        sbom.bill()
