"""What all tests share: databases of their own on SQLite and on PostgreSQL, and a browser.

A test that asks for `database` or `empty_database_url` runs twice, on SQLite and on PostgreSQL.
"""

import os
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import closing
from pathlib import Path
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import jinja2
import pytest
from playwright.async_api import Browser, async_playwright

from settings import TABLE
from tests import provide
from tests.support.servers import postgres

if TYPE_CHECKING:
    from tests.support.pages.site import Site

# Settings of the person who runs the tests must not reach them: their database least of all.
OWN_SETTINGS = {variable for setting in TABLE for variable in setting.variables}
for name in list(os.environ):
    if name.startswith("LABEL_STUDIO_") or name in OWN_SETTINGS:
        del os.environ[name]
os.environ["PICCOLO_CONF"] = "db.engine.piccolo_conf"

# The same examples in each run, so that a change fails where it was made. An example may take long on a busy
# machine; that is no failure. `--hypothesis-profile=long` looks further, and for others each time.
SLOW_IS_FINE: Any = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("gatehouse", derandomize=True, **SLOW_IS_FINE)
hypothesis.settings.register_profile("long", max_examples=5_000, print_blob=True, **SLOW_IS_FINE)
hypothesis.settings.load_profile("gatehouse")

# The folder of this run's PostgreSQL server: made by the first process, handed to the workers.
SERVER_FOLDER = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    handed_over = getattr(config, "workerinput", {}).get("server_folder")
    config.stash[SERVER_FOLDER] = Path(handed_over or tempfile.mkdtemp(prefix="gatehouse-"))
    if not handed_over:
        # Who is told to end must still stop the server.
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["server_folder"] = str(node.config.stash[SERVER_FOLDER])


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        postgres.stop(config.stash[SERVER_FOLDER])
        shutil.rmtree(config.stash[SERVER_FOLDER])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what uses the server itself; what runs on both databases carries the mark by its parameter."""
    for item in items:
        if isinstance(item, pytest.Function) and "postgres_server" in item.fixturenames:
            item.add_marker(pytest.mark.postgres)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not hasattr(report, "wasxfail"):
        _fail_if_skipped(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped(report)
    return report


def _fail_if_skipped(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Every part is required: what is skipped because a part is missing would not be noticed."""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"Every part is required, and this one was skipped. {reason}"


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _templates_compiled_once() -> Iterator[None]:
    """Each template is compiled once a process, not once for each application that a test makes."""
    compile_ = jinja2.Environment.compile
    compiled: dict[tuple[object, ...], CodeType] = {}

    def once(self: jinja2.Environment, source: str, name: str | None, filename: str | None) -> CodeType:
        key = (self.autoescape, self.trim_blocks, self.lstrip_blocks, source, name, filename)
        if key not in compiled:
            compiled[key] = compile_(self, source, name, filename)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinja2.Environment, "compile", once)
        yield


@pytest.fixture(scope="session")
def postgres_server(pytestconfig: pytest.Config) -> str:
    """The url of a PostgreSQL server's first database; its user may make others."""
    return os.environ.get("TEST_POSTGRES_URL") or postgres.start(pytestconfig.stash[SERVER_FOLDER])


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@pytest.fixture
def empty_database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The url of a database without tables, which no engine uses yet."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.db'}"
    else:
        yield from _fresh_on_postgres(request.getfixturevalue("postgres_server"), template=None)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The url of a migrated database without any rows, which no engine uses yet."""
    if database_kind == "sqlite":
        template = request.getfixturevalue("migrated_sqlite")
        yield f"sqlite:///{shutil.copyfile(template, tmp_path / 'gatehouse.db')}"
    else:
        template = request.getfixturevalue("migrated_postgres")
        yield from _fresh_on_postgres(request.getfixturevalue("postgres_server"), template)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[str]:
    """A migrated database, used by db.engine, which is started; yields its url."""
    from db import engine

    engine.use(database_url)
    await engine.start()
    try:
        yield database_url
    finally:
        await engine.stop()


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a migrated database, to be copied."""
    file = tmp_path_factory.mktemp("template") / "gatehouse.db"
    _migrate(f"sqlite:///{file}")
    # A copy of the one file is whole only when nothing is left in the log beside it.
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return file


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: str) -> Iterator[str]:
    """The name of a migrated database, to be copied."""
    for url in _fresh_on_postgres(postgres_server, template=None):
        _migrate(url)
        yield url.partition("?")[0].rpartition("/")[2]


def _migrate(url: str) -> None:
    from db.schema.migrate import migrate

    postgres.run_apart(migrate(url))


def _fresh_on_postgres(server: str, template: str | None) -> Iterator[str]:
    name = f"gatehouse_test_{uuid4().hex}"
    url = postgres.create_database(server, name, template)
    try:
        yield url
    finally:
        postgres.drop_database(server, name)


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium without a screen. Each test opens a context of its own: `await browser.new_context()`."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=provide.browser(),
            args=provide.browser_arguments(),
            timeout=provide.BROWSER_START_SECONDS * 1000,
        )
        yield chromium
        await chromium.close()


@pytest.fixture
def clock() -> Iterator[ModuleType]:
    """The domain's clock, which stands still: `clock.move(milliseconds)`."""
    from db.common import clock

    clock.stop_at(clock.now())
    yield clock
    clock.go_on()


@pytest.fixture
async def site(database: str) -> AsyncIterator["Site"]:
    """The application on a fresh database, with an organization that olga owns; see support/pages/site.py."""
    from tests.support.pages.site import Site

    async with Site.opened() as opened:
        yield opened
