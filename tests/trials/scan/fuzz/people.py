"""Who and what is in the database that requests go against."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from db import engine
from db.auth import links, sessions
from db.errors import Refused
from db.members import roles
from db.policy import COMMAND_LINE, Role
from db.schema import migrate
from settings import Settings
from tests.support.pages.changing_requests import FOR_VISITORS, NEW_PASSWORD, SENT, Sent
from tests.support.pages.site import PASSWORD, Site
from tests.support.steps import access_request_steps, invitation_steps
from tests.trials.scan.fuzz.values import SECRETS, mark

# Who asks: by this name their address is known, and what the table of routes calls them.
PEOPLE: Final = {
    "olga": ("owner", Role.OWNER),
    "ada": ("administrator", Role.ADMINISTRATOR),
    "penny": ("pending", Role.PENDING),
    "dora": ("deactivated", Role.ANNOTATOR),
}
# Of each, so that one that ends leaves others.
SESSIONS: Final = 5
STORED: Final = f"<{mark(0)} {mark(0)}=1>\"' {mark(0)}='{{{{7*7}}}}{{0}}</script></textarea>"


@dataclass(frozen=True)
class Seeded:
    """sessions: the tokens of each of PEOPLE. forms: what an address takes, ready to be sent.

    secrets: tokens that no page shows, whoever asks. links: tokens that some pages show to some people.
    """

    sessions: dict[str, list[str]]
    forms: dict[str, list[Sent]]
    secrets: list[str]
    links: list[str]


async def fill(settings: Settings) -> Seeded:
    """Migrates the database in use, founds the organization, with everybody that requests are about."""
    await engine.start()
    await migrate.migrate()
    async with Site.opened(settings) as site:
        await access_request_steps.switch_on()
        for name, (_, role) in PEOPLE.items():
            if role is not Role.OWNER:
                await site.person(name, role)
        tokens = {name: [await _session(site, name) for _ in range(SESSIONS)] for name in PEOPLE}
        forms = {path: [await _form(site, path, name) for name in ("olga", "ada")] for path in SENT}
        forms |= await _forms_of_visitors(site)
        assert forms.keys() == SENT.keys() | FOR_VISITORS
        given = await _others(site)
        await roles.change_role(COMMAND_LINE, member_id=site.ids["dora"], role=Role.DEACTIVATED)
        # Nothing is owed, and nothing was tried yet.
        await _execute("UPDATE outbox SET state = 'sent', done_at = made_at")
        await _execute("DELETE FROM rate_limit")
    return Seeded(tokens, forms, [token for several in tokens.values() for token in several], given)


async def _execute(sql: str, *arguments: Any) -> None:
    await engine.write(engine.execute, sql, *arguments)


async def _session(site: Site, name: str) -> str:
    about: dict[str, Any] = {
        "address": STORED,
        "device": STORED,
        "session_limits": site.context.session_limits,
    }
    return await engine.write(sessions.begin, site.ids[name], persistent=False, **about)


async def _form(site: Site, path: str, name: str) -> Sent:
    # Without mail nobody is sent a link that confirms an address.
    with suppress(Refused):
        return await SENT[path](site, name)
    return Sent(fields={"token": "1.forged"})


async def _forms_of_visitors(site: Site) -> dict[str, list[Sent]]:
    await site.person("rita")
    person = {"email": "noor@example.org", "password": NEW_PASSWORD, "first_name": "Noor", "last_name": "N"}
    revoked = await invitation_steps.invited(site, "revoked")
    await _execute("UPDATE links SET ended_at = 1, end_reason = 'revoked' WHERE id = ?", revoked.link_id)
    confirming = "1.forged"
    await access_request_steps.submit("asking")
    if site.context.settings.sends_mail:
        link = await access_request_steps.link_of("asking")
        confirming = site.context.signer.token(links.ACCESS_REQUEST, link.id, link.nonce)
    fields: dict[str, dict[str, Any]] = {
        "/setup": {**person, "title": "House", "code": "1.forged"},
        "/user/signup": {**person, "token": await site.invite_token()},
        "/user/access-request": {"name": "Noor", "email": "noor@example.org", "words": "I press ferns"},
        "/user/access-request/confirmation": {"token": confirming},
        "/user/invitation/renewal": {"token": invitation_steps.token(site, revoked)},
        "/user/login": {
            "email": "rita@example.org",
            "password": PASSWORD,
            "persist_session": "on",
            "next": "/",
        },
        "/user/logout": {"next": "/user/login"},
        "/user/password/forgot": {"email": "rita@example.org"},
        "/user/password/reset": {"token": await site.reset_token("rita"), "password": NEW_PASSWORD},
    }
    return {path: [Sent(fields=several)] for path, several in fields.items()}


async def _others(site: Site) -> list[str]:
    """People, invitations and requests that aren't for everybody to see; returns their links' tokens."""
    given = []
    for name in ("vesna", "viggo"):
        await site.person(SECRETS + name, Role.ANNOTATOR)
        given.append(await site.reset_token(SECRETS + name))
    line = await invitation_steps.invited(site, f"{SECRETS}guest")
    given += [invitation_steps.token(site, line), await site.invite_token()]
    await access_request_steps.submitted(f"{SECRETS}asker", f"{SECRETS}words")
    await _execute("INSERT INTO role_note (role, text) VALUES ('AN', ?)", f"{SECRETS}note {STORED}")
    # As if nobody had looked at what was typed.
    for table in ("member", "invitation"):
        await _execute(f"UPDATE {table} SET last_name = ? WHERE email LIKE '{SECRETS}%'", STORED)
    await _execute("UPDATE access_request SET name = ? WHERE email LIKE ?", STORED, f"{SECRETS}%")
    await _execute("UPDATE organization SET title = ?", STORED[:90])
    return given
