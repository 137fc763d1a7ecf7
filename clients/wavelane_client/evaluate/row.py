"""One utterance of an evaluation: what was said, what was heard, and what that counts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from wavelane.events import CLOCK_RATE, Word
from wavelane_client.evaluate.score import Counts, align, count_characters, count_words
from wavelane_client.evaluate.text import Normaliser, spelling
from wavelane_client.manifest import Entry, TimedWord


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardWord:
    """A word of the hypothesis. Times in seconds."""

    text: str
    start: float
    end: float
    confidence: float | None = None
    """None where the recogniser gives none."""
    right: bool | None = None
    """It stands in the reference at its place; None without a reference."""
    said_start: float | None = None
    """When the same word of the reference begins, by the manifest's alignment."""
    said_end: float | None = None
    latency: float | None = None
    """From the word's end until it was shown and stayed; only of runs in real time."""

    @classmethod
    def of(cls, word: Word, latency: float | None = None) -> Self:
        """From an event."""
        return cls(
            text=word.text,
            start=word.start / CLOCK_RATE,
            end=word.end / CLOCK_RATE,
            confidence=word.confidence,
            latency=latency,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a recogniser made of one recording."""

    text: str = ""
    words: tuple[HeardWord, ...] = ()
    intent: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)
    latency: Mapping[str, float] = field(default_factory=dict, hash=False)
    """Seconds: ``first_partial``, ``partial_lag`` (the worst of all), ``final``; only of runs in real time."""
    error: str | None = None
    """Why there is no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An utterance, once for each condition and lookahead."""

    name: str
    corpus: str
    speaker: str | None
    condition: str
    lookahead: int | str | None
    seconds: float
    raw_reference: str | None
    reference: str | None
    """Normalised; None where the manifest has no text."""
    raw_hypothesis: str
    hypothesis: str
    """Normalised."""
    words: tuple[HeardWord, ...]
    counts: Counts | None
    """Of words; None without a reference."""
    characters: Counts | None
    wanted_intent: str | None = None
    wanted_slots: Mapping[str, str] = field(default_factory=dict, hash=False)
    intent: str | None = None
    slots: Mapping[str, str] = field(default_factory=dict, hash=False)
    latency: Mapping[str, float] = field(default_factory=dict, hash=False)
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        values = asdict(self)
        values["words"] = [{k: _rounded(v) for k, v in word.items() if v is not None} for word in values["words"]]
        values["latency"] = {k: _rounded(v) for k, v in self.latency.items()}
        return {key: value for key, value in values.items() if value not in (None, {}, []) or key in _ALWAYS}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_json`."""
        missing = dict.fromkeys(("speaker", "lookahead", "raw_reference", "reference", "counts", "characters"))
        known: dict[str, Any] = {**missing, **values}
        known["words"] = tuple(HeardWord(**word) for word in values.get("words", ()))
        for name in ("counts", "characters"):
            known[name] = None if known[name] is None else Counts(*known[name])
        return cls(**known)


_ALWAYS = ("name", "corpus", "condition", "raw_hypothesis", "hypothesis", "seconds")


def make_row(
    entry: Entry, condition: str, lookahead: int | str | None, seconds: float, heard: Heard, normalise: Normaliser
) -> Row:
    """Compare what was heard with what was said.

    Texts are normalised whole. Words are compared one by one by their letters for what is said of single words (times,
    confidence): a normaliser that joins words or writes numbers would part them from their times.
    """
    reference = None if entry.text is None else normalise(entry.text)
    hypothesis = normalise(heard.text)
    scored = reference is not None and heard.error is None
    return Row(
        name=entry.name,
        corpus=entry.corpus,
        speaker=entry.speaker,
        condition=condition,
        lookahead=lookahead,
        seconds=round(seconds, 3),
        raw_reference=entry.text,
        reference=reference,
        raw_hypothesis=heard.text,
        hypothesis=hypothesis,
        words=_judged(entry, heard.words),
        counts=count_words(reference or "", hypothesis) if scored else None,
        characters=count_characters(reference or "", hypothesis) if scored else None,
        wanted_intent=entry.intent,
        wanted_slots=entry.slots,
        intent=heard.intent,
        slots=heard.slots,
        latency=heard.latency,
        error=heard.error,
    )


def _judged(entry: Entry, words: tuple[HeardWord, ...]) -> tuple[HeardWord, ...]:
    if entry.text is None:
        return words
    timed: list[tuple[str, TimedWord | None]] = [(spelling(word.text), word) for word in entry.words]
    said = timed or [(spelling(word), None) for word in entry.text.split()]
    said = [(text, word) for text, word in said if text]
    judged = [HeardWord(**{**asdict(word), "right": False}) for word in words]
    heard = [(spelling(word.text), index) for index, word in enumerate(words) if spelling(word.text)]
    for step in align([text for text, _ in said], [text for text, _ in heard]):
        if step.equal and step.reference is not None and step.hypothesis is not None:
            index, word = heard[step.hypothesis][1], said[step.reference][1]
            times = {} if word is None else {"said_start": word.start, "said_end": word.end}
            judged[index] = HeardWord(**{**asdict(judged[index]), "right": True, **times})
    return tuple(judged)


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value
