"""What the tests of the engine run in processes of their own: python engine_process.py ROLE URL [NUMBER].

start       starts and stops, then prints "started"
write N     counts up N times from five tasks, then prints the longest wait in seconds
migrating, serving, replacing
            takes that lock, prints "held", and keeps it until its standard input ends
fork        forks after the start; child and parent print whether they may write, then the child starts anew
"""

import asyncio
import os
import sys
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
os.environ["PICCOLO_CONF"] = "db.engine.piccolo_conf"

from db import engine


def say(answer: str) -> None:
    sys.stdout.write(f"{answer}\n")
    sys.stdout.flush()


async def count_up() -> None:
    ((count,),) = await engine.rows(f"SELECT n FROM counter WHERE id = 1{engine.for_update()}")
    await engine.execute("UPDATE counter SET n = ? WHERE id = 1", count + 1)


async def start() -> None:
    await engine.start()
    await engine.stop()
    say("started")


async def write(times: int) -> None:
    longest = 0.0

    async def some() -> None:
        nonlocal longest
        for _ in range(times // 5):
            begun = time.monotonic()
            await engine.write(count_up)
            longest = max(longest, time.monotonic() - begun)

    await engine.start()
    await asyncio.gather(*[some() for _ in range(5)])
    say(str(longest))
    await engine.stop()


async def hold(lock: AbstractAsyncContextManager[None]) -> None:
    async with lock:
        say("held")
        await asyncio.to_thread(sys.stdin.read)


async def tried() -> str:
    try:
        await engine.write(count_up)
    except engine.EngineUsageError:
        return "refused"
    return "written"


async def started_and_written() -> None:
    await engine.start()
    await engine.write(count_up)
    await engine.stop()


def fork() -> None:
    asyncio.run(engine.start())
    if os.fork() == 0:
        say(asyncio.run(tried()))
        asyncio.run(started_and_written())
        os._exit(0)
    os.wait()
    say(asyncio.run(tried()))
    asyncio.run(engine.stop())


role, url, *number = sys.argv[1:]
engine.use(url)
match role:
    case "start":
        asyncio.run(start())
    case "write":
        asyncio.run(write(int(number[0])))
    case "migrating":
        asyncio.run(hold(engine.migration_lock()))
    case "serving":
        asyncio.run(hold(engine.serving_lock()))
    case "replacing":
        asyncio.run(hold(engine.replacement_lock()))
    case "fork":
        fork()
