"""Fits the corrections of a model's words to what it heard in recordings whose words and their times are known.

Times: least absolute deviations (Edgeworth), by iteratively reweighted least squares, since a few words are far off
wherever the alignment or the recogniser is wrong. Confidence: Platt's logistic regression on the log-odds, with his
targets ("Probabilistic outputs for support vector machines", 1999), by Newton's method.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.words import log_odds
from wavelane.events import CLOCK_RATE
from wavelane.spec import WordTuning
from wavelane_client.evaluate.row import HeardWord, Row
from wavelane_client.manifest import Entry

LEAST_TIMES = 40
"""Words with known times that a correction of times is fitted to at least."""
LEAST_CONFIDENCES = 100
"""Words, and a tenth of it right and wrong ones, that a correction of confidences is fitted to at least."""
_ROUNDS = 60
_CLOSE = 80.0
"""Errors below this (samples, 5 ms) weigh no more than this."""
_RIDGE = 1e-6

_Column = NDArray[np.float64]


def half_of(utterance: Row | Entry) -> int:
    """The half, 0 or 1, that an utterance belongs to: all of a speaker belong to the same.

    Utterances without a speaker's name are divided by their own.
    """
    return zlib.crc32((utterance.speaker or utterance.name).encode()) % 2


def fit(rows: Sequence[Row], head: Literal["ctc", "rnnt"], lookahead: int) -> WordTuning:
    """The correction that fits best.

    Args:
        rows: heard at this lookahead by a model without corrections.
        head: that heard them.
        lookahead: of all rows.

    Returns:
        A correction; what there are too few words for is left as it is.
    """
    starts, ends = _lateness(rows)
    tuning = WordTuning(head=head, lookahead=lookahead)
    return WordTuning(
        head=head,
        lookahead=lookahead,
        start=_line(starts) or tuning.start,
        end=_line(ends) or tuning.end,
        confidence=_logistic(rows) or tuning.confidence,
    )


_Late = list[tuple[float, float]]
"""(pause, lateness), in samples."""


def _lateness(rows: Iterable[Row]) -> tuple[_Late, _Late]:
    """Of the starts and of the ends of right words: the pause before or behind, and how late each is."""
    starts: _Late = []
    ends: _Late = []
    for row in rows:
        last = len(row.words) - 1
        for index, word in enumerate(row.words):
            if word.said_start is None or word.said_end is None:
                continue
            before = _pause(row.words[index - 1], word) if index else float(WordTuning.REACH)
            behind = _pause(word, row.words[index + 1]) if index < last else float(WordTuning.REACH)
            starts.append((before, CLOCK_RATE * (word.start - word.said_start)))
            ends.append((behind, CLOCK_RATE * (word.end - word.said_end)))
    return starts, ends


def _pause(word: HeardWord, following: HeardWord) -> float:
    return min(float(WordTuning.REACH), max(0.0, CLOCK_RATE * (following.start - word.end)))


def _line(late: _Late) -> tuple[float, float] | None:
    """Constant and factor of the pause with the least absolute deviations."""
    if len(late) < LEAST_TIMES:
        return None
    values = np.array(late, np.float64)
    design = np.column_stack((np.ones(len(values)), values[:, 0] / WordTuning.REACH))
    solution = np.array([np.median(values[:, 1]), 0.0])
    for _ in range(_ROUNDS):
        weights = 1 / np.maximum(np.abs(values[:, 1] - design @ solution), _CLOSE)
        weighted = design * weights[:, None]
        solution = np.linalg.solve(weighted.T @ design + _RIDGE * np.eye(2), weighted.T @ values[:, 1])
    return round(float(solution[0]), 1), round(float(solution[1]) / WordTuning.REACH, 4)


def _logistic(rows: Iterable[Row]) -> tuple[float, float] | None:
    """Offset and factor of the log-odds."""
    judged = [
        (log_odds(word.confidence), word.right)
        for row in rows
        for word in row.words
        if word.confidence is not None and word.right is not None
    ]
    right = sum(correct for _, correct in judged)
    wrong = len(judged) - right
    if len(judged) < LEAST_CONFIDENCES or min(right, wrong) < LEAST_CONFIDENCES / 10:
        return None
    targets: _Column = np.array(
        [(right + 1) / (right + 2) if correct else 1 / (wrong + 2) for _, correct in judged], np.float64
    )
    design = np.column_stack((np.ones(len(judged)), [odds for odds, _ in judged]))
    solution = np.array([0.0, 1.0])
    for _ in range(_ROUNDS):
        guessed = 1 / (1 + np.exp(-np.clip(design @ solution, -30, 30)))
        curvature = (design * (guessed * (1 - guessed))[:, None]).T @ design + _RIDGE * np.eye(2)
        solution = solution + np.linalg.solve(curvature, design.T @ (targets - guessed))
    return round(float(solution[0]), 4), round(float(solution[1]), 4)
