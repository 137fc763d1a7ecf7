"""Self-attention with relative positions (Transformer-XL, arXiv:1901.02860) over a cache of projected keys and values.

The reference implementations cache the layer's input and project keys and values of the whole past again in every step.
Here the projections are cached, and those of the relative positions, which never change, are computed once at load.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.weights import Weights


def sinusoids(farthest: int, nearest: int, width: int) -> Tensor:
    """Encodings of the distances ``farthest, farthest - 1, .. nearest`` (negative: the key lies ahead).

    Returns:
        [farthest - nearest + 1, width] float32, sines and cosines interleaved.
    """
    distance = torch.arange(farthest, nearest - 1, -1, dtype=torch.float32)[:, None]
    rates = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(10000.0) / width))
    return torch.stack((torch.sin(distance * rates), torch.cos(distance * rates)), dim=-1).flatten(1)


def visible(chunk: int, left: int, grid_offset: int) -> Tensor:
    """Which keys a query may see under ``chunked_limited`` attention, validity of the cache aside.

    Args:
        chunk: queries of the step.
        left: cached keys before them.
        grid_offset: where in its chunk the oldest cached key lies.

    Returns:
        [chunk, left + chunk] bool
    """
    index = torch.div(torch.arange(left + chunk) + grid_offset, chunk, rounding_mode="floor")
    behind = index[left:, None] - index[None, :]
    return (behind >= 0) & (behind <= left // chunk)


class Attention(nn.Module):
    """One layer's attention.

    Args:
        weights: of the checkpoint.
        prefix: of the tensors ``query``, ``key``, ``value``, ``out``, ``position``, ``bias_u`` and ``bias_v``.
        d_model: width of a frame.
        heads: that share it.
        bias: the projections have one.
    """

    qkv: Tensor
    qkv_bias: Tensor
    out: Tensor
    out_bias: Tensor
    bias_v: Tensor
    position: Tensor

    def __init__(self, weights: Weights, prefix: str, d_model: int, heads: int, bias: bool) -> None:
        super().__init__()
        self._heads = heads
        self._width = d_model // heads
        scale = 1.0 / math.sqrt(self._width)
        query, query_bias = weights.linear(f"{prefix}.query", d_model, d_model, bias)
        key, key_bias = weights.linear(f"{prefix}.key", d_model, d_model, bias)
        value, value_bias = weights.linear(f"{prefix}.value", d_model, d_model, bias)
        out, out_bias = weights.linear(f"{prefix}.out", d_model, d_model, bias)
        bias_u = weights.take(f"{prefix}.bias_u", heads, self._width).flatten()
        bias_v = weights.take(f"{prefix}.bias_v", heads, self._width).flatten()
        # The scale of the scores and the content bias go into the query; the position bias is what differs from it.
        self.register_buffer("qkv", torch.cat((query * scale, key, value)))
        self.register_buffer("qkv_bias", torch.cat(((query_bias + bias_u) * scale, key_bias, value_bias)))
        self.register_buffer("bias_v", ((bias_v - bias_u) * scale).view(heads, 1, self._width))
        self.register_buffer("out", out)
        self.register_buffer("out_bias", out_bias)
        self.register_buffer("position", weights.take(f"{prefix}.position.weight", d_model, d_model))

    def positions(self, encodings: Tensor) -> Tensor:
        """Projections of the distances ``[W, d_model]`` (float32): [heads, width, W]."""
        projected = functional.linear(encodings, self.position.float())
        return projected.view(-1, self._heads, self._width).permute(1, 2, 0).to(self.qkv.dtype).contiguous()

    def forward(
        self, x: Tensor, keys: Tensor, values: Tensor, positions: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from a chunk to itself and to the cache.

        Args:
            x: [B, T, d_model]
            keys: [B, heads, C, width] cached, oldest first.
            values: the same.
            positions: of the distances ``C + T - 1 .. -(T - 1)``, [heads, width, C + 2 T - 1].
            mask: [B, 1, T, C + T] or [1, 1, T, C + T], added to the scores.

        Returns:
            [B, T, d_model], and keys and values with those of the chunk appended, [B, heads, C + T, width]
        """
        batch, steps, _ = x.shape
        qkv = functional.linear(x, self.qkv, self.qkv_bias).view(batch, steps, 3, self._heads, self._width)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        keys = torch.cat((keys, key), dim=2)
        values = torch.cat((values, value), dim=2)
        total = keys.shape[2]
        # One product per head, all rows at once, with every distance; [heads, B, T, distances].
        flat = query.permute(1, 0, 2, 3).reshape(self._heads, batch * steps, self._width) + self.bias_v
        by_distance = torch.bmm(flat, positions)
        span = by_distance.shape[2]
        # Key j is at distance C + i - j of query i, that is in column T - 1 - i + j: a view, read diagonally.
        relative = by_distance.as_strided(
            (batch, self._heads, steps, total),
            (steps * span, batch * steps * span, span - 1, 1),
            by_distance.storage_offset() + steps - 1,
        )
        merged = _attend(query, keys, values, relative + mask).transpose(1, 2).reshape(batch, steps, -1)
        return functional.linear(merged, self.out, self.out_bias), keys, values


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    """Softmax attention over scaled queries; all [B, heads, .., width], the bias [B, heads, T, C + T]."""
    # For the few queries of a step torch's fused CPU kernel takes longer than two products, in bfloat16 four times.
    return (_products if query.device.type == "cpu" else _fused)(query, keys, values, bias)


def _fused(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(query, keys, values, attn_mask=bias, scale=1.0)


def _products(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
    scores = torch.matmul(query, keys.transpose(2, 3)).add_(bias)
    return torch.matmul(torch.softmax(scores, dim=-1), values)
