"""The result side of a lane: step results and marks, in the order of the audio, become partials and finals.

Everything that decides about utterances happens here, in the order of the audio and never in the order of arrival: a
mark (speech opened, paused, flushed, ended) set behind chunks that are still with the engine waits for their results.
That is why the same bytes give the same finals however they are split and however fast they come.
"""

import math
from collections import deque
from dataclasses import dataclass, replace
from enum import Enum, auto

from wavelane.events import Alternative, Endpoint, Event, Final, FinalReason, Intent, Partial, Word
from wavelane.grammar import Grammar
from wavelane.grammar.words import split_words
from wavelane.session.endpoint import far_too_long, samples, silence_rule, too_long
from wavelane.session.options import SessionOptions
from wavelane.session.utterance import Utterance
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
        self._utterance: Utterance | None = None
        self._tentative: tuple[Token, ...] = ()
        self._unsettled = False
        self._cut = False  # an utterance was cut within the segment of the search that goes on
        self._text = options.text
        self._formatter = _formatter(options, spec)
        self._count = 0
        self._lead = samples(options.audio.lead_ms)
        self._base = 0
        self._told = 0  # sample clock at the end of the newest word of a final
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
        self.grammars: deque[Grammar | None] = deque()
        """Of streams that are open and whose :attr:`Mark.OPEN` was not taken yet."""
        self._grammar: Grammar | None = None
        self._fit = 0.0  # score of the newest sentence that a search in the grammar has found

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
        self._take(self._placed(result, sent.end))
        self._rules()
        self._drain()

    def _placed(self, result: StepResult, end: int) -> StepResult:
        """The result with no piece in the silence that was put before and behind the audio, which ends at ``end``."""
        if not (result.tokens or result.tentative or result.alternatives):
            return result
        size = self._spec.frame_samples
        oldest = -(-self._lead // size)
        newest = max(oldest, (end - self._base - 1) // size)
        pieces = (*result.tokens, *result.tentative, *(token for way in result.alternatives for token in way.tokens))
        if all(oldest <= token.frame <= newest for token in pieces):
            return result

        def placed(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            return tuple(replace(token, frame=min(max(oldest, token.frame), newest)) for token in tokens)

        return replace(
            result,
            tokens=placed(result.tokens),
            tentative=placed(result.tentative),
            alternatives=tuple(replace(way, tokens=placed(way.tokens)) for way in result.alternatives),
        )

    def _take(self, result: StepResult) -> None:
        opened = self._count + (self._utterance is None)
        for token in result.tokens:
            self._add(token)
        changed = bool(result.tokens) or result.tentative != self._tentative
        self._unsettled = result.unsettled or bool(result.tentative)
        self._expect(result.tentative)
        utterance = self._utterance
        if result.alternatives:
            # Where this very result was cut, its alternatives are of neither utterance.
            if utterance is not None and self._count <= opened:
                utterance.settle(result.alternatives, self._base)
            if result.alternatives[0].tokens:
                self._fit = result.alternatives[0].score
            self._cut = False
        if utterance is not None and changed and self.options.partials:
            self._partial(utterance)

    def _expect(self, tentative: tuple[Token, ...]) -> None:
        """Pieces that may still change take the place of those before."""
        self._tentative = tentative
        if tentative:
            self._open(self._base + tentative[0].frame * self._spec.frame_samples)
        if self._utterance is not None:
            self._utterance.tentative = tuple((token, self._base) for token in tentative)

    def _believe(self) -> None:
        """The stream is over: what was said last stands."""
        if self._tentative:
            tentative = self._tentative
            self._expect(())
            for token in tentative:
                self._add(token)

    def abandon(self) -> None:
        """No more results will come: the open utterance is closed with what is known."""
        self._pending.clear()
        self._believe()
        if self._utterance is not None:
            self._close("failure", self.processed)
        self.ended = True

    def _drain(self) -> None:
        while self._pending and isinstance(item := self._pending[0], _Marked):
            self._pending.popleft()
            self._apply(item.mark, item.at)

    def _apply(self, mark: Mark, at: int) -> None:
        if mark is not Mark.SPEECH:
            self._believe()
        utterance = self._utterance
        self._decided = max(self._decided, at)
        self.processed = max(self.processed, at)
        match mark:
            case Mark.OPEN:
                self._base = at - self._lead
                self._unsettled = self._cut = False
                self._grammar = self.grammars.popleft() if self.grammars else None
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

    def _open(self, at: int) -> Utterance:
        if self._utterance is None:
            if self._text != self.options.text:
                self._text = self.options.text
                self._formatter = _formatter(self.options, self._spec)
            most = self.options.alternatives
            lookahead = self.options.lookahead
            self._utterance = Utterance(
                self._count,
                at,
                self._spec,
                most=most if most == 1 else 2 * most,
                within=self._cut,
                lookahead=lookahead if isinstance(lookahead, int) else self._spec.default_lookahead,
                floor=max(self._told, self._base + self._lead),
            )
            self._count += 1
        return self._utterance

    def _add(self, token: Token) -> None:
        at = self._base + token.frame * self._spec.frame_samples
        utterance = self._utterance
        if (
            utterance is not None
            and too_long(self.options.endpoint, at - utterance.start)
            and utterance.opens_word(token)
        ):
            self._close("max_utterance", at)
            self._cut = True
        self._open(at).add(token, self._base)
        self._silent_since = at + self._spec.frame_samples
        self._silence_reported = False

    def _rules(self) -> None:
        utterance = self._utterance
        endpoint = self.options.endpoint
        if utterance is not None and far_too_long(endpoint, self._decided - utterance.start):
            self._close("max_utterance", self._decided)
            self._cut = self._unsettled
        elif not (self._gated or self._unsettled):
            has_text = utterance is not None and utterance.has_text
            reason = silence_rule(endpoint, self._decided - self._silent_since, has_text)
            if reason == "silence" or (reason == "no_text" and not self._silence_reported):
                self._silence_reported = True
                self._open(self._silent_since)
                self._close(reason, self._decided)

    def _partial(self, utterance: Utterance) -> None:
        builder = utterance.shown()
        words = builder.words() if self.options.words or self._formatter is not None else ()
        text = builder.text
        stable = len(text if builder is utterance.builder else utterance.builder.text)
        shown = Formatted(text, stable, words)
        if self._formatter is not None:
            # The last word of those that stand may still grow.
            shown = self._formatter.partial(words, max(0, utterance.builder.count - 1))
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
        others = utterance.others()
        words = utterance.builder.words()
        if reason not in ("flush", "end", "failure"):
            self._out.append(Endpoint(channel=self._channel, utterance=utterance.index, at=at, reason=reason))
        heard = [(utterance.builder.text, words, utterance.score)]
        heard += [(builder.text, builder.words(), score) for builder, score in others]
        shown = [Formatted(text, len(text), spoken) for text, spoken, _ in heard]
        if self._formatter is not None:
            cut = reason == "max_utterance"
            shown = self._formatter.final(words, [spoken for _, spoken, _ in heard[1:]], cut=cut)
        if words:
            self._told = words[-1].end
        alternatives = [self._alternative(form, *rest) for form, rest in zip(shown, heard, strict=True)]
        self._out.append(
            Final(
                channel=self._channel,
                utterance=utterance.index,
                alternatives=tuple(alternatives[: self.options.alternatives]),
                start=words[0].start if words else utterance.start,
                end=words[-1].end if words else max(at, utterance.start),
                processed=self.processed,
                lag_ms=self.lag_ms,
                reason=reason,
                intent=self._intent([(text, spoken) for text, spoken, _ in heard]),
            )
        )

    def _intent(self, heard: list[tuple[str, tuple[Word, ...]]]) -> Intent | None:
        """What the best of several hypotheses means by the grammar."""
        grammar = self._grammar
        if grammar is None:
            return None
        if self._spec.constrained:
            # The search has found nothing but sentences of the grammar.
            text = " ".join(split_words(heard[0][0]))
            if not text or (reading := grammar.read(text)) is None:
                return None
            return Intent(name=reading.intent, slots=reading.slots, score=round(math.exp(self._fit), 4), sentence=text)
        ways = [grammar.understand([(word.text, word.confidence) for word in words]) for _, words in heard]
        best = max((way for way in ways if way is not None), key=lambda way: way.score, default=None)
        if best is None:
            return None
        return Intent(
            name=best.reading.intent, slots=best.reading.slots, score=round(best.score, 4), sentence=best.sentence
        )

    def _alternative(self, form: Formatted, text: str, words: tuple[Word, ...], score: float | None) -> Alternative:
        return Alternative(
            text=form.text,
            confidence=round(sum(word.confidence for word in words) / len(words), 4) if words else 0.0,
            words=form.words if self.options.words else (),
            score=score,
            spoken=text if form.text != text else "",
        )
