"""The text of a lane: closed words become written words for good, open ones are shown as they were heard.

A word's written form is decided once, when no word to come can change it, and then never changes: that is the stable
part of a partial, and what every later partial and the final begin with. What is still open ("twenty", which may become
25 or $20) is shown as it was spoken, so that text changes its form at most once. Work for a partial depends on the open
words alone, not on how long the utterance is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import prod
from typing import NamedTuple

from wavelane.events import CLOCK_RATE, Word
from wavelane.text.cursor import Cursor, Piece, Span
from wavelane.text.english import capitals, punctuation
from wavelane.text.english.disfluency import left_out
from wavelane.text.english.inverse import inverse
from wavelane.text.english.profanity import masked
from wavelane.text.options import TextOptions
from wavelane.text.replace import Match, Replacements, key_of

LANGUAGE = "en"
"""The language that there are rules for."""
_LEFT = 8
"""Words before the open ones that a rule may look at."""
_MARKS = frozenset(".,?!;:")
_SHORT = frozenset(("mr", "mrs", "ms", "dr", "st", "jr", "sr", "prof", "vs"))


class Formatted(NamedTuple):
    """Text and its words."""

    text: str
    stable: int
    """Characters of ``text`` that stay."""
    words: tuple[Word, ...]
    """Written words; each has the time of the spoken words that it stands for, and the product of their confidences."""


@dataclass(frozen=True, slots=True)
class Style:
    """What is done to the text of a session's lanes.

    Args:
        options: of the session.
        replacements: of ``options.replace``, made once.
        punctuation: marks are set here and not by the model.
        capitals: capitals are set here and not by the model.
    """

    options: TextOptions
    replacements: Replacements
    punctuation: bool
    capitals: bool

    @classmethod
    def of(cls, options: TextOptions, vocabulary: Sequence[str]) -> "Style | None":
        """The style of a session, or None where the text stays as it is.

        Args:
            options: of the session.
            vocabulary: pieces of the model: one that has pieces for marks or capitals writes them itself.
        """
        if not options.active:
            return None
        marks, capital = _written_by(tuple(vocabulary))
        return cls(
            options=options,
            replacements=Replacements(options.replace),
            punctuation=options.punctuation and not marks,
            capitals=options.capitals and not capital,
        )


@lru_cache(maxsize=8)
def _written_by(vocabulary: tuple[str, ...]) -> tuple[bool, bool]:
    """Whether a model writes punctuation, and capitals: it has pieces for them."""
    pieces = [piece.strip("\u2581") for piece in vocabulary if not piece.startswith("<")]
    return any(piece in (".", "?") for piece in pieces), any(piece != piece.lower() for piece in pieces)


def _closes(text: str) -> bool:
    """Whether a word as the model writes it ends with a mark; the point of an abbreviation (p.m., Mr.) is none."""
    if text[-1:] not in _MARKS:
        return False
    return text[-1] != "." or not ("." in text[:-1] or text[:-1].lower() in _SHORT)


class Formatter:
    """Writes the utterances of one lane, one after the other.

    Args:
        style: of the session.
    """

    def __init__(self, style: Style) -> None:
        self._style = style
        self._goes_on = False
        self._writer = _Writer(style, goes_on=False)

    def partial(self, words: Sequence[Word], closed: int) -> Formatted:
        """The hypothesis so far.

        Args:
            words: of the utterance, as they were heard; those of the last call that were closed are the same.
            closed: how many of them will not change any more.
        """
        return self._writer.partial(words, closed)

    def final(self, words: Sequence[Word], others: Sequence[Sequence[Word]] = (), *, cut: bool) -> list[Formatted]:
        """An utterance is over.

        Args:
            words: of the best hypothesis.
            others: of its alternatives.
            cut: the speaker goes on (the utterance was too long): no full stop, and no capital after it.

        Returns:
            The text of each hypothesis, the best first.
        """
        texts = [self._writer.final(words, cut=cut)]
        texts += [_Writer(self._style, goes_on=self._goes_on).final(other, cut=cut) for other in others]
        self._goes_on = cut
        self._writer = _Writer(self._style, goes_on=cut)
        return texts


class _Writer:
    """One utterance."""

    def __init__(self, style: Style, *, goes_on: bool) -> None:
        self._style = style
        self._rules = style.options.itn
        self._replacements = style.replacements
        self._taken = 0
        self._text = ""
        self._words: list[Word] = []
        self._left: list[str] = []
        self._previous = ""
        self._opens = not goes_on
        self._sentence = punctuation.Sentence()
        self._ends = 0

    def partial(self, words: Sequence[Word], closed: int) -> Formatted:
        rest = self._advance(words, closed)
        if not rest:
            return Formatted(self._text, len(self._text), tuple(self._words))
        opens = self._opens
        shown = []
        for word in rest:
            written = self._shown(word.text, key_of(word.text), opens)
            shown.append(word if written == word.text else replace(word, text=written))
            opens = False
        text = " ".join([self._text, *(word.text for word in shown)] if self._text else [word.text for word in shown])
        return Formatted(text, len(self._text), (*self._words, *shown))

    def final(self, words: Sequence[Word], *, cut: bool) -> Formatted:
        self._advance(words, len(words), final=True)
        if self._style.punctuation and self._words and not cut:
            self._mark(self._sentence.end())
        return Formatted(self._text, len(self._text), tuple(self._words))

    def _advance(self, words: Sequence[Word], closed: int, *, final: bool = False) -> list[Word]:
        """Write what no word to come can change; the words that are left, without those that are left out."""
        kept: list[Word] = []
        sources: list[int] = []
        keys: list[str] = []
        groups: list[int] = []
        known = group = 0
        drop = not self._style.options.verbatim
        raised = False
        for index in range(self._taken, len(words)):
            word = words[index]
            key = key_of(word.text)
            previous = keys[-1] if keys else self._previous
            if drop and left_out(key, previous):
                raised = raised or (key != previous and word.text[:1].isupper())
                continue
            if raised:
                # A sentence that began with what was left out begins here.
                word = replace(word, text=word.text[:1].upper() + word.text[1:])
                raised = False
            kept.append(word)
            sources.append(index)
            keys.append(key)
            groups.append(group)
            group += _closes(word.text)
            known += index < closed
        cursor = Cursor(keys, groups, self._left)
        at, size = 0, len(kept)
        while at < size:
            if not final and at >= known:
                break
            cursor.begin(at)
            span = self._span(cursor, keys, at)
            if not final and cursor.looked > known:
                break
            mark = ""
            if self._style.punctuation and self._words:
                pause = (kept[at].start - self._ends) / CLOCK_RATE
                mark = self._sentence.between(cursor, pause)
            if not final and cursor.looked > known:
                break
            self._mark(mark)
            self._write(span, kept, keys, at)
            at += span.words if span else 1
        if at:
            # Words that were left out behind the last one are looked at again, and left out again.
            last = kept[at - 1]
            self._taken = sources[at - 1] + 1
            self._previous = keys[at - 1]
            if _closes(last.text):
                self._left = []
            else:
                begin = groups.index(groups[at - 1])
                self._left = [*(self._left if begin == 0 else ()), *keys[begin:at]][-_LEFT:]
        return kept[at:]

    def _span(self, cursor: Cursor, keys: Sequence[str], at: int) -> Span | None:
        if (found := self._replacement(cursor, keys, at)).words:
            return Span(found.words, (Piece(found.text, found.words),))
        span = inverse(cursor) if self._rules else None
        if span is not None and self._replacements:
            for inside in range(at + 1, at + span.words):
                if self._replacement(cursor, keys, inside).words:
                    # What the session asked for comes first: figures end where a phrase of its own begins.
                    return inverse(cursor.until(inside))
        return span

    def _replacement(self, cursor: Cursor, keys: Sequence[str], at: int) -> Match:
        found = self._replacements.match(keys, at)
        cursor.looked = max(cursor.looked, at + found.looked)
        return found

    def _write(self, span: Span | None, kept: Sequence[Word], keys: Sequence[str], at: int) -> None:
        count = span.words if span else 1
        source = kept[at : at + count]
        self._ends = source[-1].end
        self._sentence.add(keys[at : at + count])
        if span is None:
            self._append(self._shown(source[0].text, keys[at], self._opens), source)
        else:
            tail = source[-1].text
            closing = tail[-1:] if _closes(tail) else ""
            first = 0
            for index, piece in enumerate(span.pieces):
                text = piece.text + (
                    closing if index == len(span.pieces) - 1 and not piece.text.endswith(closing) else ""
                )
                if self._opens and self._style.capitals:
                    text = text[:1].upper() + text[1:]
                self._append(text, source[first : first + piece.words])
                first += piece.words

    def _append(self, text: str, source: Sequence[Word]) -> None:
        if not text:
            return
        word = source[0]
        if len(source) > 1 or text != word.text:
            confidence = round(prod(word.confidence for word in source), 4)
            word = Word(text=text, start=word.start, end=source[-1].end, confidence=confidence)
        self._words.append(word)
        self._text = f"{self._text} {text}" if self._text else text
        self._opens = text[-1] in ".?!"

    def _mark(self, mark: str) -> None:
        """Put a mark behind the last written word."""
        if not mark:
            return
        self._sentence.mark(mark)
        self._opens = self._opens or mark != ","
        if self._text.endswith(tuple(".?!,")):
            return
        self._text += mark
        self._words[-1] = replace(self._words[-1], text=self._words[-1].text + mark)

    def _shown(self, text: str, key: str, opens: bool) -> str:
        if self._style.options.profanity == "mask":
            text = masked(text, key)
        return capitals.cased(text, key, opens=opens) if self._style.capitals else text
