"""Every setting, read once from the environment (CONTRACT.md §2); nowhere else is the environment asked."""

import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.errors import HeaderParseError, MessageDefect
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

CHECKOUT: Final = Path(__file__).resolve().parent
DEFAULT_DATABASE: Final = f"sqlite:///{CHECKOUT / 'data' / 'gatehouse.db'}"
PREFIX: Final = "LABEL_STUDIO_"
TRUE: Final = frozenset({"true", "yes", "on", "1"})
FALSE: Final = frozenset({"false", "no", "not", "off", "0"})
SECRET: Final = frozenset({"SECRET_KEY", "PASSWORD", "EMAIL_HOST_PASSWORD", "DATABASE_URL"})

T = TypeVar("T")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


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
        written = _read_dotenv(dotenv) if dotenv is not None and dotenv.is_file() else {}
        return _read(_Reader({**written, **{k: v for k, v in real.items() if v or k not in written}}))


def _read(read: "_Reader") -> Settings:
    no_proxies: tuple[Network, ...] = ()
    values = {
        "closed": read("DISABLE_SIGNUP_WITHOUT_LINK", _boolean, default=False),
        "host": _host(read),
        "database_url": read("DATABASE_URL", _database, default=DEFAULT_DATABASE),
        "secret_key": read("SECRET_KEY", _secret, default=""),
        "username": read("USERNAME", str, default="", prefixed_only=True),
        "password": read("PASSWORD", str, default="", prefixed_only=True),
        "app_name": read("APP_NAME", str, default="Label Studio"),
        "app_url": read("APP_URL", _url, default=""),
        "invitation_days": read("INVITATION_DAYS", _number(1, 365), default=7),
        "max_session_age": read("MAX_SESSION_AGE", _number(60, 400 * 86400), default=14 * 86400),
        "max_time_between_activity": read(
            "MAX_TIME_BETWEEN_ACTIVITY", _number(60, 400 * 86400), default=5 * 86400
        ),
        "activity_days": read("ACTIVITY_DAYS", _number(1, 36500), default=400),
        "trusted_proxies": read("TRUSTED_PROXIES", _networks, default=no_proxies),
        "session_cookie_domain": read("SESSION_COOKIE_DOMAIN", str, default=""),
        "mail": _mail(read),
    }
    settings = Settings(**values, warnings=tuple(read.warnings))  # type: ignore[arg-type]
    if settings.mail and not settings.host:
        raise WrongSetting(
            "HOST is not set, but EMAIL_HOST is: links in mails are built from HOST alone, "
            "so set it to the public address, like https://members.example.org."
        )
    if bool(settings.username) != bool(settings.password):
        raise WrongSetting(
            "LABEL_STUDIO_USERNAME and LABEL_STUDIO_PASSWORD belong together: set both or none."
        )
    return settings


class _Reader:
    """Finds a setting under its two names; the first that is set and not empty wins."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self.warnings: list[str] = []

    def find(self, name: str, *, prefixed_only: bool = False) -> tuple[str, str] | None:
        for variable in (PREFIX + name,) if prefixed_only else (PREFIX + name, name):
            value = self._environment.get(variable, "").strip()
            if value:
                return variable, value
        return None

    def __call__(self, name: str, parse: Callable[[str], T], *, default: T, prefixed_only: bool = False) -> T:
        found = self.find(name, prefixed_only=prefixed_only)
        if found is None:
            return default
        variable, value = found
        try:
            return parse(value)
        except ValueError as error:
            shown = "(not shown)" if name in SECRET else repr(value)
            raise WrongSetting(f"{variable}={shown} can't be used: {error}.") from None


def _host(read: _Reader) -> str:
    found = read.find("HOST")
    if found and found[0] == "HOST" and "://" not in found[1]:
        # Some shells export HOST as the machine's name; that is no setting of ours.
        read.warnings.append(
            f"HOST={found[1]!r} is no URL and is ignored; set it like https://members.example.org."
        )
        return ""
    return read("HOST", _url, default="")


def _mail(read: _Reader) -> Mail | None:
    host = read("EMAIL_HOST", str, default="")
    mail = Mail(
        host=host,
        port=read("EMAIL_PORT", _number(1, 65535), default=587),
        user=read("EMAIL_HOST_USER", str, default=""),
        password=read("EMAIL_HOST_PASSWORD", str, default=""),
        use_tls=read("EMAIL_USE_TLS", _boolean, default=True),
        use_ssl=read("EMAIL_USE_SSL", _boolean, default=False),
        timeout=read("EMAIL_TIMEOUT", _number(1, 600), default=10),
        sender=read("FROM_EMAIL", _sender, default=""),
    )
    return mail if host else None


def _boolean(value: str) -> bool:
    lowered = value.lower()
    if lowered in TRUE:
        return True
    if lowered in FALSE:
        return False
    raise ValueError("accepted are true, yes, on, 1 and false, no, not, off, 0")


def _number(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if value.isascii() and value.isdigit() and least <= int(value[:12]) <= most:
            return int(value[:12])
        raise ValueError(f"accepted is a whole number from {least} to {most}")

    return parse


def _url(value: str) -> str:
    accepted = "accepted is an address like https://members.example.org, with a path if need be"
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(accepted)
    if parts.username or parts.password or any(sign in value for sign in "\"'<>\\ \t"):
        raise ValueError(accepted)
    try:
        _ = parts.port
    except ValueError:
        raise ValueError(accepted) from None
    return value.rstrip("/")


def _database(value: str) -> str:
    """sqlite:///path (relative paths count from the checkout) or postgresql://user:password@host/name."""
    scheme, _, rest = value.partition("://")
    if scheme in ("postgres", "postgresql") and rest:
        return f"postgresql://{rest}"
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return f"sqlite:///{CHECKOUT / rest[1:]}"
    raise ValueError("accepted are sqlite:///path/to/file.db and postgresql://user:password@host/database")


def _secret(value: str) -> str:
    if len(value) < 32:
        raise ValueError("accepted are 32 characters and more, made at random")
    return value


def _sender(value: str) -> str:
    accepted = "accepted is an address like Gatehouse <members@example.org>, a name with a comma in quotes"
    name, email = parseaddr(value)
    try:
        Address(display_name=name, addr_spec=email)
    except (HeaderParseError, MessageDefect, ValueError, IndexError):
        raise ValueError(accepted) from None
    if "@" not in email or any(ord(sign) < 32 for sign in value):
        raise ValueError(accepted)
    return value


def _networks(value: str) -> tuple[Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip()
        )
    except ValueError:
        raise ValueError(
            "accepted are addresses and networks with commas, like 127.0.0.1, 10.0.0.0/8"
        ) from None


def _read_dotenv(path: Path) -> dict[str, str]:
    """NAME=value lines; `export`, quotes around a value and # comments on a line of their own are known."""
    found = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        text = line.strip().removeprefix("export ")
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals or not name.strip().isidentifier():
            raise WrongSetting(f".env line {number} can't be read: accepted is NAME=value.")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[name.strip()] = value
    return found
