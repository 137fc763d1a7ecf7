"""Options of a checkpoint's configuration: every value is checked, and a refusal names the option."""

from collections.abc import Mapping, Sequence
from typing import Any

from wavelane.errors import WavelaneError
from wavelane.model.config import unsupported

_LARGEST = 1 << 20
"""No whole number of a configuration is larger; its model's dimensions are bounded more tightly later."""


class Options:
    """One section of a configuration.

    Args:
        model: name, for errors.
        values: of the section.
        path: of the section, for errors.
    """

    def __init__(self, model: str, values: Mapping[str, Any], path: str = "") -> None:
        self._model = model
        self._values = values
        self._path = path

    def get(self, name: str, default: Any) -> Any:
        """The value as it is."""
        return self._values.get(name, default)

    def section(self, name: str, optional: bool = False) -> "Options":
        """A nested section.

        Raises:
            WavelaneError: it is missing (unless ``optional``) or no mapping.
        """
        value = self._values.get(name, {} if optional else None)
        if value is None and optional:
            value = {}
        if not isinstance(value, Mapping):
            raise unsupported(self._model, f"its configuration has no section {self._path}{name}", "one")
        return Options(self._model, value, f"{self._path}{name}.")

    def require(self, name: str, wanted: object, *, default: object) -> None:
        """Refuse any value but ``wanted``; ``default`` is what the reference takes when the option is missing.

        Raises:
            WavelaneError: the option has another value.
        """
        value = self._values.get(name, default)
        if value != wanted:
            raise self.wrong(name, value, str(wanted))

    def choice(self, name: str, allowed: Sequence[str], *, default: str) -> str:
        """A text out of ``allowed``.

        Raises:
            WavelaneError: it is another one.
        """
        value = self._values.get(name, default)
        if value not in allowed:
            raise self.wrong(name, value, " or ".join(allowed))
        return str(value)

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number of sensible size; missing and null are the default.

        Raises:
            WavelaneError: it is missing without a default, no whole number, or too large.
        """
        value = self._values.get(name)
        if value is None:
            value = default
        if not isinstance(value, int) or isinstance(value, bool) or not -1 <= value <= _LARGEST:
            raise self.wrong(name, value, f"a whole number up to {_LARGEST}")
        return value

    def number(self, name: str, default: float) -> float:
        """A number.

        Raises:
            WavelaneError: it is none.
        """
        value = self._values.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.wrong(name, value, "a number")
        return float(value)

    def wrong(self, name: str, found: object, wanted: str) -> WavelaneError:
        """The refusal of an option's value."""
        return unsupported(self._model, f"{self._path}{name} is {found}", wanted)
