"""Fields of a transcription session of the Realtime API, in its shape of today and in that of the beta.

Every field that a client may set is in these classes; any other is refused as unknown. :data:`FIELDS` says what becomes
of each.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

LOGPROBS = "item.input_audio_transcription.logprobs"
DEFAULT_RATE = 24_000
"""Samples per second of ``audio/pcm`` that does not say (Hz)."""
G711_RATE = 8_000

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
    languages: Annotated[list[str], Field(min_length=1, fail_fast=True)] | None = None
    prompt: str | None = None
    keywords: Annotated[list[Annotated[str, Field(min_length=1, max_length=200)]], Field(fail_fast=True)] | None = None
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


Include = Annotated[list[Literal["item.input_audio_transcription.logprobs"]], Field(fail_fast=True)]
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
    include: Include | None = None


class BetaFields(_Fields):
    """Of ``transcription_session.update``, the shape before the API was generally available."""

    input_audio_format: Literal["pcm16", "g711_ulaw", "g711_alaw"] | None = None
    input_audio_transcription: Transcription | None = None
    input_audio_noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection | None = None
    include: Include | None = None
    modalities: Annotated[list[Literal["text", "audio"]], Field(fail_fast=True)] | None = None

    def modern(self) -> SessionFields:
        """The same in the shape of today; only what was set."""
        names = {
            "input_audio_transcription": "transcription",
            "input_audio_noise_reduction": "noise_reduction",
            "turn_detection": "turn_detection",
        }
        inner = {new: getattr(self, old) for old, new in names.items() if old in self.model_fields_set}
        if self.input_audio_format is not None:
            inner["format"] = FORMATS[self.input_audio_format]
        fields: dict[str, Any] = {"audio": Audio.model_construct(input=Input.model_construct(**inner))}
        if "include" in self.model_fields_set:
            fields["include"] = self.include
        return SessionFields.model_construct(**fields)


FORMATS: dict[str, Pcm | Pcmu | Pcma] = {
    "pcm16": Pcm(type="audio/pcm"),
    "g711_ulaw": Pcmu(type="audio/pcmu"),
    "g711_alaw": Pcma(type="audio/pcma"),
}
DEFAULT_INPUT = Input(
    format=Pcm(type="audio/pcm"), transcription=Transcription(), turn_detection=ServerVad(type="server_vad")
)
"""OpenAI's own defaults."""
