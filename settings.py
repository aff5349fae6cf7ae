"""Every setting, read once from the environment; nowhere else is the environment asked."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from environment import addresses, databases, names, values
from environment.dotenv import BadLine, Written
from environment.dotenv import read as read_dotenv
from environment.names import PREFIX
from environment.values import Network, boolean, number

CHECKOUT: Final = Path(__file__).resolve().parent
DEFAULT_DATABASE: Final = f"sqlite:///{CHECKOUT / 'data' / 'gatehouse.db'}"
SECRET: Final = frozenset({"SECRET_KEY", "PASSWORD", "EMAIL_HOST_PASSWORD", "DATABASE_URL"})
# What stands before an @ in one of these may be a password.
MAY_HOLD_A_PASSWORD: Final = frozenset({"HOST", "APP_URL", "EMAIL_HOST"})
MAIL: Final = (
    "EMAIL_PORT",
    "EMAIL_HOST_USER",
    "EMAIL_HOST_PASSWORD",
    "EMAIL_USE_TLS",
    "EMAIL_USE_SSL",
    "EMAIL_TIMEOUT",
    "FROM_EMAIL",
)
QUOTES: Final = "\"'"
# Also a pair of quotation marks with nothing in it, as Docker hands it on.
_EMPTY: Final = re.compile(r"""\s*(?:"\s*"|'\s*')?\s*""")

T = TypeVar("T")


class WrongSetting(Exception):
    """A setting that can't be read; the message is one line with variable, value and what is accepted."""


@dataclass(frozen=True, slots=True)
class Mail:
    """SMTP. timeout in seconds."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    use_tls: bool
    use_ssl: bool
    timeout: float
    sender: str


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked. Ages in seconds; host without a final slash, "" when unset."""

    closed: bool = False
    host: str = ""
    database_url: str = field(default=DEFAULT_DATABASE, repr=False)
    secret_key: str = field(default="", repr=False)
    username: str = ""
    password: str = field(default="", repr=False)
    mail: Mail | None = None
    app_name: str = "Label Studio"
    app_url: str = ""
    invitation_days: int = 7
    max_session_age: int = 14 * 24 * 3600
    max_time_between_activity: int = 5 * 24 * 3600
    activity_days: int = 400
    activity_to_stderr: bool = False
    trusted_proxies: tuple[Network, ...] = ()
    session_cookie_domain: str = ""
    # From the command line alone: serves /styleguide too.
    debug: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def https(self) -> bool:
        return self.host.startswith("https://")

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
            "HOST": self.host,
            "APP_NAME": self.app_name,
            "APP_URL": self.app_url,
            "DISABLE_SIGNUP_WITHOUT_LINK": "true" if self.closed else "false",
            "EMAIL_HOST": self.mail.host if self.mail else "",
            "FROM_EMAIL": self.mail.sender if self.mail else "",
            "INVITATION_DAYS": str(self.invitation_days),
            "MAX_SESSION_AGE": str(self.max_session_age),
            "MAX_TIME_BETWEEN_ACTIVITY": str(self.max_time_between_activity),
            "ACTIVITY_DAYS": str(self.activity_days),
            "ACTIVITY_TO_STDERR": "true" if self.activity_to_stderr else "false",
            "TRUSTED_PROXIES": ", ".join(map(str, self.trusted_proxies)),
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
        try:
            written = read_dotenv(dotenv, SECRET) if dotenv is not None and dotenv.exists() else Written()
        except BadLine as error:
            raise WrongSetting(str(error)) from None
        own = {
            name: value
            for name, value in real.items()
            if not _EMPTY.fullmatch(value) or name not in written.values
        }
        return _read(_Reader({**written.values, **own}, written.warnings))


def _read(read: "_Reader") -> Settings:
    no_proxies: tuple[Network, ...] = ()
    age = read("MAX_SESSION_AGE", number(60, 400 * 86400), default=14 * 86400)
    settings = Settings(
        closed=read("DISABLE_SIGNUP_WITHOUT_LINK", boolean, default=False),
        host=_host(read),
        database_url=read(
            "DATABASE_URL", partial(databases.parse, checkout=CHECKOUT), default=DEFAULT_DATABASE
        ),
        secret_key=read("SECRET_KEY", values.secret_key, default=""),
        username=read("USERNAME", str, default="", prefixed_only=True),
        password=read("PASSWORD", str, default="", prefixed_only=True),
        app_name=read("APP_NAME", values.name, default="Label Studio"),
        app_url=read("APP_URL", addresses.of_app, default=""),
        invitation_days=read("INVITATION_DAYS", number(1, 365), default=7),
        max_session_age=age,
        max_time_between_activity=_idle(read, age),
        activity_days=read("ACTIVITY_DAYS", number(1, 36500), default=400),
        activity_to_stderr=read("ACTIVITY_TO_STDERR", boolean, default=False),
        trusted_proxies=read("TRUSTED_PROXIES", values.networks, default=no_proxies),
        session_cookie_domain=read("SESSION_COOKIE_DOMAIN", values.domain, default=""),
        mail=_mail(read),
    )
    _refuse_halves(settings, read)
    if any(network.prefixlen == 0 for network in settings.trusted_proxies):
        read.warn("TRUSTED_PROXIES believes everybody: whoever sends forwarded headers can pass for others.")
    if settings.trusted_proxies and not settings.host:
        read.warn(
            "HOST is not set, though TRUSTED_PROXIES is: set it to the public address, like "
            "https://members.example.org. Until then what the proxy says decides about links and cookies."
        )
    return replace(settings, warnings=(*read.warnings, *read.misspelt()))


def _refuse_halves(settings: Settings, read: "_Reader") -> None:
    """Raises WrongSetting for one of two settings that are of no use alone."""
    if settings.mail and not settings.host:
        host = "is no URL" if read.find("HOST") else "is not set"
        raise WrongSetting(
            f"HOST {host}, but EMAIL_HOST is set: links in mails are built from HOST alone, "
            "so set it to the public address, like https://members.example.org."
        )
    if bool(settings.username) != bool(settings.password):
        raise WrongSetting(
            "LABEL_STUDIO_USERNAME and LABEL_STUDIO_PASSWORD belong together: set both or none."
        )


class _Reader:
    """Finds a setting under its two names; the first that is set and not empty wins."""

    def __init__(self, environment: Mapping[str, str], warnings: list[str]) -> None:
        self._environment = environment
        self._known: set[str] = set()
        self.warnings = warnings

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def find(self, name: str, *, prefixed_only: bool = False) -> tuple[str, str] | None:
        """The variable that is set, and its value without blanks and quotation marks around it."""
        self._known.add(name)
        for variable in (PREFIX + name,) if prefixed_only else (PREFIX + name, name):
            value = self._environment.get(variable, "")
            if not _EMPTY.fullmatch(value):
                return variable, self._plain(variable, name, value.strip())
        return None

    def _plain(self, variable: str, name: str, value: str) -> str:
        if any("\ud800" <= sign <= "\udfff" for sign in value):
            raise WrongSetting(f"{variable} can't be used: its value isn't written in UTF-8.")
        if any(ord(sign) < 32 or ord(sign) == 127 for sign in value):
            raise WrongSetting(f"{variable} can't be used: its value holds a line break or the like.")
        if len(value) < 2 or value[0] != value[-1] or value[0] not in QUOTES or value[0] in value[1:-1]:
            return value
        # Some programs that read a file of settings, such as Docker, hand quotation marks on.
        if name in SECRET - {"DATABASE_URL"}:
            self.warn(f"{variable} begins and ends with a quotation mark, which is a part of the secret.")
            return value
        return value[1:-1].strip()

    def __call__(self, name: str, parse: Callable[[str], T], *, default: T, prefixed_only: bool = False) -> T:
        found = self.find(name, prefixed_only=prefixed_only)
        if found is None:
            return default
        variable, value = found
        try:
            return parse(value)
        except ValueError as error:
            raise WrongSetting(f"{variable}={_shown(name, value)} can't be used: {error}.") from None

    def misspelt(self) -> list[str]:
        return names.misspelt(self._environment, self._known)


def _shown(name: str, value: str) -> str:
    """A value as it may be printed."""
    if name in SECRET:
        return "(not shown)"
    if name in MAY_HOLD_A_PASSWORD and "@" in value:
        return repr(f"…{value[value.rindex('@') :]}")
    return repr(value)


def _host(read: _Reader) -> str:
    variable, value = read.find("HOST") or ("", "")
    if variable == "HOST" and "://" not in value and not value.lower().startswith(("http:", "https:")):
        # Some shells export HOST as the machine's name; that is no setting of ours.
        read.warn(
            f"HOST={_shown('HOST', value)} is no URL and is ignored; set it like https://members.example.org."
        )
        return ""
    return read("HOST", addresses.public, default="")


def _idle(read: _Reader, age: int) -> int:
    """A session never idles for longer than it lives."""
    idle = read("MAX_TIME_BETWEEN_ACTIVITY", number(60, 400 * 86400), default=0)
    if idle > age:
        read.warn(f"MAX_TIME_BETWEEN_ACTIVITY={idle} is longer than MAX_SESSION_AGE={age}, which counts.")
    return min(idle or 5 * 86400, age)


def _mail(read: _Reader) -> Mail | None:
    host = read("EMAIL_HOST", addresses.mail_server, default="")
    if not host and (left := [name for name in MAIL if read.find(name)]):
        read.warn(f"EMAIL_HOST is not set, so no mail is sent and {', '.join(left)} means nothing.")
    tls, ssl = (read.find(name) for name in ("EMAIL_USE_TLS", "EMAIL_USE_SSL"))
    mail = Mail(
        host=host,
        port=read("EMAIL_PORT", number(1, 65535), default=587),
        user=read("EMAIL_HOST_USER", str, default=""),
        password=read("EMAIL_HOST_PASSWORD", str, default=""),
        use_tls=read("EMAIL_USE_TLS", boolean, default=True),
        use_ssl=read("EMAIL_USE_SSL", boolean, default=False),
        timeout=read("EMAIL_TIMEOUT", number(1, 600), default=10),
        sender=read("FROM_EMAIL", values.sender, default=""),
    )
    if host and bool(mail.user) != bool(mail.password):
        read.warn("EMAIL_HOST_USER and EMAIL_HOST_PASSWORD belong together; one of them alone is of no use.")
    if host and not mail.sender and "@" in mail.user:
        _refuse_as_sender(mail.user)
    if host and tls and ssl and mail.use_tls and mail.use_ssl:
        read.warn("EMAIL_USE_TLS and EMAIL_USE_SSL are both true: TLS is spoken from the first byte (SSL).")
    return mail if host else None


def _refuse_as_sender(user: str) -> None:
    try:
        values.sender(user)
    except ValueError:
        raise WrongSetting(
            "FROM_EMAIL is not set, and EMAIL_HOST_USER is no address that mails can come from: "
            "set FROM_EMAIL, like Gatehouse <members@example.org>."
        ) from None
