"""Commas, full stops and question marks: a small network over the words around a gap, and the pause in it.

Embeddings of the five words before a gap, the two behind it and the first two of the sentence go, with the length of
the sentence, through one hidden layer (a window as in Collobert et al., arXiv:1103.0398). Trained on text alone by
``wavelane_training.marks``; what a pause adds is fitted to a few recordings. A mark is decided when the word behind
the next one is known.
"""

import zlib
from collections import deque
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from wavelane.text.cursor import Cursor

MARKS = ("", ",", ".", "?")
BEFORE, BEHIND, OPENING = 5, 2, 2
"""Words that are looked at: before the gap, behind it, and at the beginning of the sentence."""
LONGEST = 24
"""Words since the last full stop that are told apart."""
NO_WORD, FIGURES = 0, 1
KNOWN_FROM = 2
SUFFIXES = 256
"""Words that are not known share an embedding with others that end alike."""

PAUSE = 0.36
"""A gap between words (s) that says nothing about a mark; longer ones speak for it, shorter ones against it."""
_PAUSE_SLOPE = 9.0
"""What a second of pause adds to the score of a mark: the logarithm of how much likelier the pause is before it."""
_LEAST, _MOST_COMMA, _MOST_STOP = -2.4, 3.0, 4.4
"""Bounds of that. Fitted to 613 gaps in 45 recordings of one reader (LJSpeech), aligned by the embedded model: a gap of
0.48 s or more is at 64 % of commas and at 5 % of gaps without a mark. There were too few full stops: theirs are
extrapolated."""


def identity(key: str, known: dict[str, int]) -> int:
    """Row of a word's embedding; ``known`` has the words that have one of their own."""
    number = known.get(key)
    if number is not None:
        return number
    if not key:
        return NO_WORD
    if any(character.isdigit() for character in key):
        return FIGURES
    return KNOWN_FROM + len(known) + zlib.crc32(key[-3:].encode()) % SUFFIXES


class _Network:
    """Weights as ``wavelane_training.marks`` writes them."""

    def __init__(self) -> None:
        with (files("wavelane.text.english") / "marks.npz").open("rb") as file:
            stored = np.load(file)
            words: list[str] = str(stored["words"]).split("\n")
            self.known = {word: KNOWN_FROM + index for index, word in enumerate(words)}
            self._words = stored["embeddings"].astype(np.float32) * stored["scale"]
            self._lengths, self._hidden, self._hidden_bias, self._out, self._out_bias = (
                stored[name].astype(np.float32) for name in ("lengths", "hidden", "hidden_bias", "out", "out_bias")
            )

    def scores(self, words: list[int], length: int) -> list[float]:
        """The score of each of :data:`MARKS`, for rows of the nine words and the length of the sentence."""
        inputs = np.concatenate((self._words[words].ravel(), self._lengths[min(length, LONGEST)]))
        hidden: NDArray[np.float32] = np.maximum(self._hidden @ inputs + self._hidden_bias, 0.0)
        found: list[float] = (self._out @ hidden + self._out_bias).tolist()
        return found


@cache
def network() -> _Network:
    """The network, read when it is first asked for."""
    return _Network()


class Sentence:
    """A sentence as it grows."""

    __slots__ = ("_before", "_length", "_network", "_opening")

    def __init__(self) -> None:
        self._network = network()
        self._before = deque([NO_WORD] * BEFORE, maxlen=BEFORE)
        self._opening = [NO_WORD] * OPENING
        self._length = 0

    def add(self, keys: Sequence[str]) -> None:
        """Words were written."""
        for key in keys:
            word = identity(key, self._network.known)
            self._before.append(word)
            if self._length < OPENING:
                self._opening[self._length] = word
            self._length += 1

    def between(self, words: Cursor, pause: float) -> str:
        """The mark before the word at the cursor's start, after a pause (s)."""
        found = self._scores(words.at(words.start), words.at(words.start + 1))
        heard = max(_PAUSE_SLOPE * (pause - PAUSE), _LEAST)
        found[1] += min(heard, _MOST_COMMA)
        found[2] += min(heard, _MOST_STOP)
        found[3] += min(heard, _MOST_STOP)
        return MARKS[found.index(max(found))]

    def end(self) -> str:
        """The mark behind the last word: a full stop or a question mark."""
        _, _, stop, question = self._scores("", "")
        return "?" if question > stop else "."

    def mark(self, mark: str) -> None:
        """A mark was written."""
        if mark in (".", "?"):
            self._opening = [NO_WORD] * OPENING
            self._length = 0

    def _scores(self, *behind: str) -> list[float]:
        rows = [*self._before, *(identity(key, self._network.known) for key in behind), *self._opening]
        return self._network.scores(rows, self._length)
