"""create_app(settings) -> Litestar: wiring only."""

import asyncio
import contextlib
import itertools
import logging
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from functools import partial
from socket import socket
from typing import Any, Final

# By this variable alone Piccolo finds its configuration.
os.environ.setdefault("PICCOLO_CONF", "db.engine.piccolo_conf")  # noqa: TID251

import uvloop
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.plugins.core import MsgspecDIPlugin

import mailer
import server
from db import engine
from db.accounts import drafts
from db.activity import lines as activity_lines
from db.activity import retention
from db.auth import links, rate_limits, sessions
from db.auth.rate_limits import Throttle
from db.invitations import access_requests, management
from db.invitations.recipients import uploads
from db.mail import outbox
from db.maintenance import secret_key
from db.members import last_day
from db.members.directory import role_counts
from handlers import ROUTES, styleguide
from handlers.http.auth import identity
from handlers.http.context import AppContext
from handlers.http.response import errors, password_anew, rendering
from handlers.http.server import caches
from handlers.http.server.defences import Defences
from handlers.http.server.limits import LIMITS, Limits
from handlers.http.static import StaticFiles
from settings import CHECKOUT, Settings
from signing import Signer

CHORE_SECONDS: Final = 60
ROUNDS_IN_AN_HOUR: Final = 3600 // CHORE_SECONDS
TEMPLATES: Final = CHECKOUT / "templates"
Prepare = Callable[[int], Coroutine[Any, Any, Settings]]
log = logging.getLogger("gatehouse")


class _App(Litestar):
    @staticmethod
    def _get_default_plugins(plugins: list[Any]) -> list[Any]:
        """Without the plugin for Pydantic, which nothing here uses.

        Pydantic comes with the packages of the tests; where it is, a start would take 0.15 s and 9 MB more.
        Litestar 2 adds its default plugins by this private method alone; no argument leaves one out.
        """
        return [*plugins, MsgspecDIPlugin()]


def create_app(settings: Settings) -> Litestar:
    """The application. settings.secret_key is set; the database is chosen and migrated already."""
    return furnished(routed(debug=settings.debug), settings)


def routed(*, debug: bool = False) -> Litestar:
    """The part of the application that is the same for all settings; debug: with the styleguide."""
    return _App(
        route_handlers=[*ROUTES, styleguide.show_styleguide] if debug else ROUTES,
        dependencies={"current": Provide(identity.current_session)},
        exception_handlers=errors.HANDLERS,
        before_send=[password_anew.send_renewed_cookie],
        lifespan=[_lifespan],
        openapi_config=None,
        debug=False,
        request_max_body_size=None,
        logging_config=None,
    )


def furnished(app: Litestar, settings: Settings) -> Litestar:
    """The same application, with what these settings give it."""
    app_context = _app_context(settings)
    outbox.use(settings.sends_mail, mailer.ehlo_name(settings.host))
    activity_lines.use(settings.activity_to_stderr)
    app.state = State({"context": app_context, "mailer": _mailer(settings, app_context)})
    # Outside the framework, so that 404 and 405 are covered too.
    app.asgi_handler = caches.clearing_caches(app, Defences(app.asgi_handler, app_context))
    return app


def serve(prepare: Prepare, *, host: str, port: int, workers: int, limits: Limits = LIMITS) -> None:
    """Serves until SIGTERM or SIGINT.

    prepare: gets the port; chooses, starts and migrates the database, and returns the settings with the
    secret key in them. Raises what it raises, OSError if the port can't be had, SystemExit if nobody starts.
    """
    with server.listen(host, port) as listening:
        ready = partial(prepare, listening.getsockname()[1])
        if workers > 1:
            asyncio.run(_stop_after(ready))
            server.serve_by_workers("app:worker_app", listening, workers, limits)
            return
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_stop_after(partial(_serve_alone, ready, listening, limits)))


async def _serve_alone(
    ready: Callable[[], Coroutine[Any, Any, Settings]], listening: socket, limits: Limits
) -> None:
    await server.serve(create_app(await ready()), listening, limits)


async def _stop_after(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    try:
        await work()
    finally:
        await engine.stop()


def worker_app() -> Litestar:
    """The application in one of several worker processes, whose parent has migrated and found the key."""
    settings = Settings.from_environment()
    key = settings.secret_key or secret_key.read(settings.key_file)
    if not key:
        raise secret_key.WrongKey(f"{settings.key_file} vanished while the server started.")
    server.log_to_stderr()
    server.end_with_the_parent()
    engine.use(settings.database_url)
    return create_app(replace(settings, secret_key=key))


def _app_context(settings: Settings) -> AppContext:
    signer = Signer(settings.secret_key)
    static = StaticFiles(CHECKOUT / "static", settings.root)
    return AppContext(
        signer=signer,
        throttle=Throttle(signer.key("throttle")),
        settings=settings,
        static=static,
        send_test_mail=_test_mail(settings),
        templates=rendering.make_environment(
            TEMPLATES,
            root=settings.root,
            static=static,
            names=settings.names,
            app_url=settings.app_url,
            mail=settings.sends_mail,
        ),
    )


def _mailer(settings: Settings, app_context: AppContext) -> mailer.MailWorker | None:
    if settings.mail is None:
        return None
    return mailer.MailWorker(
        settings.mail,
        signer=app_context.signer,
        host=settings.host,
        app_name=settings.app_name,
        app_url=settings.app_url,
        templates=TEMPLATES,
    )


def _test_mail(settings: Settings) -> Callable[[str], Coroutine[Any, Any, list[str]]] | None:
    if settings.mail is None:
        return None
    return partial(mailer.send_test, settings.mail, host=settings.host, templates=TEMPLATES)


@contextlib.asynccontextmanager
async def _lifespan(app: Litestar) -> AsyncIterator[None]:
    """Opens the database and does the chores; at the end activity is written, then all is closed."""
    app_context: AppContext = app.state.context
    await engine.start()
    try:
        # As long as it is held, nobody replaces the database.
        async with engine.serving_lock():
            # Whose last day was over while nobody served is out before the first request.
            await _do(last_day.end_due)
            tasks = [asyncio.create_task(_chores(app_context))]
            if app.state.mailer is not None:
                tasks.append(asyncio.create_task(app.state.mailer.run()))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                with contextlib.suppress(engine.Unavailable):
                    await app_context.presence.flush()
    finally:
        await engine.stop()


async def _chores(app_context: AppContext) -> None:
    """Each minute: memberships that end, last activity, whatever else ended, reminders, the role counts.

    A minute after the start and then each hour the activity log forgets what is too old, as do the links that
    anybody may ask for.
    """
    sweep = partial(engine.write, _sweep, app_context)
    each_minute = (
        last_day.end_due,
        app_context.presence.flush,
        sweep,
        rate_limits.sweep,
        _remind,
        role_counts.compact,
    )
    each_hour = (partial(retention.forget, app_context.settings.activity_days), links.forget)
    for finished in itertools.count():
        await asyncio.sleep(CHORE_SECONDS)
        for chore in (*each_minute, *(() if finished % ROUNDS_IN_AN_HOUR else each_hour)):
            await _do(chore)


async def _do(chore: Callable[[], Coroutine[Any, Any, object]]) -> None:
    try:
        await chore()
    except (engine.Unavailable, engine.TookTooLong) as error:
        # A full disk or a stopped database must not end the chores: they come again in a minute.
        log.warning("a chore waits for the database: %s", error)
    except Exception:
        log.exception("a chore failed and is tried again")


async def _remind() -> None:
    if outbox.set_up():
        await engine.write(management.remind)
        await engine.write(last_day.tell_due)
        outbox.wake()


async def _sweep(app_context: AppContext) -> None:
    await sessions.sweep(app_context.session_limits)
    await links.stamp_expired()
    await uploads.sweep()
    await drafts.sweep()
    await access_requests.sweep()
    await outbox.sweep()
