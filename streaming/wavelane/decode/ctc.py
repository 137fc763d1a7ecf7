"""Greedy CTC (Graves et al., ICML 2006), batched: the best symbol of each frame, runs collapsed, blanks dropped."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.base import Emissions, Encoded, State
from wavelane.model.weights import Weights


class CtcDecoder(nn.Module):
    """Implements :class:`wavelane.model.base.Decoder`.

    State: ``last`` [B] int64, symbol of the last frame heard; a run that goes on across steps is one piece.

    Args:
        weights: of the checkpoint; tensors ``ctc``.
        d_model: width of an encoder frame.
        symbols: pieces and the blank.
        blank: index of the blank.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, weights: Weights, d_model: int, symbols: int, blank: int) -> None:
        super().__init__()
        self.name: Literal["ctc", "rnnt"] = "ctc"
        self.blank = blank
        self.symbols = symbols
        weight, bias = weights.linear("ctc", symbols, d_model)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def init_state(self, batch: int) -> State:
        """State of ``batch`` empty hypotheses."""
        return {"last": torch.full((batch,), self.blank, dtype=torch.int64, device=self.weight.device)}

    @torch.inference_mode()
    def log_probabilities(self, frames: Tensor) -> Tensor:
        """[B, T, d_model] to [B, T, symbols] float32."""
        return functional.log_softmax(functional.linear(frames, self.weight, self.bias).float(), dim=-1)

    @torch.inference_mode()
    def step(self, encoded: Encoded, state: State) -> tuple[Emissions, State]:
        """Emit the new pieces of every row; the confidence is the highest of the run's frames in this step."""
        frames, lengths = encoded
        last = state["last"]
        batch, steps, _ = frames.shape
        best, ids = self.log_probabilities(frames).max(dim=-1)
        position = torch.arange(steps, device=frames.device)
        valid = position < lengths[:, None]
        previous = torch.cat((last[:, None], ids[:, :-1]), dim=1)
        changed = ids != previous
        emits = changed & (ids != self.blank) & valid

        run = changed.cumsum(dim=1)
        peaks = best.new_full((batch, steps + 1), -torch.inf)
        peaks.scatter_reduce_(1, run, best.masked_fill(~valid, -torch.inf), reduce="amax")
        confidences = peaks.gather(1, run).exp()

        # Move what is emitted to the left; the rest goes to a column that is cut off.
        column = torch.where(emits, emits.cumsum(dim=1) - 1, steps)
        empty = torch.zeros((batch, steps + 1), dtype=torch.int64, device=frames.device)
        emissions = Emissions(
            ids=empty.scatter(1, column, ids)[:, :steps],
            frames=empty.scatter(1, column, position.expand(batch, -1))[:, :steps],
            confidences=empty.float().scatter(1, column, confidences)[:, :steps],
            counts=emits.sum(dim=1),
        )
        newest = ids.gather(1, (lengths - 1).clamp(min=0)[:, None]).squeeze(1)
        return emissions, {"last": torch.where(lengths > 0, newest, last)}
