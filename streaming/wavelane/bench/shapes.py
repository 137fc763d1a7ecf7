"""Models with random weights: speed does not depend on what a model knows, so no download is needed to measure one."""

import itertools
import math
import zlib
from collections.abc import Iterable

import torch
from torch import Tensor

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.model.build import build
from wavelane.model.config import EncoderConfig, HeadName, ModelConfig, TransducerConfig
from wavelane.model.weights import Weights
from wavelane.spec import FeatureSpec

PREFIX = "shape:"
LOOKAHEADS = (13, 6, 3, 1, 0)
"""Those of the public checkpoints, and 3: steps of 320 ms, for which others publish figures."""
BLANK_BIAS = 4.0
"""Raises the blank, so that a random model emits few pieces, as a trained one does."""
_VOCABULARY = 1024


def _encoder(d_model: int, layers: int, heads: int, channels: int) -> EncoderConfig:
    return EncoderConfig(
        d_model=d_model, layers=layers, heads=heads, d_ff=4 * d_model, kernel=9, channels=channels, left_context=70
    )


SHAPES: dict[str, tuple[EncoderConfig, HeadName]] = {
    "tiny": (_encoder(32, 2, 2, 8), "ctc"),
    "small": (_encoder(192, 8, 4, 64), "ctc"),
    "large": (_encoder(512, 17, 8, 256), "ctc"),
    "xlarge": (_encoder(1024, 24, 8, 256), "ctc"),
    "large-rnnt": (_encoder(512, 17, 8, 256), "rnnt"),
    "xlarge-rnnt": (_encoder(1024, 24, 8, 256), "rnnt"),
}
"""By name: ``small`` is that of the embedded model, ``large`` that of the public 114M streaming checkpoints, ``xlarge``
that of the 0.6B ones (all with 80 mel bands), ``tiny`` is for tests."""


class RandomWeights(Weights):
    """Whatever tensor is asked for: normal numbers of a variance that keeps activations near 1, norms that do nothing.

    A tensor depends on the seed, its name and its shape only, and is made when it is read.
    """

    def __init__(self, seed: int) -> None:
        super().__init__({})
        self._seed = seed
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._shapes

    def names(self) -> Iterable[str]:
        """Names of the tensors taken so far."""
        return self._shapes.keys()

    def read(self, name: str) -> Tensor:
        """A tensor that was taken before."""
        shape = self._shapes[name]
        if len(shape) == 1:
            values = torch.ones(shape) if name.endswith(".weight") else torch.zeros(shape)
            if name in ("ctc.bias", "joint.out.bias"):
                values[-1] = BLANK_BIAS
            return values
        generator = torch.Generator().manual_seed(self._seed ^ zlib.crc32(name.encode()))
        fan_in = torch.Size(shape[1:]).numel()
        return torch.randn(shape, generator=generator) / math.sqrt(fan_in)

    def take(self, name: str, *shape: int) -> Tensor:
        """A new tensor of this shape."""
        self._shapes[name] = shape
        tensor = self.read(name)
        self._taken.add(name)
        self.parameters += tensor.numel()
        return tensor

    def check_all_taken(self) -> None:
        """Nothing is left over."""


def shape_config(name: str) -> ModelConfig:
    """The configuration of a shape.

    Raises:
        WavelaneError: MODEL_NOT_FOUND, there is none of this name.
    """
    if name not in SHAPES:
        raise WavelaneError(
            ErrorCode.MODEL_NOT_FOUND, f"There is no shape {name!r}; there is {', '.join(PREFIX + n for n in SHAPES)}."
        )
    encoder, head = SHAPES[name]
    return ModelConfig(
        name=PREFIX + name,
        features=FeatureSpec(n_mels=80),
        encoder=encoder,
        vocabulary_size=_VOCABULARY,
        blank=_VOCABULARY,
        vocabulary=_pieces(_VOCABULARY),
        lookaheads=LOOKAHEADS,
        default_lookahead=6,
        heads=(head,),
        transducer=TransducerConfig(hidden=640, layers=1, joint=640) if head == "rnnt" else None,
    )


def shape_model(
    name: str, *, device: str | torch.device = "cpu", dtype: torch.dtype = torch.float32, seed: int = 0
) -> LoadedModel:
    """A model of this shape, ready to run; the same seed gives the same weights.

    Raises:
        WavelaneError: MODEL_NOT_FOUND, there is no such shape.
    """
    return build(shape_config(name), RandomWeights(seed), device=device, dtype=dtype)


def shape_checkpoint(name: str, seed: int = 0) -> tuple[ModelConfig, Weights]:
    """Configuration and readable weights of :func:`shape_model`, to be written to a file."""
    weights = RandomWeights(seed)
    config = shape_config(name)
    build(config, weights, device="cpu", dtype=torch.float32)
    return config, weights


def _pieces(count: int) -> tuple[str, ...]:
    """Distinct pieces that look like those of a trained tokenizer, the unknown one first."""
    consonants = ["b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "sh", "th", "st", "tr"]
    syllables = ["".join(parts) for parts in itertools.product(consonants, "aeiou", ("", "n", "r", "s", "l", "m"))]
    pieces = [mark + syllable for syllable in syllables for mark in ("\u2581", "")]
    return ("<unk>", *pieces[: count - 1])
