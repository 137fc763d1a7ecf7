"""Errors of words and of characters, and how sure a rate is.

Alignments are Levenshtein's, by jiwer. Intervals are percentiles of a bootstrap over utterances (Bisani and Ney,
"Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004): words of one utterance err
together, so that utterances are drawn and not words. Utterances of one speaker err together too, which these intervals
do not know: with few speakers they are too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from wavelane.errors import ErrorCode, WavelaneError

RESAMPLES = 2_000
LEVEL = 0.95
"""Share of resamples inside an interval."""


class Counts(NamedTuple):
    """What an alignment of reference and hypothesis counts."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def length(self) -> int:
        """Of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """Of all kinds."""
        return self.substitutions + self.deletions + self.insertions

    def plus(self, other: "Counts") -> "Counts":
        """Of both."""
        return Counts(*(a + b for a, b in zip(self, other, strict=True)))

    @classmethod
    def total(cls, several: Sequence["Counts"]) -> "Counts":
        """Of all."""
        return cls(*map(sum, zip(*several, strict=True))) if several else cls()


class Step(NamedTuple):
    """A step of an alignment; one of the words is None in an insertion or a deletion."""

    reference: int | None
    """Index of the word of the reference."""
    hypothesis: int | None
    equal: bool


@dataclass(frozen=True, slots=True)
class Rate:
    """Errors per unit of the reference, and the interval that holds it with :data:`LEVEL`."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return {"value": round(self.value, 5), "low": round(self.low, 5), "high": round(self.high, 5)}


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Step]:
    """Steps that turn a list of words into another with the fewest errors, in order."""
    if not reference or not hypothesis:
        return [Step(i, None, False) for i in range(len(reference))] + [
            Step(None, i, False) for i in range(len(hypothesis))
        ]
    steps: list[Step] = []
    # Words with spaces inside would be split again; there are none.
    for part in _jiwer().process_words(" ".join(reference), " ".join(hypothesis)).alignments[0]:
        left, right = range(part.ref_start_idx, part.ref_end_idx), range(part.hyp_start_idx, part.hyp_end_idx)
        match part.type:
            case "delete":
                steps += [Step(i, None, False) for i in left]
            case "insert":
                steps += [Step(None, j, False) for j in right]
            case kind:
                steps += [Step(i, j, kind == "equal") for i, j in zip(left, right, strict=True)]
    return steps


def count_words(reference: str, hypothesis: str) -> Counts:
    """Errors of the words of two normalised texts."""
    if not reference:
        return Counts(insertions=len(hypothesis.split()))
    return _counts(_jiwer().process_words(reference, hypothesis))


def count_characters(reference: str, hypothesis: str) -> Counts:
    """Errors of the characters, spaces included."""
    if not reference:
        return Counts(insertions=len(hypothesis))
    return _counts(_jiwer().process_characters(reference, hypothesis))


def rate(counts: Sequence[Counts], seed: int = 0) -> Rate | None:
    """The error rate of utterances; None where the reference is empty.

    Args:
        counts: of each utterance.
        seed: of the resampling.
    """
    total = Counts.total(counts)
    if not total.length:
        return None
    errors, lengths = _columns(counts)
    low, high = _interval(_resampled(errors, lengths, seed))
    return Rate(total.errors / total.length, low, high)


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired comparison of two systems on the same utterances."""

    change: Rate
    """This one's rate less the other's: below zero is better."""
    better: float
    """Share of resamples in which this one has fewer errors (half of the ties): 0.5 says nothing, 1 is sure."""

    @property
    def sure(self) -> bool:
        """Zero is outside of the interval."""
        return self.change.low > 0 or self.change.high < 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"change": self.change.to_json(), "better": round(self.better, 4), "sure": self.sure}


def compare(counts: Sequence[Counts], others: Sequence[Counts], seed: int = 0) -> Difference | None:
    """Compare two systems by a paired bootstrap; None where the reference is empty.

    Args:
        counts: of each utterance.
        others: the other system's, of the same utterances in the same order.
        seed: of the resampling.
    """
    errors, lengths = _columns(counts)
    if not lengths.sum():
        return None
    changes = errors - _columns(others)[0]
    drawn = _resampled(changes, lengths, seed)
    low, high = _interval(drawn)
    better = float((drawn < 0).mean() + (drawn == 0).mean() / 2)
    return Difference(Rate(float(changes.sum() / lengths.sum()), low, high), better)


_Column = np.ndarray[tuple[int], np.dtype[np.float64]]


def _columns(counts: Sequence[Counts]) -> tuple[_Column, _Column]:
    return (
        np.array([one.errors for one in counts], np.float64),
        np.array([one.length for one in counts], np.float64),
    )


def _resampled(errors: _Column, lengths: _Column, seed: int) -> _Column:
    """Rates of the resamples."""
    rng = np.random.default_rng(seed)
    # Drawing with replacement is the multinomial count of each utterance.
    picked = rng.multinomial(len(errors), np.full(len(errors), 1 / len(errors)), size=RESAMPLES)
    rates: _Column = (picked @ errors) / np.maximum(picked @ lengths, 1)
    return rates


def _interval(drawn: _Column) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _counts(output: Any) -> Counts:
    return Counts(output.hits, output.substitutions, output.deletions, output.insertions)


def _jiwer() -> Any:
    try:
        import jiwer
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, "error rates need the extra `load`: pip install 'wavelane[load]'"
        ) from None
    return jiwer
