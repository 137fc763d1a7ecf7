"""What the rest of the system needs to know about a model, free of torch.

The loader fills a :class:`ModelSpec`; framing, session and engine read it.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal


@functools.cache
def _powers(base: float, count: int) -> tuple[float, ...]:
    return tuple(base**k for k in range(1, count + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """How audio becomes log-mel frames. Frame ``f`` is centred on sample ``f * hop``."""

    n_mels: int
    sample_rate: int = 16_000
    hop: int = 160
    """Samples between frames (10 ms)."""
    window: int = 400
    """Samples of the (symmetric Hann) window, zero-padded on both sides to ``n_fft``."""
    n_fft: int = 512
    preemphasis: float | None = 0.97
    log_guard: float = 2.0**-24
    """Added to the mel energy before the logarithm."""
    closing_frame: bool = True
    """A file of n samples has ``n // hop + 1`` frames, the last one zero (NeMo), or ``n // hop`` (Hugging Face)."""

    @property
    def left(self) -> int:
        """Samples before a frame's centre that it depends on, one for the pre-emphasis included."""
        return self.window // 2 + 1

    @property
    def right(self) -> int:
        """Samples from a frame's centre on that it depends on."""
        return self.window // 2

    def window_samples(self, frames: int) -> int:
        """Samples that ``frames`` consecutive frames depend on."""
        return (frames - 1) * self.hop + self.left + self.right

    def closing(self, last: float) -> tuple[float, ...]:
        """What follows the last sample of a stream: ``right`` samples that are zero after pre-emphasis.

        The reference implementations apply pre-emphasis first and pad with zeros then; plain zeros would give a step of
        ``-preemphasis * last`` in the last frames.
        """
        decay = 0.0 if self.preemphasis is None else self.preemphasis
        return tuple(map(float(last).__mul__, _powers(decay, self.right)))

    def total_frames(self, samples: int) -> int:
        """Frames of a whole stream of ``samples`` samples."""
        return samples // self.hop + (1 if self.closing_frame else 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordTuning:
    """How the words of one head at one lookahead are corrected: their times, and what their confidence means.

    A streaming model emits a piece some time after it was said, and the more so the longer the pause before it is. A
    word is taken to begin ``start[0] + start[1] * min(pause, REACH)`` samples before its first piece was emitted, where
    ``pause`` is what lies between it and the last piece of the word before, and to end so much before the end of its
    last piece, with ``end`` and the pause behind it: never later than it was emitted. The log-odds of a word's
    confidence are ``confidence[0] + confidence[1] * log-odds`` (Platt, 1999). Fitted by ``wavelane calibrate``.
    """

    REACH: ClassVar[int] = 6_400
    """Longest pause that makes a difference (samples, 0.4 s)."""

    head: Literal["ctc", "rnnt"]
    lookahead: int
    start: tuple[float, float] = (0.0, 0.0)
    end: tuple[float, float] = (0.0, 0.0)
    confidence: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """What the rest of the system needs to know about a loaded model."""

    name: str
    features: FeatureSpec
    lookaheads: tuple[int, ...]
    """Lookaheads (future encoder frames) that the checkpoint was trained for, largest first."""
    default_lookahead: int
    left_context: int
    """Encoder frames of the past that attention sees."""
    vocabulary: tuple[str, ...]
    """Pieces by id, without the blank; sentencepiece convention (U+2581 opens a word). Empty: no tokenizer found."""
    heads: tuple[Literal["ctc", "rnnt"], ...]
    """Decoders that the checkpoint has, the preferred one first."""
    subsampling: int = 8
    start: Literal["short", "full"] = "short"
    """The first step of a stream has ``subsampling - 1`` feature frames less than the others (causal subsampling: its
    first encoder frame needs one feature frame), or as many."""
    tail: Literal["short", "padded"] = "short"
    """The last chunk of a stream is cut to its valid frames (NeMo) or filled with zero features (Hugging Face)."""
    languages: tuple[str, ...] = ("en",)
    prompts: Mapping[str, int] = field(default_factory=dict)
    """Language (or ``auto``) to prompt index, for prompted models."""
    default_prompt: int | None = None
    parameters: int = 0
    max_beam: int = 0
    """Most hypotheses of a session's beam search; 1: greedy search only, with language models and hotwords; 0: without
    them too. The engine knows it, not the checkpoint."""
    constrained: bool = False
    """The search can be held to a session's grammar; otherwise the sentence nearest to what was heard is understood.
    The engine knows it, not the checkpoint."""
    language_models: tuple[str, ...] = ()
    """Names of the language models that a session may choose."""
    default_lm: str | None = None
    """The one of them that a session has that chooses none itself."""
    boosted: int = 0
    """Phrases that are boosted in every session."""
    words: tuple[WordTuning, ...] = ()
    """Corrections of words, by head and lookahead; those of an engine's model are of the head in use."""

    def tuning(self, lookahead: int) -> WordTuning | None:
        """The correction of words at the nearest lookahead that has one; None where the model has none."""
        return min(self.words, key=lambda words: abs(words.lookahead - lookahead), default=None)

    @property
    def frame_samples(self) -> int:
        """Samples of one encoder frame (1,280: 80 ms)."""
        return self.features.hop * self.subsampling

    def chunk_frames(self, lookahead: int) -> int:
        """Feature frames in the window of one step."""
        return self.subsampling * (lookahead + 1)

    @property
    def lead(self) -> int:
        """Unused feature frames at the left of a stream's first window."""
        return self.subsampling - 1 if self.start == "short" else 0

    def start_frames(self, lookahead: int) -> int:
        """Feature frames of the first step of a stream: ``1 + subsampling * lookahead``, or ``chunk_frames``."""
        return self.chunk_frames(lookahead) - self.lead

    def prompt(self, language: str | None) -> int | None:
        """Prompt index for a session's language; None for models without prompts."""
        if not self.prompts:
            return None
        return self.default_prompt if language is None else self.prompts[language]
