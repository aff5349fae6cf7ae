"""The files of the database and their modes, and where the engine refuses to run."""

import asyncio
import inspect
import os
from pathlib import Path

import piccolo
import pytest
from piccolo.engine.postgres import PostgresEngine as PiccoloPostgres
from piccolo.engine.sqlite import SQLiteEngine as PiccoloSqlite
from piccolo.query.base import DDL, Query

from db import engine
from db.engine.sqlite_requirements import file_system_of, refuse_unsuitable
from tests.support.engine.small_database import file_of, on_sqlite, opened


@on_sqlite
async def test_only_the_owner_reads_the_files_of_the_database(empty_database_url: str) -> None:
    before = os.umask(0)
    try:
        async with opened(empty_database_url), engine.migration_lock(), engine.serving_lock():
            modes = {
                path.name: path.stat().st_mode & 0o777
                for path in file_of(empty_database_url).parent.iterdir()
            }
    finally:
        os.umask(before)

    endings = ("", "-shm", "-wal", ".lock", ".migrate.lock", ".serving")
    assert modes == {f"empty.db{ending}": 0o600 for ending in endings}


@on_sqlite
async def test_a_file_that_others_could_read_is_made_private(empty_database_url: str) -> None:
    file_of(empty_database_url).touch(0o644)

    async with opened(empty_database_url):
        assert file_of(empty_database_url).stat().st_mode & 0o777 == 0o600


def test_folders_are_made_and_paths_without_a_slash_count_from_the_checkout(tmp_path: Path) -> None:
    engine.use(f"sqlite:///{tmp_path}/new/folder/members.db")
    asyncio.run(engine.start())
    asyncio.run(engine.stop())

    assert (tmp_path / "new/folder/members.db").exists()
    relative = engine.use("sqlite:///data/members.db")
    assert getattr(relative, "file", None) == Path(engine.__file__).parents[2] / "data/members.db"


@pytest.mark.parametrize(
    "url", ["", "sqlite://", "sqlite:///", "sqlite:///:memory:", "mysql://host/db", "data/x.db"]
)
def test_what_is_no_url_of_ours_is_refused(url: str) -> None:
    with pytest.raises(engine.Unsupported):
        engine.use(url)


def test_what_is_no_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mode
    engine.use(f"sqlite:///{tmp_path}")

    with pytest.raises(engine.Unsupported):
        asyncio.run(engine.start())

    assert tmp_path.stat().st_mode == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letter.txt"
    file.write_text("Dear Ada, " * 100)
    engine.use(f"sqlite:///{file}")

    with pytest.raises(engine.Unsupported):
        asyncio.run(engine.start())

    assert file.read_text() == "Dear Ada, " * 100
    with pytest.raises(engine.EngineUsageError):
        asyncio.run(engine.rows("SELECT 1"))


MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
30 22 0:40 / /srv rw - nfs4 server:/export rw
31 30 254:2 / /srv/local\040disk rw - xfs /dev/vdb rw
32 22 0:41 / /home/ada/far rw shared:2 master:1 - fuse.sshfs ada@far:/ rw
"""


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("/var/lib/members.db", "ext4"),
        ("/srv/members.db", "nfs4"),
        ("/srv/local disk/members.db", "xfs"),
        ("/srvx/members.db", "ext4"),
        ("/home/ada/far/members.db", "fuse.sshfs"),
    ],
)
def test_the_file_system_of_a_path_is_found(file: str, kind: str) -> None:
    assert file_system_of(Path(file), MOUNTS) == kind


def test_a_network_file_system_is_refused_in_one_line(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)

    refuse_unsuitable(Path("/var/lib/members.db"), mounts)
    with pytest.raises(
        engine.Unsupported, match=r"^/srv/members\.db is on a network file system \(nfs4\).*$"
    ):
        refuse_unsuitable(Path("/srv/members.db"), mounts)


# Piccolo


def test_piccolo_is_the_one_this_was_written_for() -> None:
    """The engine overrides what Piccolo's queries call; another release may call something else."""
    assert piccolo.__VERSION__.startswith("1.38.")
    assert "engine.run_querystring(" in inspect.getsource(Query._run)
    assert "engine.run_ddl(" in inspect.getsource(DDL.run)
    for stock in (PiccoloSqlite, PiccoloPostgres):
        for name in ("run_querystring", "run_ddl"):
            assert list(inspect.signature(getattr(stock, name)).parameters)[2:] == ["in_pool"]
        assert {"transaction", "batch", "atomic", "get_version"} < set(vars(stock))
        assert "self.current_transaction = contextvars.ContextVar(" in inspect.getsource(stock.__init__)
    assert "get_connection" in vars(PiccoloSqlite)
    assert "get_new_connection" in vars(PiccoloPostgres)
