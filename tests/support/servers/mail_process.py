"""A process that sends queued mail until SIGTERM: python mail_process.py URL PORT TIMEOUT."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[3]))
os.environ["PICCOLO_CONF"] = "db.engine.piccolo_conf"

from db import engine
from tests.support.servers import smtp
from tests.support.steps import mail_steps


async def main(url: str, port: int, seconds: float) -> None:
    engine.use(url)
    await engine.start()
    task = asyncio.create_task(mail_steps.mail_worker(smtp.Server(port).account(timeout=seconds)).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.wait([task])
    await engine.stop()


if __name__ == "__main__":
    # In the event loop of the server.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
