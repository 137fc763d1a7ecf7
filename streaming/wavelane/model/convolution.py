"""The Conformer's convolution module (arXiv:2005.08100), causal: its depthwise convolution sees the past only."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.weights import Weights

NORM_EPSILON = 1e-5


class Convolution(nn.Module):
    """Pointwise, gate, causal depthwise convolution, norm, SiLU, pointwise.

    Args:
        weights: of the checkpoint.
        prefix: of the tensors ``pointwise1``, ``depthwise``, ``norm`` and ``pointwise2``.
        d_model: width of a frame.
        kernel: width of the depthwise convolution.
        bias: the convolutions have one.
        norm: ``layer_norm``, or ``batch_norm`` with stored statistics, which becomes part of the convolution.
    """

    pointwise1: Tensor
    pointwise1_bias: Tensor
    depthwise: Tensor
    depthwise_bias: Tensor
    norm: Tensor
    norm_bias: Tensor
    pointwise2: Tensor
    pointwise2_bias: Tensor

    def __init__(self, weights: Weights, prefix: str, d_model: int, kernel: int, bias: bool, norm: str) -> None:
        super().__init__()
        pointwise1, pointwise1_bias = weights.linear(f"{prefix}.pointwise1", 2 * d_model, d_model, bias)
        depthwise = weights.take(f"{prefix}.depthwise.weight", d_model, 1, kernel)
        depthwise_bias = weights.take(f"{prefix}.depthwise.bias", d_model) if bias else torch.zeros(d_model)
        scale, shift = weights.take(f"{prefix}.norm.weight", d_model), weights.take(f"{prefix}.norm.bias", d_model)
        self._layer_norm = norm == "layer_norm"
        if not self._layer_norm:
            mean = weights.take(f"{prefix}.norm.mean", d_model)
            scale = scale / torch.sqrt(weights.take(f"{prefix}.norm.variance", d_model) + NORM_EPSILON)
            depthwise, depthwise_bias = depthwise * scale[:, None, None], (depthwise_bias - mean) * scale + shift
        pointwise2, pointwise2_bias = weights.linear(f"{prefix}.pointwise2", d_model, d_model, bias)
        self.register_buffer("pointwise1", pointwise1)
        self.register_buffer("pointwise1_bias", pointwise1_bias)
        self.register_buffer("depthwise", depthwise.unsqueeze(2))
        self.register_buffer("depthwise_bias", depthwise_bias)
        self.register_buffer("norm", scale)
        self.register_buffer("norm_bias", shift)
        self.register_buffer("pointwise2", pointwise2)
        self.register_buffer("pointwise2_bias", pointwise2_bias)

    def forward(self, x: Tensor, past: Tensor, inside: Tensor | None) -> tuple[Tensor, Tensor]:
        """Convolve a chunk.

        Args:
            x: [B, T, d_model]
            past: [B, kernel - 1, d_model] gated frames before the chunk.
            inside: [B, T, 1], 0 for frames after the end of a stream; None when there are none.

        Returns:
            [B, T, d_model] and the next ``past``
        """
        gated = functional.glu(functional.linear(x, self.pointwise1, self.pointwise1_bias), dim=-1)
        if inside is not None:
            gated = gated * inside
        window = torch.cat((past, gated), dim=1)
        # As an image of one line with channels last, which torch convolves without converting layouts.
        image = window.transpose(1, 2).unsqueeze(2)
        mixed = functional.conv2d(image, self.depthwise, self.depthwise_bias, groups=image.shape[1])
        mixed = mixed.squeeze(2).transpose(1, 2)
        if self._layer_norm:
            mixed = functional.layer_norm(mixed, mixed.shape[-1:], self.norm, self.norm_bias, NORM_EPSILON)
        y = functional.linear(functional.silu(mixed), self.pointwise2, self.pointwise2_bias)
        return y, window[:, window.shape[1] - past.shape[1] :]
