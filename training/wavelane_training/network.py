"""The encoder and CTC head as a network to train: a whole utterance at once, parameters under the native names.

The serving encoder (:mod:`wavelane.model.encoder`) runs chunk by chunk over packed weights; this one sees the utterance
whole and masks attention to the same chunks (``chunked_limited`` of arXiv:2312.17279), so that one set of weights
learns every lookahead. Its parameters are named as in the native format: a checkpoint loads and saves without a table
of names. Written for CPUs first: see README.md for what each choice gains.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.attention import sinusoids
from wavelane.model.config import EncoderConfig, ModelConfig

_MASKED = -1e4
"""Added to scores of keys that must not be seen; finite in bfloat16, and no row is without a key."""
_CAUSAL = (2, 1, 2, 1)
"""Padding of a convolution of stride 2: of mels and of frames, before and after."""
_FEATURES_AT_ONCE = 1200
"""In the subsampling stack, whose tensors are large: fewer frames at once stay in the caches."""
_STRIDES = 3
"""Convolutions of stride 2 in the subsampling stack."""


class _Subsampling(nn.Module):
    """Three causal convolutions of stride 2, the last two depthwise separable: [B, F, mels] to [B, T, d_model]."""

    def __init__(self, mels: int, channels: int, d_model: int) -> None:
        super().__init__()
        self.conv0 = nn.Conv2d(1, channels, 3, 2)
        self.conv1 = _Separable(channels)
        self.conv2 = _Separable(channels)
        for _ in range(_STRIDES):
            mels = mels // 2 + 1
        self.out = nn.Linear(channels * mels, d_model)

    def forward(self, features: Tensor) -> Tensor:
        rows = max(1, _FEATURES_AT_ONCE // features.shape[1])
        x = torch.cat([self._convolve(part) for part in torch.split(features, rows)])
        out: Tensor = self.out(x)
        return out

    def _convolve(self, features: Tensor) -> Tensor:
        """[B, F, mels] to [B, T, channels × mels / 8]."""
        x = functional.linear(_patches(features), self.conv0.weight.flatten(1), self.conv0.bias)
        x = functional.relu(self.conv2(self.conv1(x)))
        return x.transpose(2, 3).flatten(2)


class _Separable(nn.Module):
    """[B, F, mels, channels] before its ReLU to the same at half the rate and half the mels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, 2, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        # The gradient of padding is not contiguous: with the ReLU on this side of it, it is copied once less.
        x = functional.relu(functional.pad(x.permute(0, 3, 1, 2).float(), _CAUSAL))
        x = _depthwise(x, self.depthwise.weight, self.depthwise.bias, 2)
        # Channels are last in memory: a pointwise convolution is a matrix product.
        return functional.linear(x.permute(0, 2, 3, 1), self.pointwise.weight.flatten(1), self.pointwise.bias)


def _patches(features: Tensor) -> Tensor:
    """[B, F, mels] to [B, F / 2, mels / 2, 9]: what the first convolution sees, for a product of matrices to do it."""
    x = functional.pad(features, _CAUSAL)
    _, height, width = (size - 2 for size in x.shape)
    return torch.stack([x[:, i : i + height : 2, j : j + width : 2] for i in range(3) for j in range(3)], -1)


def _depthwise(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int) -> Tensor:
    """In float32 with channels last, which a CPU differentiates several times faster than bfloat16."""
    with torch.autocast(x.device.type, enabled=False):
        x = x.contiguous(memory_format=torch.channels_last)
        return functional.conv2d(x, weight, bias, stride=stride, groups=len(weight))


class _FeedForward(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.d_model)
        self.linear1 = nn.Linear(config.d_model, config.d_ff, bias=config.bias)
        self.linear2 = nn.Linear(config.d_ff, config.d_model, bias=config.bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear2(functional.silu(self.linear1(self.norm(x))))
        return out


class _Attention(nn.Module):
    """Self-attention with relative positions (Transformer-XL, arXiv:1901.02860)."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width, self.heads = config.d_model, config.heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width, bias=config.bias)
        self.key = nn.Linear(width, width, bias=config.bias)
        self.value = nn.Linear(width, width, bias=config.bias)
        self.out = nn.Linear(width, width, bias=config.bias)
        self.position = nn.Linear(width, width, bias=False)
        self.bias_u = nn.Parameter(torch.zeros(self.heads, width // self.heads))
        self.bias_v = nn.Parameter(torch.zeros(self.heads, width // self.heads))

    def forward(self, x: Tensor, encodings: Tensor, mask: Tensor) -> Tensor:
        x = self.norm(x)
        batch, frames, width = x.shape
        heads = (batch, frames, self.heads, width // self.heads)
        query, key, value = self.query(x).view(heads), self.key(x).view(heads), self.value(x).view(heads)
        position = self.position(encodings).view(2 * frames - 1, *heads[2:]).permute(1, 2, 0)
        content = torch.matmul((query + self.bias_u.to(query.dtype)).transpose(1, 2), key.permute(0, 2, 3, 1))
        place = torch.matmul((query + self.bias_v.to(query.dtype)).transpose(1, 2), position)
        # Relative shift: row t of 2T - 1 places begins at place T - 1 - t.
        place = functional.pad(place, (1, 0)).view(batch, self.heads, 2 * frames, frames)[:, :, 1:]
        place = place.reshape(batch, self.heads, frames, 2 * frames - 1)[..., :frames]
        scores = (content + place) / math.sqrt(heads[-1]) + mask
        weights = torch.softmax(scores, -1, dtype=torch.float32).to(value.dtype)
        out: Tensor = self.out(torch.matmul(weights, value.transpose(1, 2)).transpose(1, 2).reshape(x.shape))
        return out


class _Convolution(nn.Module):
    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        width = config.d_model
        self.in_norm = nn.LayerNorm(width)
        self.pointwise1 = nn.Conv1d(width, 2 * width, 1, bias=config.conv_bias)
        self.depthwise = nn.Conv1d(width, width, config.kernel, groups=width, bias=config.conv_bias)
        self.norm = nn.LayerNorm(width)
        self.pointwise2 = nn.Conv1d(width, width, 1, bias=config.conv_bias)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.glu(_pointwise(self.in_norm(x), self.pointwise1), dim=-1)
        x = functional.pad(x.transpose(1, 2).unsqueeze(2).float(), (self.depthwise.kernel_size[0] - 1, 0))
        x = _depthwise(x, self.depthwise.weight.unsqueeze(2), self.depthwise.bias, 1).squeeze(2).transpose(1, 2)
        return _pointwise(functional.silu(self.norm(x)), self.pointwise2)


def _pointwise(x: Tensor, conv: nn.Conv1d) -> Tensor:
    return functional.linear(x, conv.weight.squeeze(-1), conv.bias)


class _Layer(nn.Module):
    """One Conformer block (arXiv:2005.08100), [B, T, d_model] to the same."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.feed_forward1 = _FeedForward(config)
        self.attention = _Attention(config)
        self.convolution = _Convolution(config)
        self.feed_forward2 = _FeedForward(config)
        self.norm = nn.LayerNorm(config.d_model)

    def forward(self, x: Tensor, encodings: Tensor, mask: Tensor) -> Tensor:
        x = x + 0.5 * self.feed_forward1(x)
        x = x + self.attention(x, encodings, mask)
        x = x + self.convolution(x)
        out: Tensor = self.norm(x + 0.5 * self.feed_forward2(x))
        return out


class _Encoder(nn.Module):
    def __init__(self, mels: int, config: EncoderConfig) -> None:
        super().__init__()
        self.subsampling = _Subsampling(mels, config.channels, config.d_model)
        self.layers = nn.ModuleList(_Layer(config) for _ in range(config.layers))


class Network(nn.Module):
    """Streaming FastConformer with a CTC head, for training.

    Args:
        config: of a model with a CTC head, layer norms and no language prompt.

    Raises:
        ValueError: the model is of another kind.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        if config.encoder.conv_norm != "layer_norm" or config.heads != ("ctc",) or config.prompt is not None:
            raise ValueError(f"{config.name}: only models with a CTC head alone, layer norms and no prompt are trained")
        self.config = config
        self.encoder = _Encoder(config.features.n_mels, config.encoder)
        self.ctc = nn.Conv1d(config.encoder.d_model, config.vocabulary_size + 1, 1)

    def forward(self, features: Tensor, lengths: Tensor, lookahead: int) -> tuple[Tensor, Tensor]:
        """Log-probabilities of the pieces and the blank, which is last.

        Args:
            features: [B, F, mels] float32, zeros after each row's end.
            lengths: [B] int64, features of each row.
            lookahead: encoder frames after the first of a chunk.

        Returns:
            [B, T, pieces + 1] float32 and the [B] int64 encoder frames of each row.
        """
        config = self.config.encoder
        x = self.encoder.subsampling(features)
        if config.scale_input:
            x = x * math.sqrt(config.d_model)
        frames = x.shape[1]
        lengths = encoder_frames(lengths).clamp(max=frames)
        allowed = chunk_mask(frames, lookahead, config.left_context).to(x.device)
        allowed = allowed & (torch.arange(frames, device=x.device) < lengths[:, None])[:, None]
        mask = torch.zeros(allowed.shape, dtype=x.dtype, device=x.device).masked_fill_(~allowed, _MASKED).unsqueeze(1)
        encodings = sinusoids(frames - 1, 1 - frames, config.d_model).to(x)
        for layer in self.encoder.layers:
            x = layer(x, encodings, mask)
        return torch.log_softmax(_pointwise(x, self.ctc), -1, dtype=torch.float32), lengths

    def freeze(self, layers: int) -> None:
        """Leave what comes before the layers, and so many of them from below, as it is; 0 freezes nothing."""
        lower = [self.encoder.subsampling, *list(self.encoder.layers)[:layers]] if layers else []
        for module in lower:
            module.requires_grad_(False)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights of a checkpoint, by native name, whatever they are stored in.

        Raises:
            RuntimeError: one is missing, left over or of another shape.
        """
        own = self.state_dict()
        self.load_state_dict(
            {name: value.float().view(own[name].shape) if name in own else value for name, value in weights.items()}
        )


def encoder_frames(features: Tensor) -> Tensor:
    """Encoder frames that come of so many features."""
    for _ in range(_STRIDES):
        features = features // 2 + 1
    return features


def chunk_mask(frames: int, lookahead: int, left_context: int) -> Tensor:
    """[T, T] bool: the keys (columns) that a query (row) may see: its own chunk and whole chunks of the past."""
    chunk = torch.arange(frames) // (lookahead + 1)
    distance = chunk[:, None] - chunk[None, :]
    return (distance >= 0) & (distance <= left_context // (lookahead + 1))
