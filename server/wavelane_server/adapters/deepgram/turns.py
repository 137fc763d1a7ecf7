"""``/v2/listen``: audio in, the turns of a conversation out."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    CLOCK_RATE,
    Closed,
    Endpoint,
    Failed,
    Final,
    Flushed,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    Configured,
    End,
    Flush,
    KeepAlive,
    Outgoing,
    Progress,
    Ready,
    Reconfigure,
    Rejection,
)
from wavelane_server.adapters.deepgram.query import refuse
from wavelane_server.adapters.deepgram.request import Request, rejection, seconds
from wavelane_server.adapters.deepgram.turn_options import confidence, turn_options
from wavelane_server.adapters.deepgram.words import LEAST_GAP, Rest
from wavelane_server.adapters.handshake import Handshake
from wavelane_server.adapters.text import json_object

UPDATE_TICKS = CLOCK_RATE // 4
"""A client is told at least so often that audio was heard (sample clock)."""

MARKS = ".?!,"
"""That a final may have behind its last word, and a partial has not yet."""

MOST_PENDING = 16
"""Configurations that wait for their answer: each one is read again for those behind it."""

TYPES = ("CloseStream", "ForceEndTurn", "Configure", "KeepAlive")
"""Of a client's text messages."""


class ListenV2:
    """One stream of turns.

    A turn begins with its first word and ends with silence; its text is that of the utterances within it.

    Args:
        handshake: has the options in its query.
        request: its identity.

    Raises:
        WavelaneError: INVALID_CONFIG for a parameter that is unknown, wrong, or of no effect here.
    """

    def __init__(self, handshake: Handshake, request: Request) -> None:
        self.request = request
        self._options = turn_options(handshake.query)
        self._pending: deque[Mapping[str, Any] | None] = deque()
        """Each ``Configure`` that is not answered yet; None for one that is refused already."""
        self._sequence = 0
        self._turn = 0
        self._begin = 0  # sample clock where the turn's audio begins
        self._told = 0  # sample clock up to which the client was told of audio
        self._started = False
        self._eager: str | None = None  # transcript of the eager end that stands
        self._done: list[tuple[str, Sequence[Word]]] = []  # utterances of the turn that were cut for their length
        self._open: tuple[str, Sequence[Word]] = ("", ())
        self._rest = Rest()
        self._speech_from: int | None = None  # sample clock where the speech began that goes on
        self._quiet_since = 0
        self._endpoint = 0
        self._ended = False

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return [Configure(self._options.values(), once=True, progress=True)]

    def receive(self, message: str | bytes) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if self._ended:
            return []  # clients stop their microphone after they said so
        if isinstance(message, bytes):
            return [Audio(message)] if message else self._last()
        values = json_object(message)
        match values.get("type"):
            case "CloseStream":
                return self._last()
            case "ForceEndTurn":
                return [Flush()]
            case "KeepAlive":
                return [KeepAlive()]
            case "Configure":
                return [self._configure(values)]
        kind = str(values.get("type"))[:64]
        raise WavelaneError(ErrorCode.INVALID_MESSAGE, f"unknown type {kind!r}; one of {', '.join(TYPES)}")

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return message if isinstance(message, bytes) and message else None

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        match event:
            case Partial():
                return self._partial(event)
            case Final():
                return self._final(event)
            case Progress():
                return self._progress(event.at)
            case Endpoint():
                self._endpoint = event.at
            case SpeechStarted():
                self._speech_from = event.at
                return self._resume(event.at) if self._eager is not None else []
            case SpeechStopped():
                self._speech_from = None
                self._quiet_since = max(self._quiet_since, event.at)
            case Ready():
                return [self._encode("Connected", request_id=self.request.id)]
            case Configured():
                return [self._configured()]
            case Failed():
                return [self._failed(event)]
            case Flushed():
                return self._end_if_started(event.at)
            case Closed():
                return self._end_if_started(event.received)
        return []

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return rejection(error)

    def _last(self) -> list[Command]:
        self._ended = True
        return [End()]

    def _partial(self, event: Partial) -> list[str]:
        self._open = text, words = self._rest.of(event.text, event.words)
        if words:
            self._quiet_since = max(self._quiet_since, words[-1].end)
        if not self._started:
            return self._start(event.processed) if text else []
        if self._eager is not None and self._eager != self._transcript:
            return self._resume(event.processed)
        return self._eager_end(event.processed) or [self._turn_info("Update", event.processed)]

    def _final(self, event: Final) -> list[str]:
        text, words = self._rest.of(event.text, event.words)
        self._rest.close()
        if self._eager is None or text.rstrip(MARKS) != self._open[0].rstrip(MARKS):
            # Else the client has begun to answer the text as it was, and a full stop more is no reason to begin anew.
            self._open = (text, words)
        end = max(event.end, self._endpoint, self._told)
        messages = [] if self._started or not text else self._start(end)
        if event.reason == "max_utterance":
            # The turn goes on in another utterance.
            if text:
                self._done.append(self._open)
            self._open = ("", ())
            return messages
        if self._started:
            if self._eager is not None and self._eager != self._transcript:
                messages += self._resume(end)
            silent = event.reason in ("silence", "no_text")
            messages.append(self._end(end, self._options.thresholds.trigger if silent else "manual"))
        self._open = ("", ())
        return messages

    def _end(self, at: int, trigger: str) -> str:
        sure = self._options.thresholds.eot_threshold if trigger == "model" else 0.0
        message = self._turn_info("EndOfTurn", at, least=sure, trigger=trigger)
        self._turn += 1
        self._open, self._done, self._started, self._eager = ("", ()), [], False, None
        self._begin = at
        return message

    def _end_if_started(self, at: int) -> list[str]:
        """A turn whose utterances are all over, as where the last one was cut for its length."""
        return [self._end(max(at, self._told), "manual")] if self._started else []

    def _ended_by(self, at: int) -> str | None:
        """What ends the turn at ``at`` where the session does not: noise hides the silence, or no utterance is open."""
        thresholds, words = self._options.thresholds, self._open[1]
        if not self._started:
            return None
        if words:
            patience = max(thresholds.eot_timeout_ms * CLOCK_RATE // 1000, LEAST_GAP)
            return "timeout" if at - words[-1].end >= patience else None
        silent = not self._speaking(at) and at - self._quiet_since >= thresholds.silence_ms * CLOCK_RATE // 1000
        return thresholds.trigger if silent else None

    def _progress(self, at: int) -> list[str]:
        if (trigger := self._ended_by(at)) is not None:
            if self._open[1]:
                self._rest.tell(self._open[1])
            return [self._end(at, trigger)]
        due = at - self._told >= UPDATE_TICKS
        return self._eager_end(at) or ([self._turn_info("Update", at)] if due else [])

    def _eager_end(self, at: int) -> list[str]:
        eager = self._options.thresholds.eager_eot_threshold
        if eager is None or self._eager is not None or not self._transcript or self._confidence(at) < eager:
            return []
        self._eager = self._transcript
        return [self._turn_info("EagerEndOfTurn", at)]

    def _start(self, at: int) -> list[str]:
        self._started = True
        return [self._turn_info("StartOfTurn", at)]

    def _resume(self, at: int) -> list[str]:
        self._eager = None
        return [self._turn_info("TurnResumed", at)]

    @property
    def _transcript(self) -> str:
        return " ".join(text for text, _ in (*self._done, self._open) if text)

    def _speaking(self, at: int) -> bool:
        """The detector is ahead of what is recognised: it may have heard speech that begins later."""
        return self._speech_from is not None and at >= self._speech_from

    def _confidence(self, at: int) -> float:
        """That the turn is over; the threshold itself is reached where it is."""
        if self._speaking(at) or not self._started:
            return 0.0
        return min(confidence(at - self._quiet_since), self._options.thresholds.eot_threshold)

    def _turn_info(self, event: str, at: int, *, least: float = 0.0, **more: str) -> str:
        self._told = max(self._told, at)
        hints = {"languages_hinted": list(self._options.hints)} if self._options.hints else {}
        return self._encode(
            "TurnInfo",
            request_id=self.request.id,
            event=event,
            turn_index=self._turn,
            audio_window_start=seconds(self._begin),
            audio_window_end=seconds(max(at, self._begin)),
            transcript=self._transcript,
            words=[_word(word) for _, words in (*self._done, self._open) for word in words],
            end_of_turn_confidence=round(max(least, self._confidence(at)), 4),
            **more,
            **hints,
        )

    def _configure(self, values: Mapping[str, Any]) -> Reconfigure:
        waiting = [change for change in self._pending if change is not None]
        try:
            if len(waiting) == MOST_PENDING:
                raise refuse(f"{MOST_PENDING} changes before this one are not answered yet: wait for that")
            before = self._options
            for change in waiting:
                before = before.configured(change)
            after = before.configured(values)
        except WavelaneError:
            self._pending.append(None)
            raise
        self._pending.append(values)
        return Reconfigure(after.reconfiguration(before))

    def _configured(self) -> str:
        values = self._pending.popleft()
        assert values is not None, "a refused change took effect"
        self._options = options = self._options.configured(values)
        return self._encode(
            "ConfigureSuccess",
            request_id=self.request.id,
            thresholds=options.thresholds.shown(),
            keyterms=list(options.keyterms),
            numerals=options.numerals,
            **({"language_hints": list(options.hints)} if options.hints else {}),
        )

    def _failed(self, event: Failed) -> str:
        code = event.code.value.upper()
        if event.fatal:
            return self._encode("Error", code=code, description=event.message)
        if event.code is ErrorCode.INVALID_CONFIG and self._pending:
            self._pending.popleft()
            return self._encode("ConfigureFailure", request_id=self.request.id, code=code, description=event.message)
        return self._encode("Warning", request_id=self.request.id, code=code, description=event.message)

    def _encode(self, kind: str, **values: Any) -> str:
        message = {"type": kind, "sequence_id": self._sequence, **values}
        self._sequence += 1
        return orjson.dumps(message).decode()


def _word(word: Word) -> dict[str, Any]:
    return {
        "word": word.text,
        "confidence": round(word.confidence, 6),
        "start": seconds(word.start),
        "end": seconds(word.end),
    }
