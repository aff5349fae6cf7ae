"""Finds settings among the variables of the environment and of `.env`, and parses them."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from environment import names
from environment.setting import Setting, Shown, settings_of

QUOTES: Final = "\"'"
# Also a pair of quotation marks with nothing in it, as Docker hands it on.
_EMPTY: Final = re.compile(r"""\s*(?:"\s*"|'\s*')?\s*""")


class WrongSetting(Exception):
    """A setting that can't be read; the message is one line with variable, value and what is accepted."""


def is_empty(value: str) -> bool:
    """Whether a variable with this value counts as unset."""
    return _EMPTY.fullmatch(value) is not None


class Reader:
    """Reads the settings of a table. warnings: sentences about values that may not mean what they say."""

    def __init__(
        self, table: Iterable[Setting], variables: Mapping[str, str], warnings: Iterable[str]
    ) -> None:
        self._table = {setting.name: setting for setting in table}
        self._variables = dict(variables)
        self.warnings = list(warnings)

    def warn(self, sentence: str) -> None:
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def ignore(self, variable: str) -> None:
        """Goes on as if the variable were not set."""
        del self._variables[variable]

    def find(self, name: str) -> tuple[str, str] | None:
        """The variable that sets NAME, and its value without blanks and quotation marks around it."""
        setting = self._table[name]
        for variable in setting.variables:
            value = self._variables.get(variable, "")
            if not is_empty(value):
                return variable, self._plain(variable, setting, value.strip())
        return None

    def in_error(self, name: str, value: str) -> str:
        """A value of NAME as an error or a warning may print it."""
        return self._table[name].in_error(value)

    def values_of(self, part: type[Any]) -> dict[str, Any]:
        """The value of each setting of a dataclass, by the name of its field. Raises WrongSetting."""
        return {field: self._value(setting) for field, setting in settings_of(part)}

    def misspelt(self) -> list[str]:
        """A warning for each variable whose name is nearly that of a setting."""
        return names.misspelt(self._variables, self._table)

    def _value(self, setting: Setting) -> object:
        variable_and_value = self.find(setting.name)
        if variable_and_value is None:
            return setting.default
        variable, value = variable_and_value
        try:
            return setting.parse(value)
        except ValueError as error:
            shown = setting.in_error(value)
            raise WrongSetting(f"{variable}={shown} can't be used: {error}.") from None

    def _plain(self, variable: str, setting: Setting, value: str) -> str:
        if any("\ud800" <= char <= "\udfff" for char in value):
            raise WrongSetting(f"{variable} can't be used: its value isn't written in UTF-8.")
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise WrongSetting(f"{variable} can't be used: its value holds a line break or the like.")
        if len(value) < 2 or value[0] != value[-1] or value[0] not in QUOTES or value[0] in value[1:-1]:
            return value
        # Some programs that read a file of settings, such as Docker, hand quotation marks on.
        if setting.shown is Shown.SECRET:
            self.warn(f"{variable} begins and ends with a quotation mark, which is a part of the secret.")
            return value
        return value[1:-1].strip()
