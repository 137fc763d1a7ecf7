"""Marks between words."""

from collections.abc import Sequence

from wavelane.text.cursor import Cursor


class Sentence:
    """A sentence as it grows."""

    def __init__(self) -> None:
        self._words: list[str] = []

    def add(self, keys: Sequence[str]) -> None:
        """Words were written."""
        self._words += keys

    def between(self, words: Cursor, pause: int) -> str:
        """The mark before the word at the cursor."""
        return ""

    def end(self) -> str:
        """The mark behind the last word."""
        return "."
