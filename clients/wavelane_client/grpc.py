"""The gRPC transport: ``wavelane.v1.SpeechRecognizer/Stream``, the same messages as the WebSocket's."""

import asyncio
from collections.abc import Mapping
from typing import Any, Self, cast
from urllib.parse import urlsplit

import grpc

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    Alternative,
    AudioIssue,
    AudioProblem,
    Closed,
    Endpoint,
    Failed,
    Final,
    FinalReason,
    Flushed,
    Intent,
    LookaheadChanged,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from wavelane_client.messages import Configured, Corrected, ModelInfo, Ready, ServerEvent, error_code
from wavelane_client.transport import Command, DisconnectedError, connection_lost, no_server
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_protos.wavelane.v1 import asr_pb2_grpc

DEFAULT_PORT = 50051
ERROR_CODE_KEY = "wavelane-error-code"
"""Trailing metadata that carries the stable code of an error."""
RETRY_AFTER_KEY = "retry-after-ms"

_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Every stream has a connection of its own, as clients on different machines do.
    ("grpc.use_local_subchannel_pool", 1),
]
_ENCODINGS = {
    "linear16": pb.LINEAR16,
    "float32": pb.FLOAT32,
    "mulaw": pb.MULAW,
    "alaw": pb.ALAW,
    "container": pb.CONTAINER,
}
_VAD_KINDS = {"webrtc": pb.WEBRTC, "silero": pb.SILERO, "off": pb.OFF}
_SEARCH_METHODS = {"greedy": pb.GREEDY, "beam": pb.BEAM}
_PROFANITIES = {"keep": pb.KEEP, "mask": pb.MASK}
_GAINS = {"off": pb.GAIN_OFF, "auto": pb.GAIN_AUTO}
_SUPPRESSIONS = {
    "off": pb.NOISE_SUPPRESSION_OFF,
    "low": pb.NOISE_SUPPRESSION_LOW,
    "moderate": pb.NOISE_SUPPRESSION_MODERATE,
    "high": pb.NOISE_SUPPRESSION_HIGH,
    "very_high": pb.NOISE_SUPPRESSION_VERY_HIGH,
}
_PROBLEMS = {"clipping": pb.CLIPPING, "no_signal": pb.NO_SIGNAL, "too_quiet": pb.TOO_QUIET}
_CHANNEL_MODES = {"mix": pb.ChannelSelection.MIX, "separate": pb.ChannelSelection.SEPARATE}
_REASONS: dict[int, FinalReason] = {
    pb.REASON_SILENCE: "silence",
    pb.REASON_NO_TEXT: "no_text",
    pb.REASON_MAX_UTTERANCE: "max_utterance",
    pb.REASON_FLUSH: "flush",
    pb.REASON_END: "end",
    pb.REASON_FAILURE: "failure",
}


class GrpcTransport:
    """One channel with one bidirectional stream."""

    def __init__(self, channel: Any, url: str, headers: Mapping[str, str], *, words: bool = True) -> None:
        self.url = url
        self._channel = channel
        self._words = words
        stub = asr_pb2_grpc.SpeechRecognizerStub(channel)  # type: ignore[no-untyped-call]
        self._call: Any = stub.Stream(metadata=tuple(headers.items()))

    @classmethod
    async def open(
        cls, url: str, headers: Mapping[str, str], *, open_timeout: float = 10.0, words: bool = True
    ) -> Self:
        """Connect. Errors as in :func:`wavelane_client.client.open_transport`."""
        parts = urlsplit(url)
        try:
            target = f"{_bracketed(parts.hostname or '127.0.0.1')}:{parts.port or DEFAULT_PORT}"
        except ValueError:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"{url!r} is no address of a server: write grpc://HOST:PORT"
            ) from None
        if parts.scheme == "grpcs":
            channel = grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=_CHANNEL_OPTIONS)
        else:
            channel = grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)
        try:
            async with asyncio.timeout(open_timeout):
                await _connected(channel, url)
        except TimeoutError:
            await channel.close()
            raise no_server(url, f"no answer within {open_timeout:g} s") from None
        except BaseException:
            await channel.close()
            raise
        return cls(channel, url, headers, words=words)

    async def send_audio(self, audio: bytes) -> None:
        """Send one audio request; waits for HTTP/2 flow control."""
        await self._write(pb.StreamRequest(audio=audio))

    async def send(self, command: Command, options: Mapping[str, Any]) -> None:
        """Send one control request."""
        match command:
            case "configure":
                request = pb.StreamRequest(configure=encode_options(pb.Configure(), options))
            case "reconfigure":
                request = pb.StreamRequest(reconfigure=encode_options(pb.Reconfigure(), options))
            case "flush":
                request = pb.StreamRequest(flush=pb.Flush())
            case "end":
                request = pb.StreamRequest(end=pb.End())
            case "correct":
                request = pb.StreamRequest(correct=pb.Correct(**options))
            case "keepalive":
                request = pb.StreamRequest(keepalive=pb.KeepAlive())
        await self._write(request)

    async def receive(self) -> ServerEvent | None:
        """The next event that this version knows."""
        while True:
            try:
                response = await self._call.read()
            except grpc.aio.AioRpcError as error:
                raise _failure(self.url, error) from None
            if response is grpc.aio.EOF:
                return None
            event = decode_response(response, words=self._words)
            if event is not None:
                return event

    async def close(self) -> None:
        """Cancel the call unless it is done, and close the channel."""
        self._call.cancel()
        await self._channel.close()

    async def _write(self, request: pb.StreamRequest) -> None:
        try:
            await self._call.write(request)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
            raise DisconnectedError from None


async def _connected(channel: Any, url: str) -> None:
    state = channel.get_state(try_to_connect=True)
    while state is not grpc.ChannelConnectivity.READY:
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            raise no_server(url, "connection failed")
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _failure(url: str, error: Any) -> WavelaneError:
    """The error of a call's status: Wavelane's own code where the trailing metadata has it."""
    metadata = dict(error.trailing_metadata() or ())
    if ERROR_CODE_KEY in metadata:
        message = error.details() or ""
        if RETRY_AFTER_KEY in metadata:
            message += f" (try again in {int(metadata[RETRY_AFTER_KEY]) / 1000:g} s)"
        return WavelaneError(error_code(str(metadata[ERROR_CODE_KEY])), message)
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return no_server(url, "something else answers there")
    return connection_lost(url, f"{error.code().name}: {error.details()}")


def encode_options(message: Any, options: Mapping[str, Any], path: str = "") -> Any:
    """Fill a ``Configure`` or ``Reconfigure`` (or one of their parts) from session options; None leaves one out.

    Raises:
        WavelaneError: INVALID_CONFIG for an option that the message does not have or cannot express.
    """
    for name, value in options.items():
        full = f"{path}{name}"
        if name not in message.DESCRIPTOR.fields_by_name or name == "lookahead_auto":
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{full}: unknown option, or one that cannot change now")
        if value is None:
            continue
        try:
            match full:
                case "encoding":
                    message.encoding = _ENCODINGS[value]
                case "vad.kind":
                    message.kind = _VAD_KINDS[value]
                case "decoding.method":
                    message.method = _SEARCH_METHODS[value]
                case "lookahead" if value == "auto":
                    message.lookahead_auto = True
                case "channel" if isinstance(value, str):
                    message.channel.mode = _CHANNEL_MODES[value]
                case "channel":
                    message.channel.index = value
                case "hotwords":
                    message.hotwords.SetInParent()
                    for item in value:
                        encode_options(message.hotwords.phrases.add(), _hotword(item), "hotwords.")
                case "text.profanity":
                    message.profanity = _PROFANITIES[value]
                case "text.replace":
                    message.replace.SetInParent()
                    message.replace.phrases.update(value)
                case "audio.gain":
                    message.gain = _GAINS[value]
                case "audio.noise_suppression":
                    message.noise_suppression = _SUPPRESSIONS[value]
                case "audio" | "decoding" | "vad" | "endpoint" | "text":
                    part = getattr(message, name)
                    part.SetInParent()
                    encode_options(part, value, f"{full}.")
                case _:
                    setattr(message, name, value)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{full}: {value!r} is no value of this option") from None
    return message


def _hotword(value: Any) -> Mapping[str, Any]:
    """A phrase may stand for itself."""
    if not isinstance(value, str | Mapping):
        raise TypeError("a hotword is a phrase, or has a phrase and a boost")
    return {"phrase": value} if isinstance(value, str) else value


def decode_options(message: Any, path: str = "") -> dict[str, Any]:
    """The options of a ``Configure`` as the WebSocket's JSON has them; None for those left out."""
    options: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if field.name == "lookahead_auto":
            if message.lookahead_auto:
                options["lookahead"] = "auto"
            continue
        if not message.HasField(field.name):
            options[field.name] = None
            continue
        value = getattr(message, field.name)
        match f"{path}{field.name}":
            case "encoding":
                options["encoding"] = _name_of(_ENCODINGS, value)
            case "vad.kind":
                options["kind"] = _name_of(_VAD_KINDS, value)
            case "decoding.method":
                options["method"] = _name_of(_SEARCH_METHODS, value)
            case "channel":
                index = value.WhichOneof("selection") == "index"
                options["channel"] = value.index if index else _name_of(_CHANNEL_MODES, value.mode)
            case "hotwords":
                options["hotwords"] = [decode_options(phrase, "hotwords.") for phrase in value.phrases]
            case "text.profanity":
                options["profanity"] = _name_of(_PROFANITIES, value)
            case "text.replace":
                options["replace"] = dict(value.phrases)
            case "audio.gain":
                options["gain"] = _name_of(_GAINS, value)
            case "audio.noise_suppression":
                options["noise_suppression"] = _name_of(_SUPPRESSIONS, value)
            case "audio" | "decoding" | "vad" | "endpoint" | "text":
                options[field.name] = decode_options(value, f"{field.name}.")
            case _:
                options[field.name] = value
    return options


def decode_response(response: pb.StreamResponse, *, words: bool = True) -> ServerEvent | None:
    """The event that a response carries; None for one that this version does not know."""
    match response.WhichOneof("response"):
        case "partial":
            return _partial(response.partial, words)
        case "final":
            return _final(response.final, words)
        case "ready":
            return _ready(response.ready)
        case "configured":
            return Configured(config=decode_options(response.configured.config))
        case "corrected":
            return _corrected(response.corrected)
        case "speech_started":
            return SpeechStarted(channel=response.speech_started.channel, at=response.speech_started.at)
        case "speech_stopped":
            return SpeechStopped(channel=response.speech_stopped.channel, at=response.speech_stopped.at)
        case "endpoint":
            m = response.endpoint
            return Endpoint(channel=m.channel, utterance=m.utterance, at=m.at, reason=_reason(m.reason))
        case "lookahead_changed":
            changed = response.lookahead_changed
            return LookaheadChanged(channel=changed.channel, at=changed.at, lookahead=changed.lookahead)
        case "audio_issue":
            issue = response.audio_issue
            return AudioIssue(
                channel=issue.channel,
                at=issue.at,
                problem=cast(AudioProblem, _name_of(_PROBLEMS, issue.problem)),
                active=issue.active,
                level_dbfs=issue.level_dbfs,
                clipped=issue.clipped,
            )
        case "flushed":
            return Flushed(at=response.flushed.at)
        case "error":
            e = response.error
            return Failed(code=error_code(e.code), message=e.message, fatal=e.fatal)
        case "closed":
            return Closed(received=response.closed.received)
        case _:
            return None


def _ready(m: pb.Ready) -> Ready:
    return Ready(
        session=m.session,
        version=m.version,
        clock_rate=m.clock_rate,
        config=decode_options(m.config),
        model=ModelInfo(
            name=m.model.name,
            languages=tuple(m.model.languages),
            lookaheads=tuple(m.model.lookaheads),
            default_lookahead=m.model.default_lookahead,
            head=m.model.head,
        ),
    )


def _partial(m: pb.Partial, words: bool) -> Partial:
    return Partial(
        channel=m.channel,
        utterance=m.utterance,
        text=m.text,
        stable=m.stable,
        words=_words(m.words) if words else (),
        start=m.start,
        processed=m.processed,
        lag_ms=m.lag_ms,
    )


def _final(m: pb.Final, words: bool) -> Final:
    if not m.alternatives:
        raise WavelaneError(ErrorCode.INTERNAL, "the server sent a final without alternatives; update the client")
    return Final(
        channel=m.channel,
        utterance=m.utterance,
        alternatives=tuple(
            Alternative(
                text=a.text,
                confidence=a.confidence,
                words=_words(a.words) if words else (),
                spoken=a.spoken,
                score=a.score if a.HasField("score") else None,
            )
            for a in m.alternatives
        ),
        start=m.start,
        end=m.end,
        processed=m.processed,
        lag_ms=m.lag_ms,
        reason=_reason(m.reason),
        intent=_intent(m.intent) if m.HasField("intent") else None,
    )


def _corrected(m: pb.Corrected) -> Corrected:
    return Corrected(channel=m.channel, utterance=m.utterance, hotword=m.hotword, stored=m.stored)


def _intent(m: pb.Intent) -> Intent:
    return Intent(name=m.name, slots={slot.name: slot.value for slot in m.slots}, score=m.score, sentence=m.sentence)


def _words(words: Any) -> tuple[Word, ...]:
    return tuple(Word(text=w.text, start=w.start, end=w.end, confidence=w.confidence) for w in words)


def _reason(value: int) -> FinalReason:
    return _REASONS.get(value, "failure")


def _name_of(names: Mapping[str, int], value: int) -> str:
    return next((name for name, number in names.items() if number == value), f"unknown ({value})")
