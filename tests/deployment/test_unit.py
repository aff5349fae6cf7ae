"""The unit for systemd in docs/deploy.md, judged by systemd itself."""

import re
import subprocess
import sys
from pathlib import Path

from tests import provide
from tests.support.servers.command import ROOT

# Of 10, where 10 is a service without any protection; asked for in tenths of that.
MAX_EXPOSED = 15


def unit() -> str:
    (found,) = re.findall(
        r"```ini\n(\[Unit\].*?)```", (ROOT / "docs" / "deploy.md").read_text("utf-8"), re.DOTALL
    )
    return str(found)


def test_the_unit_gives_the_server_no_more_than_it_needs() -> None:
    said = unit()

    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "CapabilityBoundingSet=", "UMask=0077"):
        assert f"\n{line}\n" in said


if sys.platform == "linux":

    def test_systemd_finds_it_well_protected(tmp_path: Path) -> None:
        file = tmp_path / "gatehouse.service"
        file.write_text(unit(), "utf-8")
        limits = ["--offline=true", f"--threshold={MAX_EXPOSED}"]
        command = [provide.program("systemd-analyze"), "security", "--no-pager", *limits, str(file)]

        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout[-500:] + done.stderr
        assert "Unknown" not in done.stderr
