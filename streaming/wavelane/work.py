"""What passes between a session and the engine, which never import each other.

A session cuts its audio into chunks (:class:`Chunk`); the engine answers each with one :class:`StepResult`, in order.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
"""Mono audio at the model's rate, nominally -1 to 1, shape [n]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionRequest:
    """What a search is to add to the acoustic score, by name; the engine makes graphs of it."""

    lm: str | None = None
    """Name of one of the server's language models."""
    lm_weight: float | None = None
    """Scale of its weights; None: the one that it was stored with."""
    hotwords: tuple[tuple[str, float], ...] = ()
    """Phrases and the boost of each (natural logarithm)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How the pieces of a stream are searched for, where it is not greedily by the acoustic model alone."""

    beam: int
    """Hypotheses that are kept from frame to frame; 1 is greedy, with what ``fusion`` adds."""
    alternatives: int = 1
    """Hypotheses wanted where a segment ends, at most ``beam``."""
    settle: int = 8
    """Encoder frames of silence after which the best hypothesis stands and a new segment begins."""
    fusion: FusionRequest | None = None
    grammar: str | None = None
    """JSGF text: only its sentences are searched for, or nothing; ``beam``, ``alternatives`` and ``fusion`` are of no
    use then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One encoder step's worth of audio of one lane.

    ``samples`` always has the same length for a lookahead (``FeatureSpec.window_samples(8 * (lookahead + 1))``), so
    that a batch is one ``np.stack``: the window holds ``slots = subsampling * (lookahead + 1)`` feature frames. A chunk
    that starts a stream (``start``) has its ``frames`` right after ``ModelSpec.lead`` unused frames (the first step of
    the reference implementations is that much shorter); every other chunk has them at the left. Unused room is zeros,
    but for what follows the last sample of a stream (``FeatureSpec.closing``).
    """

    lane: int
    """Channel of the session."""
    sequence: int
    """Counts the lane's chunks from 0; the result carries it back."""
    samples: Samples
    frames: int
    """Valid feature frames in the window (>= 1)."""
    start: bool
    """First chunk of a stream: the lane's state is reset before the step."""
    last: bool
    """Tail of a stream: may be short; every output frame is kept."""
    lookahead: int
    bounds: tuple[int, int] | None = None
    """Shortest and longest lookahead between which the engine may choose for the chunks to come; None: it may not."""
    prompt: int | None = None
    """Language prompt of a prompted model."""
    end: int = 0
    """Sample clock of the newest audio in the chunk; due time and lag are counted from it."""
    decoding: Decoding | None = None
    """With the chunk that starts a stream: how all of it is searched; None: greedily."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One emitted piece."""

    id: int
    frame: int
    """Encoder frame (80 ms) since the start of the stream."""
    confidence: float
    """Probability of the piece, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """One way in which a segment may end: what follows the tokens of earlier results."""

    tokens: tuple[Token, ...]
    score: float
    """Natural logarithm of its probability given the whole segment, and what was added to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one step gave for one lane."""

    lane: int
    sequence: int
    tokens: tuple[Token, ...]
    """New pieces, in order; appended to those of earlier steps of the stream."""
    frames: int
    """Encoder frames that this step completed."""
    last: bool
    tentative: tuple[Token, ...] = ()
    """Pieces of the best hypothesis behind all tokens so far; replaced by those of the next result."""
    alternatives: tuple[Hypothesis, ...] = ()
    """Where a segment ends (the search has settled, or the stream is over): the best hypotheses, best first. The first
    one's tokens are those of this result."""
    unsettled: bool = False
    """A search of several hypotheses is in the middle of a segment with pieces, whose end will come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VadWork:
    """Windows of one lane for a speech detector that runs elsewhere."""

    lane: int
    windows: NDArray[np.float32]
    """[k, samples of a window], in order, right after those handed out before."""
    fresh: bool
    """The first window begins a new stream: the detector's state is reset before it."""
