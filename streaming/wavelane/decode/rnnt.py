"""Greedy RNN-T (Graves, arXiv:1211.3711), batched: every row walks its own frames, all rows share each product.

:class:`GreedyTransducer` is the walk, :class:`RnntDecoder` the networks of the FastConformer checkpoints.

The rule is one: a row looks at its frame with its prediction; a piece is emitted and the prediction network moves, a
blank (or the limit of pieces in one frame) moves the row to its next frame. There are two ways through the frames that
give the same pieces and frames:

- **By frame**, on a CPU: one frame of each row at a time, until the slowest row is through. Asking whether it is costs
  nothing there.
- **By label**, on an accelerator (label looping, Galvez et al., arXiv:2406.03791): one piece of each row at a time. A
  step has few frames, so instead of their inner loop over blanks we join all frames of the step with the prediction in
  one product, and take the first frame that is not blank. A round needs no answer on the host, so that a CUDA graph can
  hold a fixed number of them; :class:`Walk` says which rows may have more to say.
"""

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.base import Emissions, Encoded, State
from wavelane.model.config import TransducerConfig
from wavelane.model.weights import Weights

_ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


class Walk(NamedTuple):
    """A walk by label between two rounds. R is the number of rounds so far."""

    projected: Tensor
    """[B, T, J], the step's frames as the joint network takes them"""
    lengths: Tensor
    """[B] int64, valid frames"""
    hidden: Tensor
    """[B, layers, H], with ``cell`` and ``prediction`` [B, J] the state after the pieces so far"""
    cell: Tensor
    prediction: Tensor
    frame: Tensor
    """[B] int64, first frame that may still emit"""
    in_frame: Tensor
    """[B] int64, pieces that it has emitted"""
    open: Tensor
    """[B] bool, the row emitted in every round, so there may be more"""
    ids: Tensor
    """[B, R] int64; a row emits in its first rounds and not again, so its pieces are the first ``counts`` columns"""
    frames: Tensor
    """[B, R] int64"""
    confidences: Tensor
    """[B, R] float32"""
    counts: Tensor
    """[B] int64"""


def rounds(steps: int) -> int:
    """Rounds by label that are enough for a step of ``steps`` frames (80 ms each) of all but the fastest speech.

    A row needs a round for each piece, and one that finds no more. English has 3 to 5 pieces a second, 8 when fast.
    """
    return steps // 2 + 4


class GreedyTransducer(nn.Module, ABC):
    """The walk through the frames, over networks that a subclass gives.

    State: ``hidden`` and ``cell`` [B, layers, H] of the prediction network; ``prediction`` [B, J], what it gives to the
    joint network. A fresh state has read the start symbol, which is the blank.

    Args:
        blank: index of the blank.
        max_symbols: pieces that one frame may emit.
    """

    def __init__(self, blank: int, max_symbols: int) -> None:
        super().__init__()
        self.name: Literal["ctc", "rnnt"] = "rnnt"
        self.blank = blank
        self.symbols = blank + 1
        self.max_symbols = max_symbols

    @abstractmethod
    def project(self, frames: Tensor) -> Tensor:
        """What the joint network needs of encoder frames, [.., D] to [.., J]; once a frame, for all its pieces."""

    @abstractmethod
    def _blank_state(self) -> tuple[Tensor, Tensor]:
        """``hidden`` and ``cell`` [1, layers, H] of a prediction network that has read nothing."""

    @abstractmethod
    def _predict(self, ids: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read one symbol [B] in every row: next ``hidden``, ``cell`` and ``prediction``."""

    @abstractmethod
    def _join(self, projected: Tensor, prediction: Tensor) -> Tensor:
        """Logits [B, symbols] of a projected frame and a prediction, each [B, J]."""

    def init_state(self, batch: int) -> State:
        """State of ``batch`` empty hypotheses."""
        hidden, cell = self._blank_state()
        ids = torch.full((1,), self.blank, dtype=torch.int64, device=hidden.device)
        hidden, cell, prediction = self._predict(ids, hidden, cell)
        return {
            "hidden": hidden.repeat(batch, 1, 1),
            "cell": cell.repeat(batch, 1, 1),
            "prediction": prediction.repeat(batch, 1),
        }

    @torch.inference_mode()
    def step(self, encoded: Encoded, state: State) -> tuple[Emissions, State]:
        """Emit the new pieces of every row; waits for the device."""
        if encoded.frames.device.type == "cpu":
            return self._by_frame(encoded, state)
        walk = self.advance(self.begin(encoded, state))
        while bool(walk.open.any()):
            walk = self.advance(walk)
        return self.finish(walk)

    @torch.inference_mode()
    def begin(self, encoded: Encoded, state: State) -> Walk:
        """A walk by label before its first round."""
        lengths = encoded.lengths
        batch, device = lengths.shape[0], lengths.device
        zeros, none = torch.zeros_like(lengths), torch.zeros((batch, 0), dtype=torch.int64, device=device)
        return Walk(
            projected=self.project(encoded.frames),
            lengths=lengths,
            hidden=state["hidden"],
            cell=state["cell"],
            prediction=state["prediction"],
            frame=zeros,
            in_frame=zeros,
            open=torch.ones_like(lengths, dtype=torch.bool),
            ids=none,
            frames=none,
            confidences=none.float(),
            counts=zeros,
        )

    @torch.inference_mode()
    def advance(self, walk: Walk) -> Walk:
        """:func:`rounds` more rounds. Nothing depends on the host, and nothing of one row on another."""
        batch, steps, _ = walk.projected.shape
        hidden, cell, prediction = walk.hidden, walk.cell, walk.prediction
        frame, in_frame, emits, counts = walk.frame, walk.in_frame, walk.open, walk.counts
        rows = torch.arange(batch, device=frame.device)
        position = torch.arange(steps, device=frame.device)
        flat = walk.projected.flatten(0, 1)
        ids, frames, confidences = [walk.ids], [walk.frames], [walk.confidences]
        for _ in range(rounds(steps)):
            spread = prediction.unsqueeze(1).expand(-1, steps, -1).flatten(0, 1)
            logits = self._join(flat, spread).view(batch, steps, -1)
            symbols = logits.argmax(dim=2)
            speaks = (symbols != self.blank) & (position >= frame[:, None])
            first = torch.where(speaks, position, steps).amin(dim=1)
            emits = first < walk.lengths
            at = first.clamp(max=steps - 1)
            symbol = symbols[rows, at]
            confidence = torch.softmax(logits[rows, at], dim=1, dtype=torch.float32)[rows, symbol]
            ids.append(symbol[:, None])
            frames.append(at[:, None])
            confidences.append(confidence[:, None])
            counts = counts + emits
            moved = self._predict(symbol, hidden, cell)
            hidden = torch.where(emits[:, None, None], moved[0], hidden)
            cell = torch.where(emits[:, None, None], moved[1], cell)
            prediction = torch.where(emits[:, None], moved[2], prediction)
            said = torch.where(at == frame, in_frame, 0) + 1
            full = said >= self.max_symbols
            frame = torch.where(emits, at + full, frame)
            in_frame = torch.where(emits, said * ~full, in_frame)
        return walk._replace(
            hidden=hidden,
            cell=cell,
            prediction=prediction,
            frame=frame,
            in_frame=in_frame,
            open=emits,
            ids=torch.cat(ids, dim=1),
            frames=torch.cat(frames, dim=1),
            confidences=torch.cat(confidences, dim=1),
            counts=counts,
        )

    def finish(self, walk: Walk) -> tuple[Emissions, State]:
        """What a walk has given so far, as :meth:`step` gives it."""
        emissions = Emissions(walk.ids, walk.frames, walk.confidences, walk.counts)
        return emissions, {"hidden": walk.hidden, "cell": walk.cell, "prediction": walk.prediction}

    def _by_frame(self, encoded: Encoded, state: State) -> tuple[Emissions, State]:
        lengths = encoded.lengths
        projected = self.project(encoded.frames)
        batch, steps, _ = projected.shape
        device = projected.device
        hidden, cell, prediction = state["hidden"], state["cell"], state["prediction"]
        rows = torch.arange(batch, device=device)
        frame = torch.zeros_like(lengths)
        in_frame = torch.zeros_like(lengths)
        counts = torch.zeros_like(lengths)
        # One column more than can be filled: what rows write that emit nothing.
        room = steps * self.max_symbols
        ids = torch.zeros((batch, room + 1), dtype=torch.int64, device=device)
        frames = torch.zeros_like(ids)
        confidences = torch.zeros((batch, room + 1), dtype=torch.float32, device=device)
        active = frame < lengths
        while bool(active.any()):
            logits = self._join(projected[rows, frame.clamp(max=steps - 1)], prediction).float()
            top, symbol = logits.max(dim=1)
            emits = active & (symbol != self.blank)
            if bool(emits.any()):
                column = torch.where(emits, counts, room)
                ids[rows, column] = symbol
                frames[rows, column] = frame
                confidences[rows, column] = torch.exp(top - logits.logsumexp(dim=1))
                counts = counts + emits
                moved = self._predict(symbol, hidden, cell)
                hidden = torch.where(emits[:, None, None], moved[0], hidden)
                cell = torch.where(emits[:, None, None], moved[1], cell)
                prediction = torch.where(emits[:, None], moved[2], prediction)
            in_frame = torch.where(emits, in_frame + 1, 0)
            advances = active & (~emits | (in_frame >= self.max_symbols))
            frame = frame + advances
            in_frame = in_frame * ~advances
            active = frame < lengths
        used = int(counts.max()) if batch else 0
        emissions = Emissions(ids[:, :used], frames[:, :used], confidences[:, :used], counts)
        return emissions, {"hidden": hidden, "cell": cell, "prediction": prediction}


class RnntDecoder(GreedyTransducer):
    """Implements :class:`wavelane.model.base.Decoder`.

    ``prediction`` is the LSTM's output after the joint's projection.

    Args:
        weights: of the checkpoint; tensors ``prediction`` and ``joint``.
        config: of the networks.
        d_model: width of an encoder frame.
        symbols: pieces and the blank.
        blank: index of the blank.
    """

    def __init__(self, weights: Weights, config: TransducerConfig, d_model: int, symbols: int, blank: int) -> None:
        super().__init__(blank, config.max_symbols)
        self.symbols = symbols
        self.config = config
        self._activation = _ACTIVATIONS[config.activation]
        hidden = config.hidden
        self.register_buffer("embedding", weights.take("prediction.embedding.weight", symbols, hidden))
        for i in range(config.layers):
            gates = [weights.linear(f"prediction.lstm.{i}.{part}", 4 * hidden, hidden) for part in ("input", "hidden")]
            self.register_buffer(f"lstm{i}", torch.cat((gates[0][0], gates[1][0]), dim=1))
            self.register_buffer(f"lstm{i}_bias", gates[0][1] + gates[1][1])
        for name, outputs, inputs in (
            ("encoder", config.joint, d_model),
            ("prediction", config.joint, hidden),
            ("out", symbols, config.joint),
        ):
            weight, bias = weights.linear(f"joint.{name}", outputs, inputs)
            self.register_buffer(f"joint_{name}", weight)
            self.register_buffer(f"joint_{name}_bias", bias)

    def _blank_state(self) -> tuple[Tensor, Tensor]:
        zeros = self.get_buffer("embedding").new_zeros(1, self.config.layers, self.config.hidden)
        return zeros, zeros

    @torch.inference_mode()
    def project(self, frames: Tensor) -> Tensor:
        """The joint network's projection of encoder frames, [.., d_model] to [.., J]."""
        return functional.linear(frames, self.get_buffer("joint_encoder"), self.get_buffer("joint_encoder_bias"))

    @torch.inference_mode()
    def _predict(self, ids: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Read one symbol in every row: next ``hidden``, ``cell`` and ``prediction``."""
        x = self.get_buffer("embedding")[ids]
        hiddens, cells = [], []
        for i in range(self.config.layers):
            gates = functional.linear(
                torch.cat((x, hidden[:, i]), dim=1), self.get_buffer(f"lstm{i}"), self.get_buffer(f"lstm{i}_bias")
            )
            entry, forget, candidate, output = gates.chunk(4, dim=1)
            c = torch.sigmoid(forget) * cell[:, i] + torch.sigmoid(entry) * torch.tanh(candidate)
            x = torch.sigmoid(output) * torch.tanh(c)
            hiddens.append(x)
            cells.append(c)
        prediction = functional.linear(x, self.get_buffer("joint_prediction"), self.get_buffer("joint_prediction_bias"))
        return torch.stack(hiddens, dim=1), torch.stack(cells, dim=1), prediction

    @torch.inference_mode()
    def _join(self, projected: Tensor, prediction: Tensor) -> Tensor:
        joined = self._activation(projected + prediction)
        return functional.linear(joined, self.get_buffer("joint_out"), self.get_buffer("joint_out_bias"))
