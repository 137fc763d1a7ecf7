"""What a session tells its client. Plain values, the same for every protocol.

All times are integers on the session's sample clock: samples at :data:`CLOCK_RATE` since the first audio byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from wavelane.errors import ErrorCode

CLOCK_RATE = 16_000
"""Ticks per second of every time in an event (Hz)."""

FinalReason = Literal["silence", "no_text", "max_utterance", "flush", "end", "failure"]
"""Why an utterance was closed: an endpoint rule, the client's flush or end, or a failure of the session."""


AudioProblem = Literal["clipping", "no_signal", "too_quiet"]
"""What may be wrong with a client's audio: samples at full scale; nothing at all, as of a muted microphone; speech that
is hardly above the noise of 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One recognised word."""

    text: str
    start: int
    """Sample clock, inclusive."""
    end: int
    """Sample clock, exclusive."""
    confidence: float
    """0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One hypothesis of an utterance."""

    text: str
    confidence: float
    words: tuple[Word, ...]
    score: float | None = None
    """Natural logarithm of its probability given the audio, and what language model and hotwords added; None without
    beam search, and for a part of a segment that was cut at the longest utterance."""
    spoken: str = ""
    """The words as they were heard, where ``text`` is written otherwise (option ``text``); else empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What an utterance means, by the session's grammar."""

    name: str
    """Of the public rule, or what its ``{intent:name}`` says."""
    slots: Mapping[str, str]
    """In the order in which they were said."""
    score: float
    """0 to 1, how well the sentence fits what was heard: where the search is held to the grammar, how much less
    probable each of its pieces is than what would be heard without (1: no less); elsewhere how alike they sound."""
    sentence: str
    """Of the grammar."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """The detector heard speech begin."""

    channel: int
    at: int
    """Sample clock, the onset itself (not when it was decided)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped:
    """The detector heard speech end."""

    channel: int
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Partial:
    """The hypothesis of the utterance in progress. Replaces the previous partial of the same utterance."""

    channel: int
    utterance: int
    """Counts from 0 for each channel."""
    text: str
    stable: int
    """The first ``stable`` characters of ``text`` will not change any more."""
    words: tuple[Word, ...]
    start: int
    processed: int
    """Sample clock up to which audio has been recognised."""
    lag_ms: int
    """Audio received but not yet recognised (ms)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """The result of an utterance; exactly one for every utterance opened."""

    channel: int
    utterance: int
    alternatives: tuple[Alternative, ...]
    """At least one, best first; the text may be empty."""
    start: int
    end: int
    processed: int
    lag_ms: int
    reason: FinalReason
    intent: Intent | None = None
    """With option ``grammar``: what was understood; None where nothing of the grammar was said."""

    @property
    def text(self) -> str:
        """Text of the best hypothesis."""
        return self.alternatives[0].text

    @property
    def words(self) -> tuple[Word, ...]:
        """Words of the best hypothesis."""
        return self.alternatives[0].words


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An utterance ended by a rule; its :class:`Final` follows."""

    channel: int
    utterance: int
    at: int
    reason: FinalReason


@dataclass(frozen=True, slots=True, kw_only=True)
class LookaheadChanged:
    """The server chose another lookahead because of its load; only for sessions that ask for ``auto``."""

    channel: int
    at: int
    """Where the audio of the first chunk with it begins."""
    lookahead: int
    """Encoder frames (80 ms each)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioIssue:
    """Something is wrong with the audio, or is well again; at most one for each problem in three seconds."""

    channel: int
    at: int
    """Sample clock at the end of the audio that shows it."""
    problem: AudioProblem
    active: bool
    """False: it is over."""
    level_dbfs: float
    """Level of the speech, or of the last 100 ms where there was none yet (dBFS, -100 for digital silence)."""
    clipped: float
    """Share of samples at full scale in the last three seconds, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flushed:
    """The answer to a flush: everything received before it has its final."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Something was refused or broke. ``fatal`` failures are followed by finals of what was heard and ``Closed``."""

    code: ErrorCode
    message: str
    fatal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """The last event of every session."""

    received: int
    """Sample clock at the end of the audio received."""


Event = (
    SpeechStarted
    | SpeechStopped
    | Partial
    | Final
    | Endpoint
    | LookaheadChanged
    | AudioIssue
    | Flushed
    | Failed
    | Closed
)
