"""Eightfold causal subsampling by depthwise-separable strided convolutions (Fast Conformer, arXiv:2305.05084).

Output frame ``t`` depends on the 15 features ``8 t - 14 .. 8 t``. A step therefore gets 7 features of the past before
its own, and needs no padding in time. Whatever lies outside the stream has to be zero at every level, as it is where
the reference implementations pad: :class:`Extent` says which part of each level is inside.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.weights import Weights

FACTOR = 8
HISTORY = 7
"""Features of the past that a step needs."""
_LEVELS = 3
_KERNEL = 3


class Extent(NamedTuple):
    """Where in the window [history, chunk] the stream of each row lies."""

    first: Tensor
    """[B] int64, features before it are before the stream."""
    end: Tensor
    """[B] int64, features from it on are after the stream."""

    def level(self, level: int, size: int) -> Tensor:
        """[B, size] bool, positions after ``level`` convolutions that are inside the stream.

        Convolution ``u`` of a level sees ``2 u .. 2 u + 2`` of the level below. Counted with the two outputs that are
        not computed here, an input of ``n`` features has ``n // 2 + 1`` outputs (the last may see one zero).
        """
        first, end = self.first + 2, self.end + 2
        for _ in range(level):
            first, end = (first + 1) // 2, end // 2 + 1
        position = torch.arange(size, device=self.first.device) + 2
        return (position >= first[:, None]) & (position < end[:, None])

    def outputs(self) -> Tensor:
        """[B] int64, encoder frames that a row gives."""
        end = self.end + 2
        for _ in range(_LEVELS):
            end = end // 2 + 1
        return end - 2


class Subsampling(nn.Module):
    """Features to encoder frames.

    Args:
        weights: of the checkpoint.
        prefix: of the tensors ``conv0``, ``conv1`` and ``conv2`` (each ``depthwise`` and ``pointwise``) and ``out``.
        n_mels: width of a feature frame.
        channels: of the convolutions.
        d_model: width of an encoder frame.
        scale: of the output.
    """

    def __init__(self, weights: Weights, prefix: str, n_mels: int, channels: int, d_model: int, scale: float) -> None:
        super().__init__()
        self._channels = channels
        width = n_mels
        for _ in range(_LEVELS):
            width = width // 2 + 1
        stem = weights.take(f"{prefix}.conv0.weight", channels, 1, _KERNEL, _KERNEL)
        self.register_buffer("stem", stem.flatten(1))
        self.register_buffer("stem_bias", weights.take(f"{prefix}.conv0.bias", channels))
        for level in range(1, _LEVELS):
            depthwise = weights.take(f"{prefix}.conv{level}.depthwise.weight", channels, 1, _KERNEL, _KERNEL)
            depthwise_bias = weights.take(f"{prefix}.conv{level}.depthwise.bias", channels)
            pointwise, pointwise_bias = weights.linear(f"{prefix}.conv{level}.pointwise", channels, channels)
            self.register_buffer(f"depthwise{level}", depthwise)
            self.register_buffer(f"pointwise{level}", pointwise)
            # The pointwise convolution is linear: the bias of the depthwise one passes through it.
            self.register_buffer(f"bias{level}", pointwise_bias + pointwise @ depthwise_bias)
        out, out_bias = weights.linear(f"{prefix}.out", d_model, channels * width)
        # Stored for [channels, mels]; here channels come last.
        out = out.view(d_model, channels, width).transpose(1, 2).reshape(d_model, width * channels)
        self.register_buffer("out", out * scale)
        self.register_buffer("out_bias", out_bias * scale)

    def forward(self, window: Tensor, extent: Extent | None) -> Tensor:
        """[B, HISTORY + 8 n, n_mels] to [B, n, d_model].

        Args:
            window: the features, zero outside the stream.
            extent: where the stream is; None when every row fills the window.
        """
        # Channels last, and products where torch's CPU convolutions would convert layouts: three times as fast.
        patches = functional.pad(window, (2, 1)).unfold(1, _KERNEL, 2).unfold(2, _KERNEL, 2).flatten(3)
        x = functional.relu_(functional.linear(patches, self.get_buffer("stem"), self.get_buffer("stem_bias")))
        for level in range(1, _LEVELS):
            if extent is not None:
                x = x * extent.level(level, x.shape[1])[:, :, None, None]
            x = functional.pad(x, (0, 0, 2, 1)).permute(0, 3, 1, 2)
            x = functional.conv2d(x, self.get_buffer(f"depthwise{level}"), stride=2, groups=self._channels)
            pointwise, bias = self.get_buffer(f"pointwise{level}"), self.get_buffer(f"bias{level}")
            x = functional.relu_(functional.linear(x.permute(0, 2, 3, 1), pointwise, bias))
        return functional.linear(x.flatten(2), self.get_buffer("out"), self.get_buffer("out_bias"))
