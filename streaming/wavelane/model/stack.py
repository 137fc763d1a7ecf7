"""The Conformer layers as one call, and the same call without Python.

A step is some 600 small operations. Run from Python each of them lets go of the interpreter lock and takes it again,
and waits for whichever thread has it by then: beside a busy event loop and a second worker a step of 8 rows took 36 ms
instead of 24. Recorded once (``torch.jit.trace``) the layers run without the interpreter, with the same kernels on the
same operands and so with the same bits: 19 ms.
"""

import logging
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from wavelane.model.attention import Attention
from wavelane.model.config import EncoderConfig
from wavelane.model.convolution import Convolution
from wavelane.model.feedforward import FeedForward, load_norm
from wavelane.model.weights import Weights

_log = logging.getLogger(__name__)

Tensors = tuple[Tensor, ...]
Outputs = tuple[Tensor, Tensors, Tensors, Tensors]


class Layer(nn.Module):
    """One Conformer layer: half feed-forward, attention, convolution, half feed-forward, norm."""

    def __init__(self, weights: Weights, prefix: str, config: EncoderConfig) -> None:
        super().__init__()
        d_model = config.d_model
        self.feed_forward1 = FeedForward(weights, f"{prefix}.feed_forward1", config)
        self.attention_norm = load_norm(weights, f"{prefix}.attention.norm", d_model)
        self.attention = Attention(weights, f"{prefix}.attention", d_model, config.heads, config.bias)
        self.convolution_norm = load_norm(weights, f"{prefix}.convolution.in_norm", d_model)
        self.convolution = Convolution(
            weights, f"{prefix}.convolution", d_model, config.kernel, config.conv_bias, config.conv_norm
        )
        self.feed_forward2 = FeedForward(weights, f"{prefix}.feed_forward2", config)
        self.norm = load_norm(weights, f"{prefix}.norm", d_model)


class Stack(nn.Module):
    """All layers of one lookahead.

    Args:
        layers: of the encoder.
        positions: projected relative positions of each layer, see :meth:`Attention.positions`.
    """

    def __init__(self, layers: Sequence[Layer], positions: Sequence[Tensor]) -> None:
        super().__init__()
        self._layers = list(layers)
        self._positions = list(positions)

    def forward(
        self, x: Tensor, mask: Tensor, inside: Tensor | None, keys: Tensors, values: Tensors, past: Tensors
    ) -> Outputs:
        """One chunk through all layers.

        Args:
            x: [B, T, d_model]
            mask: [B, 1, T, C + T], see :meth:`Attention.forward`.
            inside: [B, T, 1] or None, see :meth:`Convolution.forward`.
            keys: of each layer, [B, heads, C, width]; ``values`` the same.
            past: of each layer, [B, kernel - 1, d_model].

        Returns:
            [B, T, d_model], and the next keys, values and past.
        """
        next_keys, next_values, next_past = [], [], []
        chunk = x.shape[1]
        for i, layer in enumerate(self._layers):
            x = x + layer.feed_forward1(x)
            attended, all_keys, all_values = layer.attention(
                layer.attention_norm(x), keys[i], values[i], self._positions[i], mask
            )
            x = x + attended
            convolved, layer_past = layer.convolution(layer.convolution_norm(x), past[i], inside)
            x = x + convolved
            x = layer.norm(x + layer.feed_forward2(x))
            next_keys.append(all_keys[:, :, chunk:])
            next_values.append(all_values[:, :, chunk:])
            next_past.append(layer_past)
        return x, tuple(next_keys), tuple(next_values), tuple(next_past)


def record(stack: Stack, example: tuple[Tensor, Tensor, Tensor, Tensors, Tensors, Tensors]) -> Callable[..., Outputs]:
    """The stack without Python, for any number of rows; the stack itself where that fails."""
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            # Deprecated in favour of compilers that need a C++ toolchain on the user's machine.
            warnings.simplefilter("ignore")
            recorded: Callable[..., Outputs] = torch.jit.trace(  # type: ignore[no-untyped-call]
                stack, example, check_trace=False
            )
            for _ in range(2):  # The executor optimises what it has seen run.
                recorded(*example)
    except Exception:
        _log.warning("the layers could not be recorded; steps run from Python", exc_info=True)
        return stack
    return recorded
