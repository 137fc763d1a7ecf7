"""One utterance in progress: the pieces that stand, those that may still change, and where segments ended the best ways
in which it may have been."""

from collections.abc import Iterable, Sequence

from wavelane.decode.words import WordBuilder
from wavelane.spec import ModelSpec
from wavelane.work import Hypothesis, Token

Placed = tuple[Token, int]
"""A piece, and the sample clock at the start of its stream."""


class Utterance:
    """See the module.

    Args:
        index: counts the lane's utterances.
        start: sample clock.
        spec: of the model.
        most: hypotheses kept of those that a search offers.
        within: it begins in the middle of a search's segment, so that its score is not known.
        lookahead: that it is recognised with; says which correction of the words applies.
        floor: sample clock before which none of its words begins.
    """

    def __init__(
        self,
        index: int,
        start: int,
        spec: ModelSpec,
        *,
        most: int = 1,
        within: bool = False,
        lookahead: int = 0,
        floor: int = 0,
    ) -> None:
        self.index = index
        self.start = start
        self.builder = WordBuilder(spec.vocabulary, spec.frame_samples, spec.tuning(lookahead), floor)
        """Words of the pieces that stand."""
        self._empty = self.builder.copy()
        self.tentative: tuple[Placed, ...] = ()
        """Pieces behind them that may still change."""
        self._most = most
        self._scored = not within
        self._tokens: list[Placed] = []
        self._settled = 0
        self._best: list[tuple[float, list[Placed]]] = [(0.0, [])]
        self._segments = 0

    @property
    def has_text(self) -> bool:
        """A piece stands, or may."""
        return bool(self._tokens or self.tentative)

    def add(self, token: Token, base: int) -> None:
        """A piece stands, behind all others."""
        self.builder.add(token, base)
        self._tokens.append((token, base))

    def opens_word(self, token: Token) -> bool:
        """There are pieces that stand, and this one would begin a word behind them."""
        return bool(self._tokens) and self.builder.opens_word(token)

    def shown(self) -> WordBuilder:
        """The words of all pieces, those that may still change too."""
        return self._extended(self.builder.copy(), self.tentative) if self.tentative else self.builder

    def settle(self, alternatives: Sequence[Hypothesis], base: int) -> None:
        """A segment of the search has ended; the first alternative's pieces were added just now."""
        self._segments += 1
        if self._most > 1:
            shared = self._tokens[self._settled : len(self._tokens) - len(alternatives[0].tokens)]
            self._best = [
                (score + other.score, [*tokens, *shared, *((token, base) for token in other.tokens)])
                for score, tokens in self._best
                for other in alternatives
            ]
            self._best.sort(key=lambda item: -item[0])
            del self._best[self._most :]
        else:
            self._best = [(self._best[0][0] + alternatives[0].score, [])]
        self._settled = len(self._tokens)

    @property
    def score(self) -> float | None:
        """Of all its pieces; None without a search, and where it does not end with a segment."""
        known = self._scored and self._segments and self._settled == len(self._tokens)
        return self._best[0][0] if known else None

    def others(self) -> list[tuple[WordBuilder, float | None]]:
        """The second best way and worse ones, with their scores, each of another text."""
        rest = self._tokens[self._settled :]
        scored = self.score is not None
        seen = {self.builder.text}
        found = []
        for score, tokens in self._best[1:]:
            builder = self._extended(self._empty.copy(), (*tokens, *rest))
            if builder.text not in seen:
                seen.add(builder.text)
                found.append((builder, score if scored else None))
        return found

    @staticmethod
    def _extended(builder: WordBuilder, pieces: Iterable[Placed]) -> WordBuilder:
        for token, base in pieces:
            builder.add(token, base)
        return builder
