"""A server with limits of its own: python limits_process.py URL '{"header_seconds": 1}'; prints its port."""

import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))
os.environ["PICCOLO_CONF"] = "db.engine.piccolo_conf"

import app
from db import engine
from db.maintenance import secret_key
from db.organization import setup
from handlers.http.server.limits import Limits
from settings import Settings
from signing import Signer
from tests.support.pages.site import SECRET, someone


async def prepare(url: str, port: int) -> Settings:
    engine.use(url)
    await engine.start()
    await secret_key.remember_fingerprint(Signer(SECRET).fingerprint())
    await setup.found_by_operator("Fenwick Herbarium", someone("olga"))
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    return Settings(database_url=url, secret_key=SECRET)


if __name__ == "__main__":
    chosen = Limits(**json.loads(sys.argv[2]))
    app.serve(lambda port: prepare(sys.argv[1], port), host="127.0.0.1", port=0, workers=1, limits=chosen)
