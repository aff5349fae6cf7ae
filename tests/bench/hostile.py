"""Memory of the server before and after 10,000 hostile requests, none of them of a signed-in browser.

Of each kind of tests/support/pages/hostile_requests.py there was one before, so that nothing counts which
is only loaded late.
"""

import argparse
import asyncio
import tempfile
from collections import Counter
from typing import Final

from tests.bench import server
from tests.bench.support.databases import say
from tests.support.pages import hostile_requests

MANY: Final = 10_000
WARM: Final = 300


async def run(options: argparse.Namespace) -> None:
    """Prints one line for each figure."""
    with tempfile.TemporaryDirectory(prefix="gatehouse-bench-") as folder:
        url = f"sqlite:///{folder}/bench.db"
        await server.fill(url, options.members)
        with server.served(url) as (pid, _):
            await hostile_requests.send_all(server.PORT, WARM)
            before = server.memory(pid)
            answers = await hostile_requests.send_all(server.PORT, MANY)
            await asyncio.sleep(1)
            after = server.memory(pid)
    say(f"resident memory before                  {before:.0f} MB")
    say(f"resident memory after {MANY:,} of them    {after:.0f} MB")
    for status, count in sorted(Counter(line[9:12].decode() or "none" for line in answers).items()):
        say(f"answered {status}                            {count:,}")
