"""The sans-I/O session: bytes and results in, chunks and events out.

No clock, thread, socket or model: time is counted in samples, so a test feeds bytes and reads events, and the same
bytes give the same finals however they are split and whenever they come.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from wavelane.audio.channels import select_channels
from wavelane.audio.decoder import AudioDecoder, DecoderLimits, RawDecoder, open_decoder
from wavelane.audio.pcm import Block, PcmDecoder
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Event, Failed, Flushed
from wavelane.grammar import GrammarLibrary
from wavelane.session.effective import effective_options, grammar_of
from wavelane.session.lane import Lane
from wavelane.session.options import SessionOptions, reconfigure
from wavelane.session.recognition import Mark
from wavelane.spec import ModelSpec
from wavelane.vad.base import DeferredDetector, Detector
from wavelane.vad.webrtc import WebRtcDetector
from wavelane.work import Chunk, StepResult, VadWork

SILERO_WINDOW = 512
"""Samples that silero judges at a time (32 ms), as in :mod:`wavelane.vad.silero`, which needs torch."""

BURST_SECONDS = 5.0
"""Audio that one call decodes before it asks to be called again (s); a kilobyte of a container can hold a minute."""

DetectorFactory = Callable[[SessionOptions], Detector | None]


def make_detector(options: SessionOptions) -> Detector | None:
    """The detector of the options; None for ``off``."""
    if options.vad.kind == "off":
        return None
    if options.vad.kind == "silero":
        return DeferredDetector(SILERO_WINDOW)
    return WebRtcDetector(options.vad.mode)


class Session:
    """One client's recognition.

    Args:
        options: what the client asked for.
        spec: of the model.
        limits: bounds on what a container may decode to.
        max_hotwords: most phrases that a client may favour.
        grammars: that the options may name.
        detectors: makes one detector per lane.

    Raises:
        WavelaneError: INVALID_CONFIG for an option that cannot take effect with this model.
    """

    def __init__(
        self,
        options: SessionOptions,
        spec: ModelSpec,
        *,
        limits: DecoderLimits | None = None,
        max_hotwords: int = 5_000,
        grammars: GrammarLibrary = GrammarLibrary(),  # noqa: B008 - never changes
        detectors: DetectorFactory = make_detector,
    ) -> None:
        self.options = effective_options(options, spec, max_hotwords)
        self._spec = spec
        self._max_hotwords = max_hotwords
        self._grammars = grammars
        grammar = grammar_of(self.options, spec, grammars)
        self._events: list[Event] = []
        self._decoder: AudioDecoder = open_decoder(
            options.encoding, sample_rate=options.sample_rate, channels=options.channels, limits=limits
        )
        count = options.channels if options.channel == "separate" else 1
        self._lanes = [
            Lane(channel, spec, self.options, detectors(self.options), self._events, grammar)
            for channel in range(count)
        ]
        self._only = self._lanes[0].recognition if count == 1 else None
        """Of the only lane."""
        self._rate = spec.features.sample_rate
        self._mono = count == 1 and options.channel in ("mix", "separate", 0)
        self._int16: PcmDecoder | None = None
        """The decoder, where samples come as most clients send them: with nothing to decode, mix or resample."""
        plain = options.encoding == "linear16" and options.sample_rate == spec.features.sample_rate
        if isinstance(self._decoder, RawDecoder) and plain and options.channels == 1:
            self._int16 = self._decoder.pcm
        self._inputs: deque[tuple[Iterator[Block], Mark | None]] = deque()
        self._ended = False
        self._failed = False
        self._closed = False

    @property
    def lanes(self) -> int:
        """Engine lanes (slots) that the session needs: one, or one per channel recognised separately."""
        return len(self._lanes)

    @property
    def longest_lookahead(self) -> int:
        """The longest lookahead that the options allow."""
        lookahead = self.options.lookahead_max if self.options.lookahead == "auto" else self.options.lookahead
        assert isinstance(lookahead, int), "the options are not the effective ones"
        return lookahead

    @property
    def backlog_ms(self) -> int:
        """Audio received but not yet recognised (ms), the slowest lane's."""
        only = self._only
        # Asked several times for each packet, and nearly all sessions have one lane.
        if only is None:
            return max(lane.recognition.lag_ms for lane in self._lanes)
        return (only.received - only.processed) * 1000 // self._rate

    @property
    def received(self) -> int:
        """Sample clock at the end of the audio received."""
        return max(lane.clock for lane in self._lanes) if self._only is None else self._only.received

    def processed(self, channel: int) -> int:
        """Sample clock up to which a channel's audio is recognised or known to be silence."""
        return self._lanes[channel].recognition.processed

    @property
    def ended(self) -> bool:
        """No more audio is taken."""
        return self._ended

    @property
    def closed(self) -> bool:
        """All is said: ``Closed`` was emitted."""
        return self._closed

    @property
    def more(self) -> bool:
        """Bytes were taken that are not decoded yet, because they hold much audio: call :meth:`resume`."""
        return bool(self._inputs)

    @property
    def idle(self) -> bool:
        """There is nothing to hand out: no chunk, no windows, no event."""
        return not self._events and (self._lanes[0].idle if self._only else all(lane.idle for lane in self._lanes))

    def receive_audio(self, data: bytes) -> None:
        """Take audio bytes; any split of the same bytes gives the same finals.

        At most about :data:`BURST_SECONDS` of audio are decoded at once, however much the bytes hold; see :attr:`more`.
        Audio that does not decode fails the session: what came before it is finalised first.
        """
        if not self._ended:
            if self._int16 is not None and not self._inputs:
                if data := self._int16.whole(data):
                    self._lanes[0].push_int16(data)
                return
            blocks = self._decoder.feed(data)
            if self._inputs or type(blocks) is not tuple:
                self._offer(blocks)
                return
            try:
                for block in blocks:
                    self._push(block)
            except WavelaneError as error:
                self._fail(error)
        elif not self._failed:
            self._complain(ErrorCode.INVALID_MESSAGE, "audio after end was ignored; open a new session for it")

    def receive_flush(self) -> None:
        """Finalise what was heard and stay open; answered by ``Flushed``."""
        if self._ended:
            self._complain(ErrorCode.INVALID_MESSAGE, "flush after end was ignored; end finalises by itself")
        else:
            self._offer((), Mark.FLUSH)

    def receive_end(self) -> None:
        """No more audio: finalise and close."""
        if self._ended:
            self._complain(ErrorCode.INVALID_MESSAGE, "a second end was ignored")
            return
        self._ended = True
        self._offer(self._decoder.finish(), Mark.END)

    def resume(self) -> None:
        """Go on with what :attr:`more` says is left, by another burst."""
        budget = BURST_SECONDS
        while self._inputs and budget > 0:
            blocks, mark = self._inputs[0]
            try:
                block = next(blocks, None)
                if block is not None:
                    self._push(block)
                    budget -= block.shape[1] / self._decoder.sample_rate
                    continue
            except WavelaneError as error:
                if mark is None:
                    self._inputs.clear()
                    self._fail(error)
                    return
                self._complain(error.code, error.message)
            self._inputs.popleft()
            if mark is not None:
                self._finish(mark)

    def receive_options(self, values: object) -> SessionOptions:
        """Change options mid-stream.

        Returns:
            the effective options.

        Raises:
            WavelaneError: INVALID_CONFIG; nothing is changed.
        """
        options = effective_options(reconfigure(self.options, values), self._spec, self._max_hotwords)
        grammar = grammar_of(options, self._spec, self._grammars)
        self.options = options
        for lane in self._lanes:
            lane.reconfigure(options, grammar)
        return self.options

    def receive_lookahead(self, lookahead: int) -> None:
        """The server's choice, from the next chunk of each lane on; only where the options leave it to the server.

        Args:
            lookahead: one of the model's; taken to the nearest bound of the options.
        """
        for lane in self._lanes:
            lane.retarget(lookahead)

    def receive_failure(self, error: WavelaneError) -> None:
        """The client broke a rule: the failure is told, what was decoded is finalised, the session closes."""
        if not self._ended:
            self._inputs.clear()
            self._fail(error)

    def receive_error(self, error: WavelaneError) -> None:
        """No results will come any more: what is known becomes finals, and the session closes."""
        if self._closed:
            return
        if not self._failed:
            self._events.append(Failed(code=error.code, message=error.message, fatal=True))
        self._ended = self._failed = True
        self._inputs.clear()
        for lane in self._lanes:
            lane.abandon()
        self._settle()

    def receive_result(self, result: StepResult) -> None:
        """Take the engine's answer to a chunk; answers of a lane come in the order of its chunks."""
        if not self._closed:
            self._lanes[result.lane].receive(result)
            self._settle()

    def next_chunk(self) -> Chunk | None:
        """Work for the engine, or None."""
        for lane in self._lanes:
            if lane.chunks:
                return lane.chunks.popleft()
        return None

    def next_windows(self) -> VadWork | None:
        """Work for a speech detector that runs elsewhere (``vad.kind`` silero), or None."""
        for lane in self._lanes:
            if (work := lane.next_windows()) is not None:
                return work
        return None

    def receive_judgements(self, lane: int, probabilities: NDArray[np.float32]) -> None:
        """Take the probabilities [k] of speech in windows handed out, in their order."""
        if not self._closed:
            self._lanes[lane].judge(probabilities)
            self._settle()

    def events(self) -> list[Event]:
        """Events since the last call."""
        events = self._events[:]
        self._events.clear()
        return events

    def _offer(self, blocks: Iterable[Block], mark: Mark | None = None) -> None:
        """Queue audio that is decoded as it is asked for, and what follows it."""
        waiting = bool(self._inputs)
        self._inputs.append((iter(blocks), mark))
        if not waiting:
            self.resume()

    def _finish(self, mark: Mark) -> None:
        for lane in self._lanes:
            lane.finish(mark)
        self._settle()

    def _fail(self, error: WavelaneError) -> None:
        self._ended = self._failed = True
        self._events.append(Failed(code=error.code, message=error.message, fatal=True))
        self._finish(Mark.END)

    def _push(self, block: Block) -> None:
        if self._mono and len(block) == 1:
            self._lanes[0].push(block[0], self._decoder.sample_rate)
            return
        streams = select_channels(block, self.options.channel)
        if len(streams) != len(self._lanes):
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO,
                f"the audio has {len(streams)} channels, but {len(self._lanes)} were configured to be recognised "
                "separately: set channels to what the audio has",
            )
        for lane, samples in zip(self._lanes, streams, strict=True):
            lane.push(samples, self._decoder.sample_rate)

    def _complain(self, code: ErrorCode, message: str) -> None:
        self._events.append(Failed(code=code, message=message, fatal=False))

    def _settle(self) -> None:
        """Emit what is true only once every lane has got there."""
        while all(lane.recognition.flushed for lane in self._lanes):
            self._events.append(Flushed(at=max(lane.recognition.flushed.popleft() for lane in self._lanes)))
        if not self._closed and all(lane.recognition.ended for lane in self._lanes):
            self._closed = True
            self._events.append(Closed(received=self.received))
