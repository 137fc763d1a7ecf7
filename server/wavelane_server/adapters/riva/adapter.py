"""``StreamingRecognize``: requests to commands, events to responses; and how Riva's errors look."""

from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Failed, Final, Flushed, Partial, SpeechStarted, SpeechStopped
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    Fail,
    Flush,
    KeepAlive,
    Outgoing,
    Progress,
    Ready,
    Rejection,
)
from wavelane_server.adapters.recognition import Host, renamed
from wavelane_server.adapters.riva.messages import (
    RequestId,
    SpeechRecognitionAlternative,
    StreamingRecognitionResult,
    StreamingRecognizeResponse,
    alternatives,
    seconds,
)
from wavelane_server.adapters.riva.options import OPTIONS, RivaAsked, forced, streaming

MOST_STABLE = 0.99
"""Stability of a partial that may still grow; 1 says that the utterance may be over."""


class RivaAdapter:
    """One stream.

    Args:
        host: the server.
    """

    def __init__(self, host: Host) -> None:
        self.warnings: list[str] = []
        """What was accepted and changes nothing."""
        self._host = host
        self._asked: RivaAsked | None = None
        self._id = ""
        self._latest: dict[int, Partial] = {}
        """The partial of each channel's utterance in progress."""
        self._stopped: dict[int, int] = {}
        """Where speech stopped in it (sample clock), until that is told."""
        self._answered = False

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
                raise _out_of_order("the first message has streaming_config, and those after it audio_content")
            asked = self._asked = streaming(message.streaming_config, self._host)
            self.warnings += asked.warnings
            self._id = message.id.value
            forced(message.runtime_config)
            return [Configure(asked.values, once=True, progress=asked.early)]
        if kind == "streaming_config":
            raise _out_of_order("streaming_config came a second time; open a new stream for other options")
        data = message.audio_content if asked.raw is None else asked.raw.take(message.audio_content)
        commands: list[Command] = [Audio(data) if data else KeepAlive()]
        if forced(message.runtime_config):
            commands.append(Flush())
        return commands

    def send(self, event: Outgoing) -> list[Any]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        asked = self._asked
        assert asked is not None, "there is no session before its configuration"
        match event:
            case Partial() if event.text:
                self._latest[event.channel] = event
                return self._partial(event, min(event.stable / len(event.text), MOST_STABLE), asked)
            case SpeechStopped():
                self._stopped[event.channel] = event.at
            case SpeechStarted():
                self._stopped.pop(event.channel, None)
            case Progress():
                return self._early(event, asked)
            case Final():
                self._latest.pop(event.channel, None)
                self._stopped.pop(event.channel, None)
                return self._final(event, asked) if event.text else []
            case Flushed():
                return self._flushed(event, asked)
            case Ready():
                self._id = self._id or event.session
            case Failed(fatal=False):
                self.warnings.append(event.message)
        return []

    def reject(self, error: WavelaneError) -> Rejection[Any]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return rejection(error)

    def _partial(self, event: Partial, stability: float, asked: RivaAsked) -> list[Any]:
        codes = [asked.language_code] if asked.language_code else []
        result = StreamingRecognitionResult(
            alternatives=[SpeechRecognitionAlternative(transcript=event.text, language_code=codes)],
            stability=stability,
            channel_tag=event.channel + 1,
            audio_processed=seconds(event.processed),
        )
        return self._respond(result)

    def _early(self, event: Progress, asked: RivaAsked) -> list[Any]:
        """All of the speech that stopped is recognised: unless it goes on, the utterance is over."""
        if event.channel not in self._latest or event.at < self._stopped.get(event.channel, event.at + 1):
            return []
        del self._stopped[event.channel]
        return self._partial(self._latest[event.channel], 1.0, asked)

    def _final(self, event: Final, asked: RivaAsked) -> list[Any]:
        self._answered |= event.reason == "flush"
        return self._respond(
            StreamingRecognitionResult(
                alternatives=alternatives(event.alternatives, words=asked.word_times, language=asked.language_code),
                is_final=True,
                channel_tag=event.channel + 1,
                audio_processed=seconds(event.processed),
            )
        )

    def _flushed(self, event: Flushed, asked: RivaAsked) -> list[Any]:
        """Who forces the end of an utterance waits for a final, be it an empty one."""
        answered, self._answered = self._answered, False
        if answered:
            return []
        return self._respond(
            StreamingRecognitionResult(
                alternatives=[SpeechRecognitionAlternative()],
                is_final=True,
                channel_tag=1,
                audio_processed=seconds(event.at),
            )
        )

    def _respond(self, result: Any) -> list[Any]:
        return [StreamingRecognizeResponse(results=[result], id=RequestId(value=self._id))]


def rejection(error: WavelaneError) -> Rejection[Any]:
    """The error's own status, and its sentence with Riva's names."""
    status = error.status
    reason = renamed(error.message, OPTIONS) if error.code is ErrorCode.INVALID_CONFIG else error.message
    return Rejection(messages=[], close_code=status.websocket, http=status.http, grpc=status.grpc, reason=reason)


def _out_of_order(what: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, f"Error: messages out of order: {what}")
