"""Shape of a streaming FastConformer, independent of the format it was stored in."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import FeatureSpec, ModelSpec

HeadName = Literal["ctc", "rnnt"]


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

    def __post_init__(self) -> None:
        encoder = self.encoder
        for name, value in (*asdict(encoder).items(), ("vocabulary_size", self.vocabulary_size)):
            if isinstance(value, int) and value < (0 if name == "left_context" else 1) and not isinstance(value, bool):
                raise unsupported(self.name, f"{name} is {value}", "a positive number")
        if encoder.d_model % encoder.heads or encoder.d_model % 2:
            raise unsupported(
                self.name, f"d_model is {encoder.d_model}", f"an even multiple of its {encoder.heads} attention heads"
            )
        if not self.lookaheads or min(self.lookaheads) < 0:
            raise unsupported(self.name, f"its lookaheads are {list(self.lookaheads)}", "one or more, none below 0")
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
            for name in ("vocabulary", "lookaheads", "heads", "languages"):
                if name in values:
                    values[name] = tuple(values[name])
            return cls(**values)
        except (TypeError, KeyError, AttributeError) as error:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED, f"config.json is not a model configuration of this version: {error}."
            ) from error


def unsupported(name: str, found: str, wanted: str) -> WavelaneError:
    """The refusal of a checkpoint: which property stands in the way, and what would be accepted."""
    return WavelaneError(
        ErrorCode.MODEL_UNSUPPORTED,
        f"{name} is not a cache-aware streaming FastConformer that can be served: {found}, expected {wanted}.",
    )
