"""The memory of all lanes: for every leaf of a model's state one tensor with a row for each slot.

Beside the slots the pool has rows of its own. :attr:`StatePool.blank`, which nobody writes, is a stream that has heard
nothing: rows that begin a stream read it instead of their lane, so that no lane needs to be reset, and padding rows
read it, so that padding is the same in every step. :attr:`StatePool.waste` nobody reads: padding is written there, and
rows whose step failed, so that their lane keeps the state it had. :attr:`StatePool.spare` rows serve self-checks.
"""

import torch
from torch import Tensor

from wavelane.model.base import State


def lane_bytes(fresh: State) -> int:
    """Memory of one stream's state (bytes), given a state of one row."""
    return sum(leaf.nbytes for leaf in fresh.values())


class StatePool:
    """State of ``slots`` lanes, every leaf ``[slots + 2 + spare, ...]``.

    Args:
        fresh: state of one stream that has heard nothing, every leaf ``[1, ...]``.
        slots: number of lanes.
        spare: number of rows that no lane ever uses.
    """

    def __init__(self, fresh: State, slots: int, spare: int = 0) -> None:
        for name, leaf in fresh.items():
            if leaf.shape[:1] != (1,):
                raise ValueError(f"state leaf {name!r} has shape {tuple(leaf.shape)}, wanted [1, ...]")
        self.blank = slots
        self.waste = slots + 1
        self.spare = range(slots + 2, slots + 2 + spare)
        self.bytes_per_lane = lane_bytes(fresh)
        """Memory of one lane (bytes)."""
        # empty, not zeros: memory of a lane is committed by the operating system when its first stream starts.
        self._leaves = {
            name: torch.empty((slots + 2 + spare, *leaf.shape[1:]), dtype=leaf.dtype, device=leaf.device)
            for name, leaf in fresh.items()
        }
        for name, leaf in self._leaves.items():
            leaf[slots:] = fresh[name]

    def gather(self, rows: Tensor) -> State:
        """A copy of the rows ``[B]`` int64, every leaf ``[B, ...]``."""
        return {name: leaf.index_select(0, rows) for name, leaf in self._leaves.items()}

    def scatter(self, rows: Tensor, state: State) -> None:
        """Write the first ``len(rows)`` rows of ``state`` back; further rows of it are padding and are ignored."""
        count = rows.shape[0]
        for name, leaf in self._leaves.items():
            leaf.index_copy_(0, rows, state[name][:count])
