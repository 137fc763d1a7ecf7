"""A request's query, read parameter by parameter. What is unknown or of no effect here is refused."""

from collections.abc import Iterable, Mapping
from enum import Enum, auto

from wavelane.errors import ErrorCode, WavelaneError


class Use(Enum):
    """What becomes of a parameter."""

    EFFECT = auto()
    """It takes effect."""
    REFUSED = auto()
    """It asks for what is not there; only ``false`` is taken."""
    HARMLESS = auto()
    """It has no effect, and none is missed: labels, consent, versions of the vendor's own models."""


class Query:
    """Parameters of a request, against the table of those that there are.

    Args:
        items: names and values in their order; names may repeat.
        table: what becomes of each parameter.

    Raises:
        WavelaneError: INVALID_CONFIG for parameters that are unknown or refused.
    """

    def __init__(self, items: Iterable[tuple[str, str]], table: Mapping[str, Use]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in items:
            self._values.setdefault(name, []).append(value)
        unknown = sorted(set(self._values) - set(table))
        if unknown:
            raise refuse(f"unknown query parameter {', '.join(name[:64] for name in unknown)}")
        for name, values in self._values.items():
            if table[name] is Use.REFUSED and set(map(str.lower, values)) != {"false"}:
                raise refuse(f"{name}: this server does not have it; leave it out, or set it to false")

    def texts(self, name: str) -> list[str]:
        """All values of a parameter."""
        return self._values.get(name, [])

    def text(self, name: str) -> str | None:
        """The value of a parameter that is given at most once."""
        values = self.texts(name)
        if len(values) > 1:
            raise refuse(f"{name}: given {len(values)} times, and only one value makes sense")
        return values[0] if values else None

    def flag(self, name: str) -> bool | None:
        """``true`` or ``false``; None where it is left out."""
        text = self.text(name)
        if text is None:
            return None
        if text.lower() not in ("true", "false"):
            raise refuse(f"{name}: true or false, not {text[:64]!r}")
        return text.lower() == "true"

    def number(self, name: str, low: float, high: float) -> float | None:
        """A number within bounds; None where it is left out."""
        text = self.text(name)
        if text is None:
            return None
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise refuse(f"{name}: a number from {low:g} to {high:g}, not {text[:64]!r}")
        return value

    def integer(self, name: str, low: int, high: int) -> int | None:
        """A whole number within bounds; None where it is left out."""
        value = self.number(name, low, high)
        if value is not None and not value.is_integer():
            raise refuse(f"{name}: a whole number, not {value:g}")
        return None if value is None else int(value)


def refuse(message: str) -> WavelaneError:
    """The error for a parameter."""
    return WavelaneError(ErrorCode.INVALID_CONFIG, message)
