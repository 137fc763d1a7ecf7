"""The options of a vosk-server client, and what they are here."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import DEFAULT_BEAM, NO_LM

DEFAULT_RATE = 8_000
"""Samples per second of a client that does not say (Hz), as theirs: their telephony and browser clients rely on it."""

UNKNOWN = "[unk]"
"""In a list of phrases: other words may be said too. Theirs writes this for them; here they are written as heard."""

LONGEST_PHRASE = 200
"""Longest hotword (characters). The words of a longer phrase are favoured one by one."""

OPTIONS: Mapping[str, str] = {
    "sample_rate": "works",
    "words": "works",
    "partial_words": "works: an option of the Vosk library that vosk-server does not offer",
    "max_alternatives": f"works, up to {DEFAULT_BEAM}: beam search from 2 on; one with a grammar",
    "phrase_list": f"works without {UNKNOWN} and with a CTC head: a grammar of its words; else they are favoured",
    "model": "works for the model that is served; any other is refused",
}
"""Every option of the wire. Theirs ignores what it does not know; here that is an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client asked for."""

    sample_rate: int = DEFAULT_RATE
    words: bool = True
    partial_words: bool = False
    max_alternatives: int = 0
    """0: results have no alternatives."""
    phrases: tuple[str, ...] = ()
    model: str | None = None

    def session(self, *, constrained: bool) -> dict[str, Any]:
        """Options of the session.

        Args:
            constrained: with a grammar the model's search hears nothing else.
        """
        values: dict[str, Any] = {
            "encoding": "linear16",
            "sample_rate": self.sample_rate,
            "channels": 1,
            "words": self.words or self.partial_words,
        }
        words = list(dict.fromkeys(word for phrase in self.phrases for word in phrase.split()))
        if words and constrained and UNKNOWN not in words:
            values |= {"grammar": _grammar(words), "decoding": {"method": "greedy"}, "hotwords": [], "lm": NO_LM}
        elif hotwords := _hotwords(self.phrases):
            values["hotwords"] = hotwords
        if self.max_alternatives > 1 and "grammar" not in values:
            # Theirs has as many as its lattice holds, however many are asked for.
            values |= {"alternatives": min(self.max_alternatives, DEFAULT_BEAM), "decoding": {"method": "beam"}}
        if self.model is not None:
            values["model"] = self.model
        return values


def changed(settings: Settings, values: object) -> Settings:
    """Settings with what a ``config`` message says.

    Raises:
        WavelaneError: INVALID_CONFIG, naming the option.
    """
    if not isinstance(values, dict):
        raise _invalid("config must be a JSON object")
    if unknown := [name for name in values if name not in OPTIONS]:
        raise _invalid(f"unknown option {str(unknown[0])[:64]!r} in config; there are {', '.join(OPTIONS)}")
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name == "sample_rate":
            found[name] = _whole(name, value)
        elif name == "max_alternatives":
            found[name] = _whole(name, value)
            if found[name] < 0:
                raise _invalid("max_alternatives must be 0 or more")
        elif name == "phrase_list":
            found["phrases"] = _phrases(value)
        elif name == "model":
            if not isinstance(value, str):
                raise _invalid("model must be a string")
            found[name] = value
        elif isinstance(value, bool) or value in (0, 1):
            found[name] = bool(value)
        else:
            raise _invalid(f"{name} must be true or false")
    return replace(settings, **found)


def _whole(name: str, value: object) -> int:
    """A whole number, which clients write as 16000, 16000.0 or "16000"."""
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        number = float(value)
        if not number.is_integer():
            raise ValueError
    except (ValueError, OverflowError):
        raise _invalid(f"{name} must be a whole number") from None
    return int(number)


def _phrases(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(phrase, str) for phrase in value):
        raise _invalid("phrase_list must be a list of strings")
    return tuple(value)


def _grammar(words: list[str]) -> str:
    """Words in any order. Theirs knows of each pair of words how probable it is, and that any other can be."""
    quoted = " | ".join('"' + word.replace("\\", r"\\").replace('"', r"\"") + '"' for word in words)
    return f"#JSGF V1.0;\ngrammar vosk;\npublic <phrases> = ({quoted})+;"


def _hotwords(phrases: tuple[str, ...]) -> list[str]:
    """Phrases, and the words of each, which may be said in any order."""
    found: dict[str, None] = {}
    for phrase in phrases:
        words = [word for word in phrase.split() if word != UNKNOWN]
        whole = " ".join(words)
        if len(words) > 1 and len(whole) <= LONGEST_PHRASE:
            found[whole] = None
        found.update(dict.fromkeys(words))
    return list(found)


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_CONFIG, message)
