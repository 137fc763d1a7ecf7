"""The transcription session of the Realtime API, and what it comes to here.

Every field that a client may set is in these classes; any other is refused as unknown. ``FIELDS`` says what becomes of
each.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wavelane_server.adapters.openai.errors import RequestError

LOGPROBS = "item.input_audio_transcription.logprobs"
DEFAULT_RATE = 24_000
"""Samples per second of ``audio/pcm`` that does not say (Hz)."""
VENDOR_MODEL = re.compile(r"(gpt|whisper)-[\w.-]*")
"""Names of OpenAI's own models, which stand for the model that is served."""
G711_RATE = 8_000
SEMANTIC_SILENCE_MS = {"low": 1_600, "medium": 800, "auto": 800, "high": 400}
"""Silence that ends a turn under ``semantic_vad``: there is no model that knows when a sentence is over."""
NOISE_SUPPRESSION = {"near_field": "moderate", "far_field": "high"}
_MODES = (0.2, 0.4, 0.7)
"""``threshold`` from which the webrtc detector's next mode is taken; the silero detector takes it as it is."""
_PHRASE_WORDS = 4
_PROMPT_SEPARATORS = re.compile(r"[,;\n]+")

FIELDS: Mapping[str, str] = {
    "audio.input.format": "works; audio/pcm at any rate from 8,000 to 96,000 Hz, not 24,000 alone",
    "audio.input.transcription.model": "OpenAI's names stand for the model served; others must be its name",
    "audio.input.transcription.language": "works",
    "audio.input.transcription.languages": "works with one",
    "audio.input.transcription.keywords": "works, as hotwords",
    "audio.input.transcription.prompt": "works as hotwords where it is a list of words; else refused",
    "audio.input.transcription.delay": "refused",
    "audio.input.noise_reduction.type": "works with the extra `noise`; else refused",
    "audio.input.noise_reduction.strength": "refused, but for 1",
    "audio.input.turn_detection.threshold": "works; in four steps with the webrtc detector",
    "audio.input.turn_detection.prefix_padding_ms": "works",
    "audio.input.turn_detection.silence_duration_ms": "works",
    "audio.input.turn_detection.idle_timeout_ms": "works, on the clock of the audio",
    "audio.input.turn_detection.eagerness": "emulated by how much silence ends a turn",
    "audio.input.turn_detection.create_response": "of no effect: a transcription session has no responses",
    "audio.input.turn_detection.interrupt_response": "of no effect: a transcription session has no responses",
    "include": "works: one logarithm for each word of a completed transcript",
}


class _Fields(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Pcm(_Fields):
    """16-bit little-endian samples, mono."""

    type: Literal["audio/pcm"]
    rate: Annotated[int, Field(ge=8_000, le=96_000)] = DEFAULT_RATE


class Pcmu(_Fields):
    """G.711 µ-law at 8 kHz."""

    type: Literal["audio/pcmu"]


class Pcma(_Fields):
    """G.711 A-law at 8 kHz."""

    type: Literal["audio/pcma"]


class Transcription(_Fields):
    """What is recognised, and with which hints."""

    model: str | None = None
    language: str | None = None
    languages: Annotated[list[str], Field(min_length=1)] | None = None
    prompt: str | None = None
    keywords: list[Annotated[str, Field(min_length=1, max_length=200)]] | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | None = None


class NoiseReduction(_Fields):
    """For the microphone that is near, or far."""

    type: Literal["near_field", "far_field"]
    strength: float | None = None


class ServerVad(_Fields):
    """A turn ends with silence."""

    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=2_000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=100, le=60_000)] = 500
    idle_timeout_ms: Annotated[int, Field(ge=1_000, le=600_000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class SemanticVad(_Fields):
    """A turn ends when the user seems to have finished."""

    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool | None = None
    interrupt_response: bool | None = None


TurnDetection = Annotated[ServerVad | SemanticVad, Field(discriminator="type")]


class Input(_Fields):
    """Of ``audio.input``; what is left out stays as it is."""

    format: Annotated[Pcm | Pcmu | Pcma, Field(discriminator="type")] | None = None
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None


class Audio(_Fields):
    """Of ``audio``."""

    input: Input = Input()


class SessionFields(_Fields):
    """Of ``session.update``. ``type`` may be left out: there are no other sessions here."""

    type: Literal["transcription"] | None = None
    audio: Audio = Audio()
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None


class BetaFields(_Fields):
    """Of ``transcription_session.update``, the shape before the API was generally available."""

    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    input_audio_transcription: Transcription | None = None
    input_audio_noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None
    include: list[Literal["item.input_audio_transcription.logprobs"]] | None = None
    modalities: list[Literal["text", "audio"]] | None = None

    def modern(self) -> SessionFields:
        """The same in the shape of today; only what was set."""
        names = {
            "input_audio_transcription": "transcription",
            "input_audio_noise_reduction": "noise_reduction",
            "turn_detection": "turn_detection",
        }
        inner = {new: getattr(self, old) for old, new in names.items() if old in self.model_fields_set}
        if self.input_audio_format is not None:
            inner["format"] = _FORMATS[self.input_audio_format]
        fields: dict[str, Any] = {"audio": Audio.model_construct(input=Input.model_construct(**inner))}
        if "include" in self.model_fields_set:
            fields["include"] = self.include
        return SessionFields.model_construct(**fields)


_FORMATS: dict[str, Pcm | Pcmu | Pcma] = {
    "pcm16": Pcm(type="audio/pcm"),
    "g711_ulaw": Pcmu(type="audio/pcmu"),
    "g711_alaw": Pcma(type="audio/pcma"),
}
DEFAULT_INPUT = Input(
    format=Pcm(type="audio/pcm"), transcription=Transcription(), turn_detection=ServerVad(type="server_vad")
)
"""OpenAI's own defaults."""


class State:
    """The session as it is: an update gives a new one.

    Args:
        audio: every field of it is meant.
        include: more that a client wants to know.
    """

    def __init__(self, audio: Input = DEFAULT_INPUT, include: tuple[str, ...] = ()) -> None:
        self.audio = audio
        self.include = include

    def updated(self, fields: SessionFields) -> "State":
        """With the fields that are set."""
        given = fields.audio.input
        changes: dict[str, Any] = {name: getattr(given, name) for name in given.model_fields_set}
        if changes.get("format", DEFAULT_INPUT.format) is None:
            changes["format"] = DEFAULT_INPUT.format
        if given.transcription is not None:
            before = (self.audio.transcription or Transcription()).model_dump()
            changes["transcription"] = Transcription(**(before | given.transcription.model_dump(exclude_unset=True)))
        include = self.include if "include" not in fields.model_fields_set else tuple(fields.include or ())
        return State(self.audio.model_copy(update=changes), include)

    @property
    def manual(self) -> bool:
        """Turns end when the client commits."""
        return self.audio.turn_detection is None

    @property
    def idle_timeout_ms(self) -> int | None:
        """Audio without speech after which an empty item is committed (ms)."""
        turns = self.audio.turn_detection
        return turns.idle_timeout_ms if isinstance(turns, ServerVad) else None

    @property
    def byte_rate(self) -> int:
        """Bytes of audio per second."""
        return self.audio.format.rate * 2 if isinstance(self.audio.format, Pcm) else G711_RATE

    def shown(self) -> dict[str, Any]:
        """As the API's session object has it."""
        inner = self.audio.model_dump()
        for name in ("transcription", "turn_detection"):
            if inner[name] is not None:
                inner[name] = {key: value for key, value in inner[name].items() if value is not None}
        return {"audio": {"input": inner}, "include": list(self.include)}

    def shown_beta(self) -> dict[str, Any]:
        """As the API's session object had it before."""
        shown = self.shown()
        inner = shown["audio"]["input"]
        names = {form.type: name for name, form in _FORMATS.items()}
        return {
            "modalities": ["text"],
            "input_audio_format": names[inner["format"]["type"]],
            "input_audio_transcription": inner["transcription"],
            "input_audio_noise_reduction": inner["noise_reduction"],
            "turn_detection": inner["turn_detection"],
            "include": shown["include"],
        }

    def values(self) -> dict[str, Any]:
        """Options of our session.

        Raises:
            RequestError: for what cannot take effect.
        """
        encoding = {"audio/pcm": "linear16", "audio/pcmu": "mulaw", "audio/pcma": "alaw"}
        form = self.audio.format
        assert form is not None, "a session has a format"
        hints = self.audio.transcription or Transcription()
        _check(hints, self.audio.noise_reduction)
        noise = self.audio.noise_reduction
        values: dict[str, Any] = {
            "encoding": encoding[form.type],
            "sample_rate": form.rate if isinstance(form, Pcm) else G711_RATE,
            "channels": 1,
            "words": LOGPROBS in self.include,
            **_turns(self.audio.turn_detection),
            **hint_values(hints.model, hints.language, hints.languages, hints.keywords, hints.prompt, _PATH),
        }
        if noise is not None:
            values["audio"] = {"noise_suppression": NOISE_SUPPRESSION[noise.type]}
        return values

    def changes(self, before: "State") -> dict[str, Any]:
        """Options of our session that are others than before, while it runs.

        Raises:
            RequestError: for what cannot take effect, or cannot change any more.
        """
        old, new = before.values(), self.values()
        for name, param in _FIXED.items():
            if old.get(name) != new.get(name):
                raise RequestError(
                    f"'{param}' cannot change once there was audio: open another session for it.",
                    "invalid_value",
                    f"session.audio.input.{param}",
                )
        if self.idle_timeout_ms is not None and before.idle_timeout_ms is None:
            raise RequestError(
                "'idle_timeout_ms' cannot begin once there was audio: open another session for it.",
                "invalid_value",
                "session.audio.input.turn_detection.idle_timeout_ms",
            )
        return {name: new.get(name, empty) for name, empty in _CHANGING.items() if old.get(name) != new.get(name)}


_PATH = "session.audio.input.transcription."
_FIXED = {
    "encoding": "format",
    "sample_rate": "format",
    "audio": "noise_reduction",
    "vad": "turn_detection.threshold and prefix_padding_ms",
    "model": "transcription.model",
}
"""Options that stay, and the field that a client knows them by."""
_CHANGING: dict[str, Any] = {"language": None, "hotwords": [], "words": False, "endpoint": {}}
"""Options that may change, and what each is when it is not given."""


def _check(hints: Transcription, noise: NoiseReduction | None) -> None:
    if hints.delay is not None:
        raise RequestError(
            "'delay' has no effect here: how long the model waits is the server's setting session.lookahead. Leave it "
            "out.",
            "invalid_value",
            f"{_PATH}delay",
        )
    if noise is not None and noise.strength not in (None, 1.0):
        raise RequestError(
            "'strength' has no effect here: choose near_field for less suppression, or far_field for more.",
            "invalid_value",
            "session.audio.input.noise_reduction.strength",
        )


def _turns(turns: ServerVad | SemanticVad | None) -> dict[str, Any]:
    if isinstance(turns, SemanticVad):
        silence = SEMANTIC_SILENCE_MS[turns.eagerness]
        return detection(ServerVad(type="server_vad", silence_duration_ms=silence))
    values = detection(turns or ServerVad(type="server_vad"))
    values["endpoint"]["enabled"] = turns is not None
    return values


def detection(turns: ServerVad) -> dict[str, Any]:
    """Options of our session that detect turns as ``server_vad`` asks for."""
    silence = turns.silence_duration_ms
    return {
        "vad": {
            "mode": sum(turns.threshold >= step for step in _MODES),
            "threshold": min(max(turns.threshold, 0.01), 0.99),
            "pre_roll_ms": turns.prefix_padding_ms,
        },
        # A turn in which nothing was heard is over as soon as any other.
        "endpoint": {"enabled": True, "silence_ms": silence, "no_text_ms": silence},
    }


def hint_values(
    model: str | None,
    language: str | None,
    languages: list[str] | None,
    keywords: list[str] | None,
    prompt: str | None,
    path: str = "",
) -> dict[str, Any]:
    """Options of our session for what OpenAI's models are told about a recording.

    Args:
        model: its own names stand for the model that is served.
        language: of the audio.
        languages: that may be in the audio; one.
        keywords: become hotwords.
        prompt: becomes hotwords where it is a list of words.
        path: what goes before a field's name in an error.

    Raises:
        RequestError: for what cannot take effect.
    """
    if languages is not None and (len(set(languages)) > 1 or language not in (None, languages[0])):
        raise RequestError(
            "One language can be given here: a model that knows several finds out by itself. Send one, or none.",
            "invalid_value",
            f"{path}languages",
        )
    given = {
        "model": None if VENDOR_MODEL.fullmatch(model or "") else model,
        "language": languages[0] if languages else language,
        "hotwords": [*(keywords or ()), *_phrases(prompt or "", f"{path}prompt")],
    }
    return {name: value for name, value in given.items() if value}


def _phrases(prompt: str, param: str) -> list[str]:
    """A prompt that is a list of names."""
    if not prompt.strip():
        return []
    phrases = [phrase.strip(" .") for phrase in _PROMPT_SEPARATORS.split(prompt)]
    phrases = [phrase for phrase in phrases if phrase]
    if any(len(phrase.split()) > _PHRASE_WORDS for phrase in phrases):
        raise RequestError(
            f"A prompt in sentences has no effect here. Send words to expect as 'keywords', or as a prompt that is a "
            f"list of phrases of at most {_PHRASE_WORDS} words with commas between.",
            "invalid_value",
            param,
        )
    return phrases
