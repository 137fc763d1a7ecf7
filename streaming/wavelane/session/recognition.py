"""The result side of a lane: step results and marks, in the order of the audio, become partials and finals.

Everything that decides about utterances happens here, in the order of the audio and never in the order of arrival: a
mark (speech opened, paused, flushed, ended) set behind chunks that are still with the engine waits for their results.
That is why the same bytes give the same finals however they are split and however fast they come.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

from wavelane.decode.words import WordBuilder
from wavelane.events import Alternative, Endpoint, Event, Final, FinalReason, Partial
from wavelane.session.endpoint import far_too_long, silence_rule, too_long
from wavelane.session.options import SessionOptions
from wavelane.spec import ModelSpec
from wavelane.text.formatter import Formatted, Formatter, Style
from wavelane.work import StepResult, Token


class Mark(Enum):
    """What happened in the audio at a position."""

    OPEN = auto()
    """A stream begins: frame 0 of the following results is here."""
    SPEECH = auto()
    """The detector heard speech begin: an utterance opens if none is open."""
    PAUSE = auto()
    """Silence after speech, long enough to end an utterance that has text."""
    NO_TEXT = auto()
    """Silence after speech, long enough to end an utterance without text."""
    FLUSH = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class _Sent:
    end: int


@dataclass(frozen=True, slots=True)
class _Marked:
    mark: Mark
    at: int


class _Utterance:
    def __init__(self, index: int, start: int, spec: ModelSpec) -> None:
        self.index = index
        self.start = start
        self.builder = WordBuilder(spec.vocabulary, spec.frame_samples)
        self.has_text = False

    def add(self, token: Token, base: int) -> None:
        self.builder.add(token, base)
        self.has_text = True


def _formatter(options: SessionOptions, spec: ModelSpec) -> Formatter | None:
    style = Style.of(options.text, spec.vocabulary)
    return None if style is None else Formatter(style)


class Recognition:
    """Utterances of one lane.

    Args:
        channel: number of the lane, for its events.
        spec: of the model.
        options: effective options; may be replaced at any time.
        gated: a detector finds silence (its marks end utterances); otherwise the decoder's silence does.
        out: where events go.
    """

    def __init__(
        self, channel: int, spec: ModelSpec, options: SessionOptions, *, gated: bool, out: list[Event]
    ) -> None:
        self.options = options
        self._channel = channel
        self._spec = spec
        self._gated = gated
        self._out = out
        self._pending: deque[_Sent | _Marked] = deque()
        self._utterance: _Utterance | None = None
        self._text = options.text
        self._formatter = _formatter(options, spec)
        self._count = 0
        self._base = 0
        self._silent_since = 0
        self._silence_reported = False
        self.received = 0
        """Sample clock at the end of the audio received."""
        self._decided = 0  # sample clock of the newest result or mark taken; unlike ``processed`` the same at any pace
        self.processed = 0
        """Sample clock up to which audio is recognised or known to be silence."""
        self.flushed: deque[int] = deque()
        """Positions of flushes that are done, for the session to collect."""
        self.ended = False

    @property
    def lag_ms(self) -> int:
        """Audio received but not yet recognised (ms)."""
        return (self.received - self.processed) * 1000 // self._spec.features.sample_rate

    @property
    def waiting(self) -> bool:
        """Results are due from the engine."""
        return bool(self._pending)

    def sent(self, end: int) -> None:
        """A chunk whose newest audio is at ``end`` went to the engine."""
        self._pending.append(_Sent(end))

    def silent_to(self, at: int) -> None:
        """Everything up to ``at`` is recognised or needs no step."""
        if not self._pending:
            self.processed = max(self.processed, at)

    def mark(self, mark: Mark, at: int) -> None:
        """Something happened in the audio at ``at``, behind all chunks sent so far."""
        if self._pending:
            self._pending.append(_Marked(mark, at))
        else:
            self._apply(mark, at)

    def receive(self, result: StepResult) -> None:
        """Take the result of the oldest chunk that is out."""
        sent = self._pending.popleft()
        assert isinstance(sent, _Sent), "a result without a chunk"
        self._decided = max(self._decided, sent.end)
        self.processed = max(self.processed, sent.end)
        for token in result.tokens:
            self._add(token)
        if result.tokens and self.options.partials and self._utterance is not None:
            self._partial(self._utterance)
        self._rules()
        self._drain()

    def abandon(self) -> None:
        """No more results will come: the open utterance is closed with what is known."""
        self._pending.clear()
        if self._utterance is not None:
            self._close("failure", self.processed)
        self.ended = True

    def _drain(self) -> None:
        while self._pending and isinstance(item := self._pending[0], _Marked):
            self._pending.popleft()
            self._apply(item.mark, item.at)

    def _apply(self, mark: Mark, at: int) -> None:
        utterance = self._utterance
        self._decided = max(self._decided, at)
        self.processed = max(self.processed, at)
        match mark:
            case Mark.OPEN:
                self._base = at
                self._silent_since = max(self._silent_since, at)
            case Mark.SPEECH:
                self._open(at)
            case Mark.PAUSE:
                if utterance is not None and utterance.has_text:
                    self._close("silence", at)
            case Mark.NO_TEXT:
                if utterance is not None:
                    self._close("silence" if utterance.has_text else "no_text", at)
            case Mark.FLUSH | Mark.END:
                if utterance is not None:
                    self._close("flush" if mark is Mark.FLUSH else "end", at)
                self._silent_since = at
                if mark is Mark.FLUSH:
                    self.flushed.append(at)
                else:
                    self.ended = True

    def _open(self, at: int) -> _Utterance:
        if self._utterance is None:
            if self._text != self.options.text:
                self._text = self.options.text
                self._formatter = _formatter(self.options, self._spec)
            self._utterance = _Utterance(self._count, at, self._spec)
            self._count += 1
        return self._utterance

    def _add(self, token: Token) -> None:
        at = self._base + token.frame * self._spec.frame_samples
        utterance = self._utterance
        if (
            utterance is not None
            and utterance.has_text
            and too_long(self.options.endpoint, at - utterance.start)
            and utterance.builder.opens_word(token)
        ):
            self._close("max_utterance", at)
        self._open(at).add(token, self._base)
        self._silent_since = at + self._spec.frame_samples
        self._silence_reported = False

    def _rules(self) -> None:
        utterance = self._utterance
        endpoint = self.options.endpoint
        if utterance is not None and far_too_long(endpoint, self._decided - utterance.start):
            self._close("max_utterance", self._decided)
        elif not self._gated:
            has_text = utterance is not None and utterance.has_text
            reason = silence_rule(endpoint, self._decided - self._silent_since, has_text)
            if reason == "silence" or (reason == "no_text" and not self._silence_reported):
                self._silence_reported = True
                self._open(self._silent_since)
                self._close(reason, self._decided)

    def _partial(self, utterance: _Utterance) -> None:
        text = utterance.builder.text
        words = utterance.builder.words() if self.options.words or self._formatter is not None else ()
        shown = Formatted(text, len(text), words)
        if self._formatter is not None:
            # The last word may still grow.
            shown = self._formatter.partial(words, max(0, len(words) - 1))
        self._out.append(
            Partial(
                channel=self._channel,
                utterance=utterance.index,
                text=shown.text,
                stable=shown.stable,
                words=shown.words if self.options.words else (),
                start=utterance.start,
                processed=self.processed,
                lag_ms=self.lag_ms,
            )
        )

    def _close(self, reason: FinalReason, at: int) -> None:
        utterance = self._utterance
        assert utterance is not None, "no utterance to close"
        self._utterance = None
        words = utterance.builder.words()
        confidence = round(sum(word.confidence for word in words) / len(words), 4) if words else 0.0
        if reason not in ("flush", "end", "failure"):
            self._out.append(Endpoint(channel=self._channel, utterance=utterance.index, at=at, reason=reason))
        text = utterance.builder.text
        shown = Formatted(text, len(text), words)
        if self._formatter is not None:
            (shown,) = self._formatter.final(words, cut=reason == "max_utterance")
        best = Alternative(
            text=shown.text,
            confidence=confidence,
            words=shown.words if self.options.words else (),
            spoken=text if shown.text != text else "",
        )
        self._out.append(
            Final(
                channel=self._channel,
                utterance=utterance.index,
                alternatives=(best,),
                start=words[0].start if words else utterance.start,
                end=words[-1].end if words else max(at, utterance.start),
                processed=self.processed,
                lag_ms=self.lag_ms,
                reason=reason,
            )
        )
