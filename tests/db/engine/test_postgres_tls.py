"""TLS to PostgreSQL: who the URL wants verified is verified, or refused with a sentence."""

import asyncio
import shutil
import ssl
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from db import engine
from db.engine.postgres import PostgresEngine
from db.maintenance.health import check_database
from db.schema import migrate
from settings import Settings
from tests.support.engine.small_database import on_postgres
from tests.support.pages.site import SECRET, Site
from tests.support.servers import postgres
from tests.support.servers.proxies import free_port
from tests.support.servers.smtp import Certificates

pytestmark = [on_postgres, pytest.mark.usefixtures("database_kind")]

# What a client sends to ask for TLS, before anything else (PostgreSQL's protocol, SSLRequest).
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
# The PostgreSQL of the tests is built without TLS: one stands in front of it. Where the machine has a server
# that knows TLS itself, that is tried too.
INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
SERVERS = ["in front", *(["of its own"] if INSTALLED else [])]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=SERVERS)
async def address(
    request: pytest.FixtureRequest, certificates: Certificates, empty_database_url: str
) -> AsyncIterator[str]:
    """user@{host}:port/name of an empty database behind TLS, whose certificate is for localhost."""
    tls = certificates.server()
    if request.param == "in front":
        async with in_front(empty_database_url, tls) as port:
            parts = urlsplit(empty_database_url)
            yield f"{parts.username}@{{host}}:{port}{parts.path}"
    else:
        async with of_its_own(certificates) as port:
            yield f"postgres@{{host}}:{port}/postgres"
    await engine.stop()


@asynccontextmanager
async def in_front(url: str, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """The port of a server that ends TLS as PostgreSQL does, and hands on to the one at this url."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query).get("host", [""])[0]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as both:
            try:
                assert await reader.readexactly(len(SSL_REQUEST)) == SSL_REQUEST
                writer.write(b"S")
                await writer.start_tls(tls)
                inner = (
                    asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")
                    if folder
                    else asyncio.open_connection(parts.hostname, parts.port or 5432)
                )
                inner_reader, inner_writer = await inner
            except (OSError, asyncio.IncompleteReadError):
                writer.close()
                return
            both.create_task(pump(reader, inner_writer))
            both.create_task(pump(inner_reader, writer))

    server = await asyncio.start_server(serve, "localhost", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def of_its_own(certificates: Certificates) -> AsyncIterator[int]:
    """The port of a PostgreSQL that the machine has, started with TLS."""
    folder, port = Path(tempfile.mkdtemp(prefix="gatehouse-")), free_port()
    options = ("fsync=off", "ssl=on", "ssl_min_protocol_version=TLSv1.3", f"port={port}")
    try:
        await asyncio.to_thread(
            postgres.start_installed, INSTALLED[-1], folder, options, certificates.files("localhost")
        )
        yield port
    finally:
        await asyncio.to_thread(postgres.stop_installed, INSTALLED[-1], folder)
        shutil.rmtree(folder)


def url_of(address: str, host: str, authority: Path, mode: str = "verify-full") -> str:
    return f"postgresql://{address.format(host=host)}?sslmode={mode}&sslrootcert={quote(str(authority))}"


async def refusal(url: str) -> str:
    """Why the start and, in the same words, `check` refuse the connection."""
    engine.use(url)
    with pytest.raises((engine.Unsupported, engine.Unavailable)) as caught:
        await engine.start()
    results = await check_database(url, lambda: None, engine.CHECKOUT)
    assert (results[0].subject, results[0].ok) == ("database", False)
    assert results[0].sentence.startswith(str(caught.value))
    return results[0].sentence


async def test_verify_full_with_the_right_name_and_authority_serves(
    address: str, certificates: Certificates
) -> None:
    url = url_of(address, "localhost", certificates.authority)
    assert await migrate.migrate(url)
    engine.use(url)

    async with Site.opened(Settings(secret_key=SECRET)) as site:
        olga = await site.sign_in("olga")
        assert (await olga.get("/organization/members")).status_code == 200


async def test_a_certificate_for_another_name_is_refused(address: str, certificates: Certificates) -> None:
    message = await refusal(url_of(address, "127.0.0.1", certificates.authority))

    assert "is for another name" in message


async def test_an_authority_that_is_not_known_is_refused(
    address: str, certificates: Certificates, tmp_path: Path
) -> None:
    message = await refusal(url_of(address, "localhost", Certificates(tmp_path).authority))

    assert "nobody vouches for it" in message


async def test_a_certificate_that_is_no_longer_accepted_while_it_runs_is_503(
    address: str, certificates: Certificates, tmp_path: Path
) -> None:
    authority = Path(shutil.copy(certificates.authority, tmp_path))
    url = url_of(address, "localhost", authority)
    assert await migrate.migrate(url)
    engine.use(url)
    async with Site.opened(Settings(secret_key=SECRET)) as site:
        olga = await site.sign_in("olga")
        other = tmp_path / "other"
        other.mkdir()
        shutil.copy(Certificates(other).authority, authority)
        used = engine.get()
        assert isinstance(used, PostgresEngine)
        assert used.pool is not None
        for connection in [each for each, _ in used.pool._idle]:
            connection.terminate()
        during = await olga.get("/organization/members")
        shutil.copy(certificates.authority, authority)
        after = await olga.get("/organization/members")

    assert (during.status_code, after.status_code) == (503, 200)


async def test_a_file_of_authorities_that_is_not_there_is_named(address: str, tmp_path: Path) -> None:
    message = await refusal(url_of(address, "localhost", tmp_path / "nothing.pem"))

    assert "The file that sslrootcert names" in message


async def test_an_sslmode_with_an_authority_needs_sslrootcert(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    message = await refusal(f"postgresql://{address.format(host='localhost')}?sslmode=verify-full")

    assert "add sslrootcert=" in message


async def test_a_server_without_tls_is_refused(empty_database_url: str, certificates: Certificates) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(SSL_REQUEST))
        writer.write(b"N")
        writer.close()

    server = await asyncio.start_server(refuse, "localhost", 0)
    address = f"postgres@{{host}}:{server.sockets[0].getsockname()[1]}/postgres"
    try:
        for mode in ("require", "verify-full"):
            message = await refusal(url_of(address, "localhost", certificates.authority, mode))
            assert message.endswith("speaks no TLS, which sslmode in the URL of the database asks for.")
    finally:
        server.close()
