"""What a client may ask of a session. One definition for every protocol; unknown keys are errors."""

import itertools
import reprlib
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from wavelane.audio.enhance.options import AudioOptions
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE
from wavelane.grammar import Grammar
from wavelane.spec import ModelSpec
from wavelane.text.options import TextOptions
from wavelane.work import Decoding, FusionRequest

NO_LM = "off"
"""In place of the name of a language model."""

DEFAULT_BEAM = 8
"""Hypotheses of a beam search that does not say how many."""

LEAST_SETTLE, MOST_SETTLE, NEVER_SETTLE = 2, 8, 1_000_000
"""Encoder frames of silence in which a beam search settles: as many as the utterance's silence has, within these."""

MOST_OPTIONS = 1_000
"""Members of a client's configuration: many more than there are, and few enough to find fault with all of them."""

_MOST_FAULTS, _LONGEST_PATH = 20, 200
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxlong = _SHOWN.maxother = 200
"""What an error shows of a value: a client's message may be a megabyte, or nested deeply."""

Encoding = Literal["linear16", "float32", "mulaw", "alaw", "container"]
VadKind = Literal["webrtc", "silero", "off"]
Lookahead = Annotated[int, Field(ge=0, le=64)]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class EndpointOptions(_Options):
    """When an utterance ends by itself."""

    silence_ms: Annotated[int, Field(ge=100, le=60_000)] = 600
    """Silence after text that ends the utterance (ms)."""
    no_text_ms: Annotated[int, Field(ge=100, le=600_000)] = 2_400
    """Silence without any text that ends the utterance with an empty final (ms)."""
    max_utterance_ms: Annotated[int, Field(ge=1_000, le=3_600_000)] = 30_000
    """Longest utterance; a longer one is cut at the next word (ms)."""
    enabled: bool = True
    """False: only flush, end and the longest utterance close an utterance."""


class VadOptions(_Options):
    """How speech is told from silence."""

    kind: VadKind = "webrtc"
    """Detector; ``silero`` needs the extra ``silero`` on the server; ``off`` feeds everything to the encoder and takes
    silence from the decoder."""
    mode: Annotated[int, Field(ge=0, le=3)] = 2
    """Aggressiveness of the webrtc detector: 3 takes the least for speech."""
    threshold: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.5
    """Speech probability at which the silero detector hears speech."""
    min_speech_ms: Annotated[int, Field(ge=0, le=2_000)] = 100
    """Speech shorter than this does not open the gate (ms)."""
    min_silence_ms: Annotated[int, Field(ge=0, le=10_000)] = 300
    """Silence shorter than this does not count as a pause (ms)."""
    pre_roll_ms: Annotated[int, Field(ge=0, le=2_000)] = 500
    """Audio before the onset that is recognised too (ms)."""


class DecodingOptions(_Options):
    """How the best words are searched for."""

    method: Literal["greedy", "beam"] = "greedy"
    """``greedy`` follows the best piece of each moment; ``beam`` keeps the best few beginnings of the utterance, which
    finds better words with a language model and has alternatives."""
    beam: Annotated[int, Field(ge=2, le=64)] | None = None
    """Beginnings that a beam keeps, at most as many as the server allows (setting engine.max_beam). None: 8."""

    @model_validator(mode="after")
    def _beam_needs_its_method(self) -> "DecodingOptions":
        if self.beam is not None and self.method != "beam":
            raise ValueError("beam is of no use to greedy search: set method to beam, or leave beam out")
        return self


class Hotword(_Options):
    """A phrase that is expected, and by how much it is favoured."""

    phrase: Annotated[str, Field(min_length=1, max_length=200)]
    """One or more words, written as the model writes them; capitals do not matter to a model without them."""
    boost: Annotated[float, Field(gt=0.0, le=20.0)] = 1.0
    """What each of its pieces earns (natural logarithm). 2 finds more, and hears it where it was not said too."""


def _hotword(value: object) -> object:
    return {"phrase": value} if isinstance(value, str) else value


HotwordOption = Annotated[Hotword, BeforeValidator(_hotword, json_schema_input_type=str | Hotword)]
"""A phrase alone has the usual boost."""


class SessionOptions(_Options):
    """Options of one session. Those in :data:`MUTABLE` may change while it runs."""

    encoding: Encoding = "linear16"
    """Sample format of raw audio (little-endian), or ``container``: WAV, FLAC, Ogg/WebM Opus, MP3, found by content."""
    sample_rate: Annotated[int, Field(ge=8_000, le=96_000)] = 16_000
    """Samples per second of raw audio (Hz); a container says its own."""
    channels: Annotated[int, Field(ge=1, le=8)] = 1
    """Interleaved channels of raw audio; a container says its own."""
    channel: Annotated[int, Field(ge=0, le=7)] | Literal["mix", "separate"] = "mix"
    """One channel by index, the mean of all, or each recognised on its own."""
    model: str | None = None
    """Name of the model expected; refused when the server serves another."""
    language: str | None = None
    """Language code, or ``auto`` for models that find it themselves. None: the model's default."""
    lookahead: Lookahead | Literal["auto"] | None = None
    """Future encoder frames (80 ms each) awaited before one is recognised; one of the model's. ``auto``: the shortest
    of lookahead_min to lookahead_max that the server's load allows at the moment. None: the model's default."""
    lookahead_min: Lookahead | None = None
    """With lookahead auto: the shortest that the server may choose, one of the model's. None: the model's default."""
    lookahead_max: Lookahead | None = None
    """With lookahead auto: the longest that the server may choose, one of the model's. None: the model's longest."""
    partials: bool = True
    """Send hypotheses of the utterance in progress."""
    words: bool = True
    """Send words with times and confidences in partials and finals."""
    alternatives: Annotated[int, Field(ge=1, le=30)] = 1
    """Hypotheses per final, at most; more than one needs ``decoding.method`` beam."""
    lm: str | None = None
    """Language model by name, one of those that the server has, or ``off``. None: the model's default."""
    lm_weight: Annotated[float, Field(gt=0.0, le=10.0)] | None = None
    """Scale of the language model's scores. None: the one that suits it."""
    hotwords: Annotated[tuple[HotwordOption, ...], Field(max_length=100_000, fail_fast=True)] = ()
    """Phrases to favour: names, places, products. At most as many as the server allows (setting lm.max_hotwords)."""
    grammar: Annotated[str, Field(min_length=1)] | None = None
    """What may be said, and what it means: a grammar in JSGF (text that begins with ``#JSGF``), or the name of one that
    the server has. Finals then have an ``intent``."""
    profile: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,128}$")] | None = None
    """Key of a user's profile that the server keeps: its hotwords and replacements are added to the session's, and
    corrections are stored with it."""
    decoding: DecodingOptions = DecodingOptions()
    audio: AudioOptions = AudioOptions()
    vad: VadOptions = VadOptions()
    endpoint: EndpointOptions = EndpointOptions()
    text: TextOptions = TextOptions()

    @model_validator(mode="after")
    def _bounds_need_auto(self) -> "SessionOptions":
        if self.lookahead != "auto" and not (self.lookahead_min is None and self.lookahead_max is None):
            raise ValueError("lookahead_min and lookahead_max bound what the server chooses: set lookahead to auto")
        return self

    @property
    def lookahead_bounds(self) -> tuple[int, int] | None:
        """The shortest and the longest lookahead of an effective ``auto``; None where the lookahead is fixed."""
        if self.lookahead_min is None or self.lookahead_max is None:
            return None
        return self.lookahead_min, self.lookahead_max


MUTABLE = (
    "language",
    "lookahead",
    "lookahead_min",
    "lookahead_max",
    "partials",
    "words",
    "lm",
    "lm_weight",
    "hotwords",
    "grammar",
    "endpoint",
    "text",
)
"""Options that may change mid-stream. Language, lookahead, language model and hotwords count from the next stream of
the lane on: the next speech with a detector, the next flush without one. What the server chooses under ``auto`` counts
from the next chunk on, ``text`` from the next utterance on."""

_WHOLE = ("replace",)
"""Options that are mappings themselves: a new one takes the place of the old one, as lists do."""


def parse_options(values: object, base: SessionOptions | None = None) -> SessionOptions:
    """Validate a client's options.

    Args:
        values: a mapping as decoded from JSON; nested mappings for ``vad`` and ``endpoint``.
        base: defaults of the server; what ``values`` leaves out is taken from here.

    Raises:
        WavelaneError: INVALID_CONFIG, naming every offending option and what it may be.
    """
    if not isinstance(values, dict):
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "the configuration must be a JSON object")
    if len(values) > MOST_OPTIONS:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{len(values)} options are more than there are")
    merged = _merge((base or SessionOptions()).model_dump(), values)
    if values.get("lookahead", "auto") != "auto":
        # Who asks for a fixed lookahead does not want the bounds of the server's auto.
        merged |= {name: values.get(name) for name in ("lookahead_min", "lookahead_max")}
    decoding = values.get("decoding")
    if isinstance(decoding, dict) and decoding.get("method") == "greedy":
        # Who asks for greedy search does not want the server's beam, nor what it is good for.
        merged |= {"decoding": {"beam": None, **decoding}, "alternatives": values.get("alternatives", 1)}
    if values.get("lm") == NO_LM:
        # Who turns the language model off does not want the weight of the one before.
        merged |= {"lm_weight": values.get("lm_weight")}
    try:
        return SessionOptions.model_validate(merged)
    except ValidationError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, describe(error)) from None


def reconfigure(current: SessionOptions, values: object) -> SessionOptions:
    """Apply a mid-stream change.

    Raises:
        WavelaneError: INVALID_CONFIG for an option that is unknown, wrong, or fixed once audio flows.
    """
    changed = parse_options(values, base=current)
    fixed = [
        name
        for name in SessionOptions.model_fields
        if name not in MUTABLE and getattr(changed, name) != getattr(current, name)
    ]
    if fixed:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"{', '.join(fixed)} cannot change while a session runs; only {', '.join(MUTABLE)} can: open a new session",
        )
    return changed


def fusion_request(options: SessionOptions, spec: ModelSpec) -> FusionRequest | None:
    """What effective options ask the search to add to the acoustic score; None where that is nothing."""
    if options.lm == NO_LM and not options.hotwords and not spec.boosted:
        return None
    return FusionRequest(
        lm=None if options.lm == NO_LM else options.lm,
        lm_weight=options.lm_weight,
        hotwords=tuple((hotword.phrase, hotword.boost) for hotword in options.hotwords),
    )


def decoding_of(
    options: SessionOptions, spec: ModelSpec, grammar: Grammar | None = None, *, gated: bool = False
) -> Decoding | None:
    """How effective options have streams searched; None: greedily, with nothing added.

    Args:
        options: of the session.
        spec: of the model.
        grammar: that the options name.
        gated: a detector ends streams where the user is silent.
    """
    if grammar is not None and spec.constrained:
        # A detector knows better where a sentence ends than a model that may have missed a word.
        settle = NEVER_SETTLE if gated else max(LEAST_SETTLE, _silence_frames(options, spec))
        return Decoding(beam=1, settle=settle, grammar=grammar.text)
    fusion = fusion_request(options, spec)
    beam = options.decoding.beam or 1
    if beam == 1 and fusion is None:
        return None
    # Hypotheses may differ in their pieces alone: all are asked for, so that enough texts are among them.
    return Decoding(
        beam=beam,
        alternatives=beam if options.alternatives > 1 else 1,
        settle=_settle(options, spec),
        fusion=fusion,
    )


def _settle(options: SessionOptions, spec: ModelSpec) -> int:
    # An utterance's silence is never over before the search has settled in it.
    return min(max(_silence_frames(options, spec), LEAST_SETTLE), MOST_SETTLE)


def _silence_frames(options: SessionOptions, spec: ModelSpec) -> int:
    return options.endpoint.silence_ms * CLOCK_RATE // 1000 // spec.frame_samples


def describe(error: ValidationError) -> str:
    """The faults of a validation in one sentence, each with the path of its option; no more than one can read."""
    faults: dict[str, tuple[list[str], object]] = {}
    for item in error.errors(include_url=False, include_context=False)[:_MOST_FAULTS]:
        # An option of several kinds has a fault for each, whose path goes on with the name of the kind.
        parts = itertools.takewhile(lambda part: str(part).isidentifier(), item["loc"])
        path = ".".join(map(str, parts)) or "configuration"
        if item["type"] == "extra_forbidden":
            path = ".".join(map(str, item["loc"]))
        messages, _ = faults.setdefault(path[:_LONGEST_PATH], ([], item["input"]))
        messages.append("unknown option" if item["type"] == "extra_forbidden" else item["msg"])
    return "; ".join(
        f"{path}: {', or '.join(messages)}" + ("" if messages == ["unknown option"] else f" (got {_SHOWN.repr(value)})")
        for path, (messages, value) in faults.items()
    )


def _merge(base: dict[str, object], values: dict[str, object]) -> dict[str, object]:
    merged = dict(base)
    for key, value in values.items():
        inner = merged.get(key)
        if key not in _WHOLE and isinstance(inner, dict) and isinstance(value, dict):
            value = _merge(inner, value)
        merged[key] = value
    return merged
