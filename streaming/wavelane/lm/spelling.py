"""Words to pieces, with nothing but the list of pieces that every checkpoint carries.

A checkpoint's tokenizer file is not always kept with it, but its pieces are, in the order of their ids, and for the two
kinds that sentencepiece trains (Kudo and Richardson, arXiv:1808.06226) that order says enough: byte-pair pieces are
numbered in the order of their merges, which is all that encoding needs; unigram pieces in the order of their
probabilities, which follow Zipf's law closely.
"""

import heapq
import itertools
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

from wavelane.decode.words import OPENER
from wavelane.errors import ErrorCode, WavelaneError

Spelling = tuple[int, ...]

_LONGEST_WORD = 256
"""Characters of a word that are looked at; more is no word."""
_ZIPF_SHIFT = 2.7
"""Mandelbrot's shift: the first few pieces are not much more frequent than the next."""


class Speller:
    """Spells words in the pieces of one model.

    Args:
        vocabulary: pieces by id, without the blank; empty pieces are ids that are not in use.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.ids: dict[str, int] = {}
        """Id of each piece that is text; of several with the same text, the first."""
        for index, piece in enumerate(vocabulary):
            if piece and not (piece.startswith("<") and piece.endswith(">") and len(piece) > 2):
                self.ids.setdefault(piece, index)
        self.cased = any(piece != piece.lower() for piece in self.ids)
        """Whether the pieces tell capital letters from small ones."""
        self._written = frozenset("".join(self.ids))
        self._letters = frozenset(piece for piece in self.ids if len(piece) == 1)
        self._longest = max(map(len, self.ids), default=0)
        self.exact = _is_byte_pair(self.ids)
        """Words are spelled as the tokenizer does it; otherwise nearly always so."""
        self.spell_word = lru_cache(maxsize=65_536)(self._spell_word)

    def spell(self, text: str) -> Spelling | None:
        """The pieces of a text, as the model's tokenizer would cut it; None if some character has no piece."""
        pieces: list[int] = []
        for word in text.split():
            spelling = self.spell_word(word)
            if spelling is None:
                return None
            pieces += spelling
        return tuple(pieces)

    def written(self, text: str) -> list[str]:
        """The words of a text in the letters that the model writes: without capitals, where it has none."""
        words = text.split()
        return words if self.cased else [word.lower() for word in words]

    def check(self, phrases: Iterable[str]) -> None:
        """Make sure that phrases can be spelled.

        Raises:
            WavelaneError: INVALID_CONFIG, naming the first phrase that cannot, and why.
        """
        for phrase in phrases:
            words = self.written(phrase)
            # Where every letter is a piece there is a spelling, and nothing else needs to be tried.
            plain = all(self._letters.issuperset(word) and len(word) < _LONGEST_WORD for word in words)
            if not words or (not (plain and OPENER in self.ids) and any(map(self._stuck, words))):
                raise self.refusal(phrase)

    def refusal(self, phrase: str) -> WavelaneError:
        """What is said of a phrase that cannot be spelled."""
        words = self.written(phrase)
        unknown = "".join(dict.fromkeys(letter for letter in "".join(words) if letter not in self._written))
        why = f"no piece has {unknown!r}" if unknown else "its words are too long" if words else "it has no words"
        return WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"hotwords: {phrase!r} cannot be spelled with the model's pieces ({why}): write it as it is said, in the "
            "letters that the model writes",
        )

    def _stuck(self, word: str) -> bool:
        return self.spell_word(word) is None

    def _spell_word(self, word: str) -> Spelling | None:
        """The pieces of one word; None if it cannot be spelled."""
        text = OPENER + word
        if len(text) > _LONGEST_WORD:
            return None
        if self.exact and (spelling := self._merge(text)) is not None:
            return spelling
        best = self.alternatives(word, 1)
        return best[0] if best else None

    def alternatives(self, word: str, count: int) -> list[Spelling]:
        """Up to ``count`` ways to spell a word, the most probable first (pieces taken for independent, Zipf)."""
        text = OPENER + word
        if len(text) > _LONGEST_WORD:
            return []
        best: list[list[tuple[float, Spelling]]] = [[(0.0, ())]]
        for end in range(1, len(text) + 1):
            ways = []
            for start in range(max(0, end - self._longest), end):
                index = self.ids.get(text[start:end])
                if index is not None and best[start]:
                    cost = math.log(index + _ZIPF_SHIFT)
                    ways += [(before + cost, (*pieces, index)) for before, pieces in best[start]]
            best.append(heapq.nsmallest(count, ways))
        return [pieces for _, pieces in best[-1]]

    def _merge(self, text: str) -> Spelling | None:
        """Byte-pair encoding: of all neighbours, those whose merge was learned first become one, left before right."""
        parts = list(text)
        if any(part not in self.ids for part in parts):
            return None
        while len(parts) > 1:
            ranks = [self.ids.get(left + right, math.inf) for left, right in itertools.pairwise(parts)]
            least = min(ranks)
            if least == math.inf:
                break
            at = ranks.index(least)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ids[part] for part in parts)


def _is_byte_pair(ids: dict[str, int]) -> bool:
    """Whether every longer piece is made of two that were there before it (letters count as always there)."""

    def there(part: str, before: int) -> bool:
        return part in ids and (len(part) == 1 or ids[part] < before)

    return all(
        any(there(piece[:cut], index) and there(piece[cut:], index) for cut in range(1, len(piece)))
        for piece, index in ids.items()
        if len(piece) > 1
    )


@lru_cache(maxsize=4)
def speller(vocabulary: tuple[str, ...]) -> Speller:
    """The speller of a model, made once."""
    return Speller(vocabulary)
