"""The native gRPC protocol: typed messages of ``wavelane.v1``."""

from collections.abc import Callable
from typing import Any, Literal

from wavelane.audio.enhance.options import AudioOptions
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import (
    Alternative,
    AudioIssue,
    Closed,
    Endpoint,
    Failed,
    Final,
    Flushed,
    Intent,
    LookaheadChanged,
    Partial,
    SpeechStarted,
    SpeechStopped,
    Word,
)
from wavelane.session.options import DecodingOptions, EndpointOptions, SessionOptions, VadOptions
from wavelane.text.options import TextOptions
from wavelane_protos.wavelane.v1 import asr_pb2 as pb
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    Configured,
    Correct,
    Corrected,
    End,
    Flush,
    KeepAlive,
    Outgoing,
    Ready,
    Reconfigure,
    Rejection,
)

_SCALARS = (
    "sample_rate",
    "channels",
    "model",
    "language",
    "lookahead_min",
    "lookahead_max",
    "partials",
    "words",
    "alternatives",
    "lm",
    "lm_weight",
    "grammar",
    "profile",
)
_ENUMS = {
    "encoding": pb.Encoding,
    "kind": pb.VadKind,
    "profanity": pb.Profanity,
    "method": pb.SearchMethod,
    "gain": pb.Gain,
    "noise_suppression": pb.NoiseSuppression,
}


class ProtobufAdapter:
    """One session's translation. Holds no state: the protocol's order is the conversation's business."""

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return []

    def audio(self, message: pb.StreamRequest) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return message.audio if message.WhichOneof("request") == "audio" else None

    def receive(self, message: pb.StreamRequest) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        match message.WhichOneof("request"):
            case "audio":
                return [Audio(message.audio)]
            case "configure":
                return [Configure(_values(message.configure))]
            case "reconfigure":
                return [Reconfigure(_values(message.reconfigure))]
            case "correct":
                return [Correct(_values(message.correct))]
            case "flush":
                return [Flush()]
            case "end":
                return [End()]
            case "keepalive":
                return [KeepAlive()]
            case _:
                raise WavelaneError(
                    ErrorCode.INVALID_MESSAGE,
                    "the request is empty or of a newer version; set one of configure, reconfigure, audio, flush, end, "
                    "keepalive, correct",
                )

    def send(self, event: Outgoing) -> list[pb.StreamResponse]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return [_ENCODERS[type(event)](event)]

    def reject(self, error: WavelaneError) -> Rejection[pb.StreamResponse]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return Rejection(
            messages=self.send(Failed(code=error.code, message=error.message, fatal=True)),
            close_code=error.status.websocket,
            http=error.status.http,
            grpc=error.status.grpc,
            reason=error.message,
        )


def _values(message: Any) -> dict[str, Any]:
    """The fields that are set, as :func:`wavelane.session.options.parse_options` takes them."""
    values: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is None:
            values[field.name] = _enum_name(field.name, value) if field.name in _ENUMS else value
        elif field.name == "channel":
            values["channel"] = _channel(value)
        elif field.name == "hotwords":
            values["hotwords"] = [_values(phrase) for phrase in value.phrases]
        elif field.name == "replace":
            values["replace"] = dict(value.phrases)
        else:
            values[field.name] = _values(value)
    if values.pop("lookahead_auto", False):
        if "lookahead" in values:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                "lookahead and lookahead_auto exclude each other; leave lookahead out, or lookahead_auto",
            )
        values["lookahead"] = "auto"
    return values


def _enum_name(field: str, value: int) -> str | int:
    """Name of an enum's value; an unknown or unspecified one is left for the validation to refuse."""
    enum = _ENUMS[field]
    return enum.Name(value).lower().removeprefix(f"{field}_") if value in enum.values() and value else value


def _channel(selection: pb.ChannelSelection) -> int | str:
    if selection.WhichOneof("selection") == "index":
        return selection.index
    return {pb.ChannelSelection.MIX: "mix", pb.ChannelSelection.SEPARATE: "separate"}.get(selection.mode, "unspecified")


def _config(options: SessionOptions) -> pb.Configure:
    message = pb.Configure(
        encoding=options.encoding.upper(),
        channel=_selection(options.channel),
        decoding=_decoding(options.decoding),
        hotwords=pb.Hotwords(phrases=[pb.Hotword(phrase=h.phrase, boost=h.boost) for h in options.hotwords]),
        vad=_vad(options.vad),
        endpoint=_endpoint_options(options.endpoint),
        audio=_audio_options(options.audio),
        text=_text(options.text),
    )
    if options.lookahead == "auto":
        message.lookahead_auto = True
    elif options.lookahead is not None:
        message.lookahead = options.lookahead
    for name in _SCALARS:
        value = getattr(options, name)
        if value is not None:
            setattr(message, name, value)
    return message


def _selection(channel: int | Literal["mix", "separate"]) -> pb.ChannelSelection:
    if isinstance(channel, int):
        return pb.ChannelSelection(index=channel)
    return pb.ChannelSelection(mode=pb.ChannelSelection.MIX if channel == "mix" else pb.ChannelSelection.SEPARATE)


def _decoding(options: DecodingOptions) -> pb.DecodingOptions:
    return pb.DecodingOptions(method=options.method.upper(), beam=options.beam)


def _vad(options: VadOptions) -> pb.VadOptions:
    values = options.model_dump()
    return pb.VadOptions(**{**values, "kind": options.kind.upper()})


def _endpoint_options(options: EndpointOptions) -> pb.EndpointOptions:
    return pb.EndpointOptions(**options.model_dump())


def _text(options: TextOptions) -> pb.TextOptions:
    values = options.model_dump(exclude={"replace"})
    replace = pb.Replacements(phrases=options.replace)
    return pb.TextOptions(**{**values, "profanity": options.profanity.upper(), "replace": replace})


def _audio_options(options: AudioOptions) -> pb.AudioOptions:
    values = options.model_dump()
    names = {name: f"{name.upper()}_{values[name].upper()}" for name in ("gain", "noise_suppression")}
    return pb.AudioOptions(**{**values, **names})


def _reason(reason: str) -> str:
    return f"REASON_{reason.upper()}"


def _words(words: tuple[Word, ...]) -> list[pb.Word]:
    return [pb.Word(text=word.text, start=word.start, end=word.end, confidence=word.confidence) for word in words]


def _ready(event: Ready) -> pb.StreamResponse:
    model = pb.ModelInfo(
        name=event.model.name,
        languages=event.model.languages,
        lookaheads=event.model.lookaheads,
        default_lookahead=event.model.default_lookahead,
        head=event.model.head,
    )
    return pb.StreamResponse(
        ready=pb.Ready(
            version=event.version,
            session=event.session,
            clock_rate=event.clock_rate,
            config=_config(event.config),
            model=model,
        )
    )


def _configured(event: Configured) -> pb.StreamResponse:
    return pb.StreamResponse(configured=pb.Configured(config=_config(event.config)))


def _corrected(event: Corrected) -> pb.StreamResponse:
    return pb.StreamResponse(
        corrected=pb.Corrected(
            channel=event.channel, utterance=event.utterance, hotword=event.hotword, stored=event.stored
        )
    )


def _speech_started(event: SpeechStarted) -> pb.StreamResponse:
    return pb.StreamResponse(speech_started=pb.SpeechStarted(channel=event.channel, at=event.at))


def _speech_stopped(event: SpeechStopped) -> pb.StreamResponse:
    return pb.StreamResponse(speech_stopped=pb.SpeechStopped(channel=event.channel, at=event.at))


def _partial(event: Partial) -> pb.StreamResponse:
    return pb.StreamResponse(
        partial=pb.Partial(
            channel=event.channel,
            utterance=event.utterance,
            text=event.text,
            stable=event.stable,
            words=_words(event.words),
            start=event.start,
            processed=event.processed,
            lag_ms=event.lag_ms,
        )
    )


def _endpoint(event: Endpoint) -> pb.StreamResponse:
    return pb.StreamResponse(
        endpoint=pb.Endpoint(
            channel=event.channel, utterance=event.utterance, at=event.at, reason=_reason(event.reason)
        )
    )


def _alternative(alternative: Alternative) -> pb.Alternative:
    return pb.Alternative(
        text=alternative.text,
        confidence=alternative.confidence,
        words=_words(alternative.words),
        spoken=alternative.spoken,
        score=alternative.score,
    )


def _final(event: Final) -> pb.StreamResponse:
    return pb.StreamResponse(
        final=pb.Final(
            channel=event.channel,
            utterance=event.utterance,
            alternatives=[_alternative(alternative) for alternative in event.alternatives],
            start=event.start,
            end=event.end,
            processed=event.processed,
            lag_ms=event.lag_ms,
            reason=_reason(event.reason),
            intent=None if event.intent is None else _intent(event.intent),
        )
    )


def _intent(intent: Intent) -> pb.Intent:
    slots = [pb.Slot(name=name, value=value) for name, value in intent.slots.items()]
    return pb.Intent(name=intent.name, slots=slots, score=intent.score, sentence=intent.sentence)


def _lookahead_changed(event: LookaheadChanged) -> pb.StreamResponse:
    return pb.StreamResponse(
        lookahead_changed=pb.LookaheadChanged(channel=event.channel, at=event.at, lookahead=event.lookahead)
    )


def _audio_issue(event: AudioIssue) -> pb.StreamResponse:
    return pb.StreamResponse(
        audio_issue=pb.AudioIssue(
            channel=event.channel,
            at=event.at,
            problem=event.problem.upper(),
            active=event.active,
            level_dbfs=event.level_dbfs,
            clipped=event.clipped,
        )
    )


def _flushed(event: Flushed) -> pb.StreamResponse:
    return pb.StreamResponse(flushed=pb.Flushed(at=event.at))


def _failed(event: Failed) -> pb.StreamResponse:
    return pb.StreamResponse(error=pb.Error(code=event.code.value, message=event.message, fatal=event.fatal))


def _closed(event: Closed) -> pb.StreamResponse:
    return pb.StreamResponse(closed=pb.Closed(received=event.received))


_ENCODERS: dict[type, Callable[[Any], pb.StreamResponse]] = {
    Ready: _ready,
    Configured: _configured,
    Corrected: _corrected,
    SpeechStarted: _speech_started,
    SpeechStopped: _speech_stopped,
    Partial: _partial,
    Endpoint: _endpoint,
    Final: _final,
    LookaheadChanged: _lookahead_changed,
    AudioIssue: _audio_issue,
    Flushed: _flushed,
    Failed: _failed,
    Closed: _closed,
}
