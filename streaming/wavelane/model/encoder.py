"""The cache-aware streaming encoder: one chunk of every row in, its encoder frames out, all state explicit.

Rows of a batch may be at the start, in the middle or at the end of their streams; each gives what it would give alone.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.attention import sinusoids, visible
from wavelane.model.base import Encoded, State
from wavelane.model.config import ModelConfig
from wavelane.model.stack import Layer, Outputs, Stack, record
from wavelane.model.subsampling import FACTOR, HISTORY, Extent, Subsampling
from wavelane.model.weights import Weights

_MASKED = -1e9
"""Added to the score of a key that must not be seen. Finite, so that a row without a stream gives numbers, not NaN."""


class _Plan(NamedTuple):
    """Constants of one lookahead."""

    stack: Stack
    """The layers, with their relative positions."""
    hidden: Tensor
    """[T, left + T] bool, keys that no query of this chunk may see wherever the stream is."""


class _PromptMlp(nn.Module):
    """Language prompt: MLP over (encoded, one-hot prompt); the one-hot's product is a row of a table."""

    def __init__(self, weights: Weights, d_model: int, count: int, hidden: int) -> None:
        super().__init__()
        inner, inner_bias = weights.linear("prompt.linear1", hidden, d_model + count)
        outer, outer_bias = weights.linear("prompt.linear2", d_model, hidden)
        self.register_buffer("inner", inner[:, :d_model].contiguous())
        self.register_buffer("table", inner[:, d_model:].T + inner_bias)
        self.register_buffer("outer", outer)
        self.register_buffer("outer_bias", outer_bias)

    def forward(self, x: Tensor, prompts: Tensor) -> Tensor:
        x = functional.linear(x, self.get_buffer("inner")) + self.get_buffer("table")[prompts].unsqueeze(1)
        return functional.linear(functional.relu_(x), self.get_buffer("outer"), self.get_buffer("outer_bias"))


class Encoder(nn.Module):
    """Streaming FastConformer; implements :class:`wavelane.model.base.StreamingModel`.

    Args:
        config: of the model.
        weights: of the checkpoint.
    """

    def __init__(self, config: ModelConfig, weights: Weights) -> None:
        super().__init__()
        self.config = config.encoder
        self.spec = config.spec()
        self._padded = config.tail == "padded"
        self._default_prompt = config.default_prompt or 0
        encoder = config.encoder
        scale = math.sqrt(encoder.d_model) if encoder.scale_input else 1.0
        self.subsampling = Subsampling(
            weights, "encoder.subsampling", config.features.n_mels, encoder.channels, encoder.d_model, scale
        )
        self.layers = nn.ModuleList(Layer(weights, f"encoder.layers.{i}", encoder) for i in range(encoder.layers))
        self.prompt = (
            _PromptMlp(weights, encoder.d_model, config.prompt.count, config.prompt.hidden) if config.prompt else None
        )
        self._plans: dict[int, _Plan] = {}
        self._recorded: dict[int, Callable[..., Outputs]] = {}

    @property
    def _dtype(self) -> torch.dtype:
        return self.subsampling.get_buffer("out").dtype

    @property
    def _device(self) -> torch.device:
        return self.subsampling.get_buffer("out").device

    def prepare(self, lookahead: int) -> None:
        """Make steps of a lookahead fast: on a CPU the layers are recorded, to run without Python."""
        plan = self._plan(lookahead)
        if self._device.type != "cpu" or lookahead in self._recorded:
            return
        rows, chunk, left = 3, lookahead + 1, self.config.left_context
        layers = range(self.config.layers)
        state = self.init_state(rows)
        self._recorded[lookahead] = record(
            plan.stack,
            (
                torch.zeros(rows, chunk, self.config.d_model, dtype=self._dtype),
                torch.zeros(rows, 1, chunk, left + chunk, dtype=self._dtype),
                torch.ones(rows, chunk, 1, dtype=self._dtype),
                tuple(state[f"keys.{i}"] for i in layers),
                tuple(state[f"values.{i}"] for i in layers),
                tuple(state[f"past.{i}"] for i in layers),
            ),
        )

    def _plan(self, lookahead: int) -> _Plan:
        plan = self._plans.get(lookahead)
        if plan is None:
            left, chunk = self.config.left_context, lookahead + 1
            encodings = sinusoids(left + chunk - 1, -(chunk - 1), self.config.d_model).to(self._device)
            # The chunk itself begins a cell of the stream's grid; the window's grid begins with the cache.
            offset = -left % chunk if self.config.grid == "stream" else 0
            layers = [layer for layer in self.layers if isinstance(layer, Layer)]
            stack = Stack(layers, [layer.attention.positions(encodings) for layer in layers])
            plan = _Plan(stack, ~visible(chunk, left, offset).to(self._device))
            self._plans[lookahead] = plan
        return plan

    def init_state(self, batch: int) -> State:
        """State of ``batch`` streams that have heard nothing.

        Leaves: ``features`` the last features; ``heard`` encoder frames so far; and for each layer ``keys``,
        ``values`` (attention) and ``past`` (convolution), oldest first, newest at the end.
        """
        config = self.config
        attention = (batch, config.heads, config.left_context, config.d_model // config.heads)
        state = {
            "features": torch.zeros(batch, HISTORY, self.spec.features.n_mels, device=self._device),
            "heard": torch.zeros(batch, dtype=torch.int64, device=self._device),
        }
        for i in range(config.layers):
            state[f"keys.{i}"] = torch.zeros(attention, dtype=self._dtype, device=self._device)
            state[f"values.{i}"] = torch.zeros(attention, dtype=self._dtype, device=self._device)
            state[f"past.{i}"] = torch.zeros(
                batch, config.kernel - 1, config.d_model, dtype=self._dtype, device=self._device
            )
        return state

    @torch.inference_mode()
    def step(
        self,
        features: Tensor,
        frames: Tensor,
        start: Tensor,
        last: Tensor,
        state: State,
        lookahead: int,
        prompts: Tensor | None = None,
    ) -> tuple[Encoded, State]:
        """Advance every row by one chunk; see :class:`wavelane.model.base.StreamingModel`.

        Rows without a prompt index of their own have the default one in ``prompts``; None is the default for all.
        """
        encoded, state = self.encode(features, frames, start, state, lookahead)
        if self.prompt is not None:
            if prompts is None:
                prompts = torch.full_like(frames, self._default_prompt)
            encoded = self.apply_prompt(encoded, prompts)
        return encoded, state

    def apply_prompt(self, encoded: Encoded, prompts: Tensor) -> Encoded:
        """Condition encoder frames on the language prompt [B] of each row; for prompted models only."""
        assert self.prompt is not None, "the model has no language prompt"
        return Encoded(self.prompt(encoded.frames, prompts), encoded.lengths)

    @torch.inference_mode()
    def encode(
        self, features: Tensor, frames: Tensor, start: Tensor, state: State, lookahead: int
    ) -> tuple[Encoded, State]:
        """:meth:`step` without the language prompt."""
        plan = self._plan(lookahead)
        chunk, left = lookahead + 1, self.config.left_context
        heard = state["heard"]
        window = torch.cat((state["features"], features), dim=1)
        following = {"features": window[:, -HISTORY:]}
        size = window.shape[1]
        extent = self._extent(frames, start, heard, size)
        lengths = extent.outputs() * (frames > 0)
        # Most steps have no row at an end of its stream; where asking costs no wait for a device, skip what they need.
        plain = self._device.type == "cpu" and not bool(((extent.first > 0) | (extent.end < size)).any())
        x = self.subsampling(window.to(self._dtype), None if plain else extent)

        step = torch.arange(left + chunk, device=x.device)
        unseen = (step < (left - heard)[:, None]) | (step >= (left + lengths)[:, None])
        mask = ((plan.hidden | unseen[:, None, :]).unsqueeze(1) * _MASKED).to(x.dtype)
        recorded = self._recorded.get(lookahead)
        inside = None if plain and recorded is None else (step[:chunk] < lengths[:, None]).unsqueeze(-1).to(x.dtype)
        layers = range(self.config.layers)
        x, keys, values, past = (recorded or plan.stack)(
            x,
            mask,
            inside,
            tuple(state[f"keys.{i}"] for i in layers),
            tuple(state[f"values.{i}"] for i in layers),
            tuple(state[f"past.{i}"] for i in layers),
        )
        for i in layers:
            following[f"keys.{i}"], following[f"values.{i}"], following[f"past.{i}"] = keys[i], values[i], past[i]
        following["heard"] = heard + lengths
        return Encoded(x, lengths), following

    def _extent(self, frames: Tensor, start: Tensor, heard: Tensor, size: int) -> Extent:
        """Where in the window each row's stream lies."""
        lead = HISTORY + FACTOR - 1
        zero = torch.zeros_like(frames)
        first = torch.where(start, lead, zero)
        if self.config.mask_before_start:
            # After n encoder frames 8 n - 7 features are known.
            first = torch.where(start, lead, (HISTORY - (FACTOR * heard - FACTOR + 1)).clamp(min=0))
        end = zero + size if self._padded else torch.where(start, lead, HISTORY) + frames
        return Extent(first, end)
