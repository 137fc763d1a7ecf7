"""Words and alternatives in Deepgram's shape."""

from collections.abc import Sequence
from typing import Any

from wavelane.events import CLOCK_RATE, Alternative, Word
from wavelane_server.adapters.deepgram.request import seconds

LEAST_GAP = CLOCK_RATE
"""Silence after which a word of an open utterance does not grow any more (sample clock)."""

_MARKS = '.,;:!?"“”¿¡…'


def word(word: Word, *, punctuated: bool) -> dict[str, Any]:
    """One word; ``punctuated`` adds it as the transcript has it."""
    bare = word.text.strip(_MARKS).lower() or word.text
    return {
        "word": bare,
        "start": seconds(word.start),
        "end": seconds(word.end),
        "confidence": round(word.confidence, 6),
        **({"punctuated_word": word.text} if punctuated else {}),
    }


def alternative(text: str, confidence: float, words: Sequence[Word], *, punctuated: bool) -> dict[str, Any]:
    """One hypothesis."""
    return {
        "transcript": text,
        "confidence": round(confidence, 6),
        "words": [word(each, punctuated=punctuated) for each in words],
    }


def of_final(form: Alternative, *, punctuated: bool) -> dict[str, Any]:
    """A hypothesis of a final."""
    return alternative(form.text, form.confidence, form.words, punctuated=punctuated)


class Rest:
    """What of the open utterance was not told as final before the utterance ended.

    Where noise hides the silence after it, an utterance stays open though nothing more is said in it. Words are told
    after a gap of :data:`LEAST_GAP` at least, and those that follow are known by their times: how many there are before
    the gap may change, since figures are written when the utterance is over.
    """

    def __init__(self) -> None:
        self._until: int | None = None

    def of(self, text: str, words: Sequence[Word]) -> tuple[str, Sequence[Word]]:
        """Text and words, of all that the utterance has."""
        until = self._until
        if until is None:
            return text, words
        rest = [word for word in words if word.end > until + LEAST_GAP // 2]
        return " ".join(word.text for word in rest), rest

    def tell(self, words: Sequence[Word]) -> None:
        """These are final now."""
        self._until = words[-1].end

    def close(self) -> None:
        """The utterance ended."""
        self._until = None


def mean_confidence(words: Sequence[Word]) -> float:
    """Of an interim result, which has none of its own; 0 without words."""
    return sum(each.confidence for each in words) / len(words) if words else 0.0
