"""What ``/v2/listen`` asks for, in its query and by ``Configure``, and when a turn ends by it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from wavelane.events import CLOCK_RATE
from wavelane_server.adapters.deepgram.options import audio, model
from wavelane_server.adapters.deepgram.query import Query, Use, refuse

ENGLISH, MULTILINGUAL = "flux-general-en", "flux-general-multi"

TURNS: Mapping[str, Use] = {
    **dict.fromkeys(
        (
            *("model", "encoding", "sample_rate", "eager_eot_threshold", "eot_threshold", "eot_timeout_ms"),
            *("keyterm", "language_hint", "numerals", "profanity_filter"),
        ),
        Use.EFFECT,
    ),
    "redact": Use.REFUSED,
    **dict.fromkeys(("mip_opt_out", "tag"), Use.HARMLESS),
}
"""What becomes of each parameter."""

DECAY_MS = 600 / -math.log(1 - 0.7)
"""How fast more speech becomes improbable in silence (ms): after 600 ms, the usual silence at the end of an utterance,
the confidence that the turn is over is 0.7, Deepgram's usual threshold."""

BOUNDS = {"eager_eot_threshold": (0.3, 0.9), "eot_threshold": (0.5, 1.0)}
TIMEOUT = "eot_timeout_ms"
TIMEOUT_BOUNDS = (500, 60_000)


def confidence(silence: int) -> float:
    """That a turn is over, after so much silence (sample clock)."""
    return 1 - math.exp(-max(silence, 0) * 1000 / CLOCK_RATE / DECAY_MS)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When a turn ends."""

    eager_eot_threshold: float | None = None
    eot_threshold: float = 0.7
    eot_timeout_ms: int = 5_000

    @property
    def trigger(self) -> Literal["model", "timeout"]:
        """What ends a turn in silence."""
        return "model" if self._confident_ms < self.eot_timeout_ms else "timeout"

    @property
    def silence_ms(self) -> int:
        """How much silence ends a turn."""
        return round(min(self._confident_ms, self.eot_timeout_ms))

    @property
    def _confident_ms(self) -> float:
        return math.inf if self.eot_threshold >= 1 else -math.log(1 - self.eot_threshold) * DECAY_MS

    def shown(self) -> dict[str, float]:
        """Those that are set."""
        shown = {"eot_threshold": self.eot_threshold, "eot_timeout_ms": self.eot_timeout_ms}
        if self.eager_eot_threshold is not None:
            shown["eager_eot_threshold"] = self.eager_eot_threshold
        return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnOptions:
    """What a stream of turns asks for."""

    audio: Mapping[str, Any]
    """The session's options for encoding and model; they never change."""
    english: bool
    """What is said is written with punctuation and capitals."""
    multilingual: bool
    thresholds: Thresholds
    keyterms: tuple[str, ...]
    hints: tuple[str, ...]
    """Languages."""
    numerals: bool
    profanity_filter: bool

    def values(self) -> dict[str, Any]:
        """The session's options."""
        languages = ["en"] if self.english else list(self.hints)
        return {
            **self.audio,
            **self.changes(),
            "channel": "mix",
            "partials": True,
            "words": True,
            **({"language": languages[0] if len(languages) == 1 else "auto"} if languages else {}),
        }

    def changes(self) -> dict[str, Any]:
        """Those of the session's options that may change."""
        return {
            "endpoint": {"silence_ms": self.thresholds.silence_ms},
            "hotwords": [{"phrase": term} for term in self.keyterms],
            "text": {
                "punctuation": self.english,
                "capitals": self.english,
                "itn": self.numerals,
                "profanity": "mask" if self.profanity_filter else "keep",
            },
        }

    def configured(self, values: Mapping[str, Any]) -> "TurnOptions":
        """Changed by a ``Configure`` message; what it leaves out, or has null, stays.

        Raises:
            WavelaneError: INVALID_CONFIG.
        """
        given = {name: value for name, value in values.items() if value is not None and name != "type"}
        unknown = sorted(set(given) - {"thresholds", "keyterms", "language_hints", "numerals"})
        if unknown:
            raise refuse(f"Configure has no field {', '.join(unknown)[:200]}")
        changes: dict[str, Any] = {}
        if "thresholds" in given:
            changes["thresholds"] = replace(self.thresholds, **_thresholds(given["thresholds"]))
        if "keyterms" in given:
            changes["keyterms"] = _texts("keyterms", given["keyterms"])
        if "numerals" in given:
            if not isinstance(given["numerals"], bool):
                raise refuse("numerals: true or false")
            changes["numerals"] = given["numerals"]
        if "language_hints" in given:
            changes["hints"] = self._checked_hints(_texts("language_hints", given["language_hints"]))
        return replace(self, **changes)

    def _checked_hints(self, hints: tuple[str, ...]) -> tuple[str, ...]:
        if hints and not self.multilingual:
            raise refuse(f"language_hints: only with model={MULTILINGUAL}")
        return hints

    def reconfiguration(self, before: "TurnOptions") -> dict[str, Any]:
        """The session's options that tell this from another."""
        old, new = before.values(), self.values()
        changed = {name: value for name, value in new.items() if old.get(name) != value}
        return {"language": None, **changed} if "language" in old and "language" not in new else changed


def turn_options(items: Iterable[tuple[str, str]]) -> TurnOptions:
    """Of a request.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    query = Query(items, TURNS)
    name = query.text("model")
    if name is None:
        raise refuse(f"model: required; {ENGLISH}, {MULTILINGUAL}, or the name of this server's model")
    given: dict[str, Any] = {name: query.number(name, *bounds) for name, bounds in BOUNDS.items()}
    given[TIMEOUT] = query.integer(TIMEOUT, *TIMEOUT_BOUNDS)
    options = TurnOptions(
        audio={**audio(query), **model(name)},
        english=name == ENGLISH,
        multilingual=name == MULTILINGUAL,
        thresholds=Thresholds(**{name: value for name, value in given.items() if value is not None}),
        keyterms=tuple(query.texts("keyterm")),
        hints=tuple(query.texts("language_hint")),
        numerals=query.flag("numerals") or False,
        profanity_filter=query.flag("profanity_filter") or False,
    )
    if options.hints and not options.multilingual:
        raise refuse(f"language_hint: only with model={MULTILINGUAL}")
    return options


def _thresholds(values: object) -> dict[str, Any]:
    if not isinstance(values, dict) or set(values) - {*BOUNDS, TIMEOUT}:
        raise refuse(f"thresholds has any of {', '.join(BOUNDS)}, {TIMEOUT}")
    given = {name: value for name, value in values.items() if value is not None}
    for name, value in given.items():
        low, high = BOUNDS.get(name, TIMEOUT_BOUNDS)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not low <= value <= high or (name == TIMEOUT and value % 1):
            raise refuse(f"{name}: a number from {low:g} to {high:g}, not {str(value)[:64]}")
    return given


def _texts(name: str, value: object) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise refuse(f"{name}: a list of texts")
    return tuple(texts)
