"""The files about containers agree with the program and with each other; `make container` runs them."""

import re
from pathlib import Path

import pytest

from tests.support.servers.command import PARTS, ROOT
from tests.tools import container

CONTAINERFILE = (ROOT / "Containerfile").read_text("utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text("utf-8")


def settings_of(service: str) -> dict[str, list[str]]:
    """Each key of the service in compose.yaml, with its value or the values listed below it."""
    found: dict[str, list[str]] = {}
    for line in service.splitlines():
        if key := re.fullmatch(r" {4}(\w+):(?: (.+))?", line):
            found[key[1]] = [key[2]] if key[2] else []
        elif (item := re.fullmatch(r" {6}- (.+)", line)) and found:
            found[list(found)[-1]].append(item[1].strip('"'))
    return found


def test_an_image_holds_the_program_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]

    assert rules[0] == "*"
    assert rules[-1] == "**/__pycache__"
    assert sorted(rules[1:-1]) == sorted(
        f"!{part}"
        for part in (*PARTS, "LICENSE", "pyproject.toml", "requirements.txt", "requirements-build.txt")
    )


def test_the_trial_runs_the_container_as_compose_does() -> None:
    compose = settings_of(COMPOSE)

    assert compose["volumes"] == ["data:/srv/gatehouse/data"]
    assert container.VOLUME.endswith(compose["volumes"][0])
    assert sorted(container.RESTRICTIONS) == sorted(
        [
            *(["--read-only"] if compose["read_only"] == ["true"] else []),
            *(f"--tmpfs={path}" for path in compose["tmpfs"]),
            *(f"--cap-drop={name}" for name in compose["cap_drop"]),
            *(f"--security-opt={option.removesuffix(':true')}" for option in compose["security_opt"]),
        ]
    )
    assert compose["stop_grace_period"] == [f"{container.STOP_SECONDS}s"]


def test_the_image_keeps_data_in_its_volume_and_listens_where_compose_and_the_health_check_look() -> None:
    (port,) = re.findall(r'^CMD \[.*"--port", "(\d+)"\]$', CONTAINERFILE, re.MULTILINE)

    assert re.findall(r"^VOLUME (.+)$", CONTAINERFILE, re.MULTILINE) == [container.VOLUME.partition(":")[2]]
    assert re.findall(r"^EXPOSE (.+)$", CONTAINERFILE, re.MULTILINE) == [port]
    assert f"http://127.0.0.1:{port}/health" in CONTAINERFILE
    assert settings_of(COMPOSE)["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_every_stage_begins_with_one_release_of_debian() -> None:
    assert container.base_of(CONTAINERFILE).isalpha()


@pytest.mark.parametrize(
    "stages",
    [
        "\nFROM debian:trixie-slim AS build\n\nFROM debian:bookworm-slim\n",
        "\nFROM debian:trixie-slim AS build\n\nFROM python:3.13\n",
        "\nFROM python:3.13\n",
    ],
)
def test_other_bases_are_refused(stages: str) -> None:
    with pytest.raises(container.Broken, match="one release of Debian"):
        container.base_of(stages)


def test_what_is_copied_first_is_there() -> None:
    (named,) = re.findall(r"^COPY (.+) \./$", CONTAINERFILE, re.MULTILINE)

    assert all((ROOT / Path(name)).is_file() for name in named.split())
