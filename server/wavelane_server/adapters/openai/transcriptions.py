"""``POST /v1/audio/transcriptions``: the fields of its form, and the events of its stream."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Final, Partial
from wavelane_server.adapters.base import Outgoing, Reply
from wavelane_server.adapters.openai.deltas import Deltas
from wavelane_server.adapters.openai.errors import RequestError, describe, error_body
from wavelane_server.adapters.openai.fields import ServerVad
from wavelane_server.adapters.openai.items import logprobs
from wavelane_server.adapters.openai.options import detection, hint_values
from wavelane_server.transcript_formats import FORMATS

FIELDS: Mapping[str, str] = {
    "file": "works; the format is found by content",
    "model": "OpenAI's names stand for the model served; others must be its name",
    "language": "works",
    "languages": "works with one",
    "keywords": "works, as hotwords",
    "prompt": "works as hotwords where it is a list of words; else refused",
    "response_format": "works, but for diarized_json",
    "timestamp_granularities": "works; with verbose_json",
    "include": "works: logprobs, one for each word; with json",
    "stream": "works; with json or text",
    "temperature": "0 alone: nothing is left to chance here",
    "chunking_strategy": "works; silence always ends segments",
    "known_speaker_names": "refused: speakers are not told apart",
    "known_speaker_references": "refused: speakers are not told apart",
    "lookahead": "our own",
    "vad": "our own",
    "text": "our own",
}
"""Every field, and what becomes of it. Lists may have ``[]`` behind the name; objects have members in brackets."""

_SPEAKERS = ("known_speaker_names", "known_speaker_references")
_LISTS = ("languages", "keywords", "timestamp_granularities", "include", *_SPEAKERS)
_OPEN = re.compile(r"([^\[\]]+)(?:\[([^\[\]]*)\])?")


class FieldError(WavelaneError):
    """A field of the form is refused.

    Args:
        param: its name.
        message: see :class:`wavelane.errors.WavelaneError`.
    """

    def __init__(self, param: str, message: str) -> None:
        super().__init__(ErrorCode.INVALID_CONFIG, message)
        self.param = param


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a form asks for."""

    values: dict[str, Any]
    """Options of the session."""
    form: str
    """One of :data:`wavelane_server.transcript_formats.FORMATS`."""
    words: bool
    """With their times."""
    logprobs: bool
    stream: bool


def read_form(items: Iterable[tuple[str, str]]) -> Wanted:
    """Understand a form.

    Args:
        items: fields besides the file, in their order.

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    fields = _fields(items)
    text = {name: value for name, value in fields.items() if isinstance(value, str)}
    form = text.get("response_format", "json")
    if form not in FORMATS:
        raise FieldError("response_format", f"response_format is one of {', '.join(FORMATS)}, not {form!r}")
    granularities, include = fields.get("timestamp_granularities", []), fields.get("include", [])
    if set(granularities) - {"word", "segment"}:
        raise FieldError("timestamp_granularities", "timestamp_granularities[] is word or segment")
    if granularities and form != "verbose_json":
        raise FieldError("timestamp_granularities", "timestamp_granularities[] needs response_format verbose_json")
    if set(include) - {"logprobs"}:
        raise FieldError("include", "include[] is logprobs")
    if include and form != "json":
        raise FieldError("include", "include[] logprobs needs response_format json")
    stream = _boolean("stream", text.get("stream", "false"))
    if stream and form not in ("json", "text"):
        raise FieldError("stream", f"stream needs response_format json or text, not {form}")
    _refuse(fields)
    values: dict[str, Any] = {
        "encoding": "container",
        "channel": "mix",
        "channels": 1,
        "partials": stream,
        "words": "word" in granularities or bool(include),
        **_hints(fields),
        **_chunking(fields.get("chunking_strategy")),
        **_own(text),
    }
    return Wanted(values=values, form=form, words="word" in granularities, logprobs=bool(include), stream=stream)


def _fields(items: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Lists, objects and texts by their names without brackets."""
    fields: dict[str, Any] = {}
    unknown = set()
    for full, value in items:
        match = _OPEN.fullmatch(full)
        name, member = match.groups() if match else (full, None)
        listed = name in _LISTS
        if name not in FIELDS or (member and name != "chunking_strategy") or (member == "" and not listed):
            unknown.add(full[:64])
        elif listed:
            fields.setdefault(name, []).append(value)
        elif member:
            before = fields.setdefault(name, {})
            if not isinstance(before, dict):
                raise FieldError(name, f"{name} is given twice")
            before[member] = value
        else:
            fields[name] = value
    if unknown:
        names = ", ".join(sorted(unknown))
        raise FieldError(min(unknown), f"unknown field {names}; known are {', '.join(FIELDS)}")
    return fields


def _boolean(name: str, value: str) -> bool:
    if value.lower() not in ("true", "false", "1", "0", ""):
        raise FieldError(name, f"{name} is true or false, not {value[:64]!r}")
    return value.lower() in ("true", "1")


def _refuse(fields: Mapping[str, Any]) -> None:
    for name in _SPEAKERS:
        if name in fields:
            raise FieldError(name, f"{name}: speakers are not told apart here; leave it out")
    try:
        warm = float(fields.get("temperature") or 0) != 0
    except ValueError:
        warm = True
    if warm:
        raise FieldError(
            "temperature", "temperature: nothing is left to chance here, so it can be 0 alone; leave it out"
        )


def _hints(fields: Mapping[str, Any]) -> dict[str, Any]:
    get = fields.get
    try:
        return hint_values(get("model"), get("language"), get("languages"), get("keywords"), get("prompt"))
    except RequestError as error:
        raise FieldError(error.param or "", f"{error.param}: {error.message}") from None


def _chunking(asked: str | dict[str, str] | None) -> dict[str, Any]:
    if asked in (None, "", "auto"):
        return {}
    if isinstance(asked, str):
        try:
            asked = orjson.loads(asked)
        except orjson.JSONDecodeError:
            asked = None
    try:
        if not isinstance(asked, dict) or set(asked) & {"idle_timeout_ms", "create_response", "interrupt_response"}:
            raise FieldError("chunking_strategy", "chunking_strategy is auto, or server_vad with its settings")
        # Numbers are text in a form.
        turns = ServerVad.model_validate(asked, strict=False)
    except ValidationError as error:
        fault = describe(error, "chunking_strategy")
        raise FieldError(fault.param or "", fault.message) from None
    return detection(turns)


def _own(text: Mapping[str, str]) -> dict[str, Any]:
    """Fields that OpenAI does not have."""
    values: dict[str, Any] = {}
    if lookahead := text.get("lookahead"):
        values["lookahead"] = lookahead
    if kind := text.get("vad"):
        values["vad"] = {"kind": kind}
    if style := text.get("text"):
        try:
            values["text"] = orjson.loads(style)
        except orjson.JSONDecodeError:
            raise FieldError("text", 'text is a JSON object like {"itn": true, "punctuation": true}') from None
    return values


@dataclass(slots=True)
class Stream:
    """A transcript as server-sent events, while it is recognised."""

    logprobs: bool
    _deltas: Deltas = field(default_factory=Deltas)

    def hear(self, event: Outgoing | Reply) -> bytes:
        """What an event of the session adds; empty for nothing."""
        match event:
            case Partial():
                delta = self._deltas.partial(event)
            case Final():
                delta = self._deltas.final(event)
            case _:
                return b""
        return _event("transcript.text.delta", delta=delta) if delta else b""

    def done(self) -> bytes:
        """The whole transcript, at its end."""
        members: dict[str, Any] = {"text": self._deltas.text}
        if self.logprobs:
            members["logprobs"] = logprobs([word for final in self._deltas.finals for word in final.words])
        return _event("transcript.text.done", **members)

    @staticmethod
    def failed(error: WavelaneError) -> bytes:
        """It ends with an error."""
        return _event("error", error=error_body(error))


def _event(kind: str, **members: Any) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **members}) + b"\n\n"
