"""How the domain refuses: each kind of refusal, with the status that handlers answer it with."""

from collections.abc import Mapping

from messages import refusals


class DomainError(Exception):
    """A refusal of the domain; handlers/http/response/errors.py maps each kind to a status."""


class SignInFirst(DomainError):
    """Nobody is signed in, or the session has ended by now (303 to the login page, or 401 for htmx)."""


class NotAllowed(DomainError):
    """The actor lacks the right (403)."""


class PasswordWanted(DomainError):
    """The change wants the actor's password, which wasn't given lately (403)."""


class Unknown(DomainError):
    """There is no such thing (404)."""


class Refused(DomainError):
    """A rule forbids it; the message says why and what to do (409)."""


class Invalid(DomainError):
    """Fields that can't be accepted (422). errors: field -> sentences; "" is the whole form."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(sentence for sentences in errors.values() for sentence in sentences))
        self.errors = dict(errors)


class InvalidLink(DomainError):
    """A link that no longer works (410). reason: reset, expired, used_up, used, revoked or unknown."""

    def __init__(self, reason: str = "unknown") -> None:
        super().__init__(reason)
        self.reason = reason


class TooManyTries(DomainError):
    """The throttle says wait (429). retry_after: whole seconds, at least 1. key: of the limit."""

    def __init__(self, retry_after: int, key: str = "") -> None:
        self.retry_after = max(1, retry_after)
        self.key = key
        super().__init__(self.sentence)

    @property
    def sentence(self) -> str:
        """What the form says."""
        if self.retry_after < 60:
            return refusals.TOO_MANY_TRIES_SECONDS.format(self.retry_after)
        return refusals.TOO_MANY_TRIES_MINUTES.format(-(-self.retry_after // 60))


class Busy(DomainError):
    """More work than can be queued (503). retry_after: whole seconds."""

    def __init__(self, retry_after: int = 5) -> None:
        super().__init__("busy")
        self.retry_after = retry_after
