"""The gate in front of the encoder: which audio is recognised, cut into streams, decided by position alone.

A *stream* is a stretch of audio that the encoder hears without interruption. With a detector a stream opens a pre-roll
before the onset of speech and closes when silence has lasted long enough to end an utterance, so that silence costs no
encoder steps; the sample clock runs on through the gaps. Without a detector everything is one stream, closed only by
flush and end.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wavelane.audio.enhance.level import HOP
from wavelane.audio.pcm import as_floats
from wavelane.native.calm import State
from wavelane.session.endpoint import samples as to_samples
from wavelane.session.options import EndpointOptions, VadOptions
from wavelane.vad.base import Detector
from wavelane.vad.segmenter import Segmenter, SegmenterOptions, SpeechOnset
from wavelane.vad.webrtc import WebRtcDetector
from wavelane.work import Samples


@dataclass(frozen=True, slots=True)
class Open:
    """A stream opens at sample ``at``."""

    at: int


@dataclass(slots=True)  # not frozen: there is one for each packet, and it is made in a fifth of the time
class Feed:
    """The next samples of the open stream."""

    samples: Samples


@dataclass(frozen=True, slots=True)
class Close:
    """The open stream ends at ``at``; its tail is due at once."""

    at: int
    cut: bool
    """By the end of the audio, and not by a silence that was heard."""


@dataclass(frozen=True, slots=True)
class Onset:
    """Speech began at ``at``."""

    at: int


@dataclass(frozen=True, slots=True)
class Offset:
    """Speech ended at ``at``."""

    at: int


@dataclass(frozen=True, slots=True)
class Pause:
    """At ``at``, silence was long enough to end an utterance that has text."""

    at: int


@dataclass(frozen=True, slots=True)
class NoText:
    """At ``at``, silence was long enough to end an utterance without text."""

    at: int


Action = Open | Feed | Close | Onset | Offset | Pause | NoText


class _Spell(Enum):
    """How far a spell of silence was answered."""

    NONE = auto()
    CLOSED = auto()
    REPORTED = auto()


class Gate(Protocol):
    """Audio in, actions out; every position is on the lane's sample clock."""

    endpoint: EndpointOptions

    @property
    def position(self) -> int:
        """Sample clock up to which audio was decided on; what is later waits."""

    @property
    def waiting(self) -> bool:
        """Audio waits for a detector that runs elsewhere."""

    def push(self, samples: Samples, int16: bytes | None = None) -> list[Action]:
        """Take audio [n], and the same as 16-bit little-endian samples, where that is how it came."""

    def judge(self, probabilities: NDArray[np.float32]) -> list[Action]:
        """Take the judgements [k] of a detector that runs elsewhere, in order."""

    def finish(self) -> list[Action]:
        """Decide on all audio taken: whatever may be speech is fed, an open stream is closed. Then start anew."""


class OpenGate:
    """No detector: everything is fed."""

    def __init__(self, endpoint: EndpointOptions) -> None:
        self.endpoint = endpoint
        self.position = 0
        self.waiting = False
        self._open = False

    def push(self, samples: Samples, int16: bytes | None = None) -> list[Action]:
        """See :class:`Gate`."""
        actions: list[Action] = []
        if not self._open and len(samples):
            self._open = True
            actions.append(Open(self.position))
        if len(samples):
            self.position += len(samples)
            actions.append(Feed(samples))
        return actions

    def judge(self, probabilities: NDArray[np.float32]) -> list[Action]:
        """See :class:`Gate`; there is no detector."""
        raise AssertionError("judgements without a detector")

    def finish(self) -> list[Action]:
        """See :class:`Gate`."""
        was_open, self._open = self._open, False
        return [Close(self.position, cut=True)] if was_open else []


_NEVER = 1 << 62
"""Samples of silence that do not come."""


class SpeechGate:
    """A detector decides, frame by frame.

    Args:
        detector: judges frames of ``detector.frame_samples``.
        vad: thresholds and durations.
        endpoint: how much silence ends an utterance.
    """

    def __init__(self, detector: Detector, vad: VadOptions, endpoint: EndpointOptions) -> None:
        self.endpoint = endpoint
        self._detector = detector
        self._webrtc = detector if isinstance(detector, WebRtcDetector) else None
        self._frame = detector.frame_samples
        self._options = SegmenterOptions.of(vad)
        self._segmenter = Segmenter(self._options, self._frame)
        self._pre_roll = to_samples(vad.pre_roll_ms)
        self._keep = self._pre_roll + to_samples(vad.min_speech_ms) + 2 * self._frame
        self._audio = _Audio()
        self._origin = 0
        self._judged = 0
        self._fed = 0
        self._stream = False
        self._spell = _Spell.NONE

    @property
    def position(self) -> int:
        """See :class:`Gate`."""
        return self._judged

    def push(self, samples: Samples, int16: bytes | None = None) -> list[Action]:
        """See :class:`Gate`."""
        self._audio.append(samples)
        if int16 is not None and self._webrtc is not None:
            return self._judge(self._webrtc.push_int16(int16))
        return self._judge(self._detector.push(samples).tolist())

    def keep(self, silence: bytes) -> None:
        """Take silence that was judged while the state was away, [2 * n] bytes of 16-bit audio, whole frames."""
        samples = np.frombuffer(silence, np.int16)
        self._audio.append(samples)
        self._judged += len(samples)
        self._trim()

    def lend(self, state: State) -> bool:
        """Give the state away for hops in which nothing happens, see :mod:`wavelane.native.calm`.

        Audio is none of it: without a stream it goes to :meth:`keep`.

        Returns:
            False where the detector is no compiled one, or is in the middle of a frame; nothing was given away then.
        """
        if self._webrtc is None or HOP % self._frame or not self._webrtc.lend(state):
            return False
        self._segmenter.lend(state)
        state.stream = self._stream
        silence = to_samples(self.endpoint.silence_ms)
        if not self._stream:
            silence = max(silence, to_samples(self.endpoint.no_text_ms)) if self._expectant else _NEVER
        state.silence = silence
        return True

    def reclaim(self, state: State) -> None:
        """Take the state back."""
        self._segmenter.reclaim(state)
        if self._stream:
            self._judged = self._fed = self._judged + state.taken
            self._audio.skip(self._judged)

    def foretell(self, state: State, samples: int) -> None:
        """So many samples that come next were judged already: ``state.flags``."""
        assert self._webrtc is not None, "its state was away"
        self._webrtc.reclaim(state, samples // self._frame)

    @property
    def frame_samples(self) -> int:
        """Samples that the detector judges at a time."""
        return self._frame

    @property
    def waiting(self) -> bool:
        """See :class:`Gate`."""
        return self._audio.end - self._judged >= self._frame

    def judge(self, probabilities: NDArray[np.float32]) -> list[Action]:
        """See :class:`Gate`."""
        return self._judge(probabilities.tolist())

    def finish(self) -> list[Action]:
        """See :class:`Gate`."""
        end = self._audio.end
        actions: list[Action] = []
        if not self._stream and (candidate := self._segmenter.candidate) is not None:
            self._open(self._origin + candidate, actions)
        self._judged = end
        if self._stream:
            self._feed(actions)
            actions.append(Close(end, cut=True))
        self._stream = False
        self._spell = _Spell.NONE
        self._segmenter = Segmenter(self._options, self._frame)
        self._detector.reset()
        self._origin = self._fed = end
        self._trim()
        return actions

    def _judge(self, judgements: Sequence[float]) -> list[Action]:
        actions: list[Action] = []
        segmenter = self._segmenter
        taken = 0
        # In most audio no rule of silence can apply: the speech goes on or has just paused, or there was none for long.
        pause = to_samples(self.endpoint.silence_ms)
        ruled = segmenter.silence_within(len(judgements)) >= pause
        if segmenter.speaking or not (ruled and (self._stream or self._expectant)):
            taken = segmenter.skip(judgements)
            self._judged += taken * self._frame
        for probability in judgements[taken:] if taken else judgements:
            change = segmenter.push(probability)
            self._judged += self._frame
            if change is not None:
                at = self._origin + change.at
                if isinstance(change, SpeechOnset):
                    if not self._stream:
                        self._open(at, actions)
                    else:
                        actions.append(Onset(at))
                    self._spell = _Spell.NONE
                else:
                    actions.append(Offset(at))
            if ruled:
                self._silence(pause, actions)
        if self._stream:
            self._feed(actions)
        self._trim()
        return actions

    def _open(self, onset: int, actions: list[Action]) -> None:
        self._stream = True
        self._fed = max(self._fed, onset - self._pre_roll, self._audio.begin)
        actions.append(Open(self._fed))
        actions.append(Onset(onset))

    @property
    def _expectant(self) -> bool:
        """Silence without text is still to be told, when it has lasted long enough."""
        return self._spell is _Spell.CLOSED and self.endpoint.enabled

    def _silence(self, pause: int, actions: list[Action]) -> None:
        """What the silence since the last speech means now; each answer once a spell. ``pause``: closes a stream."""
        if not (self._stream or self._expectant):
            return
        silence = self._segmenter.silence_run
        if silence < pause:
            return
        if self._stream:
            if self._segmenter.speaking:
                actions.append(Offset(self._origin + self._segmenter.stop().at))
            self._feed(actions)
            actions.append(Close(self._judged, cut=False))
            self._stream = False
            self._spell = _Spell.CLOSED
            if self.endpoint.enabled:
                actions.append(Pause(self._judged))
        if self._expectant and silence >= max(pause, to_samples(self.endpoint.no_text_ms)):
            self._spell = _Spell.REPORTED
            actions.append(NoText(self._judged))

    def _feed(self, actions: list[Action]) -> None:
        if self._judged > self._fed:
            actions.append(Feed(self._audio.between(self._fed, self._judged)))
            self._fed = self._judged

    def _trim(self) -> None:
        """Forget what no stream can need any more."""
        self._audio.forget(self._judged if self._stream else max(self._fed, self._judged - self._keep))


class _Audio:
    """The newest audio of a stream, in the blocks in which it came: a lane in silence copies none of it."""

    def __init__(self) -> None:
        self._blocks: deque[Samples | NDArray[np.int16]] = deque()
        self.begin = 0
        """Its first sample."""
        self.end = 0
        """The sample after its last."""

    def append(self, samples: Samples | NDArray[np.int16]) -> None:
        """Take what follows, [n]. It is not copied, and must not change."""
        self._blocks.append(samples)
        self.end += len(samples)

    def between(self, start: int, stop: int) -> Samples:
        """Samples from ``start`` up to ``stop``."""
        if len(self._blocks) == 1 and start == self.begin and stop == self.end:
            return as_floats(self._blocks[0])
        parts = []
        at = self.begin
        for block in self._blocks:
            if at < stop and at + len(block) > start:
                parts.append(as_floats(block[max(0, start - at) : stop - at]))
            at += len(block)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def skip(self, to: int) -> None:
        """Go on at a sample; there is no audio now."""
        assert not self._blocks, "audio waits"
        self.begin = self.end = to

    def forget(self, before: int) -> None:
        """Drop what comes before a sample."""
        if before == self.end:
            self._blocks.clear()
            self.begin = before
            return
        while self._blocks and self.begin + len(self._blocks[0]) <= before:
            self.begin += len(self._blocks.popleft())
        if self._blocks and self.begin < before:
            self._blocks[0] = self._blocks[0][before - self.begin :]
            self.begin = before
