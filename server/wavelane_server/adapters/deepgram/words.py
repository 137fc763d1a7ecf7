"""Words and alternatives in Deepgram's shape."""

from collections.abc import Sequence
from typing import Any

from wavelane.events import Alternative, Partial, Word
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


class Rest:
    """What of the open utterance was not told as final before the utterance ended.

    Where noise hides the silence after it, an utterance stays open though nothing more is said in it.
    """

    def __init__(self) -> None:
        self._told = 0

    def of(self, text: str, words: Sequence[Word]) -> tuple[str, Sequence[Word]]:
        """Text and words, of all that the utterance has."""
        if not self._told:
            return text, words
        rest = words[self._told :]
        return " ".join(word.text for word in rest), rest

    def tell(self, words: Sequence[Word]) -> None:
        """These are final now."""
        self._told += len(words)

    def close(self) -> None:
        """The utterance ended."""
        self._told = 0


def last_stands(event: Partial) -> bool:
    """Nothing of a hypothesis may change but how its last word is written."""
    return bool(event.words) and len(event.text) - event.stable <= len(event.words[-1].text) + 1  # with the space


def mean_confidence(words: Sequence[Word]) -> float:
    """Of an interim result, which has none of its own; 0 without words."""
    return sum(each.confidence for each in words) / len(words) if words else 0.0
