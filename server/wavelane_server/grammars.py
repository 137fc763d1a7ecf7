"""The server's own grammars."""

from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar import GrammarLibrary, Limits
from wavelane_server.config import GrammarConfig


def load_grammars(config: GrammarConfig) -> GrammarLibrary:
    """Read the grammars that the settings name.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the entry of ``grammar.paths``.
    """
    named: dict[str, str] = {}
    for entry in config.paths:
        name, mark, path = entry.partition("=")
        if not (name and mark and path) or name.startswith("#"):
            raise _refusal(entry, "is not name=path, as in coffee=coffee.jsgf")
        if name in named:
            raise _refusal(entry, f"gives the name {name} a second time")
        try:
            named[name] = Path(path).read_text(encoding="utf-8")
            GrammarLibrary({name: named[name]})
        except OSError as error:
            raise _refusal(entry, f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise _refusal(entry, "is not UTF-8 text") from None
        except WavelaneError as error:
            raise _refusal(entry, f"is no grammar: {error.message}") from None
    return GrammarLibrary(named, Limits(characters=config.max_characters, states=config.max_states))


def _refusal(entry: str, fault: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_CONFIG, f"grammar.paths: {entry!r} {fault}")
