"""The grammars that a session may choose: those of the server by name, and its own as text."""

from collections.abc import Mapping

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar.grammar import Grammar, Limits


class GrammarLibrary:
    """Finds the grammar of a session's option.

    Args:
        named: JSGF texts by name; they are not limited.
        limits: of texts that clients send.

    Raises:
        WavelaneError: INVALID_CONFIG for a named text that is no grammar.
    """

    def __init__(self, named: Mapping[str, str] | None = None, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._named = {name: Grammar.parse(text, UNLIMITED) for name, text in (named or {}).items()}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the grammars that have one."""
        return tuple(self._named)

    def find(self, option: str) -> Grammar:
        """A grammar by its name or from its text, which begins with ``#JSGF``.

        Raises:
            WavelaneError: INVALID_CONFIG.
        """
        if option.lstrip("\ufeff \t\r\n").startswith("#JSGF"):
            return Grammar.parse(option, self._limits)
        grammar = self._named.get(option)
        if grammar is None:
            known = f"it has {', '.join(self._named)}" if self._named else "it has none (setting grammar.paths)"
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"grammar: this server has no grammar {option[:64]!r}; {known}, or send one as text that begins with "
                "#JSGF V1.0;",
            )
        return grammar


UNLIMITED = Limits(characters=2**31, states=2**31)
"""For grammars of the server's own."""
