"""The memory of all lanes: for every leaf of a model's state one tensor with a row for each slot.

Beside the slots the pool has two rows of its own. Padding rows of a batch read :attr:`StatePool.blank`, which nobody
writes: they are always a stream that has heard nothing, so padding is the same in every step. Rows whose step failed
are written to :attr:`StatePool.waste`, which nobody reads: the lane keeps the state it had.
"""

import torch
from torch import Tensor

from wavelane.model.base import State


class StatePool:
    """State of ``slots`` lanes, every leaf ``[slots + 2, ...]``.

    Args:
        fresh: state of one stream that has heard nothing, every leaf ``[1, ...]``.
        slots: number of lanes.
    """

    def __init__(self, fresh: State, slots: int) -> None:
        for name, leaf in fresh.items():
            if leaf.shape[:1] != (1,):
                raise ValueError(f"state leaf {name!r} has shape {tuple(leaf.shape)}, wanted [1, ...]")
        self.slots = slots
        self.blank = slots
        self.waste = slots + 1
        self._fresh = {name: leaf.clone() for name, leaf in fresh.items()}
        # empty, not zeros: memory of a lane is committed by the operating system when its first stream starts.
        self._leaves = {
            name: torch.empty((slots + 2, *leaf.shape[1:]), dtype=leaf.dtype, device=leaf.device)
            for name, leaf in fresh.items()
        }
        for leaf in self._leaves.values():
            leaf[slots:].zero_()
        if fresh:
            device = next(iter(fresh.values())).device
            self.reset(torch.tensor([self.blank], device=device))

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane (bytes)."""
        return sum(leaf.nbytes for leaf in self._fresh.values())

    def gather(self, rows: Tensor) -> State:
        """A copy of the rows ``[B]`` int64, every leaf ``[B, ...]``."""
        return {name: leaf.index_select(0, rows) for name, leaf in self._leaves.items()}

    def scatter(self, rows: Tensor, state: State) -> None:
        """Write the first ``len(rows)`` rows of ``state`` back; further rows of it are padding and are ignored."""
        count = rows.shape[0]
        for name, leaf in self._leaves.items():
            leaf.index_copy_(0, rows, state[name][:count])

    def reset(self, rows: Tensor) -> None:
        """Make the rows ``[B]`` int64 streams that have heard nothing."""
        for name, leaf in self._leaves.items():
            fresh = self._fresh[name]
            leaf.index_copy_(0, rows, fresh.expand(rows.shape[0], *fresh.shape[1:]))
