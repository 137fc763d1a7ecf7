"""Pieces to words: the text, times and confidence of a growing list of emitted pieces.

Sentencepiece convention: a piece that begins with U+2581 opens a word, every other piece continues one, and pieces of
the form ``<0xE4>`` are bytes of UTF-8 text. Pieces are only ever appended, so the joined text only ever grows: what was
shown is a prefix of what will be shown.
"""

import codecs
import itertools
import math
import re
from collections.abc import Sequence

from wavelane.events import Word
from wavelane.spec import WordTuning
from wavelane.work import Token

_LEAST = 1e-4
"""Least probability, and distance from 1, that is told apart."""
_MOST_ODDS = 30.0
OPENER = "\N{LOWER ONE EIGHTH BLOCK}"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>\Z")


def byte_of(piece: str) -> bytes | None:
    """The byte that a piece stands for; None for a piece of text."""
    if not piece.startswith("<0x"):
        return None
    match = _BYTE.match(piece)
    return None if match is None else bytes([int(match[1], 16)])


class _OpenWord:
    """A word that may still grow."""

    __slots__ = ("_made", "confidence", "decoder", "end", "floor", "pieces", "start", "text")

    def __init__(self, start: int, floor: int) -> None:
        self.text = ""
        self.start = start
        self.end = start
        self.floor = floor
        self.pieces = 0
        self.confidence = 1.0
        self.decoder: codecs.IncrementalDecoder | None = None
        self._made: tuple[int, Word] | None = None

    def made(self, start: int, end: int, tuning: WordTuning | None) -> Word:
        """The word as it is now, at this place. Most words of a partial were in the one before it too."""
        made = self._made
        if made is not None and made[0] == self.pieces and made[1].start == start and made[1].end == end:
            return made[1]
        confidence = self.confidence if tuning is None else _calibrated(self.confidence, tuning)
        word = Word(text=self.text, start=start, end=end, confidence=round(confidence, 4))
        self._made = (self.pieces, word)
        return word

    def copy(self) -> "_OpenWord":
        other = _OpenWord(self.start, self.floor)
        other.text, other.end, other.pieces, other.confidence = self.text, self.end, self.pieces, self.confidence
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
        self.pieces += 1
        self.confidence *= confidence


class WordBuilder:
    """The words of one utterance, built piece by piece.

    Args:
        vocabulary: pieces by id.
        frame_samples: samples of one encoder frame.
        tuning: of the words' times and confidences; None shows them as they were emitted.
        floor: sample clock before which no word begins.
    """

    def __init__(
        self, vocabulary: Sequence[str], frame_samples: int, tuning: WordTuning | None = None, floor: int = 0
    ) -> None:
        self._vocabulary = vocabulary
        self._frame = frame_samples
        self._tuning = tuning
        self._floor = floor
        self._words: list[_OpenWord] = []

    def add(self, token: Token, base: int) -> None:
        """Append a piece; ``base`` is the sample clock at the start of the token's stream."""
        piece = self._vocabulary[token.id]
        start = base + token.frame * self._frame
        if piece.startswith(OPENER) or not self._words:
            self._words.append(_OpenWord(start, max(self._floor, base)))
            piece = piece.removeprefix(OPENER)
        word = self._words[-1]
        if not word.pieces or not word.text:
            word.start = start
        word.add(piece.replace(OPENER, " "), start + self._frame, token.confidence)

    def copy(self) -> "WordBuilder":
        """A builder that goes on by itself from here."""
        other = WordBuilder(self._vocabulary, self._frame, self._tuning, self._floor)
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
        """The words so far, in order: none begins before the one before it has ended.

        A word is as sure as all of its pieces together: the product of their probabilities says better than their mean
        or the least of them which words are right.
        """
        shown = [word for word in self._words if word.text]
        spans = [(word.start, word.end) for word in shown] if self._tuning is None else _moved(shown, self._tuning)
        # Where two words overlap, they meet halfway if they were moved, and where the second was emitted if not.
        for index in range(1, len(spans)):
            (start, end), (following, last) = spans[index - 1], spans[index]
            if end > following:
                meeting = following if self._tuning is None else (end + following) // 2
                spans[index - 1], spans[index] = (start, meeting), (meeting, last)
        words = []
        floor = self._floor
        for word, (start, end) in zip(shown, spans, strict=True):
            # Without calls of max: this runs for every word of every partial.
            if start < floor:
                start = floor
            if start < word.floor:
                start = word.floor
            floor = start if end < start else end
            words.append(word.made(start, floor, self._tuning))
        return tuple(words)


def _moved(words: Sequence[_OpenWord], tuning: WordTuning) -> list[tuple[int, int]]:
    """Where words begin and end by a tuning."""
    pauses = [min(tuning.REACH, max(0, word.start - before.end)) for before, word in itertools.pairwise(words)]
    spans = []
    for word, before, behind in zip(words, [tuning.REACH, *pauses], [*pauses, tuning.REACH], strict=False):
        start = word.start - max(0, round(tuning.start[0] + tuning.start[1] * before))
        end = word.end - max(0, round(tuning.end[0] + tuning.end[1] * behind))
        spans.append((start, max(start, end)))
    return spans


def _calibrated(confidence: float, tuning: WordTuning) -> float:
    """A confidence as the share of such words that are right."""
    offset, factor = tuning.confidence
    odds = offset + factor * log_odds(confidence)
    return 1 / (1 + math.exp(-max(-_MOST_ODDS, min(_MOST_ODDS, odds))))


def log_odds(probability: float) -> float:
    """Of a probability, which is kept from 0 and 1."""
    probability = min(1 - _LEAST, max(_LEAST, probability))
    return math.log(probability / (1 - probability))
