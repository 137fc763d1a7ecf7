"""The transcription session of the Realtime API as it is at the moment, and our options for it."""

from typing import Any

from wavelane_server.adapters.openai.errors import RequestError
from wavelane_server.adapters.openai.fields import (
    DEFAULT_INPUT,
    FORMATS,
    G711_RATE,
    LOGPROBS,
    Input,
    NoiseReduction,
    Pcm,
    ServerVad,
    SessionFields,
    Transcription,
)
from wavelane_server.adapters.openai.options import hint_values, turn_values

NOISE_SUPPRESSION = {"near_field": "moderate", "far_field": "high"}
_PATH = "session.audio.input.transcription."
_FIXED = {
    "encoding": ("format", "The format"),
    "sample_rate": ("format", "The format"),
    "audio": ("noise_reduction", "Noise reduction"),
    "vad": ("turn_detection", "'threshold' and 'prefix_padding_ms'"),
    "model": ("transcription.model", "The model"),
}
"""Options that stay, the field that a client knows them by, and what to call it."""
_CHANGING: dict[str, Any] = {"language": None, "hotwords": [], "words": False, "endpoint": {}}
"""Options that may change, and what each is when it is not given."""
_PARAMS = {
    "language": f"{_PATH}language",
    "hotwords": f"{_PATH}keywords",
    "model": f"{_PATH}model",
    "audio": "session.audio.input.noise_reduction",
}
"""The field of a client for an option that our session refuses."""


def param_of(message: str) -> str | None:
    """The field that a session's refusal is about; it begins with the name of the option."""
    return _PARAMS.get(message.split(":")[0].split(".")[0])


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
        names = {form.type: name for name, form in FORMATS.items()}
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
            **turn_values(self.audio.turn_detection),
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
        for name, (param, what) in _FIXED.items():
            if old.get(name) != new.get(name):
                raise RequestError(
                    f"{what} cannot change once there was audio: open another session for it.",
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
