"""What people install is what runs: few packages, and every command works with nothing else."""

import importlib.metadata
from pathlib import Path

import pytest

from db.maintenance import demo
from tests.support import packages
from tests.support.modules import modules_of
from tests.support.servers.command import ROOT, Checkout

MAX_PACKAGES = 40
MAX_BYTES = 80_000_000
OWNER = "olga@example.org"
# In each process of the checkout: a package that people don't have can't be imported.
REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"{{name}} is not in requirements.txt", name=name)

sys.meta_path.insert(0, Refuse())
"""
# The last three are imported at their first use.
EVERYTHING = """
import importlib, cli, zxcvbn, email_validator, segno
for name in {names!r}:
    importlib.import_module(name)
"""


def others() -> set[str]:
    """The modules at the top of every package that is installed here and isn't in requirements.txt."""
    ours = {package.metadata["Name"] for package in packages.installed()} | {"gatehouse"}
    providers = importlib.metadata.packages_distributions()
    return {module for module, names in providers.items() if not ours & set(names)}


@pytest.fixture
def checkout(tmp_path: Path, empty_database_url: str) -> Checkout:
    """A fresh clone in which nothing but the packages of requirements.txt can be imported."""
    made = Checkout(tmp_path / "checkout", empty_database_url)
    (made.root / "sitecustomize.py").write_text(REFUSE.format(names=others()))
    return made


def test_few_packages_are_installed_and_they_are_small() -> None:
    assert len(packages.runtime()) <= MAX_PACKAGES
    assert packages.installed_bytes() <= MAX_BYTES


def test_what_is_left_out_is_not_there_for_the_commands_below() -> None:
    assert {"black", "faker", "httpx", "pydantic", "polyfactory", "rich", "targ", "pytest"} <= others()


def test_every_command_works_with_the_packages_of_the_lock_alone(checkout: Checkout) -> None:
    owner = ("create-owner", "--email", OWNER, "--title", "Fenwick Herbarium")
    backup = str(checkout.root / "a.backup")
    commands: list[tuple[str, ...]] = [
        ("migrate",),
        owner,
        ("members",),
        ("invite-link", "--reset"),
        ("reset-link", OWNER),
        ("backup", backup),
        ("restore", backup, "--replace"),
        ("rotate-key",),
        ("check",),
    ]

    for command in commands:
        done = checkout.run(*command, stdin=f"{demo.PASSWORD}\n")
        assert done.returncode == 0, (command, done.stderr)

    with checkout.serve() as server, server.browser() as browser:
        answer = browser.post("/user/login", data={"email": OWNER, "password": demo.PASSWORD, "next": "/"})
        pages = ["/organization/members", "/organization/invite", "/organization/settings", "/user/account"]
        statuses = [browser.get(page).status_code for page in pages]
        log = server.log

    assert (answer.status_code, statuses, "Error" in log) == (303, [200] * 4, False)


def test_the_demo_works_with_the_packages_of_the_lock_alone(checkout: Checkout) -> None:
    with checkout.start("demo") as server:
        assert server.wait_until_it_answers().browser().get("/user/login").status_code == 200
        # In peace, so that its folder goes.
        assert server.stop() == 0


def test_every_module_can_be_imported_with_the_packages_of_the_lock_alone(checkout: Checkout) -> None:
    names = [name for name in sorted(modules_of(ROOT)) if not name.endswith("__main__")]
    program = checkout.root / "everything.py"
    program.write_text(EVERYTHING.format(names=names))
    done = checkout.python(program)

    assert (done.returncode, done.stderr) == (0, "")
