"""Checks settings, database, disk and mail server."""

import argparse
from typing import TYPE_CHECKING

from cli.operation import awaited, fingerprint_of, show
from settings import Settings, WrongSetting

if TYPE_CHECKING:
    from db.maintenance.health import CheckResult


def check(args: argparse.Namespace) -> int:
    """Prints one line for each part. Exits with 1 if one of them fails."""
    from db.maintenance.health import CheckResult

    try:
        settings = Settings.from_environment()
        results = [CheckResult("settings", True, " ".join(settings.warnings) or "they can be read")]
        results += awaited(_check_all(settings))
        if args.mail:
            results.append(awaited(_test_mail(args.mail, settings)))
    except WrongSetting as error:
        results = [CheckResult("settings", False, str(error))]
    for result in results:
        show(f"{result.subject + ':':10}{'ok' if result.ok else 'FAILED'}, {result.sentence.rstrip('.')}")
    return 0 if all(result.ok for result in results) else 1


async def _check_all(settings: Settings) -> list["CheckResult"]:
    from db.maintenance import health, secret_key

    def fingerprint() -> str | None:
        key = settings.secret_key or secret_key.read(settings.key_file)
        return fingerprint_of(key) if key else None

    results = await health.check_database(settings.database_url, fingerprint, settings.data_dir)
    return [*results, await _mail(settings), _proxies(settings), _address(settings)]


def _proxies(settings: Settings) -> "CheckResult":
    from db.maintenance.health import CheckResult

    proxies = ", ".join(map(str, settings.trusted_proxies))
    sentence = (
        f"forwarded headers count from {proxies}"
        if proxies
        else "none trusted, forwarded headers are ignored"
    )
    # Only the server sees which other clients send such headers.
    sentence += "; the log and the Owner's settings page name whoever else sends some"
    return CheckResult("proxies", True, sentence)


def _address(settings: Settings) -> "CheckResult":
    from db.maintenance.health import CheckResult

    if settings.https:
        sentence = f"people open {settings.host}; over http, or at another address, nobody can sign in"
    elif settings.host:
        sentence = f"people open {settings.host}"
    else:
        sentence = "HOST isn't set, so it is what each request names; a proxy has to pass its Host header on"
    # Only the server sees at which address a page was opened.
    return CheckResult(
        "address", True, f"{sentence}; the log and the Owner's settings page name addresses that were refused"
    )


async def _mail(settings: Settings) -> "CheckResult":
    from db.maintenance.health import CheckResult

    if settings.mail is None:
        return CheckResult("mail", True, "not set up, links are shown to copy")
    from mailer import connect_check

    why = await connect_check(settings.mail, settings.host)
    return CheckResult("mail", not why, why or f"{settings.mail.host}:{settings.mail.port} takes mails")


async def _test_mail(recipient: str, settings: Settings) -> "CheckResult":
    """Sends a test mail without the outbox, and prints the dialogue with the mail server."""
    from app import TEMPLATES
    from db.common import addresses
    from db.mail.delivery import ServerUnavailable
    from db.maintenance.health import CheckResult
    from mailer import send_test

    if settings.mail is None:
        return CheckResult("test", False, "EMAIL_HOST isn't set, so nothing can be sent")
    try:
        email = addresses.parse(recipient).email
        steps = await send_test(settings.mail, email, host=settings.host, templates=TEMPLATES)
    except addresses.NotAnAddress as error:
        return CheckResult("test", False, str(error))
    except ServerUnavailable as error:
        show("\n".join(f"  {step}" for step in error.steps))
        return CheckResult("test", False, str(error))
    show("\n".join(f"  {step}" for step in steps))
    return CheckResult("test", True, f"the mail server took it for {email}")
