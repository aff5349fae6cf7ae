"""Builds the image of the Containerfile and runs it as compose.yaml does: `python -m tests.tools.container`.

The image is built by podman from the Containerfile as it stands. Its base is not the published image of that
name: it is a Debian of the same release that mmdebstrap makes here, so no registry of images is asked.
RESTRICTIONS repeats what compose.yaml says, and a test compares the two. Needs root, and takes two minutes or
more. Ends with 1 and a sentence where something isn't as it should be.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from db.maintenance import demo
from tests import provide
from tests.support.servers.postgres import Missing

CONTAINERFILE: Final = provide.ROOT / "Containerfile"
BASE: Final = re.compile(r"^FROM debian:(\w+)-slim\b", re.MULTILINE)
IMAGE: Final = "localhost/gatehouse"
NAME: Final = "gatehouse"
VOLUME: Final = "gatehouse-data:/srv/gatehouse/data"
RESTRICTIONS: Final = (
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
# No network is needed, and limits as they can be had on a machine that is itself a container.
HERE: Final = ("--network=none", "--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
# Authorities that this machine knows beyond Debian's, such as that of a company's proxy.
AUTHORITIES: Final = Path("/usr/local/share/ca-certificates")
START_SECONDS: Final = 60
STOP_SECONDS: Final = 15
OWNER: Final = "olga@example.org"


class Broken(Exception):
    """Something isn't as it should be; the message is a sentence."""


class Podman:
    """podman with images and containers of its own, in a folder that goes with them."""

    def __init__(self, folder: Path) -> None:
        self._command = [
            provide.program("podman"),
            f"--root={folder}/images",
            f"--runroot={folder}/run",
            f"--tmpdir={folder}/tmp",
            f"--runtime={provide.program('runc')}",
            "--cgroup-manager=cgroupfs",
            "--events-backend=file",
        ]

    def __call__(self, *arguments: str, check: bool = True, stdin: str = "") -> str:
        """What a command printed. Raises Broken with its last words if it failed, unless check is off."""
        done = self.run(*arguments, stdin=stdin)
        if check and done.returncode:
            raise Broken(f"podman {' '.join(arguments)} failed:\n{done.stderr[-2_000:]}")
        return done.stdout

    def run(self, *arguments: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [*self._command, *arguments]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@contextmanager
def own_podman() -> Iterator[Podman]:
    with tempfile.TemporaryDirectory(prefix="gatehouse-container-", ignore_cleanup_errors=True) as folder:
        made = Podman(Path(folder))
        try:
            yield made
        finally:
            made.run("rm", "--all", "--force", "--volumes")
            made.run("rmi", "--all", "--force")


def base_of(containerfile: str) -> str:
    """The release of Debian that every stage begins with. Raises Broken if it isn't one."""
    releases = set(BASE.findall(containerfile))
    if len(releases) != 1 or len(BASE.findall(containerfile)) != containerfile.count("\nFROM "):
        raise Broken("The stages of the Containerfile don't begin with one release of Debian.")
    return str(releases.pop())


def make_base(podman: Podman, release: str) -> None:
    """An image debian:…-slim: the smallest Debian, with the authorities that this machine knows."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-base-") as folder:
        archive = Path(folder) / "debian.tar"
        command = [provide.program("mmdebstrap"), "--variant=minbase", release, str(archive)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Broken(f"mmdebstrap failed:\n{done.stderr[-2_000:]}")
        podman("import", str(archive), "localhost/base")
        (Path(folder) / "authorities").mkdir()
        if AUTHORITIES.is_dir():
            shutil.copytree(AUTHORITIES, Path(folder) / "authorities", dirs_exist_ok=True)
        (Path(folder) / "Containerfile").write_text(f"FROM localhost/base\nCOPY authorities {AUTHORITIES}\n")
        archive.unlink()
        podman("build", "--isolation=chroot", f"--tag=localhost/debian:{release}-slim", folder)


def build(podman: Podman) -> None:
    """The image, by each step of the Containerfile."""
    # Steps run apart from this machine's files alone: some machines allow no container inside their own.
    podman(
        "build",
        "--isolation=chroot",
        "--pull=never",
        "--format=docker",
        f"--file={CONTAINERFILE}",
        f"--tag={IMAGE}",
        str(provide.ROOT),
    )


def start(podman: Podman) -> None:
    """A container that serves, cut off from every network but its own, once it is healthy."""
    podman("run", "--detach", f"--name={NAME}", *RESTRICTIONS, *HERE, f"--volume={VOLUME}", IMAGE)
    wait_until_healthy(podman)


def wait_until_healthy(podman: Podman) -> None:
    end = time.monotonic() + START_SECONDS
    while podman.run("healthcheck", "run", NAME).returncode:
        if time.monotonic() > end:
            raise Broken(f"The container isn't healthy:\n{podman('logs', NAME, check=False)}")
        time.sleep(0.5)


def stop(podman: Podman) -> float:
    """Stops it as compose does, by SIGTERM; the seconds it took."""
    began = time.monotonic()
    podman("stop", f"--time={STOP_SECONDS}", NAME)
    took = time.monotonic() - began
    if (code := podman("inspect", "--format={{.State.ExitCode}}", NAME).strip()) != "0":
        raise Broken(f"After SIGTERM it ended with {code}, not with 0.")
    return took


def refuse_rights(podman: Podman) -> None:
    """Raises Broken if it runs as root, has a capability, or may write anywhere but in its volume."""
    status = podman("exec", NAME, "cat", "/proc/1/status")
    (user,) = re.findall(r"^Uid:\t(\d+)", status, re.MULTILINE)
    if user == "0" or set(re.findall(r"^Cap\w+:\t(\w+)$", status, re.MULTILINE)) != {"0" * 16}:
        raise Broken(f"It has rights that it doesn't need:\n{status}")
    for path in ("/srv/gatehouse/app.py", "/srv/gatehouse/new", "/etc/passwd"):
        if podman.run("exec", NAME, "sh", "-c", f"echo >> {path}").returncode == 0:
            raise Broken(f"It may write {path}.")


def main() -> int:
    if os.geteuid():
        print("Run it as root: it makes a Debian and containers.", file=sys.stderr)
        return 1
    try:
        with own_podman() as here:
            release = base_of(CONTAINERFILE.read_text("utf-8"))
            make_base(here, release)
            print(f"base: Debian {release} by mmdebstrap, not the published image", flush=True)
            build(here)
            print(f"image: built, {here('run', '--rm', *HERE, IMAGE, '--version').strip()}")
            start(here)
            print("container: healthy, without a network", flush=True)
            refuse_rights(here)
            print("rights: not root, no capability, writes in its volume alone")
            here(
                "exec", "-i", NAME, "gatehouse", "create-owner", "--email", OWNER, stdin=f"{demo.PASSWORD}\n"
            )
            print(f"stopped: by SIGTERM with 0, after {stop(here):.1f} s", flush=True)
            here("start", NAME)
            wait_until_healthy(here)
            if OWNER not in here("exec", NAME, "gatehouse", "members"):
                raise Broken("What was made before the stop is gone.")
            print("started again: its data is there")
    except (Broken, Missing) as error:
        print(error, file=sys.stderr)
        return 1
    print("Not tried: the published base image, docker compose, a published port")
    return 0


if __name__ == "__main__":
    sys.exit(main())
