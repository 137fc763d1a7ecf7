"""Beam search of RNN-T on the host, streaming: the search in C++ (``native/src/search``), networks of whoever steps.

By frame, with up to a few symbols a frame (modified adaptive expansion, Kim et al., arXiv:2104.11127). Hypotheses of
all rows share each product of the networks.
"""

import ctypes
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wavelane.decode.rnnt import GreedyTransducer
from wavelane.decode.search import EXPANSIONS, Found, FusionHandle, Pruning, Search, pointer
from wavelane.model.base import State
from wavelane.native.library import FLOATS, INTS
from wavelane.native.searching import POINTERS, search_library
from wavelane.work import Decoding

Ints = NDArray[np.int32]


class Networks(Protocol):
    """Prediction and joint network during one step. Hypotheses keep the prediction network's states in slots of their
    search; rows are numbers of searches."""

    def join(self, frames: Ints, rows: Ints, slots: Ints) -> tuple[int, int]:
        """Scores of all symbols for each pair of a frame of a row and a state, all [N].

        Returns:
            address of [N, stride] float32 on the host, valid until the next call, and the stride.
        """

    def read(self, rows: Ints, sources: Ints, targets: Ints, ids: Ints) -> None:
        """The states of ``targets`` are what those of ``sources`` become when they read ``ids``, all [N]."""


class TransducerSearch(Search):
    """The search of one stream of RNN-T.

    Args:
        decoding: what is wanted.
        symbols: pieces and the blank.
        blank: index of the blank.
        max_symbols: that the model may say in a frame.
        fusion: what to add to the acoustic score.
        pruning: what to leave out.
    """

    def __init__(
        self,
        decoding: Decoding,
        symbols: int,
        blank: int,
        max_symbols: int,
        *,
        fusion: FusionHandle | None = None,
        pruning: Pruning | None = None,
    ) -> None:
        pruning = pruning or Pruning(expansions=min(EXPANSIONS, max_symbols))
        super().__init__(decoding, symbols, blank, fusion=fusion, transducer=True, pruning=pruning)
        self.slots: int = self._library.wavelane_search_slots(self.handle)
        """States of the prediction network that it needs."""
        self.memory: NDArray[np.float32] | State | None = None
        """Where they are, as the networks have made it; the first is that of a network that has read nothing."""


def advance_rnnt(
    searches: Sequence[TransducerSearch], networks: Networks, lengths: Sequence[int], last: Sequence[bool]
) -> list[Found]:
    """Take the frames of a step, of several streams.

    Args:
        searches: one a row, none twice.
        networks: over the frames of the step and the searches' memories, with the same rows.
        lengths: frames of each row.
        last: whether the row's stream is over.
    """
    library = search_library()
    handles = np.array([search.handle for search in searches], np.uint64)
    counts_of_frames = np.array(lengths, np.int32)
    room = sum(search.slots for search in searches)
    counts, active = np.zeros(len(searches), np.int32), np.zeros(len(searches), np.int32)
    slots, targets, ids = (np.empty(room, np.int32) for _ in range(3))
    for frame in range(max(lengths, default=0)):
        present = np.flatnonzero(counts_of_frames > frame).astype(np.int32)
        here = np.ascontiguousarray(handles[present])
        library.wavelane_search_begin_frame(
            len(here), pointer(here, POINTERS), pointer(counts, INTS), pointer(slots, INTS)
        )
        rows = np.repeat(present, counts[: len(present)])
        states = slots[: len(rows)].copy()
        joining = present
        while len(rows):
            scores, stride = networks.join(np.full_like(rows, frame), rows, states)
            going = np.ascontiguousarray(handles[joining])
            library.wavelane_search_expand(
                len(going),
                pointer(going, POINTERS),
                ctypes.cast(scores, FLOATS),
                stride,
                pointer(counts, INTS),
                pointer(slots, INTS),
                pointer(targets, INTS),
                pointer(ids, INTS),
                pointer(active, INTS),
            )
            moved = counts[: len(joining)]
            readers = np.repeat(joining, moved)
            total = len(readers)
            if total:
                networks.read(readers, slots[:total].copy(), targets[:total].copy(), ids[:total].copy())
            # A row's frame is over for all of its hypotheses at once, or for none.
            on = np.repeat(active[: len(joining)] > 0, moved)
            joining, rows, states = joining[active[: len(joining)] > 0], readers[on], targets[:total][on]
        library.wavelane_search_end_frame(len(here), pointer(here, POINTERS))
    for search, over in zip(searches, last, strict=True):
        library.wavelane_search_conclude(search.handle, over)
    return [search.read() for search in searches]


class TorchNetworks:
    """The networks of a decoder in torch; see :class:`Networks`.

    Args:
        decoder: of the model.
        frames: [R, T, D], of the rows that are searched.
        searches: of these rows.
    """

    def __init__(self, decoder: GreedyTransducer, frames: Tensor, searches: Sequence[TransducerSearch]) -> None:
        self._decoder = decoder
        self._projected = decoder.project(frames)
        self._searches = searches
        self._first = np.cumsum([0, *(search.slots for search in searches)])
        memories = [self._of(search) for search in searches]
        self._states = {name: torch.cat([memory[name] for memory in memories]) for name in memories[0]}
        self._scores: Tensor | None = None

    def _of(self, search: TransducerSearch) -> State:
        if search.memory is None:
            fresh = self._decoder.init_state(1)
            search.memory = {
                name: leaf.repeat(search.slots, *(1 for _ in leaf.shape[1:])) for name, leaf in fresh.items()
            }
        assert isinstance(search.memory, dict)
        return search.memory

    def join(self, frames: Ints, rows: Ints, slots: Ints) -> tuple[int, int]:
        """See :class:`Networks`."""
        projected = self._projected[self._index(rows), self._index(frames)]
        predictions = self._states["prediction"][self._index(self._first[rows] + slots)]
        self._scores = self._decoder._join(projected, predictions).float().cpu().contiguous()
        return self._scores.data_ptr(), self._scores.shape[1]

    def read(self, rows: Ints, sources: Ints, targets: Ints, ids: Ints) -> None:
        """See :class:`Networks`."""
        source, target = self._index(self._first[rows] + sources), self._index(self._first[rows] + targets)
        states = self._states
        moved = self._decoder._predict(self._index(ids), states["hidden"][source], states["cell"][source])
        for name, leaf in zip(("hidden", "cell", "prediction"), moved, strict=True):
            states[name].index_copy_(0, target, leaf)

    def keep(self) -> None:
        """Give each search its states back, after the step."""
        sizes = [search.slots for search in self._searches]
        parts = {name: torch.split(leaf, sizes) for name, leaf in self._states.items()}
        for row, search in enumerate(self._searches):
            # A copy: a view would keep the states of all rows.
            search.memory = {name: leaf[row].clone() for name, leaf in parts.items()}

    def _index(self, values: NDArray[np.integer]) -> Tensor:
        return torch.from_numpy(values.astype(np.int64)).to(self._projected.device)
