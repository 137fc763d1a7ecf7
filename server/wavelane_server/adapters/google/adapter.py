"""``StreamingRecognize``: requests to commands, events to responses; and how Google words its errors."""

from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Endpoint, Failed, Final, Partial, SpeechStarted, SpeechStopped
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    End,
    Fail,
    KeepAlive,
    Outgoing,
    Progress,
    Ready,
    Rejection,
)
from wavelane_server.adapters.google.messages import (
    SpeechRecognitionAlternative,
    StreamingRecognitionResult,
    StreamingRecognizeResponse,
    alternatives,
    duration,
    whole_seconds,
)
from wavelane_server.adapters.google.options import OPTIONS, GoogleAsked, streaming
from wavelane_server.adapters.recognition import Host, renamed, settled

STABLE, UNSTABLE = 0.9, 0.01
"""Google's stability of what will not change any more, and of what may."""

MOST_LATE = 10
"""Messages of a client that goes on when no more audio is wanted, until the server ends the stream: most close it
themselves, and some of Google's clients take an end amid their writing for a failure."""

MALORDERED = "Malordered Data Received. Send exactly one config, followed by audio data."

AUDIO_TIMEOUT = "Audio Timeout Error: Long duration elapsed without audio. Audio should be sent close to real time."


class GoogleAdapter:
    """One stream.

    Args:
        host: the server.
    """

    def __init__(self, host: Host) -> None:
        self.warnings: list[str] = []
        """What was accepted and changes nothing."""
        self._host = host
        self._asked: GoogleAsked | None = None
        self._over = False
        """No more audio is wanted."""
        self._late = 0
        """Messages that came nevertheless."""
        self._failed = False
        self._results_over = False
        self._request = 0
        self._spoke_before: set[int] = set()
        """Channels that have had a final."""
        self._speaking: set[int] = set()
        self._heard = False
        self._silent_since = 0
        self._due: int | None = None
        """When the silence was too long (sample clock): nothing that begins later is told."""
        self._clocks: list[int] = []

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return []

    def audio(self, message: Any) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`; gRPC offers nothing on the spot."""
        return None

    def receive(self, message: Any) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`; the first mistake ends the stream."""
        try:
            return self._commands(message)
        except WavelaneError as error:
            return [Fail(error)]

    def _commands(self, message: Any) -> list[Command]:
        kind = message.WhichOneof("streaming_request")
        asked = self._asked
        if asked is None:
            if kind != "streaming_config":
                raise _malordered(f"The first message has streaming_config, not {kind or 'nothing'}.")
            asked = self._asked = streaming(message.streaming_config, self._host)
            self.warnings += asked.warnings
            self._clocks = [0] * (asked.values["channels"] if asked.separate else 1)
            return [Configure(asked.values, once=True, progress=asked.timed)]
        if kind != "audio_content":
            raise _malordered(f"Expected audio_content, {kind or 'none'} was set.")
        if self._over:
            self._late += 1
            return [End()] if self._late == MOST_LATE else []
        data = message.audio_content if asked.raw is None else asked.raw.take(message.audio_content)
        return [Audio(data)] if data else [KeepAlive()]

    def send(self, event: Outgoing) -> list[Any]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        asked = self._asked
        assert asked is not None, "there is no session before its configuration"
        response = None
        match event:
            case Partial():
                response = self._partial(event, asked)
            case Final():
                response = self._final(event, asked)
            case SpeechStarted():
                response = self._started(event, asked)
            case SpeechStopped():
                response = self._stopped(event, asked)
            case Endpoint(reason="silence" | "max_utterance") if asked.single_utterance and not self._over:
                self._over = True
                response = self._event("END_OF_SINGLE_UTTERANCE", event.at)
            case Progress():
                response = self._progress(event, asked)
            case Ready():
                self._request = int(event.session, 16) >> 1
            case Failed(fatal=True):
                self._failed = True
            case Failed():
                self.warnings.append(event.message)
            case Closed() if not self._failed:
                response = StreamingRecognizeResponse(total_billed_time=whole_seconds(event.received))
        if response is None:
            return []
        response.request_id = self._request
        return [response]

    def reject(self, error: WavelaneError) -> Rejection[Any]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return rejection(error)

    def _partial(self, event: Partial, asked: GoogleAsked) -> Any | None:
        if self._unwanted(event):
            return None
        cut = settled(event.text, event.stable)
        lead = self._lead(event.channel)
        parts = ((lead + event.text[:cut], STABLE), (event.text[cut:] if cut else lead + event.text, UNSTABLE))
        return StreamingRecognizeResponse(
            results=[
                StreamingRecognitionResult(
                    alternatives=[SpeechRecognitionAlternative(transcript=text)],
                    stability=stability,
                    **self._common(event.channel, event.processed, asked),
                )
                for text, stability in parts
                if text.strip()
            ]
        )

    def _final(self, event: Final, asked: GoogleAsked) -> Any | None:
        if self._unwanted(event):
            return None
        lead = self._lead(event.channel)
        self._spoke_before.add(event.channel)
        self._results_over = asked.single_utterance
        result = StreamingRecognitionResult(
            alternatives=alternatives(
                event.alternatives, lead, times=asked.word_times, confidence=asked.word_confidence
            ),
            is_final=True,
            **self._common(event.channel, event.end, asked),
        )
        return StreamingRecognizeResponse(results=[result])

    def _unwanted(self, event: Partial | Final) -> bool:
        return not event.text or self._results_over or (self._due is not None and event.start >= self._due)

    def _lead(self, channel: int) -> str:
        """Google's transcripts are made to be written one behind the other."""
        return " " if channel in self._spoke_before else ""

    def _common(self, channel: int, end: int, asked: GoogleAsked) -> dict[str, Any]:
        fields: dict[str, Any] = {"result_end_time": duration(end), "language_code": asked.language_code.lower()}
        if asked.separate:
            fields["channel_tag"] = channel + 1
        return fields

    def _event(self, name: str, at: int) -> Any:
        return StreamingRecognizeResponse(speech_event_type=name, speech_event_time=duration(at))

    def _started(self, event: SpeechStarted, asked: GoogleAsked) -> Any | None:
        if self._speaking:
            self._speaking.add(event.channel)
            return None
        # Of audio that came faster than it is recognised, onsets are told before the silence in front of them.
        timeout = self._timeout(event.at, asked)
        self._speaking.add(event.channel)
        self._heard = True
        if self._over or not asked.activity:
            return timeout
        return self._event("SPEECH_ACTIVITY_BEGIN", event.at)

    def _stopped(self, event: SpeechStopped, asked: GoogleAsked) -> Any | None:
        self._speaking.discard(event.channel)
        if self._speaking:
            return None
        self._silent_since = event.at
        return self._event("SPEECH_ACTIVITY_END", event.at) if asked.activity and not self._over else None

    def _progress(self, event: Progress, asked: GoogleAsked) -> Any | None:
        self._clocks[event.channel] = event.at
        return None if self._speaking else self._timeout(min(self._clocks), asked)

    def _timeout(self, silent_to: int, asked: GoogleAsked) -> Any | None:
        limit = asked.end_timeout if self._heard else asked.start_timeout
        if self._over or limit is None or silent_to < self._silent_since + limit:
            return None
        self._over = True
        self._due = self._silent_since + limit
        return self._event("SPEECH_ACTIVITY_TIMEOUT", self._due)


def rejection(error: WavelaneError) -> Rejection[Any]:
    """How Google words an error."""
    grpc, reason = error.status.grpc, error.message
    if error.code is ErrorCode.IDLE_TIMEOUT:
        grpc, reason = "OUT_OF_RANGE", f"{AUDIO_TIMEOUT} ({reason})"
    elif error.code is ErrorCode.INVALID_CONFIG:
        reason = renamed(reason, OPTIONS)
    return Rejection(messages=[], close_code=error.status.websocket, http=error.status.http, grpc=grpc, reason=reason)


def _malordered(what: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, f"{MALORDERED} {what}")
