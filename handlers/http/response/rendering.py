"""Pages, fragments, redirects and toasts. No other module knows the headers of htmx."""

import json
import re
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from jinja2 import DictLoader, Environment, StrictUndefined
from litestar import Response
from litestar.datastructures import Cookie

from db import engine, policy
from db.accounts import password
from db.auth import common_passwords
from db.common import clock, dates, invisible
from db.invitations import access_request_listing
from db.invitations import listing as invitation_listing
from db.members.directory import role_counts
from db.organization import setup
from handlers.http.auth import identity
from handlers.http.auth.cookies import cookie, cookie_in
from handlers.http.context import context_of
from handlers.http.request.types import AnyRequest
from handlers.http.static import StaticFiles

HTML: Final = "text/html"
NOTICE_COOKIE: Final = "gatehouse_notice"
NOTICE_SECONDS: Final = 60
_DOTS: Final = frozenset({".", ".."})
# Browsers accept 4096 bytes for a cookie, and sealing adds a third. A notice that is longer loses its Undo.
MAX_NOTICE_BYTES: Final = 2_700


@dataclass(frozen=True, slots=True)
class Site:
    """What a page shows of the installation.

    closed: registration needs a link or an invitation. may_ask: signed-out visitors may request access.
    """

    title: str
    closed: bool
    may_ask: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """The button in a toast that undoes a change: a form of its own.

    action: a local path. fields: names and values. target: the element that htmx replaces by the answer.
    """

    action: str
    fields: Sequence[Sequence[str]]
    target: str


class _Environment(Environment):
    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """The names that every template knows, in one plain dict. No template of ours has globals of its own.

        Jinja would chain a map for each template before them, and search both for each include and import.
        That takes a third of the time of a page.
        """
        return self.globals if d is None else super().make_globals(d)


def make_environment(
    folder: Path, *, root: str, static: StaticFiles, names: tuple[str, ...], app_url: str, mail: bool
) -> Environment:
    """A Jinja environment that escapes by itself, and in which an undefined name is an error.

    names: of the app, which comes first, and of the server.
    """
    environment = _Environment(
        # All files are read once, so pages work even when no more files can be opened.
        loader=DictLoader(
            {
                path.relative_to(folder).as_posix(): path.read_text("utf-8")
                for path in folder.rglob("*")
                if path.is_file()
            }
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    environment.globals.update(
        root=root,
        static=static.address,
        app_name=names[0],
        names=names,
        usual_words=" ".join(sorted(common_passwords.USUAL)),
        app_url=app_url or None,
        mail=mail,
        policy=policy,
        Role=policy.Role,
    )
    environment.filters.update(
        iso=iso, day=dates.words, escape_invisible=invisible.escape, minute=minute, last_day=last_day
    )
    # Jinja imports modules for its first template, which would fail once no more files can be opened.
    environment.get_template("error.html")
    return environment


def iso(ms: int) -> str:
    """2026-11-22T09:12:00+00:00, for <time datetime>."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")


def minute(ms: int) -> str:
    """22 Nov 2026, 09:12 UTC"""
    return f"{dates.words(ms)}, {dates.hour(ms)}"


def last_day(ends_at: int) -> str:
    """6 Dec 2026, for a membership that ends with that day. Always UTC: app.js doesn't change it."""
    return dates.words(ends_at - 1)


def is_htmx(request: AnyRequest) -> bool:
    return request.headers.get("hx-request") == "true"


def wants_fragment(request: AnyRequest) -> bool:
    """Whether htmx asks for a fragment. A boosted link or a restored history entry needs the page."""
    return (
        is_htmx(request)
        and "hx-boosted" not in request.headers
        and "hx-history-restore-request" not in request.headers
    )


def fragment(
    request: AnyRequest,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **context: Any,
) -> Response[bytes]:
    """One template by itself, with the current member as `me`."""
    app_context = context_of(request)
    me = identity.me_of(request.scope["state"].get("current"))
    about = {"me": me, "status": status, "only_here": app_context.is_only_here(request)}
    text = app_context.templates.get_template(template).render({**about, **context})
    return Response(text.encode(), status_code=status, media_type=HTML, headers=dict(headers or {}))


async def page(
    request: AnyRequest,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    cookies: Sequence[Cookie] = (),
    **context: Any,
) -> Response[bytes]:
    """A whole page, with `site`, `me`, and the notice of the last change as its toast."""
    app_context = context_of(request)
    current = request.scope["state"].get("current")
    organization = setup.Site(current.title, exists=True) if current else await setup.site()
    site = Site(
        organization.title or "Gatehouse",
        app_context.settings.closed,
        may_ask=app_context.settings.closed and organization.may_ask,
    )
    notice, undo = _notice(request)
    # The toast of this very request wins over the notice, and must not get the notice's button.
    about = {"site": site, "toast": notice, "undo": None if "toast" in context else undo, **context}
    if current and current.reset_link_made_at:
        about["admin_reset_link"] = await password.admin_reset_link(
            current.member_id, current.reset_link_made_at
        )
    if current and policy.may_open_organization(current.role):
        about["counts"] = await engine.read(_counts)
    response = fragment(request, template, status=status, headers=headers, **about)
    response.cookies = [*cookies, *([no_notice_cookie(request)] if notice else [])]
    return response


async def _counts() -> dict[str, int]:
    """The counts in the navigation: members, and open invitations with access requests."""
    members = sum((await role_counts.counts()).values())
    access_requests = await access_request_listing.count()
    invitations = await invitation_listing.count_open() + access_requests
    return {"members": members, "invitations": invitations, "access_requests": access_requests}


def redirect(
    request: AnyRequest,
    path: str,
    *,
    notice: str = "",
    undo: Undo | None = None,
    cookies: Sequence[Cookie] = (),
) -> Response[bytes]:
    """Redirects to another of our pages: 303, or 200 with HX-Redirect, since htmx would follow a 303 itself.

    path: a local path; the caller checks one that came from outside. notice: a sentence for the next page.
    undo: the button beside it.
    """
    app_context = context_of(request)
    address = app_context.settings.root + path
    set_cookies = [*cookies, *([_notice_cookie(request, notice, undo)] if notice else [])]
    if is_htmx(request):
        return Response(
            b"", status_code=200, media_type=HTML, headers={"HX-Redirect": address}, cookies=set_cookies
        )
    return Response(b"", status_code=303, media_type=HTML, headers={"Location": address}, cookies=set_cookies)


def local_path(text: str) -> str:
    """`text` if it is a local path, else "/".

    A local path begins with a slash, and has only visible ASCII characters and no backslash. It has neither
    two slashes in a row nor a segment of dots, encoded or not: browsers and proxies resolve those.
    """
    path = text.partition("?")[0].partition("#")[0]
    dotted = re.sub("%2e", ".", path, flags=re.IGNORECASE)
    ok = path.startswith("/") and "//" not in path and _DOTS.isdisjoint(dotted.split("/"))
    return text if ok and all(32 < ord(char) < 127 and char != "\\" for char in text) else "/"


def login_path(request: AnyRequest, back_to: str | None = None) -> str:
    """The path of the login page that leads back to the present page, or to `back_to`, a local path."""
    return f"/user/login?next={quote(back_to or current_page(request), safe='/')}"


def current_page(request: AnyRequest) -> str:
    """The local path and query of the page in the browser: for a POST, of the page with the form."""
    if request.method in ("GET", "HEAD") and not is_htmx(request):
        path, query = request.scope["path"], request.scope["query_string"].decode("ascii", "ignore")
    else:
        try:
            came_from = urlsplit(
                request.headers.get("hx-current-url") or request.headers.get("referer") or ""
            )
        except ValueError:
            came_from = urlsplit("")
        path, query = came_from.path.removeprefix(context_of(request).settings.root), came_from.query
    return local_path(path + ("?" + query if query else ""))


def toast(request: AnyRequest, sentence: str, *, status: int, refused: bool = True) -> Response[bytes]:
    """Only a toast: htmx leaves the page as it is."""
    return fragment(
        request, "_toast.html", status=status, headers={"HX-Reswap": "none"}, toast=sentence, refused=refused
    )


# A notice crosses the 303 after a plain POST in a sealed cookie, so nobody else can put words on our pages.
# It is valid for the member who caused it, and for NOTICE_SECONDS, however long a browser keeps it.


def _notice_cookie(request: AnyRequest, sentence: str, undo: Undo | None) -> Cookie:
    text = json.dumps([clock.now(), sentence, undo and astuple(undo)])
    if len(text) > MAX_NOTICE_BYTES:
        text = json.dumps([clock.now(), sentence, None])
    value = context_of(request).signer.seal(_for_reader(request), text)
    return cookie(request, NOTICE_COOKIE, value, NOTICE_SECONDS)


def no_notice_cookie(request: AnyRequest) -> Cookie:
    """Deletes a notice that was shown, or whose reader signs out."""
    return cookie(request, NOTICE_COOKIE, "", 0)


def _notice(request: AnyRequest) -> tuple[str | None, Undo | None]:
    app_context = context_of(request)
    value = cookie_in(request, app_context, NOTICE_COOKIE)
    text = app_context.signer.unseal(_for_reader(request), value) if value else None
    at, sentence, undo = json.loads(text) if text else (0, None, None)
    if not 0 <= clock.now() - at <= NOTICE_SECONDS * 1000:
        return None, None
    return sentence, Undo(*undo) if undo else None


def _for_reader(request: AnyRequest) -> str:
    """The purpose that a notice is sealed for: each member has another."""
    return f"notice/{identity.member_of(request.scope)}"
