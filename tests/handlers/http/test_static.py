"""Static files: names with hashes, and content that is compressed once."""

import gzip
import re
import time

import pytest

from handlers.http.static import JOINED, MEDIA_TYPES
from settings import CHECKOUT
from tests.support.pages.forms import read
from tests.support.pages.site import ON_SQLITE, Site

pytestmark = ON_SQLITE


async def test_a_page_names_its_files_by_their_hash_and_all_are_there(site: Site) -> None:
    visitor = site.visitor()
    page = await visitor.get("/user/login")

    names = [address for address in read(page).addresses if "/static/" in address]

    assert len(names) >= 3
    for name in names:
        assert re.fullmatch(r"/static/[a-z]+/[a-z.]+\.[0-9a-f]{12}\.[a-z.]+", name)
        answer = await visitor.get(name)
        assert (answer.status_code, answer.headers["cache-control"]) == (
            200,
            "public, max-age=31536000, immutable",
        )


async def test_a_file_is_sent_compressed_to_who_takes_it(site: Site) -> None:
    visitor, address = site.visitor(), site.context.static.address("css/app.css")

    plain = await visitor.get(address, headers={"Accept-Encoding": "identity"})
    async with visitor.stream("GET", address, headers={"Accept-Encoding": "gzip, br"}) as packed:
        raw = b"".join([piece async for piece in packed.aiter_raw()])

    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"
    assert plain.headers["content-type"] == "text/css; charset=utf-8"


async def test_an_older_hash_gets_todays_file_but_no_cache_keeps_it(site: Site) -> None:
    visitor = site.visitor()

    today = await visitor.get(site.context.static.address("css/app.css"))
    older = await visitor.get("/static/css/app.0123456789ab.css")
    plain = await visitor.get("/static/css/app.css")

    assert older.content == plain.content == today.content
    assert older.headers["cache-control"] == plain.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", JOINED)
async def test_what_pages_load_is_its_files_one_after_the_other(site: Site, name: str) -> None:
    folder, visitor = CHECKOUT / "static", site.visitor()

    joined = await visitor.get(site.context.static.address(name))
    alone = [(await visitor.get(f"/static/{part}")).status_code for part in JOINED[name]]

    assert joined.text == "\n".join((folder / part).read_text("utf-8") for part in JOINED[name])
    assert set(alone) == {404}


async def test_an_address_full_of_hashes_costs_no_time(site: Site) -> None:
    visitor = site.visitor()
    await visitor.get("/static/x")

    began = time.thread_time()
    answer = await visitor.get(f"/static/x{'.aaaaaaaaaaaa' * 2_300}!")
    took = time.thread_time() - began

    assert answer.status_code == 404
    assert took < 0.1


async def test_nothing_but_the_files_can_be_had(site: Site) -> None:
    visitor = site.visitor()

    for path in (
        "/static/",
        "/static/css",
        "/static/css/",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/css/..%2f..%2fapp.py",
        "/static/%2fetc/passwd",
        "/static/css/app.css%00",
        "/static/.gitignore",
    ):
        answer = await visitor.get(path)
        assert answer.status_code == 404, path
        assert answer.headers["cache-control"] == "no-store", path


@pytest.mark.parametrize("name", ["js/app.js", "js/early.js"])
async def test_our_scripts_make_neither_code_nor_markup_of_data_and_store_nothing(
    site: Site, name: str
) -> None:
    script = (await site.visitor().get(site.context.static.address(name))).text

    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|\bFunction\(|__proto__|postMessage"
        r"|localStorage|sessionStorage|indexedDB|document\.cookie",
        script,
    )


TYPES = {
    "css": "text/css; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "png": "image/png",
    "svg": "image/svg+xml; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}


async def test_every_file_says_what_it_is_and_text_its_character_set(site: Site) -> None:
    parts = {part for joined in JOINED.values() for part in joined}
    served = [
        *JOINED,
        *(
            name
            for path in sorted((CHECKOUT / "static").rglob("*"))
            if path.suffix[1:] in TYPES
            and (name := path.relative_to(CHECKOUT / "static").as_posix()) not in parts
        ),
    ]

    answers = [await site.visitor().get(site.context.static.address(name)) for name in served]

    assert {name.rpartition(".")[2] for name in served} >= {"css", "js", "svg", "txt"}
    assert set(MEDIA_TYPES) == {f".{ending}" for ending in TYPES}
    for name, answer in zip(served, answers, strict=True):
        assert answer.headers["content-type"] == TYPES[name.rpartition(".")[2]], name
        assert answer.headers["x-content-type-options"] == "nosniff", name


async def test_each_server_compresses_a_file_to_the_same_bytes(site: Site) -> None:
    """Without the time of the start in the header of gzip (RFC 1952, 2.3.1)."""
    css, _ = site.context.static.find("css/app.css") or pytest.fail("not there")

    assert css.compressed[4:8] == bytes(4)
