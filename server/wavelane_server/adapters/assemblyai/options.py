"""Parameters of a session, of its URL and of ``UpdateConfiguration``, and what they come to here."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import describe

ENCODINGS = {"pcm_s16le": "linear16", "pcm_mulaw": "mulaw", "ogg_opus": "container", "aac": "container"}
NOISE_SUPPRESSION = {"near-field": "moderate", "far-field": "high"}
FORMATTING_MODELS = ("u3-", "universal-3")
"""How the names of models begin that write every turn in its final form."""
LEAST_SILENCE_MS = 100
_MODES = (0.2, 0.4, 0.7)
"""``vad_threshold`` from which the webrtc detector's next mode is taken; the silero detector takes it as it is."""

WARNED: Mapping[str, str] = {
    "agent_context": "there is no model that reads it",
    "customer_support_audio_capture": "audio is never stored here",
    "domain": "the server has one model",
    "inactivity_timeout": "the setting limits.idle_timeout_s counts",
    "interruption_delay": "partial turns come as soon as there are words",
    "language_detection": "what a model knows of languages is not told",
    "mode": "how long the model waits is the setting session.lookahead",
    "noise_suppression_threshold": "suppression has no threshold",
    "previous_context_n_turns": "there is no model that reads them",
    "prompt": "there is no model that reads it; send words to expect as keyterms_prompt",
    "session_heartbeat": "there are no heartbeats",
    "acknowledge_silence": "silence is not told of",
    "voice_focus_threshold": "suppression has no threshold",
    "word_finalization_max_wait_time": "how long the model waits is the setting session.lookahead",
}
"""Accepted with a ``Warning``, and why they have no effect: frameworks send them whatever their user asks for."""

REFUSED: Mapping[str, str] = {
    "llm_gateway": "there is no language model to talk to",
    "max_speakers": "speakers are not told apart",
    "redact_pii": "nothing is redacted",
    "redact_pii_policies": "nothing is redacted",
    "redact_pii_sub": "nothing is redacted",
    "speaker_labels": "speakers are not told apart",
    "speaker_labels_revision_interval_ms": "speakers are not told apart",
    "webhook_auth_header_name": "results are sent to the client alone",
    "webhook_auth_header_value": "results are sent to the client alone",
    "webhook_url": "results are sent to the client alone",
}
"""Cannot take effect, and who asks relies on them."""

ALWAYS: Mapping[str, str] = {"continuous_partials": "partial turns come as soon as there are words"}
"""What is so in any case, and accepted with a ``Warning`` where it is turned off."""

_CREDENTIALS = ("token",)
_OFF = ("false", "False", False, None)


def _listed(value: object) -> object:
    """A list, which in a URL is JSON."""
    if isinstance(value, str):
        try:
            return orjson.loads(value)
        except orjson.JSONDecodeError:
            return [value] if value else []
    return value


Texts = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200)]], Field(fail_fast=True), BeforeValidator(_listed)
]


class Parameters(BaseModel):
    """All that take effect; by their names on the wire, with the vendor's defaults."""

    model_config = ConfigDict(extra="forbid")

    sample_rate: Annotated[int, Field(ge=8_000, le=96_000)] = 16_000
    """Required of raw audio by the vendor; a container says its own."""
    encoding: Literal["pcm_s16le", "pcm_mulaw", "ogg_opus", "aac"] = "pcm_s16le"
    speech_model: str = "universal-streaming-english"
    """Any: the name says only whether all turns are formatted (:data:`FORMATTING_MODELS`)."""
    format_turns: bool = False
    formatted_finals: bool = True
    include_partial_turns: bool = True
    keyterms_prompt: Texts = []
    language_code: str | None = None
    language_codes: Texts = []
    end_of_turn_confidence_threshold: Annotated[float, Field(ge=0, le=1)] = 0.4
    min_turn_silence: Annotated[int, Field(ge=0, le=60_000)] = 400
    max_turn_silence: Annotated[int, Field(ge=0, le=60_000)] = 1_280
    vad_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    turn_left_pad_ms: Annotated[int, Field(ge=0, le=2_000)] | None = None
    voice_focus: Literal["near-field", "far-field"] | None = None
    filter_profanity: bool = False

    @property
    def formats_always(self) -> bool:
        """Turns come in their final form only."""
        return self.speech_model.startswith(FORMATTING_MODELS)

    @property
    def formatted(self) -> bool:
        """Turns are written with punctuation, capitals and figures."""
        return self.format_turns or (self.formats_always and self.formatted_finals)

    @property
    def silence_ms(self) -> int:
        """Silence that ends a turn (ms).

        There is no model that is confident that a turn is over. The vendor ends a turn after the shorter silence where
        its confidence reaches the threshold and after the longer one elsewhere; here the threshold says where between
        the two: 0 is the shorter silence, 1 the longer one, as it is there.
        """
        least = min(self.min_turn_silence, self.max_turn_silence)
        silence = least + self.end_of_turn_confidence_threshold * (self.max_turn_silence - least)
        return max(LEAST_SILENCE_MS, round(silence))

    def updated(self, values: Mapping[str, object]) -> Self:
        """With other values.

        Raises:
            WavelaneError: INVALID_CONFIG.
        """
        try:
            return type(self).model_validate({**self.model_dump(), **values})
        except ValidationError as error:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, describe(error)) from None

    def options(self) -> dict[str, Any]:
        """Options of our session."""
        values: dict[str, Any] = {
            "encoding": ENCODINGS[self.encoding],
            "sample_rate": self.sample_rate,
            "channels": 1,
            "channel": "mix",
            "partials": self.include_partial_turns,
            "words": True,
            **self.mutable(),
        }
        # What is not asked for is as the server's operator wants it.
        if not self.keyterms_prompt:
            del values["hotwords"]
        if not (self.formatted or self.filter_profanity):
            del values["text"]
        vad: dict[str, Any] = {}
        if self.vad_threshold is not None:
            vad["mode"] = sum(self.vad_threshold >= step for step in _MODES)
            vad["threshold"] = min(max(self.vad_threshold, 0.01), 0.99)
        if self.turn_left_pad_ms is not None:
            vad["pre_roll_ms"] = self.turn_left_pad_ms
        if vad:
            values["vad"] = vad
        if self.voice_focus is not None:
            values["audio"] = {"noise_suppression": NOISE_SUPPRESSION[self.voice_focus]}
        return values

    def mutable(self) -> dict[str, Any]:
        """Options of our session that may change while it runs."""
        values: dict[str, Any] = {
            "endpoint": {"enabled": True, "silence_ms": self.silence_ms, "no_text_ms": self.silence_ms}
        }
        formatted = self.formatted
        values["text"] = {"itn": formatted, "punctuation": formatted, "capitals": formatted}
        values["text"]["profanity"] = "mask" if self.filter_profanity else "keep"
        language = self.language_codes[0] if self.language_codes else self.language_code
        if language:
            values["language"] = language
        values["hotwords"] = self.keyterms_prompt
        return values


MUTABLE = frozenset(
    (
        "format_turns",
        "keyterms_prompt",
        "language_codes",
        "end_of_turn_confidence_threshold",
        "min_turn_silence",
        "max_turn_silence",
        "filter_profanity",
    )
)
"""What ``UpdateConfiguration`` may change."""

_OLD_NAMES = {
    "min_end_of_turn_silence_when_confident": "min_turn_silence",
    "noise_suppression_model": "voice_focus",
    "noise_suppression_threshold": "voice_focus_threshold",
}


def sorted_out(values: Iterable[tuple[str, object]]) -> tuple[dict[str, object], list[str]]:
    """Values that take effect, and the names of those that are of no effect but harmless.

    Raises:
        WavelaneError: INVALID_CONFIG for what is unknown, or cannot take effect.
    """
    effective: dict[str, object] = {}
    warned = []
    for given, value in values:
        name = _OLD_NAMES.get(given, given)
        if name in _CREDENTIALS:
            continue
        if name in REFUSED:
            if value not in _OFF:
                raise _invalid(f"{given}: cannot take effect here, {REFUSED[name]}; leave it out")
        elif name in WARNED or name in ALWAYS:
            if (value in _OFF) == (name in ALWAYS):
                warned.append(name)
        elif name not in Parameters.model_fields:
            raise _invalid(f"{given[:64]}: unknown parameter")
        elif name in ("keyterms_prompt", "language_codes") and name in effective:
            # A list may also come as a parameter that repeats.
            more, before = _listed(value), effective[name]
            if not isinstance(more, list) or not isinstance(before, list):
                raise _invalid(f"{name}: a list of texts, as JSON")
            effective[name] = [*before, *more]
        else:
            effective[name] = _listed(value) if name in ("keyterms_prompt", "language_codes") else value
    if value := effective.get("encoding"):
        _check_encoding(value)
    codes = effective.get("language_codes")
    if isinstance(codes, list) and len(codes) > 1:
        raise _invalid("language_codes: one language can be given here; a model that knows several finds out by itself")
    return effective, warned


def _check_encoding(encoding: object) -> None:
    if encoding == "opus":
        raise _invalid("encoding: raw Opus packets are not decoded here; send them in Ogg (ogg_opus), or pcm_s16le")


def warning(name: str) -> str:
    """The sentence for a parameter of no effect."""
    return f"{name} has no effect here: {WARNED.get(name) or ALWAYS[name]}"


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_CONFIG, message)
