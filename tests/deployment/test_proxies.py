"""Behind the real nginx and Caddy, as docs/deploy.md sets them up."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from db import engine
from settings import Settings
from tests.browser.support.serving import served
from tests.support.concurrency import soon
from tests.support.pages.markup import tree
from tests.support.pages.site import ON_SQLITE, PASSWORD, SECRET, Site
from tests.support.servers import proxies
from tests.support.servers.proxies import LOCAL, NAME, free_port
from tests.support.servers.smtp import Certificates

pytestmark = ON_SQLITE

LOGIN = {"email": "olga@example.org", "password": PASSWORD}
TRUSTED = (ipaddress.ip_network("127.0.0.1"),)


@dataclass
class House:
    """base: where people open it. plain: the http port of nginx. folder: of the proxy. tls: what knows it."""

    site: Site
    base: str
    plain: int
    folder: Path
    tls: ssl.SSLContext

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(verify=self.tls, base_url=self.base, trust_env=False)

    async def log_in(self, browser: httpx.AsyncClient, **headers: str) -> httpx.Response:
        return await browser.post("user/login", data=LOGIN, headers=headers)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.server(LOCAL)
    return made


@asynccontextmanager
async def behind_nginx(
    certificates: Certificates,
    folder: Path,
    *,
    path: str = "",
    more: str = "",
    host: str = "{https}",
    gone: bool = False,
) -> AsyncIterator[House]:
    """nginx of the docs on free ports. more: directives of a careful person. host: HOST, from {https}.

    gone: nothing listens where nginx hands on to.
    """
    port, plain = free_port(), free_port()
    https = f"https://{LOCAL}:{port}"
    settings = Settings(secret_key=SECRET, host=host.format(https=https) + path, trusted_proxies=TRUSTED)
    stem = certificates.authority.parent / f"{LOCAL}30"
    async with Site.opened(settings) as site, served(site.app) as upstream:
        changes = {
            "http://127.0.0.1:8080": f"http://127.0.0.1:{free_port()}" if gone else upstream,
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl; {more}",
            "listen 80;": f"listen 127.0.0.1:{plain};",
            f"https://{NAME}$request_uri": f"https://{LOCAL}:{port}$request_uri",
            f"/etc/ssl/{NAME}.pem": f"{stem}.pem",
            f"/etc/ssl/private/{NAME}.key": f"{stem}.key",
            "/var/log/nginx": str(folder),
            NAME: LOCAL,
        }
        with proxies.nginx(folder, proxies.from_docs("nginx", changes), port):
            yield House(site, f"{https}{path}/", plain, folder, certificates.trusting())


async def test_people_sign_in_on_another_port_and_below_a_path(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with behind_nginx(certificates, tmp_path, path="/members") as house, house.browser() as browser:
        origin = house.base.removesuffix("/members/")
        # Safari before 16.4 sends Origin alone.
        answer = await house.log_in(browser, Origin=origin)
        account = await browser.get("user/account")
        ((address,),) = await engine.rows("SELECT address FROM activity ORDER BY id DESC LIMIT 1")

    assert (answer.status_code, answer.headers["location"]) == (303, "/members/")
    assert account.status_code == 200
    assert address == "127.0.0.1"


async def test_without_host_links_carry_the_port_that_people_typed(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with behind_nginx(certificates, tmp_path, host="") as house, house.browser() as browser:
        answer = await house.log_in(browser, Origin=house.base.removesuffix("/"))
        dialog = await browser.get("organization/invite")

    assert answer.status_code == 303
    assert tree(dialog).one(id="invite-link")["value"].startswith(f"{house.base}user/signup?token=")


async def test_over_http_nginx_leads_to_https(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with behind_nginx(certificates, tmp_path) as house, house.browser() as browser:
        answer = await browser.get(f"http://{LOCAL}:{house.plain}/user/login")

    assert (answer.status_code, answer.headers["location"]) == (301, f"{house.base}user/login")


async def test_a_proxy_that_hides_the_referrer_is_named_as_the_reason(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    more = "add_header Referrer-Policy no-referrer always;"
    async with behind_nginx(certificates, tmp_path, more=more) as house, house.browser() as browser:
        page = await browser.get("user/login")
        refused = await house.log_in(browser, Origin="null")
        modern = await house.log_in(browser, **{"Origin": "null", "Sec-Fetch-Site": "same-origin"})

    assert "no-referrer" in page.headers.get_list("referrer-policy")
    assert refused.status_code == 403
    assert "Referrer-Policy: no-referrer" in refused.text
    assert modern.status_code == 303


async def test_another_host_than_the_one_set_is_explained(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    host = "https://members.example.org"
    async with behind_nginx(certificates, tmp_path, host=host) as house, house.browser() as browser:
        origin = house.base.removesuffix("/")
        # The address that nginx hands on is as good as HOST.
        same = await house.log_in(browser, Origin=origin)
        other = await house.log_in(browser, Origin=f"https://{LOCAL}:1")

    assert same.status_code == 303
    assert [element.text for element in tree(other).all("dd")] == [f"https://{LOCAL}:1", host]


async def test_files_of_ten_megabytes_get_through_and_no_token_stands_in_the_log(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with behind_nginx(certificates, tmp_path) as house, house.browser() as browser:
        await house.log_in(browser, Origin=house.base.removesuffix("/"))
        answers = [await choose(house, browser, size) for size in (9_900_000, 11_000_000)]
        await browser.get("user/signup?token=1.secret")

    assert [answer.status_code for answer in answers] == [422, 413]
    assert "content-security-policy" in answers[0].headers
    log = tmp_path / "gatehouse.log"
    await soon(lambda: '"GET /user/signup" 200' in log.read_text())
    assert "secret" not in log.read_text()


async def test_what_visitors_forward_goes_no_further(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    forged = {f"X-Forwarded-{name}": "evil.example" for name in ("Host", "Port", "Proto")}
    forged["X-Forwarded-For"] = "203.0.113.9"
    async with behind_nginx(certificates, tmp_path, host="") as house, house.browser() as browser:
        await house.log_in(browser, Origin=house.base.removesuffix("/"))
        dialog = await browser.get("organization/invite", headers=forged)
        refused = await house.log_in(browser, Origin="https://evil.example", **forged)
        answer = await house.log_in(browser, Origin=house.base.removesuffix("/"), **forged)
        ((address,),) = await engine.rows("SELECT address FROM activity ORDER BY id DESC LIMIT 1")

    assert tree(dialog).one(id="invite-link")["value"].startswith(f"{house.base}user/signup?token=")
    assert (refused.status_code, answer.status_code, address) == (403, 303, "127.0.0.1")
    assert all("; Secure" in cookie for cookie in answer.headers.get_list("set-cookie"))


# To try old versions is what Python warns of.
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_tls_is_1_2_or_newer(database: str, certificates: Certificates, tmp_path: Path) -> None:
    async with behind_nginx(certificates, tmp_path) as house:
        spoken = []
        for newest in (ssl.TLSVersion.MAXIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_1):
            tls = certificates.trusting()
            # Else this side would refuse what the other is to refuse.
            tls.set_ciphers("DEFAULT:@SECLEVEL=0")
            tls.minimum_version, tls.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, newest
            try:
                _, writer = await asyncio.open_connection(LOCAL, urlsplit(house.base).port, ssl=tls)
            except ssl.SSLError:
                spoken.append("none")
                continue
            spoken.append(writer.get_extra_info("ssl_object").version())
            writer.close()

    assert spoken == ["TLSv1.3", "TLSv1.2", "none"]


async def test_no_token_stands_in_a_log_when_the_server_is_down(
    database: str, certificates: Certificates, tmp_path: Path
) -> None:
    async with behind_nginx(certificates, tmp_path, gone=True) as house, house.browser() as browser:
        answer = await browser.get("user/signup?token=1.secret")

    assert answer.status_code == 502
    assert "nginx/" not in answer.text + answer.headers["server"]
    logs = "".join(
        (tmp_path / name).read_text() for name in ("gatehouse.log", "gatehouse.error.log", "error.log")
    )
    assert '"GET /user/signup" 502' in logs
    assert "secret" not in logs


async def choose(house: House, browser: httpx.AsyncClient, size: int) -> httpx.Response:
    """Sends a file of so many bytes, which isn't a list of addresses."""
    path, origin = "organization/invitations/import", house.base.removesuffix("/")
    return await browser.post(path, files={"file": b"x" * size}, headers={"Origin": origin})


@contextmanager
def caddy_of_the_docs(folder: Path, upstream: str, port: int) -> Iterator[None]:
    handed_on = f"tls internal\n    reverse_proxy {urlsplit(upstream).netloc}"
    changes = {NAME: f"https://{LOCAL}:{port}", "reverse_proxy 127.0.0.1:8080": handed_on}
    with proxies.caddy(folder, proxies.from_docs("caddyfile", changes), port):
        yield


async def certified(folder: Path, port: int) -> ssl.SSLContext | None:
    """What knows Caddy's own authority, as soon as Caddy has its certificate."""
    try:
        tls = ssl.create_default_context(cafile=folder / "caddy/pki/authorities/local/root.crt")
        async with httpx.AsyncClient(verify=tls, trust_env=False) as browser:
            await browser.get(f"https://{LOCAL}:{port}/health")
    except (FileNotFoundError, httpx.ConnectError):
        return None
    return tls


async def test_people_sign_in_behind_caddy(database: str, tmp_path: Path) -> None:
    port = free_port()
    base = f"https://{LOCAL}:{port}"
    settings = Settings(secret_key=SECRET, host=base, trusted_proxies=TRUSTED)
    async with Site.opened(settings) as site, served(site.app) as upstream:
        with caddy_of_the_docs(tmp_path, upstream, port):
            tls = await soon(partial(certified, tmp_path, port))
            async with httpx.AsyncClient(verify=tls, base_url=base, trust_env=False) as browser:
                answer = await browser.post("/user/login", data=LOGIN, headers={"Origin": base})
                account = await browser.get("/user/account")

    assert (answer.status_code, account.status_code) == (303, 200)


async def test_caddy_logs_no_token_when_the_server_is_down(database: str, tmp_path: Path) -> None:
    port = free_port()
    with caddy_of_the_docs(tmp_path, f"http://127.0.0.1:{free_port()}", port):
        tls = await soon(partial(certified, tmp_path, port))
        async with httpx.AsyncClient(
            verify=tls, base_url=f"https://{LOCAL}:{port}", trust_env=False
        ) as browser:
            headers = {"HX-Current-URL": "http://a.example/user/signup?token=1.secret"}
            answer = await browser.get("/user/signup?token=1.secret", headers=headers)
        await soon(lambda: '"uri":"/user/signup"' in (tmp_path / "output").read_text())

    assert answer.status_code == 502
    assert "secret" not in (tmp_path / "output").read_text()
