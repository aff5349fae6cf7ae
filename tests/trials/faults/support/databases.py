"""Empty databases for a trial: a SQLite file and one on a PostgreSQL server, and what a server is told."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from tests.support.servers import postgres


@contextmanager
def postgres_folder() -> Iterator[Path]:
    """A folder in which a PostgreSQL server of one's own can be started; it is stopped in the end."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-"))
    try:
        yield folder
    finally:
        postgres.stop(folder)
        shutil.rmtree(folder)


def each() -> Iterator[tuple[str, str]]:
    """Name and url of an empty database of each kind; it is gone when the next is asked for."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-") as folder:
        yield "SQLite", f"sqlite:///{folder}/gatehouse.db"
    with postgres_folder() as folder_of_server:
        server = os.environ.get("TEST_POSTGRES_URL") or postgres.start(folder_of_server)
        name = f"gatehouse_test_{uuid4().hex}"
        yield "PostgreSQL", postgres.create_database(server, name)
        postgres.drop_database(server, name)
