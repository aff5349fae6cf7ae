"""The check: whether settings, database, disk and mail server are fit."""

import argparse
from typing import TYPE_CHECKING

from cli.operation import awaited, fingerprint_of, show

if TYPE_CHECKING:
    from db.maintenance.health import Finding
    from settings import Settings


def check(args: argparse.Namespace) -> int:
    """One line for each part; exits with 1 when one of them isn't fit."""
    from db.maintenance.health import Finding
    from settings import Settings, WrongSetting

    try:
        settings = Settings.from_environment()
        findings = [Finding("settings", True, " ".join(settings.warnings) or "they can be read")]
        findings += awaited(_findings(settings))
        if args.mail:
            findings.append(awaited(_test_mail(args.mail, settings)))
    except WrongSetting as error:
        findings = [Finding("settings", False, str(error))]
    for finding in findings:
        show(f"{finding.subject + ':':10}{'ok' if finding.ok else 'FAILED'}, {finding.sentence.rstrip('.')}")
    return 0 if all(finding.ok for finding in findings) else 1


async def _findings(settings: "Settings") -> list["Finding"]:
    from db.maintenance import health, secret_key

    def fingerprint() -> str | None:
        key = settings.secret_key or secret_key.read(settings.key_file)
        return fingerprint_of(key) if key else None

    found = await health.findings(settings.database_url, fingerprint, settings.data_dir)
    return [*found, await _mail(settings), _proxies(settings), _address(settings)]


def _proxies(settings: "Settings") -> "Finding":
    from db.maintenance.health import Finding

    proxies = ", ".join(map(str, settings.trusted_proxies))
    said = (
        f"forwarded headers count from {proxies}"
        if proxies
        else "none trusted, forwarded headers are ignored"
    )
    # Who sends some all the same is seen by the server alone.
    said += "; the log and the Owner's settings page name whoever else sends some"
    return Finding("proxies", True, said)


def _address(settings: "Settings") -> "Finding":
    from db.maintenance.health import Finding

    if settings.https:
        said = f"people open {settings.host}; over http, or at another address, nobody can sign in"
    elif settings.host:
        said = f"people open {settings.host}"
    else:
        said = "HOST isn't set, so it is what each request names; a proxy has to pass its Host header on"
    # Only the server sees at which address a page was opened.
    return Finding(
        "address", True, f"{said}; the log and the Owner's settings page name addresses that were refused"
    )


async def _mail(settings: "Settings") -> "Finding":
    from db.maintenance.health import Finding

    if settings.mail is None:
        return Finding("mail", True, "not set up, links are shown to copy")
    from mailer import connect_check

    why = await connect_check(settings.mail, settings.host)
    return Finding("mail", not why, why or f"{settings.mail.host}:{settings.mail.port} takes mails")


async def _test_mail(recipient: str, settings: "Settings") -> "Finding":
    """Sends a test mail past the outbox, and prints the dialogue with the server as it went."""
    from app import TEMPLATES
    from db.common import addresses
    from db.mail.delivery import ServerUnavailable
    from db.maintenance.health import Finding
    from mailer import send_test

    if settings.mail is None:
        return Finding("test", False, "EMAIL_HOST isn't set, so nothing can be sent")
    try:
        email = addresses.parse(recipient).email
        steps = await send_test(settings.mail, email, host=settings.host, templates=TEMPLATES)
    except addresses.NotAnAddress as error:
        return Finding("test", False, str(error))
    except ServerUnavailable as error:
        show("\n".join(f"  {step}" for step in error.steps))
        return Finding("test", False, str(error))
    show("\n".join(f"  {step}" for step in steps))
    return Finding("test", True, f"the mail server took it for {email}")
