"""One mono stream of a session: audio → gate → windows → chunks, and results → events."""

from collections import deque

from wavelane.audio.framer import Framer, Window
from wavelane.audio.resample import Resampler
from wavelane.events import Event, SpeechStarted, SpeechStopped
from wavelane.session.gate import Action, Close, Feed, Gate, NoText, Offset, Onset, Open, OpenGate, Pause, SpeechGate
from wavelane.session.options import SessionOptions
from wavelane.session.recognition import Mark, Recognition
from wavelane.spec import ModelSpec
from wavelane.vad.base import Detector
from wavelane.work import Chunk, Samples, StepResult


class Lane:
    """A mono stream.

    Args:
        channel: its number within the session.
        spec: of the model.
        options: effective options.
        detector: finds speech; None recognises everything.
        out: where events go.
    """

    def __init__(
        self, channel: int, spec: ModelSpec, options: SessionOptions, detector: Detector | None, out: list[Event]
    ) -> None:
        self._channel = channel
        self._spec = spec
        self._options = options
        self._out = out
        self._resampler: Resampler | None = None
        self._gate: Gate = (
            OpenGate(options.endpoint) if detector is None else SpeechGate(detector, options.vad, options.endpoint)
        )
        self._framer: Framer | None = None
        self._base = 0
        self._sequence = 0
        self._prompt: int | None = None
        self.chunks: deque[Chunk] = deque()
        """Chunks for the engine."""
        self.recognition = Recognition(channel, spec, options, gated=detector is not None, out=out)

    @property
    def clock(self) -> int:
        """Sample clock at the end of the audio received."""
        return self.recognition.received

    def reconfigure(self, options: SessionOptions) -> None:
        """Change options; language and lookahead count from the next stream on."""
        self._options = self.recognition.options = options
        self._gate.endpoint = options.endpoint

    def push(self, samples: Samples, rate: int) -> None:
        """Take mono audio at ``rate`` Hz, which never changes within a lane."""
        if self._resampler is None:
            self._resampler = Resampler(rate, self._spec.features.sample_rate)
        self._take(self._resampler.push(samples))

    def finish(self, mark: Mark) -> None:
        """Finalise all audio taken: the tail of the stream is due at once. ``mark`` is FLUSH or END."""
        if self._resampler is not None:
            self._take(self._resampler.flush())
        self._act(self._gate.finish())
        self.recognition.mark(mark, self.clock)

    def receive(self, result: StepResult) -> None:
        """Take the result of the oldest chunk."""
        self.recognition.receive(result)
        self.recognition.silent_to(self._gate.position if self._framer is None else 0)

    def _take(self, samples: Samples) -> None:
        if not len(samples):
            return
        self.recognition.received += len(samples)
        self._act(self._gate.push(samples))
        if self._framer is None:
            self.recognition.silent_to(self._gate.position)

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Open(at):
                    self._base = at
                    self._framer = Framer(
                        self._spec.features,
                        subsampling=self._spec.subsampling,
                        lookahead=self._lookahead(),
                    )
                    self._prompt = self._spec.prompt(self._options.language)
                    self.recognition.mark(Mark.OPEN, at)
                case Feed(samples):
                    assert self._framer is not None
                    self._send(self._framer.push(samples), self._framer.lookahead)
                case Close():
                    assert self._framer is not None
                    self._send(self._framer.finish(), self._framer.lookahead)
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

    def _lookahead(self) -> int:
        lookahead = self._options.lookahead
        return self._spec.default_lookahead if lookahead is None else lookahead

    def _send(self, windows: list[Window], lookahead: int) -> None:
        for window in windows:
            chunk = Chunk(
                lane=self._channel,
                sequence=self._sequence,
                samples=window.samples,
                frames=window.frames,
                start=window.start,
                last=window.last,
                lookahead=lookahead,
                prompt=self._prompt,
                end=self._base + window.end,
            )
            self._sequence += 1
            self.chunks.append(chunk)
            self.recognition.sent(chunk.end)
