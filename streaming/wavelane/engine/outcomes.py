"""From the numbers of a row to what is delivered for it."""

import logging
from collections.abc import Sequence

from wavelane.decode.search import Found
from wavelane.engine.base import Outcome
from wavelane.engine.batching import Pending
from wavelane.engine.faults import not_finite
from wavelane.errors import WavelaneError
from wavelane.work import StepResult, Token

logger = logging.getLogger(__name__)


def outcome_of(
    pending: Pending,
    *,
    frames: int,
    finite: bool,
    ids: Sequence[int],
    positions: Sequence[int],
    confidences: Sequence[float],
    found: Found | WavelaneError | None = None,
) -> Outcome:
    """The result of a row, or what went wrong with it.

    Args:
        pending: the row.
        frames: encoder frames that the step completed.
        finite: whether they are all numbers.
        ids: new pieces.
        positions: their encoder frames since the start of the stream; there may be more, which are ignored.
        confidences: their probabilities; there may be more, which are ignored.
        found: what the row's search gave or why it cannot be, for a row that is searched; instead of pieces.
    """
    if not finite:
        logger.error("%s: the encoder's output is not finite", pending.slot)
        return not_finite()
    chunk = pending.chunk
    if isinstance(found, WavelaneError):
        return found
    if found is not None:
        return StepResult(
            lane=chunk.lane,
            sequence=chunk.sequence,
            tokens=found.tokens,
            frames=frames,
            last=chunk.last,
            tentative=found.tentative,
            alternatives=found.alternatives,
            unsettled=found.unsettled or bool(found.tentative),
        )
    tokens = tuple(
        Token(id=piece, frame=position, confidence=confidence)
        for piece, position, confidence in zip(ids, positions, confidences, strict=False)
    )
    return StepResult(lane=chunk.lane, sequence=chunk.sequence, tokens=tokens, frames=frames, last=chunk.last)
