"""Shape of a streaming FastConformer, independent of the format it was stored in."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import FeatureSpec, ModelSpec, WordTuning

HeadName = Literal["ctc", "rnnt"]

_MOST_LOOKAHEAD = 255
_BOUNDS = {
    "n_mels": (8, 512),
    "sample_rate": (8_000, 96_000),
    "hop": (1, 4_096),
    "window": (1, 8_192),
    "n_fft": (2, 8_192),
    "d_model": (2, 8_192),
    "layers": (1, 256),
    "heads": (1, 256),
    "d_ff": (1, 65_536),
    "kernel": (1, 1_023),
    "channels": (1, 8_192),
    "left_context": (0, 4_095),
    "vocabulary_size": (1, 1 << 20),
    "hidden": (1, 65_536),
    "joint": (1, 65_536),
    "max_symbols": (1, 100),
    "count": (1, 65_536),
}
"""Smallest and largest value of each dimension: far around every real model, and what a crafted one can ask for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The encoder of Fast Conformer (arXiv:2305.05084), cache-aware (arXiv:2312.17279)."""

    d_model: int
    layers: int
    heads: int
    d_ff: int
    kernel: int
    """Width of the depthwise convolution, all of it in the past."""
    channels: int
    """Of the subsampling convolutions."""
    left_context: int
    """Past encoder frames that attention may see; the attention cache holds as many."""
    bias: bool = True
    """Linear and pointwise layers of attention and feed-forward have a bias."""
    conv_bias: bool = True
    conv_norm: Literal["layer_norm", "batch_norm"] = "layer_norm"
    scale_input: bool = False
    """Multiply the subsampled frames by ``sqrt(d_model)`` (NeMo: ``xscaling``)."""
    mask_before_start: bool = False
    """Whether subsampling knows, after the first step, that features before the stream are padding (Hugging Face), or
    takes them for zero features (NeMo). Differs in the second step at lookahead 0 only."""
    grid: Literal["window", "stream"] = "window"
    """Chunks that ``chunked_limited`` attention compares are counted from the oldest cached frame (NeMo) or from the
    start of the stream (Hugging Face). Differs where the left context is no multiple of the chunk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptConfig:
    """Language prompt: an MLP over (encoded, one-hot prompt)."""

    count: int
    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TransducerConfig:
    """Prediction and joint network of an RNN-T head."""

    hidden: int
    """Of the embedding and the LSTM."""
    layers: int
    joint: int
    activation: Literal["relu", "tanh", "sigmoid"] = "relu"
    max_symbols: int = 10
    """Most pieces that greedy search emits in one encoder frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Everything but the numbers of a checkpoint; what ``config.json`` of the native format holds."""

    name: str
    features: FeatureSpec
    encoder: EncoderConfig
    vocabulary_size: int
    """Pieces, without the blank."""
    blank: int
    vocabulary: tuple[str, ...]
    """Pieces by id; empty when the checkpoint has no tokenizer."""
    lookaheads: tuple[int, ...]
    default_lookahead: int
    heads: tuple[HeadName, ...]
    transducer: TransducerConfig | None = None
    prompt: PromptConfig | None = None
    prompts: Mapping[str, int] = field(default_factory=dict)
    default_prompt: int | None = None
    tail: Literal["short", "padded"] = "short"
    languages: tuple[str, ...] = ("en",)
    words: tuple[WordTuning, ...] = ()
    """Corrections of words that were fitted to this model."""

    def __post_init__(self) -> None:
        encoder = self.encoder
        parts = [asdict(part) for part in (self.features, encoder, self.transducer, self.prompt) if part is not None]
        for part in [*parts, {"vocabulary_size": self.vocabulary_size}]:
            for name, (least, most) in _BOUNDS.items():
                value = part.get(name, least)
                if not isinstance(value, int) or not least <= value <= most:
                    raise unsupported(self.name, f"{name} is {value}", f"a whole number from {least} to {most}")
        if self.features.window > self.features.n_fft:
            raise unsupported(
                self.name, f"its window is {self.features.window} samples", f"at most n_fft: {self.features.n_fft}"
            )
        if encoder.d_model % encoder.heads or encoder.d_model % 2:
            raise unsupported(
                self.name, f"d_model is {encoder.d_model}", f"an even multiple of its {encoder.heads} attention heads"
            )
        if not self.lookaheads or min(self.lookaheads) < 0 or max(self.lookaheads) > _MOST_LOOKAHEAD:
            raise unsupported(
                self.name, f"its lookaheads are {list(self.lookaheads)}", f"one or more from 0 to {_MOST_LOOKAHEAD}"
            )
        if self.default_lookahead not in self.lookaheads:
            raise unsupported(
                self.name, f"its default lookahead is {self.default_lookahead}", f"one of {list(self.lookaheads)}"
            )
        if self.vocabulary and len(self.vocabulary) != self.vocabulary_size:
            raise unsupported(
                self.name,
                f"its tokenizer has {len(self.vocabulary)} pieces",
                f"as many as its head: {self.vocabulary_size}",
            )

    def spec(self, parameters: int = 0) -> ModelSpec:
        """What the rest of the system sees of this model."""
        return ModelSpec(
            name=self.name,
            features=self.features,
            lookaheads=self.lookaheads,
            default_lookahead=self.default_lookahead,
            left_context=self.encoder.left_context,
            vocabulary=self.vocabulary,
            heads=self.heads,
            tail=self.tail,
            languages=self.languages,
            prompts=dict(self.prompts),
            default_prompt=self.default_prompt,
            parameters=parameters,
            words=self.words,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; :meth:`from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ModelConfig":
        """Inverse of :meth:`to_json`.

        Raises:
            WavelaneError: a field is missing, unknown or of the wrong kind.
        """
        values = dict(data)
        try:
            values["features"] = FeatureSpec(**values["features"])
            values["encoder"] = EncoderConfig(**values["encoder"])
            if values.get("transducer") is not None:
                values["transducer"] = TransducerConfig(**values["transducer"])
            if values.get("prompt") is not None:
                values["prompt"] = PromptConfig(**values["prompt"])
            values["words"] = tuple(_word_tuning(words) for words in values.get("words", ()))
            for name in ("vocabulary", "lookaheads", "heads", "languages"):
                if name in values:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED, f"config.json is not a model configuration of this version: {error}."
            ) from error


def _word_tuning(data: Mapping[str, Any]) -> WordTuning:
    pairs = {name: tuple(map(float, data[name])) for name in ("start", "end", "confidence") if name in data}
    if any(len(pair) != 2 or not all(map(math.isfinite, pair)) for pair in pairs.values()):
        raise TypeError("the corrections of words are pairs of numbers")
    return WordTuning(**{**data, **pairs})


def unsupported(name: str, found: str, wanted: str) -> WavelaneError:
    """The refusal of a checkpoint: which property stands in the way, and what would be accepted."""
    return WavelaneError(
        ErrorCode.MODEL_UNSUPPORTED,
        f"{name} is not a cache-aware streaming FastConformer that can be served: {found}, expected {wanted}.",
    )
