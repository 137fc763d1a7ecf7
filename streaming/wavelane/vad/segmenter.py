"""Frame probabilities to speech onsets and offsets: two thresholds, least durations, all counted in samples.

The rules are those of Silero's ``VADIterator`` (separate thresholds to start and to stop, a least silence), with a
least duration of speech as in its ``get_speech_timestamps``, but online and without a clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wavelane.events import CLOCK_RATE
from wavelane.native.calm import State

HYSTERESIS = 0.15
"""How far below the threshold to start a probability must fall to count as silence (Silero's default)."""


class _Settings(Protocol):
    """What a session's options say about segmentation."""

    @property
    def threshold(self) -> float: ...
    @property
    def min_speech_ms(self) -> int: ...
    @property
    def min_silence_ms(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmenterOptions:
    """When speech starts and stops."""

    on: float = 0.5
    """Probability at which a frame is speech."""
    off: float = 0.35
    """Probability below which a frame of a speaking stream is silence; between the two the last judgement holds."""
    min_speech: int = 1_600
    """Speech shorter than this (samples) starts nothing."""
    min_silence: int = 4_800
    """Silence shorter than this (samples) stops nothing."""

    @classmethod
    def of(cls, settings: _Settings) -> "SegmenterOptions":
        """From a session's options, which count in milliseconds."""
        return cls(
            on=settings.threshold,
            off=max(settings.threshold - HYSTERESIS, settings.threshold / 10),
            min_speech=settings.min_speech_ms * CLOCK_RATE // 1000,
            min_silence=settings.min_silence_ms * CLOCK_RATE // 1000,
        )


@dataclass(frozen=True, slots=True)
class SpeechOnset:
    """Speech started."""

    at: int
    """Its first sample."""
    found: int
    """Sample at which it was decided."""


@dataclass(frozen=True, slots=True)
class SpeechOffset:
    """Speech stopped."""

    at: int
    """The sample after its last."""
    found: int


class Segmenter:
    """A state machine over the frames of one stream; positions count from its first sample.

    While not speaking, a run of speech frames is a candidate for an onset. One silent frame does not end it, two do:
    plosives leave gaps. It becomes an onset when its speech frames reach ``min_speech``.

    Args:
        options: thresholds and durations.
        frame_samples: samples of a frame.
    """

    def __init__(self, options: SegmenterOptions, frame_samples: int) -> None:
        self._options = options
        self._frame = frame_samples
        self.position = 0
        """Samples judged."""
        self.speaking = False
        """Speech started and has not stopped."""
        self.candidate: int | None = None
        """First sample of what may become speech, while not speaking."""
        self._candidate_speech = 0
        self._candidate_end = 0
        self._speech_end = 0
        self._active = False

    @property
    def silence_run(self) -> int:
        """Samples from the end of the last speech (or the start of the stream) to now, or to the candidate's start."""
        return (self.position if self.candidate is None else self.candidate) - self._speech_end

    def silence_within(self, frames: int) -> int:
        """The longest that :attr:`silence_run` can become within so many further frames."""
        return self.position + frames * self._frame - self._speech_end

    def stop(self) -> SpeechOffset:
        """Decide now, before ``min_silence`` has passed, that speech has stopped."""
        self.speaking = False
        return SpeechOffset(self._speech_end, self.position)

    def skip(self, probabilities: Sequence[float]) -> int:
        """Take judgements, in order, as long as they change nothing: speech while speaking, silence while it is silent.

        Returns:
            how many were taken; the next one is for :meth:`push`.
        """
        count = 0
        if self.speaking:
            threshold = self._options.off if self._active else self._options.on
            for probability in probabilities:
                if probability < threshold:
                    break
                threshold = self._options.off
                count += 1
            if count:
                self._active = True
                self.position += count * self._frame
                self._speech_end = self.position
        elif self.candidate is None and not self._active:
            for probability in probabilities:
                if probability >= self._options.on:
                    break
                count += 1
            self.position += count * self._frame
        return count

    def lend(self, state: State) -> None:
        """Give the state away, see :mod:`wavelane.native.calm`. Judgements are whole there, speech or not."""
        state.frame = self._frame
        state.min_speech, state.min_silence = self._options.min_speech, self._options.min_silence
        state.position, state.speaking, state.active = self.position, self.speaking, self._active
        state.candidate = -1 if self.candidate is None else self.candidate
        state.candidate_speech, state.candidate_end = self._candidate_speech, self._candidate_end
        state.speech_end = self._speech_end

    def reclaim(self, state: State) -> None:
        """Take the state back."""
        self.position, self.speaking, self._active = state.position, bool(state.speaking), bool(state.active)
        self.candidate = None if state.candidate < 0 else state.candidate
        self._candidate_speech, self._candidate_end = state.candidate_speech, state.candidate_end
        self._speech_end = state.speech_end

    def push(self, probability: float) -> SpeechOnset | SpeechOffset | None:
        """Take the judgement of the next frame."""
        start = self.position
        self.position += self._frame
        self._active = probability >= (self._options.off if self._active else self._options.on)
        if self.speaking:
            if self._active:
                self._speech_end = self.position
            elif self.silence_run >= self._options.min_silence:
                return self.stop()
            return None
        if self._active:
            if self.candidate is None:
                self.candidate = start
                self._candidate_speech = 0
            self._candidate_speech += self._frame
            self._candidate_end = self.position
            if self._candidate_speech >= self._options.min_speech:
                onset = SpeechOnset(self.candidate, self.position)
                self.candidate = None
                self._speech_end = self.position
                self.speaking = True
                return onset
        elif self.candidate is not None and self.position - self._candidate_end > self._frame:
            self.candidate = None
        return None
