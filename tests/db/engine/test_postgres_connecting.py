"""PostgreSQL that can't be connected to, or only a little, or not be used: sentences, waiting, recovery."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import pytest

from db import engine
from db.engine import postgres_pool
from db.engine.postgres import PostgresEngine
from db.maintenance.health import check_database
from db.schema import migrate
from settings import Settings
from tests.support.concurrency import soon
from tests.support.engine.small_database import (
    count_up,
    counted,
    from_outside,
    make_tables,
    on_postgres,
    pause,
)
from tests.support.pages.site import PASSWORD as PASSWORD_OF_OLGA
from tests.support.pages.site import SECRET, Site
from tests.support.servers import postgres
from tests.support.servers.command import Checkout

pytestmark = [on_postgres, pytest.mark.usefixtures("database_kind")]

PASSWORD = "SuperSecret"


@pytest.fixture(autouse=True)
async def _stopped() -> AsyncIterator[None]:
    yield
    await engine.stop()


@pytest.fixture
def role(postgres_server: str) -> Iterator[str]:
    """The name of a role that may do nothing yet but log in; ask for it before a database of its own."""
    name = f"gatehouse_test_{uuid4().hex}"
    from_outside(postgres_server, f"CREATE ROLE \"{name}\" LOGIN PASSWORD '{PASSWORD}'")
    yield name
    from_outside(postgres_server, f'DROP ROLE "{name}"')


@pytest.fixture
def owned(role: str, empty_database_url: str) -> str:
    """The url of an empty database that the role owns and connects to."""
    from_outside(empty_database_url, f'ALTER DATABASE "{name_of(empty_database_url)}" OWNER TO "{role}"')
    from_outside(empty_database_url, f'ALTER SCHEMA public OWNER TO "{role}"')
    return as_role(empty_database_url, role)


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def as_role(url: str, role: str) -> str:
    """The same database for another user."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:{PASSWORD}@{parts.netloc.rpartition('@')[2]}"))


async def refusal(url: str) -> str:
    """Why the start and, in the same words, `check` refuse the database."""
    engine.use(url)
    with pytest.raises((engine.Unsupported, engine.Unavailable)) as caught:
        await engine.start()
    results = await check_database(url, lambda: None, engine.CHECKOUT)
    assert (results[0].subject, results[0].ok) == ("database", False)
    assert results[0].sentence.startswith(str(caught.value))
    assert PASSWORD not in f"{results[0].sentence}{caught.value.__cause__}"
    return str(caught.value)


# At the start


async def test_a_url_without_the_name_of_a_database_is_refused(empty_database_url: str) -> None:
    before, _, options = empty_database_url.partition("?")
    server = before.removesuffix(name_of(empty_database_url))

    for path in (server, server.removesuffix("/"), f"{server}/"):
        assert "names no database" in await refusal(f"{path}?{options}" if options else path), path
    more = f"{options}&" if options else ""
    named = f"?{more}dbname={name_of(empty_database_url)}"
    assert "names no database" in await refusal(f"{server.removesuffix('/')}?{more}dbname=")
    assert "names no database" in await refusal(f"{server}{named}")

    engine.use(f"{server.removesuffix('/')}{named}")
    await engine.start()
    assert await engine.rows("SELECT current_database()") == [(name_of(empty_database_url),)]


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_is_not_in_utf8_is_refused(postgres_server: str, encoding: str) -> None:
    name = f"gatehouse_test_{uuid4().hex}"
    create = (
        f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'"
    )
    from_outside(postgres_server, create)
    try:
        assert f"keeps text in {encoding}" in await refusal(postgres.on_database(postgres_server, name))
    finally:
        postgres.drop_database(postgres_server, name)


async def test_a_setting_that_postgres_does_not_know_is_named(empty_database_url: str) -> None:
    separator = "&" if "?" in empty_database_url else "?"

    for setting in ("sslmod=require", "lock_timout=1s", "shared_buffers=1GB", "work_mem=shoe"):
        message = await refusal(f"{empty_database_url}{separator}{setting}")
        assert f"sets {setting.partition('=')[0]}" in message


async def test_the_url_cannot_change_how_text_is_read(empty_database_url: str) -> None:
    separator = "&" if "?" in empty_database_url else "?"
    engine.use(f"{empty_database_url}{separator}client_encoding=LATIN1")
    await engine.start()

    assert await engine.rows("SELECT ? || 'ł'", "ż") == [("żł",)]


async def test_a_missing_right_on_the_schema_is_reported(role: str, empty_database_url: str) -> None:
    from_outside(empty_database_url, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    url = as_role(empty_database_url, role)
    assert "has no schema to keep tables in" in await refusal(url)

    from_outside(empty_database_url, f'GRANT USAGE ON SCHEMA public TO "{role}"')
    assert "may not make tables in its schema public" in await refusal(url)

    from_outside(empty_database_url, f'GRANT CREATE ON SCHEMA public TO "{role}"')
    assert await migrate.migrate(url)


async def test_tables_of_another_user_are_reported_as_a_missing_right(role: str, database_url: str) -> None:
    from_outside(database_url, f'GRANT USAGE ON SCHEMA public TO "{role}"')
    url = as_role(database_url, role)

    with pytest.raises(engine.Unavailable, match="lacks a right: make it the owner"):
        await migrate.migrate(url)
    results = await check_database(url, lambda: None, engine.CHECKOUT)

    assert "lacks a right: make it the owner" in results[0].sentence


async def test_a_missing_database_a_missing_user_and_no_right_to_connect_have_different_messages(
    role: str, empty_database_url: str, postgres_server: str
) -> None:
    name = name_of(empty_database_url)
    assert "no database of this name" in await refusal(postgres.on_database(postgres_server, f"{name}x"))
    assert "refuses the user or the password" in await refusal(as_role(empty_database_url, f"{role}x"))

    from_outside(postgres_server, f'REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC')
    assert "may not connect to this database" in await refusal(as_role(empty_database_url, role))

    from_outside(postgres_server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    assert "takes no connections at the moment" in await refusal(empty_database_url)
    from_outside(postgres_server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


async def test_a_role_without_any_connection_reads_why(owned: str, role: str, postgres_server: str) -> None:
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT 0')
    engine.use(owned)

    with pytest.raises(engine.Unavailable, match="takes no more connections"):
        await engine.start()


# While it runs


AWAY = [
    # 55000
    ('ALTER DATABASE "{name}" ALLOW_CONNECTIONS false', 'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'),
    # 3D000
    ('ALTER DATABASE "{name}" RENAME TO "{name}_"', 'ALTER DATABASE "{name}_" RENAME TO "{name}"'),
    # 28000: it may not log in; there is no such role
    ('ALTER ROLE "{role}" NOLOGIN', 'ALTER ROLE "{role}" LOGIN'),
    ('ALTER ROLE "{role}" RENAME TO "{role}_"', 'ALTER ROLE "{role}_" RENAME TO "{role}"'),
    # 42501
    ('REVOKE CONNECT ON DATABASE "{name}" FROM PUBLIC', 'GRANT CONNECT ON DATABASE "{name}" TO PUBLIC'),
    # 53300
    ('ALTER ROLE "{role}" CONNECTION LIMIT 0', 'ALTER ROLE "{role}" CONNECTION LIMIT -1'),
]


@pytest.mark.parametrize(("away", "back"), AWAY)
async def test_whatever_fails_while_connecting_is_503_and_recovers(
    role: str, database_url: str, postgres_server: str, away: str, back: str
) -> None:
    name = name_of(database_url)
    from_outside(database_url, f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"')
    from_outside(database_url, f'GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO "{role}"')
    from_outside(database_url, f'GRANT USAGE ON SCHEMA public TO "{role}"')
    engine.use(as_role(database_url, role))
    async with Site.opened(Settings(secret_key=SECRET)) as site:
        olga = await site.sign_in("olga")
        # Nobody connects while it is changed, or it couldn't be renamed.
        from_outside(postgres_server, f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        kill(postgres_server, name)
        from_outside(postgres_server, away.format(name=name, role=role))
        if "ALLOW" not in away:
            gone = f"{name}_" if "DATABASE" in away and "RENAME" in away else name
            from_outside(postgres_server, f'ALTER DATABASE "{gone}" ALLOW_CONNECTIONS true')

        answers = [await olga.get(path) for path in ("/user/account", "/organization/members", "/nothing")]
        health = await olga.get("/health")
        from_outside(postgres_server, back.format(name=name, role=role))
        kill(postgres_server, name)
        again = await olga.get("/user/account")

    assert [answer.status_code for answer in (*answers, health)] == [503] * 4
    assert {answer.headers["retry-after"] for answer in answers} == {"5"}
    assert again.status_code == 200


def kill(server: str, name: str) -> None:
    """Ends every connection to this database."""
    ending = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    from_outside(server, f"{ending} WHERE datname = '{name}'")


@pytest.fixture
def own_server() -> Iterator[Path]:
    """The folder of a server that a test may start again as something else."""
    folder = Path(tempfile.mkdtemp(prefix="gatehouse-"))
    yield folder
    postgres.stop(folder)
    shutil.rmtree(folder)


async def test_a_server_that_becomes_a_standby_is_unavailable(own_server: Path) -> None:
    url = postgres.create_database(postgres.start(own_server), "gatehouse")
    engine.use(url)
    await engine.start()
    await engine.write(make_tables)
    await asyncio.to_thread(postgres.become_standby, own_server)

    assert await counted() == 0
    with pytest.raises(engine.Unavailable):
        await engine.write(count_up)
    await engine.stop()
    assert "is a standby" in await refusal(url)


# Few connections


LIMITS = ['ALTER ROLE "{role}" CONNECTION LIMIT {limit}', 'ALTER DATABASE "{name}" CONNECTION LIMIT {limit}']


@pytest.mark.parametrize("limited", LIMITS)
@pytest.mark.parametrize("limit", [2, 3])
async def test_requests_wait_for_one_of_the_few_connections(
    owned: str, role: str, postgres_server: str, limited: str, limit: int
) -> None:
    from_outside(postgres_server, limited.format(role=role, name=name_of(owned), limit=limit))
    await migrate.migrate(owned)
    engine.use(owned)

    async with Site.opened(Settings(secret_key=SECRET)) as site:
        olga = await site.sign_in("olga")
        answers = await asyncio.gather(*(olga.get("/organization/members") for _ in range(40)))
        count = f"SELECT count(*) FROM pg_stat_activity WHERE usename = '{role}'"
        ((connections,),) = from_outside(postgres_server, count)

    assert {answer.status_code for answer in answers} == {200}
    assert 1 <= connections <= limit


async def test_the_check_says_how_few_connections_there_are(
    owned: str, role: str, postgres_server: str
) -> None:
    await migrate.migrate(owned)
    free = await check_database(owned, lambda: None, engine.CHECKOUT)
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT 3')
    few = await check_database(owned, lambda: None, engine.CHECKOUT)

    assert "connections" not in free[0].sentence
    assert "connections: at most 3" in few[0].sentence


async def test_two_processes_share_two_connections(owned: str, role: str, postgres_server: str) -> None:
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT 2')
    engine.use(owned)
    await engine.start()
    await engine.write(make_tables)

    async with engine.serving_lock():
        other = asyncio.create_task(asyncio.to_thread(postgres.run_apart, serve_beside(owned)))
        await other
        assert await counted() == 1


async def serve_beside(url: str) -> None:
    """What another worker does."""
    beside = PostgresEngine(url)
    await beside.start()
    async with beside.serving_lock():
        await asyncio.gather(*(beside.read(lambda: beside.rows("SELECT 1", ())) for _ in range(20)))

        async def change() -> int:
            return await beside.execute("UPDATE counter SET n = n + 1 WHERE id = ?", (1,))

        assert await beside.write(change) == 1
    await beside.stop()


async def test_two_workers_serve_everybody_over_two_connections(
    owned: str, role: str, postgres_server: str, tmp_path: Path
) -> None:
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT 2')
    owner = {"LABEL_STUDIO_USERNAME": "olga@example.org", "LABEL_STUDIO_PASSWORD": PASSWORD_OF_OLGA}
    with Checkout(tmp_path / "checkout", owned).serve("--workers", "2", **owner) as server:

        def status(_: int) -> int:
            with server.browser() as browser:
                return browser.get("/user/login").status_code

        with ThreadPoolExecutor(20) as pool:
            statuses = set(pool.map(status, range(60)))
        assert server.stop() == 0

    assert statuses == {200}
    assert "unavailable" not in server.log


async def test_the_pool_grows_again_when_there_is_room(owned: str, role: str, postgres_server: str) -> None:
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT 1')
    engine.use(owned)
    await engine.start()

    async def together() -> float:
        begun = asyncio.get_running_loop().time()
        await asyncio.gather(*(engine.read(pause, 0.2) for _ in range(4)))
        return asyncio.get_running_loop().time() - begun

    assert await together() >= 0.8
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT -1')

    async def has_grown() -> bool:
        return await together() < 0.7

    await soon(has_grown, 30)


async def test_everybody_who_waits_is_served_and_who_gives_up_takes_nothing_along(
    owned: str, role: str, postgres_server: str
) -> None:
    from_outside(postgres_server, f'ALTER ROLE "{role}" CONNECTION LIMIT 1')
    engine.use(owned)
    await engine.start()

    tasks = [asyncio.create_task(engine.read(pause, 0.01)) for _ in range(100)]
    for number in range(0, 100, 3):
        await asyncio.sleep(0.005)
        tasks[number].cancel()
    ended = await asyncio.gather(*tasks, return_exceptions=True)

    assert {type(end) for end in ended} <= {type(None), asyncio.CancelledError}
    assert sum(end is None for end in ended) >= 66
    assert await engine.rows("SELECT 1") == [(1,)]


async def test_connections_that_nobody_uses_are_closed_but_for_the_one_with_the_lock(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_pool, "IDLE_SECONDS", 0.5)
    engine.use(empty_database_url)
    await engine.start()

    def connections() -> int:
        count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        ((results,),) = from_outside(empty_database_url, count)
        return int(results) - 1

    async with engine.serving_lock():
        await asyncio.gather(*(engine.read(pause, 0.3) for _ in range(6)))
        assert connections() == 6
        await soon(lambda: connections() == 1, 30)
        with pytest.raises(engine.BeingServed):
            async with engine.replacement_lock():
                pass
        assert await engine.rows("SELECT 1") == [(1,)]
