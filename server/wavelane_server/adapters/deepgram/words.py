"""Words and alternatives in Deepgram's shape."""

from collections.abc import Sequence
from typing import Any

from wavelane.events import Alternative, Word
from wavelane_server.adapters.deepgram.request import seconds

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


def mean_confidence(words: Sequence[Word]) -> float:
    """Of an interim result, which has none of its own; 0 without words."""
    return sum(each.confidence for each in words) / len(words) if words else 0.0
