"""Every setting of the environment, in one table: the fields of `Settings` and `Mail`.

A field says everything about its setting. The settings page, the table in docs/deploy.md and the warnings
about misspelt names are made from the table. No other module reads the environment.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from environment import addresses, databases, values
from environment.dotenv import BadLine, DotEnv
from environment.dotenv import read as read_dotenv
from environment.reader import Reader, is_empty
from environment.reader import WrongSetting as WrongSetting
from environment.setting import Setting, Shown, setting, settings_of, text_of
from environment.values import Network, boolean, number

CHECKOUT: Final = Path(__file__).resolve().parent
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked."""

    host: str = setting(
        "HOST",
        addresses.public,
        "",
        Shown.WITHOUT_PASSWORD,
        help="the public address, like `https://members.example.org`, from which links are built",
        unset="the address in each request",
    )
    app_name: str = setting(
        "APP_NAME", values.name, "Label Studio", help="the name of the app that people get access to"
    )
    app_url: str = setting(
        "APP_URL",
        addresses.of_app,
        "",
        Shown.WITHOUT_PASSWORD,
        help="where the button to the app leads: any http or https address, such as "
        "`https://app.example.org/projects?tab=1`",
    )
    closed: bool = setting(
        "DISABLE_SIGNUP_WITHOUT_LINK",
        boolean,
        False,
        help="`true`: nobody registers without the invite link or an invitation",
    )
    invitation_days: int = setting(
        "INVITATION_DAYS", number(1, 365), 7, help="days that an emailed invitation works"
    )
    max_session_age: int = setting(
        "MAX_SESSION_AGE",
        number(60, 400 * DAY_SECONDS),
        14 * DAY_SECONDS,
        help='seconds that a session lives with "Keep me logged in"; any other lives 12 hours',
    )
    max_time_between_activity: int = setting(
        "MAX_TIME_BETWEEN_ACTIVITY",
        number(60, 400 * DAY_SECONDS),
        5 * DAY_SECONDS,
        help="seconds between two requests after which a session ends; "
        "the Owner may shorten both ages under Settings, never lengthen them",
    )
    activity_days: int = setting(
        "ACTIVITY_DAYS", number(1, 36_500), 400, help="days that the activity log is kept"
    )
    activity_to_stderr: bool = setting(
        "ACTIVITY_TO_STDERR",
        boolean,
        False,
        help="`true`: each event of the activity log is a line of JSON on stderr, too "
        "([operate.md](operate.md#shipping-the-activity-log))",
    )
    trusted_proxies: tuple[Network, ...] = setting(
        "TRUSTED_PROXIES",
        values.networks,
        (),
        help="addresses and networks whose forwarded headers count, with commas, like "
        "`127.0.0.1, 10.0.0.0/8`; `10.0.0.1/8` is refused",
    )
    session_cookie_domain: str = setting(
        "SESSION_COOKIE_DOMAIN",
        values.domain,
        "",
        Shown.IN_ERRORS,
        help="has no effect yet: the domain of a gate in front of other hosts",
    )
    database_url: str = setting(
        "DATABASE_URL",
        partial(databases.parse, checkout=CHECKOUT),
        f"sqlite:///{CHECKOUT / 'data' / 'gatehouse.db'}",
        Shown.NEVER,
        help="where everything is kept: a file of SQLite, or `postgresql://user:password@host/database`",
        unset="`sqlite:///data/gatehouse.db`",
    )
    secret_key: str = setting(
        "SECRET_KEY",
        values.secret_key,
        "",
        Shown.SECRET,
        help="signs links, 32 characters or more; another key than the database knows stops the start",
        unset="kept in `data/secret.key`",
    )
    username: str = setting(
        "USERNAME",
        str,
        "",
        Shown.IN_ERRORS,
        prefixed_only=True,
        help="the first Owner's email address, while nobody owns the organization",
    )
    password: str = setting(
        "PASSWORD", str, "", Shown.SECRET, prefixed_only=True, help="the first Owner's password"
    )
    # None without EMAIL_HOST.
    mail: "Mail | None" = None
    # From the command line alone: serves /styleguide too.
    debug: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def https(self) -> bool:
        return self.host.startswith("https://")

    @property
    def sends_mail(self) -> bool:
        """Whether mail is set up; without it links are shown to copy."""
        return self.mail is not None

    @property
    def root(self) -> str:
        """The sub-path under which everything lives, "" when there is none."""
        return urlsplit(self.host).path if self.host else ""

    @property
    def names(self) -> tuple[str, str, str]:
        """Names of the app and the server, which a password here should not be made of."""
        return (self.app_name, urlsplit(self.host).hostname or "", "Gatehouse")

    def shown(self) -> dict[str, str]:
        """What the Owner may see of the environment, by name, "" where it is unset; no secret among it."""
        return {
            one.name: text_of(getattr(part, field)) if part else ""
            for part, kind in ((self, Settings), (self.mail, Mail))
            for field, one in settings_of(kind)
            if one.shown.on_page
        }

    @property
    def data_dir(self) -> Path:
        return CHECKOUT / "data"

    @property
    def key_file(self) -> Path:
        """Where the secret key is when SECRET_KEY isn't set."""
        return self.data_dir / "secret.key"

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, dotenv: Path | None = CHECKOUT / ".env"
    ) -> "Settings":
        """Reads the environment, and `.env` beside app.py for what it leaves out. Raises WrongSetting."""
        real = os.environ if environment is None else environment
        secrets = [one.name for one in TABLE if one.shown.nowhere]
        try:
            file = read_dotenv(dotenv, secrets) if dotenv is not None and dotenv.exists() else DotEnv()
        except BadLine as error:
            raise WrongSetting(str(error)) from None
        own = {name: value for name, value in real.items() if not is_empty(value) or name not in file.values}
        return _read(Reader(TABLE, {**file.values, **own}, file.warnings))


@dataclass(frozen=True, slots=True)
class Mail:
    """How mail is sent (SMTP)."""

    host: str = setting(
        "EMAIL_HOST",
        addresses.mail_server,
        "",
        Shown.WITHOUT_PASSWORD,
        help="the mail server (SMTP), a host name without scheme and port; `HOST` must be set with it",
    )
    port: int = setting("EMAIL_PORT", number(1, 65_535), 587, Shown.IN_ERRORS, help="its port")
    user: str = setting(
        "EMAIL_HOST_USER",
        str,
        "",
        Shown.IN_ERRORS,
        help="who signs in to the mail server; needs `EMAIL_HOST_PASSWORD`",
    )
    password: str = setting(
        "EMAIL_HOST_PASSWORD",
        str,
        "",
        Shown.SECRET,
        help="the password of `EMAIL_HOST_USER`",
    )
    use_tls: bool = setting(
        "EMAIL_USE_TLS",
        boolean,
        True,
        Shown.IN_ERRORS,
        help="`true`: the connection is encrypted by STARTTLS",
    )
    use_ssl: bool = setting(
        "EMAIL_USE_SSL",
        boolean,
        False,
        Shown.IN_ERRORS,
        help="`true`: the connection is encrypted from the first byte, whatever `EMAIL_USE_TLS` says",
    )
    timeout: float = setting(
        "EMAIL_TIMEOUT",
        number(1, 600),
        10,
        Shown.IN_ERRORS,
        help="seconds to wait for the mail server",
    )
    sender: str = setting(
        "FROM_EMAIL",
        values.sender,
        "",
        help="the address that mails come from, like `Gatehouse <members@example.org>`",
        unset="`EMAIL_HOST_USER` if that is an address, else `gatehouse@` the host of `HOST`",
    )


TABLE: Final[tuple[Setting, ...]] = tuple(one for part in (Settings, Mail) for _, one in settings_of(part))


def _read(reader: Reader) -> Settings:
    """The settings, each by itself and then beside the others. Raises WrongSetting."""
    ignored = _ignore_name_of_machine(reader)
    settings = Settings(**reader.values_of(Settings), mail=_mail(reader))
    if settings.mail and not settings.host:
        raise WrongSetting(
            f"HOST is {'no URL' if ignored else 'not set'}, but EMAIL_HOST is set: links in mails are built "
            "from HOST alone, so set it to the public address, like https://members.example.org."
        )
    if bool(settings.username) != bool(settings.password):
        raise WrongSetting(
            "LABEL_STUDIO_USERNAME and LABEL_STUDIO_PASSWORD belong together: set both or none."
        )
    _warn_of_proxies(settings, reader)
    idle = _idle(settings, reader)
    warnings = (*reader.warnings, *reader.misspelt())
    return replace(settings, max_time_between_activity=idle, warnings=warnings)


def _ignore_name_of_machine(reader: Reader) -> bool:
    """Whether HOST was ignored: some shells export it as the machine's name, which is no setting of ours."""
    variable, value = reader.find("HOST") or ("", "")
    if variable != "HOST" or "://" in value or value.lower().startswith(("http:", "https:")):
        return False
    reader.warn(
        f"HOST={reader.in_error('HOST', value)} is no URL and is ignored; "
        "set it like https://members.example.org."
    )
    reader.ignore("HOST")
    return True


def _warn_of_proxies(settings: Settings, reader: Reader) -> None:
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        reader.warn(
            "TRUSTED_PROXIES believes everybody: whoever sends forwarded headers can pass for others."
        )
    if settings.trusted_proxies and not settings.host:
        reader.warn(
            "HOST is not set, though TRUSTED_PROXIES is: set it to the public address, like "
            "https://members.example.org. Until then what the proxy says decides about links and cookies."
        )


def _idle(settings: Settings, reader: Reader) -> int:
    """A session never idles for longer than it lives."""
    idle, age = settings.max_time_between_activity, settings.max_session_age
    if idle > age and reader.find("MAX_TIME_BETWEEN_ACTIVITY"):
        reader.warn(f"MAX_TIME_BETWEEN_ACTIVITY={idle} is longer than MAX_SESSION_AGE={age}, which counts.")
    return min(idle, age)


def _mail(reader: Reader) -> Mail | None:
    mail = Mail(**reader.values_of(Mail))
    if not mail.host:
        if left := [one.name for _, one in settings_of(Mail) if reader.find(one.name)]:
            reader.warn(f"EMAIL_HOST is not set, so no mail is sent and {', '.join(left)} means nothing.")
        return None
    if bool(mail.user) != bool(mail.password):
        reader.warn(
            "EMAIL_HOST_USER and EMAIL_HOST_PASSWORD belong together; one of them alone is of no use."
        )
    if not mail.sender and "@" in mail.user:
        _refuse_as_sender(mail.user)
    if mail.use_tls and mail.use_ssl and reader.find("EMAIL_USE_TLS"):
        reader.warn("EMAIL_USE_TLS and EMAIL_USE_SSL are both true: TLS is spoken from the first byte (SSL).")
    return mail


def _refuse_as_sender(user: str) -> None:
    try:
        values.sender(user)
    except ValueError:
        raise WrongSetting(
            "FROM_EMAIL is not set, and EMAIL_HOST_USER is no address that mails can come from: "
            "set FROM_EMAIL, like Gatehouse <members@example.org>."
        ) from None
