"""Words as a grammar reads them, with a record of how far it looked.

A decision that a rule took without looking past the words that are closed is the decision that it will take when all
words are known: it may be written for good. One that looked further has to wait. No rule needs to know more about
streaming than that it reads words through a cursor.
"""

from collections.abc import Sequence
from typing import NamedTuple

LONGEST = 40
"""Words that one decision may look at. An endless row of digits is written in pieces of this length."""


class Piece(NamedTuple):
    """A written word and the spoken words that it stands for."""

    text: str
    words: int


class Span(NamedTuple):
    """What a rule made of the words from some place on."""

    words: int
    pieces: tuple[Piece, ...]
    """Their words add up to ``words``."""


class Cursor:
    """Words from one place on.

    Args:
        keys: lower-case words without punctuation at their edges.
        groups: a number for each word that changes where a sentence's punctuation lies between: no rule reads across.
        left: keys of the words before the first one in its group, the nearest last.
    """

    __slots__ = ("_groups", "_keys", "_left", "_size", "looked", "start")

    def __init__(self, keys: Sequence[str], groups: Sequence[int], left: Sequence[str] = ()) -> None:
        self._keys = keys
        self._groups = groups
        self._left = left
        self._size = len(keys)
        self.start = 0
        self.looked = 0
        """Index behind the furthest word that was looked at, past the last one if its successor was asked for."""

    def begin(self, start: int) -> None:
        """Go to a word; what is looked at counts anew."""
        self.start = start
        self.looked = start + 1

    def until(self, end: int) -> "Cursor":
        """The same words, as if there were none from an index on."""
        cursor = Cursor(self._keys[:end], self._groups, self._left)
        cursor.begin(self.start)
        return cursor

    def at(self, index: int) -> str:
        """The word at an index not before the start; empty past the end, the group, or the longest span."""
        if index - self.start >= LONGEST:
            return ""
        if index >= self.looked:
            self.looked = index + 1
        if index >= self._size or self._groups[index] != self._groups[self.start]:
            return ""
        return self._keys[index]

    def before(self, distance: int = 1) -> str:
        """The word so many before the start; empty where there is none in its group."""
        index = self.start - distance
        if index >= 0:
            return self._keys[index] if self._groups[index] == self._groups[self.start] else ""
        index += len(self._left)
        return self._left[index] if index >= 0 and self._groups[self.start] == self._groups[0] else ""
