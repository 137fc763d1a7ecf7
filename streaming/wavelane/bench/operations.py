"""How much work a step is: arithmetic and memory traffic, from a model's configuration alone.

A multiplication and an addition count as two operations. What is counted are the products; norms, activations and
softmax are left out, as they are some hundredth of it.
"""

import math
from dataclasses import dataclass

from wavelane.model.config import ModelConfig
from wavelane.model.subsampling import FACTOR, HISTORY

BYTES = {"fp32": 4, "bf16": 2, "int8": 1}
"""Of a weight, by precision."""


@dataclass(frozen=True, slots=True)
class Gemm:
    """Products ``[rows, inner] @ [inner, columns]`` of a step, of the same size."""

    part: str
    """Of the step, see :data:`wavelane.bench.steps.PARTS`."""
    rows: int
    """For one stream; a batch has as many for each of its streams."""
    inner: int
    columns: int
    count: int

    @property
    def operations(self) -> int:
        """Of all of them, for one stream."""
        return 2 * self.rows * self.inner * self.columns * self.count


@dataclass(frozen=True, slots=True)
class Work:
    """What one step costs."""

    operations: dict[str, int]
    """For one stream, by part (:data:`wavelane.bench.steps.PARTS`)."""
    gemms: tuple[Gemm, ...]
    """The products with weights, which are most of it."""
    weights: int
    """Numbers that a step reads whatever its batch: weights, and projected relative positions."""
    state: int
    """Numbers that a step reads and writes for one stream."""

    @property
    def total(self) -> int:
        """Operations for one stream."""
        return sum(self.operations.values())

    @property
    def weighted(self) -> int:
        """Operations for one stream in products with weights."""
        return sum(gemm.operations for gemm in self.gemms)

    def bytes_moved(self, batch: int, precision: str) -> int:
        """The least that a step of a batch moves between memory and processor: weights once, states in and out.

        States are taken to be stored in 16 bits where weights have 8.
        """
        state = max(2, BYTES[precision])
        return self.weights * BYTES[precision] + batch * self.state * state


def work_of(config: ModelConfig, lookahead: int) -> Work:
    """Count a step of ``T = lookahead + 1`` encoder frames, for one stream that is in its middle.

    With ``d`` the width, ``F`` that of the feed-forward modules, ``C`` the left context, ``k`` the kernel, ``c`` the
    channels of the subsampling and ``V`` the symbols, a layer does, in multiplications for each frame,

    - feed-forward: ``2 * 2 d F``
    - attention: ``3 d d`` (query, key and value of the new frames only: those of the past are cached), ``d (C + T)``
      scores, ``d (C + 2 T - 1)`` products with the relative positions, ``d (C + T)`` sums of values, ``d d`` output
    - convolution: ``2 d d``, ``k d``, ``d d``

    The subsampling has outputs of ``t x w`` at each of its levels: ``9 c`` each for the first, ``9 c + c c`` for the
    others, then ``c w d`` for each frame. Features: a real Fourier transform (``2.5 n log2 n`` operations) and the mel
    filters. CTC: ``d V`` for each frame. RNN-T: the encoder's projection and one evaluation of the joint network for
    each frame, which is what a frame of silence costs; pieces come on top.

    The state that moves: keys and values of ``C`` frames are read and those of ``T`` written, for each layer; the
    convolution's past is read and written.
    """
    encoder, features = config.encoder, config.features
    frames, d, layers = lookahead + 1, encoder.d_model, encoder.layers
    window = HISTORY + FACTOR * frames
    symbols = config.vocabulary_size + 1
    channels = encoder.channels

    sizes = _levels(window, features.n_mels)
    pixels = [time * width for time, width in sizes]
    subsampling = [
        Gemm("subsampling", pixels[0], 9, channels, 1),
        Gemm("subsampling", pixels[1], channels, channels, 1),
        Gemm("subsampling", pixels[2], channels, channels, 1),
        Gemm("subsampling", frames, channels * sizes[2][1], d, 1),
    ]
    linear = [
        Gemm("feed_forward", frames, d, encoder.d_ff, 2 * layers),
        Gemm("feed_forward", frames, encoder.d_ff, d, 2 * layers),
        Gemm("attention", frames, d, 3 * d, layers),
        Gemm("attention", frames, d, d, layers),
        Gemm("convolution", frames, d, 2 * d, layers),
        Gemm("convolution", frames, d, d, layers),
    ]
    if config.heads[0] == "ctc":
        head = [Gemm("decoder", frames, d, symbols, 1)]
    else:
        assert config.transducer is not None, "an RNN-T head has a transducer configuration"
        joint = config.transducer.joint
        head = [Gemm("decoder", frames, d, joint, 1), Gemm("decoder", frames, joint, symbols, 1)]
    gemms = (*subsampling, *linear, *head)

    operations = dict.fromkeys(("features", "subsampling", "feed_forward", "attention", "convolution", "decoder"), 0)
    for gemm in gemms:
        operations[gemm.part] += gemm.operations
    bins = features.n_fft // 2 + 1
    transform = round(2.5 * features.n_fft * math.log2(features.n_fft))
    operations["features"] = FACTOR * frames * (transform + 2 * bins * features.n_mels)
    operations["subsampling"] += 2 * 9 * channels * (pixels[1] + pixels[2])
    past = encoder.left_context
    operations["attention"] += layers * 2 * frames * d * (2 * (past + frames) + past + 2 * frames - 1)
    operations["convolution"] += layers * 2 * frames * d * encoder.kernel
    state = layers * (2 * d * (past + frames) + 2 * d * (encoder.kernel - 1))
    positions = layers * d * (past + 2 * frames - 1)
    weights = positions + sum(gemm.inner * gemm.columns * gemm.count for gemm in gemms)
    return Work(operations, gemms, weights, state)


def _levels(window: int, mels: int) -> list[tuple[int, int]]:
    """Outputs (time, mel) of the three convolutions of width 3 and stride 2.

    Time is not padded, as the step brings its history; mel bands are, by 2 and 1.
    """
    sizes = []
    for _ in range(3):
        window, mels = (window - 3) // 2 + 1, mels // 2 + 1
        sizes.append((window, mels))
    return sizes
