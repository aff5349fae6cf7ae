"""No cache of any library keeps what a request has sent."""

import functools
import gc
from typing import Any

from db.policy import Role
from tests.support.pages.site import ON_SQLITE, Site, Visitor

pytestmark = ON_SQLITE

MANY = 20
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def sizes() -> dict[str, int]:
    """Every cache of a function in this process, by the function's name, with how much it holds."""
    caches: list[Any] = [one for one in gc.get_objects() if isinstance(one, functools._lru_cache_wrapper)]
    return {f"{getattr(one, '__wrapped__', one)!r} {id(one)}": one.cache_info().currsize for one in caches}


async def visit(visitor: Visitor, word: str) -> None:
    """Sends the word in each place of a request that something might remember."""
    addresses = {"Referer": f"http://testserver/{word}", "HX-Current-URL": f"http://testserver/{word}"}
    for path in ("/user/login", "/organization/members", f"/organization/members/{word}", f"/{word}"):
        await visitor.get(path, params={word: word, "next": f"/{word}", "token": word, "q": word})
        await visitor.get(path, headers={"Cookie": f"gatehouse_session={word}; {word}={word}", **addresses})
        await visitor.fragment(path, **{"Accept": word, "User-Agent": word, "Accept-Encoding": word})
        await visitor.post(path, content=f"{word}={word}&next={word}", headers={**FORM, "Origin": word})
        await visitor.post(path, content=word, headers={"Content-Type": f"text/{word}"})
        await visitor.request(word, path)
    await visitor.get("/user/login", headers={"Host": f"{word}.example"})
    await visitor.get("/organization/members", params={"link": str(int(word, 36))})


async def test_no_cache_grows_with_what_people_send(site: Site) -> None:
    await site.person("ada", Role.PENDING)
    visitors = [site.visitor(), await site.sign_in("ada"), await site.sign_in("olga")]
    for visitor in visitors:
        await visit(visitor, "first")
    before = sizes()

    for number in range(MANY):
        for visitor in visitors:
            await visit(visitor, f"word{number}")

    grown = {name: size - before.get(name, 0) for name, size in sizes().items()}
    assert {name: more for name, more in grown.items() if more >= MANY} == {}
