"""One mono stream of a session: audio → gate → windows → chunks, and results → events."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from wavelane.audio.enhance.chain import FrontEnd
from wavelane.audio.enhance.level import HOP
from wavelane.audio.framer import Framer, Window
from wavelane.audio.pcm import int16_samples
from wavelane.audio.resample import Resampler
from wavelane.events import AudioIssue, Event, LookaheadChanged, SpeechStarted, SpeechStopped
from wavelane.grammar import Grammar
from wavelane.native.calm import Outcome
from wavelane.session.calm import Calm
from wavelane.session.endpoint import samples as to_samples
from wavelane.session.gate import Action, Close, Feed, Gate, NoText, Offset, Onset, Open, OpenGate, Pause, SpeechGate
from wavelane.session.options import SessionOptions, decoding_of
from wavelane.session.recognition import Mark, Recognition
from wavelane.spec import ModelSpec
from wavelane.vad.base import DeferredDetector, Detector
from wavelane.work import Chunk, Samples, StepResult, VadWork


class Lane:
    """A mono stream.

    Args:
        channel: its number within the session.
        spec: of the model.
        options: effective options.
        detector: finds speech; None recognises everything.
        out: where events go.
        grammar: what the options say that may be said.
    """

    def __init__(
        self,
        channel: int,
        spec: ModelSpec,
        options: SessionOptions,
        detector: Detector | None,
        out: list[Event],
        grammar: Grammar | None = None,
    ) -> None:
        self._channel = channel
        self._spec = spec
        self._options = options
        self._grammar = grammar
        self._decoding = decoding_of(options, spec, grammar, gated=detector is not None)
        self._lookahead = _shortest(options)
        self._told = self._lookahead
        self._out = out
        self._gated = detector is not None
        self._deferred = detector if isinstance(detector, DeferredDetector) else None
        self._resampler: Resampler | None = None
        self._front_end = FrontEnd.wanted(options.audio)
        self._lead = to_samples(options.audio.lead_ms)
        self._tail = to_samples(options.audio.tail_ms)
        self._held: deque[Samples | Mark] = deque()
        self._taken = 0
        self._gate: Gate = (
            OpenGate(options.endpoint) if detector is None else SpeechGate(detector, options.vad, options.endpoint)
        )
        self._calm = Calm.of(self._front_end, self._gate)
        self._framer: Framer | None = None
        self._base = 0
        self._sent_to = 0
        self._sequence = 0
        self._prompt: int | None = None
        self.chunks: deque[Chunk] = deque()
        """Chunks for the engine."""
        self.recognition = Recognition(channel, spec, options, gated=detector is not None, out=out)

    @property
    def clock(self) -> int:
        """Sample clock at the end of the audio received."""
        return self.recognition.received

    def reconfigure(self, options: SessionOptions, grammar: Grammar | None = None) -> None:
        """Change options; language and a fixed lookahead count from the next stream on."""
        self._rouse()
        if options.lookahead != self._options.lookahead:
            self._lookahead = _shortest(options)
        self._options = self.recognition.options = options
        self._grammar = grammar
        self._decoding = decoding_of(options, self._spec, grammar, gated=self._gated)
        self._gate.endpoint = options.endpoint
        self.retarget(self._lookahead)

    def retarget(self, lookahead: int) -> None:
        """Take the server's choice, from the next chunk on, if the options leave it to the server."""
        if self._options.lookahead_bounds is None:
            return
        self._lookahead = self._bounded(lookahead)
        if self._framer is not None:
            self._rouse()
            self._framer.retarget(self._lookahead)

    @property
    def idle(self) -> bool:
        """There is neither a chunk nor a window to hand out."""
        return not self.chunks and not (self._deferred and self._deferred.windows)

    def push_int16(self, data: bytes) -> None:
        """Take mono audio as most of it comes: [2 * n] bytes of 16-bit little-endian samples at the model's rate."""
        calm = self._calm
        if (
            calm is None
            or len(data) % calm.frame_bytes
            or len(data) > 2 * HOP
            or not (calm.on or (self._resampler is not None and calm.begin(self._framer)))
            or not ((len(data) == 2 * HOP and calm.fresh) or len(data) <= calm.room())
        ):
            self.push(int16_samples(data), self._spec.features.sample_rate, data)
            return
        count = len(data) // 2
        outcome = calm.take(data, count)
        if outcome == Outcome.ROUSED:
            self._rouse(judged=count)
            self.push(int16_samples(data), self._spec.features.sample_rate, data)
            return
        self._taken += count
        recognition = self.recognition
        recognition.received += count
        framer = self._framer
        if framer is None:
            calm.keep(data)
            recognition.silent_to(self._taken)
        elif outcome == Outcome.UNFED:
            calm.refill(framer)
            self._send(framer.push(int16_samples(data)))
            calm.refilled(framer)

    def push(self, samples: Samples, rate: int, int16: bytes | None = None) -> None:
        """Take mono audio.

        Args:
            samples: [n].
            rate: of them (Hz); never changes within a lane.
            int16: the same as 16-bit little-endian samples, where that is how they came and the model has this rate.
        """
        self._rouse()
        if self._resampler is None:
            self._resampler = Resampler(rate, self._spec.features.sample_rate)
        if int16 is None:
            samples = self._resampler.push(samples)
        front_end = self._front_end
        if front_end is not None:
            output = front_end.push(samples, int16)
            if output is not samples:
                samples, int16 = output, None
            if front_end.notes:
                self._tell(front_end)
        if self._held:
            self._offer(samples)
            return
        # As in _offer, for what comes most.
        self.recognition.received += len(samples)
        self._taken += len(samples)
        if actions := self._gate.push(samples, int16):
            self._act(actions)
        self._catch_up()

    def finish(self, mark: Mark) -> None:
        """Finalise all audio taken: the tail of the stream is due at once. ``mark`` is FLUSH or END."""
        self._rouse()
        if self._resampler is not None:
            rest = self._resampler.flush()
            if self._front_end is not None:
                rest = np.concatenate((self._front_end.push(rest), self._front_end.flush()))
                self._tell(self._front_end)
            self._offer(rest)
        self._offer(mark)

    def receive(self, result: StepResult) -> None:
        """Take the result of the oldest chunk."""
        self.recognition.receive(result)
        self._catch_up()

    def next_windows(self) -> VadWork | None:
        """Windows for a detector that runs elsewhere, or None."""
        detector = self._deferred
        if detector is None or not detector.windows:
            return None
        work = VadWork(lane=self._channel, windows=np.concatenate(detector.windows), fresh=detector.fresh)
        detector.windows = []
        detector.fresh = False
        return work

    def judge(self, probabilities: NDArray[np.float32]) -> None:
        """Take the judgements [k] of the oldest windows that are out."""
        self._act(self._gate.judge(probabilities))
        while self._held and not (isinstance(self._held[0], Mark) and self._gate.waiting):
            self._run(self._held.popleft())
        self._catch_up()

    def abandon(self) -> None:
        """Nothing more will be recognised."""
        self.chunks.clear()
        self._held.clear()
        self.recognition.abandon()

    def _offer(self, item: Samples | Mark) -> None:
        """Audio and marks keep their order: a mark waits for the judgement of the audio before it."""
        if isinstance(item, np.ndarray):
            self.recognition.received += len(item)
        if self._held or (isinstance(item, Mark) and self._gate.waiting):
            self._held.append(item)
        else:
            self._run(item)
            self._catch_up()

    def _run(self, item: Samples | Mark) -> None:
        if isinstance(item, np.ndarray):
            self._taken += len(item)
            self._act(self._gate.push(item))
        else:
            self._act(self._gate.finish())
            self.recognition.mark(item, self._taken)

    def _catch_up(self) -> None:
        if self._framer is None:
            self.recognition.silent_to(self._gate.position)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Feed(samples):
                    assert self._framer is not None
                    if windows := self._framer.push(samples):
                        self._send(windows)
                case Open(at):
                    self._base = at - self._lead
                    self._sent_to = at
                    self._framer = Framer(
                        self._spec.features,
                        subsampling=self._spec.subsampling,
                        lookahead=self._lookahead,
                        lead=self._spec.lead,
                    )
                    self._prompt = self._spec.prompt(self._options.language)
                    self.recognition.grammars.append(self._grammar)
                    self.recognition.mark(Mark.OPEN, at)
                    self._send(self._framer.push(np.zeros(self._lead, np.float32)))
                case Close(at, cut):
                    assert self._framer is not None
                    tail = self._framer.push(np.zeros(self._tail, np.float32)) if cut else []
                    self._send([*tail, *self._framer.finish()], at)
                    self._framer = None
                case Onset(at):
                    self._out.append(SpeechStarted(channel=self._channel, at=at))
                    self.recognition.mark(Mark.SPEECH, at)
                case Offset(at):
                    self._out.append(SpeechStopped(channel=self._channel, at=at))
                case Pause(at):
                    self.recognition.mark(Mark.PAUSE, at)
                case NoText(at):
                    self.recognition.mark(Mark.NO_TEXT, at)

    def _rouse(self, *, judged: int = 0) -> None:
        """Something happens: every part has its state again. ``judged``: see :meth:`Calm.end`."""
        if self._calm is not None:
            self._calm.end(self._framer, judged=judged)

    def _bounded(self, lookahead: int) -> int:
        bounds = self._options.lookahead_bounds
        return lookahead if bounds is None else min(max(lookahead, bounds[0]), bounds[1])

    def _tell(self, front_end: FrontEnd) -> None:
        for at, change in front_end.notes:
            self._out.append(
                AudioIssue(
                    channel=self._channel,
                    at=at,
                    problem=change.problem,
                    active=change.active,
                    level_dbfs=change.level,
                    clipped=change.clipped,
                )
            )
        front_end.notes.clear()

    def _send(self, windows: list[Window], until: int | None = None) -> None:
        """Make chunks of windows; the audio of the stream ends at ``until``, where that is known."""
        bounds = self._options.lookahead_bounds
        for window in windows:
            if bounds is not None and window.lookahead != self._told:
                self._out.append(LookaheadChanged(channel=self._channel, at=self._sent_to, lookahead=window.lookahead))
            self._told = window.lookahead
            # The silence put before and behind the audio takes no time.
            end = max(self._sent_to, self._base + window.end)
            if until is not None:
                end = min(end, until)
            chunk = Chunk(
                lane=self._channel,
                sequence=self._sequence,
                samples=window.samples,
                frames=window.frames,
                start=window.start,
                last=window.last,
                lookahead=window.lookahead,
                bounds=bounds,
                prompt=self._prompt,
                end=end,
                decoding=self._decoding if window.start else None,
            )
            self._sequence += 1
            self._sent_to = chunk.end
            self.chunks.append(chunk)
            self.recognition.sent(chunk.end)


def _shortest(options: SessionOptions) -> int:
    """The lookahead that a lane begins with."""
    lookahead = options.lookahead_min if options.lookahead == "auto" else options.lookahead
    assert isinstance(lookahead, int), "the options are not the effective ones"
    return lookahead
