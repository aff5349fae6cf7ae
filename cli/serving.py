"""Starts the server, or a demo with made-up people, and serves until a signal stops it."""

import argparse
import contextlib
import secrets
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any, Final

from cli.operation import CommandError, note, settings_of_environment, with_key
from db.errors import Invalid
from settings import Settings
from signing import Signer

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8080
EVERYWHERE: Final = ("0.0.0.0", "::", "")
SERVED_ALREADY: Final = (
    "Another server on this computer serves the same database already: stop one of them, unless you want two."
)


def serve(args: argparse.Namespace) -> int:
    settings = replace(settings_of_environment(), debug=args.debug)
    return _serve_by(partial(_prepare, settings), args, args.workers)


def _serve_by(
    prepare: Callable[[str], Coroutine[Any, Any, Settings]], args: argparse.Namespace, workers: int
) -> int:
    """Serves until a signal stops it. prepare: gets the address, and prepares and announces the server."""
    import app

    try:
        app.serve(
            lambda port: prepare(address_of(args.host, port)), host=args.host, port=args.port, workers=workers
        )
    except SystemExit:
        # The reason is in the log already.
        return 1
    return 0


def address_of(host: str, port: int) -> str:
    """The base of links when HOST isn't set."""
    shown = own_address(host) if host in EVERYWHERE else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def own_address(host: str) -> str:
    """This computer's own address, as others see it. No packet is sent to learn it."""
    family, other, alone = (
        (socket.AF_INET6, "2001:db8::1", "::1") if ":" in host else (socket.AF_INET, "192.0.2.1", "127.0.0.1")
    )
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((other, 9))
        return str(probe.getsockname()[0])
    return alone


def start_line(base: str, address: str) -> str:
    """Where people find the server and, if that differs, where it listens."""
    return f"Gatehouse is at {base}" + (f" and listens at {address}" if base != address else "")


async def _prepare(settings: Settings, address: str) -> Settings:
    """Migrates the database, loads the key, makes the first Owner and prints the address."""
    from db import engine
    from db.auth import links
    from db.organization import setup
    from db.schema import migrate

    engine.use(settings.database_url)
    await engine.start()
    if await engine.is_served_here():
        note(SERVED_ALREADY)
    await migrate.migrate()
    settings = await with_key(settings)
    await _owner_of_environment(settings)
    base = settings.host or address
    # The link is made before the address is printed: if this fails, nothing was announced.
    link = await setup.open_link()
    print(start_line(base, address), flush=True)
    if link:
        code = Signer(settings.secret_key).token(links.SETUP, link.id, link.nonce)
        print(f"Nobody owns it yet. Whoever opens this link does: {base}/setup?code={code}", flush=True)
    return settings


async def _owner_of_environment(settings: Settings) -> None:
    """Makes the first Owner from LABEL_STUDIO_USERNAME and _PASSWORD, or notes that no account changed."""
    from db.organization import setup

    if not settings.username:
        return
    try:
        made = await setup.make_owner(settings.username, settings.password, names=settings.names)
    except Invalid as error:
        raise CommandError(
            f"LABEL_STUDIO_USERNAME and LABEL_STUDIO_PASSWORD can't be used: {error}"
        ) from error
    if not made:
        note("Somebody owns the organization: LABEL_STUDIO_USERNAME and _PASSWORD change no account.")


def demo(args: argparse.Namespace) -> int:

    # Until the server handles signals: the folder has to be deleted in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="gatehouse-demo-") as folder:
        # Ignores the environment, so that a demo touches no real database and sends no mail.
        settings = Settings(database_url=f"sqlite:///{folder}/demo.db", secret_key=secrets.token_urlsafe(48))
        return _serve_by(partial(_prepare_demo, settings), args, workers=1)


async def _prepare_demo(settings: Settings, address: str) -> Settings:
    from db import engine
    from db.maintenance import demo
    from db.schema import migrate

    engine.use(settings.database_url)
    await engine.start()
    await migrate.migrate()
    await with_key(settings)
    people = await demo.fill()
    print(f"Gatehouse is at {address} with thirty made-up people, until you stop it. Sign in as")
    for role, email in people:
        print(f"  {role + ':':15}{email}")
    print(f"with the password: {demo.PASSWORD}", flush=True)
    return settings
