"""One transcription over Wyoming: ``transcribe``, ``audio-start``, chunks, ``audio-stop``, and the transcript.

Words that will not change any more are sent as ``transcript-chunk``; the chunks together are the transcript. A session
that fails has no transcript: half a command is another command.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Failed, Final, Partial, SpeechStarted, SpeechStopped
from wavelane_server.adapters.base import Audio, Command, Configure, End, Fail, Outgoing, Rejection, Reply, milliseconds
from wavelane_server.adapters.wyoming.events import Event, encode
from wavelane_server.adapters.wyoming.options import audio_options, transcribe_options
from wavelane_server.adapters.wyoming.program import PROGRAM

OPENING = ("transcribe", "audio-start", "audio-chunk", "audio-stop")
"""Types of events that belong to a transcription; it takes no session to answer others."""

_FULL_SCALE = np.float32(2.0**31)


class WyomingAdapter:
    """One session's translation.

    Args:
        info: makes the data of ``info``. May raise OVERLOADED, while the model is being loaded.
        spells: whether the model can write a phrase. May raise the same.
        most_phrases: that may be favoured (setting ``lm.max_hotwords``).
    """

    def __init__(self, info: Callable[[], Mapping[str, Any]], spells: Callable[[str], bool], most_phrases: int) -> None:
        self._info = info
        self._spells = spells
        self._most_phrases = most_phrases
        self._options: dict[str, Any] = {}
        self._answer: dict[str, Any] = {}
        """Language and context, which come back with the transcript."""
        self._format: dict[str, Any] | None = None
        """Of the audio, once there is a session."""
        self._begun_ms = 0
        self._rest = b""
        """The beginning of a sample of four bytes."""
        self._text = ""
        """Of the utterances that are final, as it was told."""
        self._told = 0
        """Characters of the utterance in progress that were told."""
        self._streaming = False
        self._failed = False

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return []

    def receive(self, message: Event) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`. Unknown events are dropped: the protocol wants it so."""
        try:
            return self._commands(message)
        except WavelaneError as error:
            return [Fail(error)]

    def audio(self, message: Event) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`. There is no short way here."""
        return None

    def send(self, event: Outgoing) -> list[bytes]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        match event:
            case SpeechStarted():
                return [self._voice("voice-started", event.at)]
            case SpeechStopped():
                return [self._voice("voice-stopped", event.at)]
            case Partial():
                return self._stream(event.text[: event.stable])
            case Final():
                told = self._stream(event.text)
                self._told = 0
                if event.text:
                    self._text += (" " if self._text else "") + event.text
                return told
            case Failed():
                # One that is not fatal, as of a sample cut in half at the end, is told and the transcript follows.
                self._failed = self._failed or event.fatal
                return [error_event(WavelaneError(event.code, event.message))]
            case Closed() if not self._failed:
                transcript = Event("transcript", {"text": self._text, **self._answer})
                return [*self._start(), encode(transcript), encode(Event("transcript-stop", {}))]
        return []

    def reject(self, error: WavelaneError) -> Rejection[bytes]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return Rejection.of(error, [error_event(error)])

    def _commands(self, message: Event) -> list[Command]:
        data = message.data
        match message.type:
            case "describe":
                return [Reply(encode(Event("info", self._info())))]
            case "ping":
                return [Reply(encode(Event("pong", {"text": data.get("text")})))]
            case "select-program":
                if data.get("name") != PROGRAM:
                    raise _invalid(f"select-program: there is one program, {PROGRAM!r}")
            case "transcribe":
                if self._format is not None:
                    raise _invalid("transcribe came within a transcription: end that with audio-stop first")
                self._options = transcribe_options(data, PROGRAM, self._spells, self._most_phrases)
                self._answer = {name: data[name] for name in ("language", "context") if data.get(name) is not None}
            case "audio-start":
                if self._format is not None:
                    raise _invalid("audio-start came within audio: end that with audio-stop first")
                return self._open(data)
            case "audio-chunk":
                opening = self._open(data) if self._format is None else []
                if audio_options(data) != self._format:
                    raise _invalid("rate, width and channels of the audio changed: end it with audio-stop first")
                return [*opening, Audio(self._samples(message.payload))]
            case "audio-stop":
                if self._format is None:
                    raise _invalid("audio-stop came without audio: send audio-start first")
                # What is left of a sample that was cut in half is for the session to find fault with.
                return [Audio(self._rest), End()] if self._rest else [End()]
        return []

    def _open(self, data: Mapping[str, Any]) -> list[Command]:
        self._format = audio_options(data)
        at = data.get("timestamp")
        self._begun_ms = at if isinstance(at, int) else 0
        return [Configure({**self._options, **self._format}, once=True)]

    def _samples(self, payload: bytes) -> bytes:
        """As the session takes them: 16-bit integers as they are, 32-bit integers as floats."""
        assert self._format is not None
        if self._format["encoding"] == "linear16":
            return payload
        data = self._rest + payload
        whole = len(data) - len(data) % 4
        self._rest = data[whole:]
        return (np.frombuffer(data, "<i4", whole // 4) / _FULL_SCALE).astype("<f4").tobytes()

    def _stream(self, text: str) -> list[bytes]:
        """Tell of an utterance what was not told of it."""
        new = text[self._told :]
        if not new:
            return []
        if self._text and not self._told:
            new = " " + new
        self._told = len(text)
        return [*self._start(), encode(Event("transcript-chunk", {"text": new}))]

    def _start(self) -> list[bytes]:
        if self._streaming:
            return []
        self._streaming = True
        return [encode(Event("transcript-start", self._answer))]

    def _voice(self, kind: str, at: int) -> bytes:
        return encode(Event(kind, {"timestamp": self._begun_ms + milliseconds(at)}))


def error_event(error: WavelaneError) -> bytes:
    """The bytes of an ``error`` event."""
    return encode(Event("error", {"text": error.message, "code": error.code.value}))


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)
