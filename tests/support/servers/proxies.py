"""nginx and Caddy, run with the configuration that docs/deploy.md gives, put on ports of this machine."""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import provide

DOCS = provide.ROOT / "docs" / "deploy.md"
# The name that the documentation uses, and the one that the machine of the tests knows.
NAME, LOCAL = "members.example.org", "localhost"
START_SECONDS = 30


def from_docs(language: str, changes: dict[str, str]) -> str:
    """The one block of this language in the documentation, with each of these words replaced."""
    (text,) = re.findall(rf"^```{language}\n(.*?)^```", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return str(text)


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def running(arguments: list[str], folder: Path, port: int, **environment: str) -> Iterator[None]:
    """A program that listens on this port, from when it listens until the end of the block."""
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            arguments, cwd=folder, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        until = time.monotonic() + START_SECONDS
        while not _listens(port):
            assert process.poll() is None, (folder / "output").read_text("utf-8", "replace")
            assert time.monotonic() < until, f"nothing listens on port {port}"
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def nginx(folder: Path, blocks: str, port: int) -> Iterator[None]:
    """nginx with these blocks inside its http block."""
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    lines = [
        # As root its workers would be another user, who can't reach the folder.
        *(["user root;"] if os.geteuid() == 0 else []),
        "daemon off;",
        "worker_processes 1;",
        f"pid {folder}/nginx.pid;",
        f"error_log {folder}/error.log;",
        "events {}",
        "http {",
        *(f"{name}_temp_path {folder}/{name};" for name in temporary),
        blocks,
        "}",
    ]
    (folder / "nginx.conf").write_text("\n".join(lines))
    arguments = [provide.program("nginx"), "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"]
    with running(arguments, folder, port):
        yield


@contextmanager
def caddy(folder: Path, sites: str, port: int) -> Iterator[None]:
    """Caddy with these sites, without its admin port and without asking anybody for a certificate."""
    options = "{\n admin off\n auto_https disable_redirects\n skip_install_trust\n"
    assert sites.startswith("{\n"), "these join the options of the documentation"
    (folder / "Caddyfile").write_text(options + sites.removeprefix("{\n"))
    arguments = [provide.program("caddy"), "run", "--config", f"{folder}/Caddyfile", "--adapter", "caddyfile"]
    with running(arguments, folder, port, HOME=str(folder), XDG_DATA_HOME=str(folder)):
        yield
