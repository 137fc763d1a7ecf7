"""Pieces to words: the text, times and confidence of a growing list of emitted pieces.

Sentencepiece convention: a piece that begins with U+2581 opens a word, every other piece continues one, and pieces of
the form ``<0xE4>`` are bytes of UTF-8 text. Pieces are only ever appended, so the joined text only ever grows: what was
shown is a prefix of what will be shown.
"""

import codecs
import re
from collections.abc import Sequence

from wavelane.events import Word
from wavelane.work import Token

OPENER = "\N{LOWER ONE EIGHTH BLOCK}"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")


def byte_of(piece: str) -> bytes | None:
    """The byte that a piece stands for; None for a piece of text."""
    match = _BYTE.match(piece)
    return None if match is None else bytes([int(match[1], 16)])


class _OpenWord:
    """A word that may still grow."""

    __slots__ = ("_made", "confidences", "decoder", "end", "start", "text")

    def __init__(self, start: int) -> None:
        self.text = ""
        self.start = start
        self.end = start
        self.confidences: list[float] = []
        self.decoder: codecs.IncrementalDecoder | None = None
        self._made: tuple[int, int, Word] | None = None

    def made(self, limit: int) -> Word:
        """The word as it is now, ending before ``limit``. Most words of a partial were in the one before it too."""
        pieces = len(self.confidences)
        if self._made is not None and self._made[0] == pieces and self._made[1] == limit:
            return self._made[2]
        word = Word(
            text=self.text,
            start=self.start,
            end=max(self.start, min(self.end, limit)),
            confidence=round(sum(self.confidences) / pieces, 4),
        )
        self._made = (pieces, limit, word)
        return word

    def copy(self) -> "_OpenWord":
        other = _OpenWord(self.start)
        other.text, other.end, other.confidences = self.text, self.end, self.confidences.copy()
        if self.decoder is not None:
            other.decoder = codecs.getincrementaldecoder("utf-8")("replace")
            other.decoder.setstate(self.decoder.getstate())
        return other

    def add(self, piece: str, end: int, confidence: float) -> None:
        byte = byte_of(piece)
        if byte is None:
            self.text += piece
        else:
            if self.decoder is None:
                self.decoder = codecs.getincrementaldecoder("utf-8")("replace")
            self.text += self.decoder.decode(byte)
        self.end = max(self.end, end)
        self.confidences.append(confidence)


class WordBuilder:
    """The words of one utterance, built piece by piece.

    Args:
        vocabulary: pieces by id.
        frame_samples: samples of one encoder frame.
    """

    def __init__(self, vocabulary: Sequence[str], frame_samples: int) -> None:
        self._vocabulary = vocabulary
        self._frame = frame_samples
        self._words: list[_OpenWord] = []

    def add(self, token: Token, base: int) -> None:
        """Append a piece; ``base`` is the sample clock at the start of the token's stream."""
        piece = self._vocabulary[token.id]
        start = base + token.frame * self._frame
        if piece.startswith(OPENER) or not self._words:
            self._words.append(_OpenWord(start))
            piece = piece.removeprefix(OPENER)
        word = self._words[-1]
        if not word.confidences or not word.text:
            word.start = start
        word.add(piece.replace(OPENER, " "), start + self._frame, token.confidence)

    def copy(self) -> "WordBuilder":
        """A builder that goes on by itself from here."""
        other = WordBuilder(self._vocabulary, self._frame)
        # Only the last word may still grow.
        other._words = [*self._words[:-1], *(word.copy() for word in self._words[-1:])]
        return other

    def opens_word(self, token: Token) -> bool:
        """Whether the piece would open a new word."""
        return self._vocabulary[token.id].startswith(OPENER)

    @property
    def text(self) -> str:
        """Words joined by single spaces."""
        return " ".join(word.text for word in self._words if word.text)

    @property
    def count(self) -> int:
        """Number of words."""
        return sum(1 for word in self._words if word.text)

    @property
    def end(self) -> int | None:
        """Sample clock at the end of the newest piece, None when there is none."""
        return self._words[-1].end if self._words else None

    def words(self) -> tuple[Word, ...]:
        """The words so far; a word's confidence is the mean over its pieces, and no word runs into the next."""
        shown = [word for word in self._words if word.text]
        limits = [word.start for word in shown[1:]] + [word.end for word in shown[-1:]]
        return tuple([word.made(limit) for word, limit in zip(shown, limits, strict=True)])
