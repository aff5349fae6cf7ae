"""What the disk refuses is one sentence on every command: no traceback, and no words of the system's own."""

import errno
import os
import resource
import shutil
import socket
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.common import disk
from db.maintenance import secret_key
from tests.support.servers.command import Checkout

Spoil = Callable[[Checkout], Path]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout with a database, a key and a backup of it."""
    made = Checkout(tmp_path / "checkout")
    for command in (("migrate",), ("backup", f"{made.root}/good.backup"), ("rotate-key",)):
        assert made.run(*command).returncode == 0
    return made


def a_folder_that_is_not_writable(checkout: Checkout) -> Path:
    checkout.data.chmod(0o555)
    return checkout.data


def a_folder_that_is_not_readable(checkout: Checkout) -> Path:
    checkout.data.chmod(0o000)
    return checkout.data


def a_file_in_place_of_the_folder(checkout: Checkout) -> Path:
    shutil.rmtree(checkout.data)
    checkout.data.write_text("a file where the folder should be")
    return checkout.data


def a_folder_in_place_of_the_database(checkout: Checkout) -> Path:
    file = checkout.data / "gatehouse.db"
    file.unlink()
    file.mkdir()
    return file


def a_link_that_leads_to_itself(checkout: Checkout) -> Path:
    file = checkout.data / "gatehouse.db"
    file.unlink()
    file.symlink_to(file)
    return file


def a_socket_in_place_of_the_database(checkout: Checkout) -> Path:
    file = checkout.data / "gatehouse.db"
    file.unlink()
    here = Path.cwd()
    os.chdir(checkout.data)
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(file.name)
    os.chdir(here)
    return file


COMMANDS = (
    ("serve", "--port", "0"),
    ("migrate",),
    ("backup", "{root}/new.backup"),
    ("restore", "{root}/good.backup", "--replace"),
    ("check",),
    ("members",),
)


@pytest.fixture
def spoilt(checkout: Checkout) -> Iterator[Callable[[Spoil], Path]]:
    """Spoils something, and makes what is left removable again."""
    yield lambda spoil: spoil(checkout)
    if checkout.data.is_dir():
        checkout.data.chmod(0o700)


@pytest.mark.parametrize(
    "spoil",
    [
        a_folder_that_is_not_writable,
        a_folder_that_is_not_readable,
        a_file_in_place_of_the_folder,
        a_folder_in_place_of_the_database,
        a_link_that_leads_to_itself,
        a_socket_in_place_of_the_database,
    ],
)
def test_what_cannot_be_used_is_named_by_every_command(
    checkout: Checkout, spoilt: Callable[[Spoil], Path], spoil: Spoil
) -> None:
    path = spoilt(spoil)

    for command in COMMANDS:
        words = [word.format(root=checkout.root) for word in command]
        done = checkout.run_without_rights(*words)
        message = done.stdout + done.stderr
        assert done.returncode == 1, command
        assert str(path) in message, command
        assert command == ("check",) or (done.stdout, done.stderr.count("\n")) == ("", 1), message
        assert not [word for word in ("Errno", "Traceback", "unable to open") if word in message], message


def test_a_database_that_its_owner_may_not_write_becomes_private_again(checkout: Checkout) -> None:
    file = checkout.data / "gatehouse.db"
    file.chmod(0o440)

    assert checkout.run_without_rights("migrate").returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("name", [".env", "data/secret.key"])
def test_a_file_that_may_not_be_read_is_named(checkout: Checkout, name: str) -> None:
    file = checkout.root / name
    file.touch()
    file.chmod(0o000)

    done = checkout.run_without_rights("serve", "--port", "0")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{file} can't be used by " in done.stderr


@pytest.mark.parametrize("name", ["none/new.backup", "good.backup/new.backup", "closed/new.backup", "data"])
def test_a_backup_that_cannot_be_written_is_one_sentence(checkout: Checkout, name: str) -> None:
    (checkout.root / "closed").mkdir(0o555)

    done = checkout.run_without_rights("backup", str(checkout.root / name), "--force")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert str(checkout.root / name if name != "none/new.backup" else checkout.root / "none") in done.stderr
    assert "Errno" not in done.stderr


@pytest.mark.parametrize("name", ["none.backup", "data", "good.backup/x", "closed.backup"])
def test_a_backup_that_cannot_be_read_is_one_sentence(checkout: Checkout, name: str) -> None:
    (checkout.root / "closed.backup").touch(0o000)

    done = checkout.run_without_rights("restore", str(checkout.root / name), "--replace")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert str(checkout.root / name) in done.stderr
    assert "Errno" not in done.stderr


def test_a_backup_never_takes_the_place_of_a_device(checkout: Checkout) -> None:
    done = checkout.run("backup", "/dev/null", "--force")

    assert done.returncode == 1
    assert "name another one" in done.stderr
    assert Path("/dev/null").is_char_device()


def test_a_key_that_cannot_be_replaced_ends_no_link(checkout: Checkout) -> None:
    before = rows_of(checkout)
    shutil.move(checkout.data / "secret.key", checkout.root)
    (checkout.data / "secret.key").mkdir()

    done = checkout.run("rotate-key")

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert rows_of(checkout) == before
    assert sorted(file.name for file in checkout.data.glob("secret.key*")) == ["secret.key"]


def rows_of(checkout: Checkout) -> list[str]:
    with closing(sqlite3.connect(checkout.data / "gatehouse.db")) as database:
        return list(database.iterdump())


def test_a_key_that_the_database_does_not_take_leaves_the_old_one_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / "secret.key"
    old = secret_key.make(path)

    def refuse() -> None:
        with secret_key.replacing(path) as new:
            assert secret_key.read(path) == new != old
            raise RuntimeError

    with pytest.raises(RuntimeError):
        refuse()

    assert secret_key.read(path) == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("exists", [True, False])
def test_a_key_that_lies_elsewhere_is_replaced_there(tmp_path: Path, *, exists: bool) -> None:
    """Where data/secret.key is a link to a file on another disk, no old key is left on that."""
    elsewhere, path = tmp_path / "vault" / "key", tmp_path / "secret.key"
    elsewhere.parent.mkdir()
    path.symlink_to(elsewhere)
    old = secret_key.make(path) if exists else ""

    with secret_key.replacing(path) as new:
        pass

    assert path.is_symlink()
    assert elsewhere.read_text().strip() == new != old
    assert [file.name for file in elsewhere.parent.iterdir()] == ["key"]


def test_a_key_is_never_cut_off_by_a_full_disk(tmp_path: Path) -> None:
    path, before = tmp_path / "secret.key", resource.getrlimit(resource.RLIMIT_FSIZE)

    # No file may grow beyond this, in the middle of the key: a disk that has room for a part of it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (40, before[1]))
    try:
        with pytest.raises(OSError, match=r"secret\.key"):
            secret_key.make(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence_without_a_number() -> None:
    message = disk.describe(OSError(errno.ENOSPC, "No space left on device"))

    assert message == "There is no space left on the disk: free some, then try again."
    with pytest.raises(OSError, match="x") as raised, disk.naming(Path("/srv/data")):
        raise OSError(errno.ENOSPC, "x")
    assert disk.describe(raised.value).startswith("There is no space left on the disk with /srv/data: ")


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_each_error_of_the_system_is_reported_in_our_words(number: int) -> None:
    message = disk.describe(OSError(number, os.strerror(number), "/srv/data/gatehouse.db"))

    assert os.strerror(number) not in message
    assert message.endswith(".")


def test_without_a_folder_for_temporary_files_a_setting_is_named_that_helps() -> None:
    message = disk.describe(FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/x']"))

    assert message.endswith("name one in TMPDIR.")


def test_a_folder_of_another_user_is_reported_with_both_names() -> None:
    with tempfile.TemporaryDirectory() as folder:
        message = disk.describe(PermissionError(errno.EACCES, "Permission denied", f"{folder}/none/x.db"))

    own = disk.describe(PermissionError(errno.EACCES, "Permission denied", "/proc/1/root/x.db"))
    assert "belongs to" not in message
    assert ("belongs to root" in own) == (os.geteuid() != 0)
