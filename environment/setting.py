"""What is known of one setting of the environment. All of them stand in settings.py, each as a field."""

from collections.abc import Callable, Iterator
from dataclasses import Field, dataclass, field, fields
from enum import Enum, auto
from typing import Any, Final, TypeVar

from environment.names import PREFIX

T = TypeVar("T")
_KEY: Final = "setting"


class Shown(Enum):
    """Who may see the value of a setting."""

    # The Owner on the settings page, and the operator in the error that refuses the value.
    PLAIN = auto()
    # The same, but the error hides everything before an @, which may be a password.
    WITHOUT_PASSWORD = auto()
    # The operator alone.
    IN_ERRORS = auto()
    # Nobody: a part of the value is a secret.
    NEVER = auto()
    # Nobody: all of it is a secret, in which quotation marks and # may be characters like any other.
    SECRET = auto()

    @property
    def on_page(self) -> bool:
        return self in (Shown.PLAIN, Shown.WITHOUT_PASSWORD)

    @property
    def nowhere(self) -> bool:
        return self in (Shown.NEVER, Shown.SECRET)


@dataclass(frozen=True, slots=True)
class Setting:
    """name: without the prefix. parse: takes text that isn't empty; raises ValueError with what is accepted.

    help: one sentence for docs/deploy.md. unset: in Markdown, what an unset value means where the default
    doesn't tell. prefixed_only: NAME without LABEL_STUDIO_ before it belongs to another program.
    """

    name: str
    parse: Callable[[str], object]
    default: object
    shown: Shown
    help: str
    unset: str
    prefixed_only: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that may hold it; the first one that isn't empty counts."""
        return (PREFIX + self.name,) if self.prefixed_only else (PREFIX + self.name, self.name)

    def in_error(self, value: str) -> str:
        """A value as an error may print it."""
        if self.shown.nowhere:
            return "(not shown)"
        if self.shown is Shown.WITHOUT_PASSWORD and "@" in value:
            return repr(f"…{value[value.rindex('@') :]}")
        return repr(value)


def setting(
    name: str,
    parse: Callable[[str], T],
    default: T,
    shown: Shown = Shown.PLAIN,
    *,
    help: str,  # noqa: A002 - the name that argparse gives it, too
    unset: str = "",
    prefixed_only: bool = False,
) -> T:
    """A field of a dataclass that is read from the environment; see Setting for the arguments."""
    described = Setting(name, parse, default, shown, help, unset, prefixed_only)
    return field(default=default, repr=not shown.nowhere, metadata={_KEY: described})


def settings_of(part: type[Any]) -> Iterator[tuple[str, Setting]]:
    """The fields of a dataclass that are settings, in order: the field's name, and the setting."""
    all_fields: tuple[Field[Any], ...] = fields(part)
    for one in all_fields:
        if _KEY in one.metadata:
            yield one.name, one.metadata[_KEY]


def text_of(value: object) -> str:
    """A value as it is written in the environment; "" for none."""
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
