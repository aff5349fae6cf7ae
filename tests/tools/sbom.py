"""Writes the bill of materials of what people run: `make sbom`.

CycloneDX 1.6 in JSON: every package of requirements.txt with version, hashes, licence and purl, what asks for
it, and htmx, which comes as a file.
"""

import hashlib
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

ROOT = Path(__file__).parents[2]
OURS = "gatehouse"
HTMX = ROOT / "static" / "js" / "htmx.min.js"


class Pin(NamedTuple):
    """One package of a lock. hashes: SHA-256 of each file of its release; via: which packages ask for it."""

    name: str
    version: str
    hashes: list[str]
    via: list[str]


def read_lock() -> str:
    return (ROOT / "requirements.txt").read_text("utf-8")


def pins(lock: str) -> list[Pin]:
    """The packages of a lock that uv has written."""
    found = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    return [
        Pin(
            each.partition("==")[0],
            re.findall(r"==([\w.]+)", each)[0],
            re.findall(r"--hash=sha256:([0-9a-f]{64})", each),
            re.findall(r"^    #(?: via)? +(?!via)([a-z0-9-]+)", each, re.MULTILINE),
        )
        for each in found
    ]


def bill() -> str:
    """The bill of materials, held against the schema."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    bom = Bom()
    ours = _component(
        OURS, project["version"], ComponentType.APPLICATION, license_name=project["license"], ecosystem=""
    )
    bom.metadata.component = ours
    locked = pins(read_lock())
    made = {pin.name: _component(pin.name, pin.version, hashes=pin.hashes) for pin in locked}
    for component in (*made.values(), _htmx()):
        bom.components.add(component)
    asked_for: dict[str, list[Component]] = {name: [] for name in (OURS, *made)}
    for pin in locked:
        for asker in pin.via:
            asked_for[asker].append(made[pin.name])
    asked_for[OURS].append(_htmx())
    for name, wanted in asked_for.items():
        bom.register_dependency(ours if name == OURS else made[name], wanted)
    written = JsonV1Dot6(bom).output_as_string(indent=2)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(written):
        raise ValueError(f"The bill of materials doesn't fit its schema: {fault}")
    return written


def _component(
    name: str,
    version: str,
    kind: ComponentType = ComponentType.LIBRARY,
    *,
    hashes: list[str] | None = None,
    license_name: str = "",
    ecosystem: str = "pypi",
) -> Component:
    license_name = license_name or _license(name)
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=f"{name}@{version}",
        purl=PackageURL(ecosystem, name=name, version=version) if ecosystem else None,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in hashes or []],
        licenses=[LicenseFactory().make_from_string(license_name)] if license_name else [],
    )


def _htmx() -> Component:
    source = HTMX.read_bytes()
    version = re.findall(rb'version:"([\d.]+)"', source)[0].decode()
    digest = hashlib.sha256(source).hexdigest()
    return _component("htmx.org", version, hashes=[digest], license_name="0BSD", ecosystem="npm")


def _license(name: str) -> str:
    """The licence that an installed package names, "" if it isn't installed or names none."""
    try:
        said = metadata.metadata(name).json
    except metadata.PackageNotFoundError:
        return ""
    # Some packages put the whole text of their licence where its name belongs.
    named = str(said.get("license_expression") or said.get("license") or "\n")
    kinds = [line for line in said.get("classifier", ()) if line.startswith("License ::")]
    return " AND ".join(line.rpartition(" :: ")[2] for line in kinds) if "\n" in named else named


def main(file: str) -> int:
    path = Path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bill(), "utf-8")
    print(f"{path} lists what people run (CycloneDX 1.6).")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
