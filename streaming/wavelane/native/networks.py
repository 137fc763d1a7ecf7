"""The RNN-T networks of the native library, for searches that keep states of their own."""

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_int64

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.search import pointer
from wavelane.decode.transducer_search import Ints, TransducerSearch
from wavelane.native.library import FLOATS, INTS, library
from wavelane.native.model import Scratch

_STATES = POINTER(FLOATS)


class NativeNetworks:
    """See :class:`wavelane.decode.transducer_search.Networks`. A row's numbers never depend on other rows.

    Args:
        scratch: whose last step gave the frames.
        chunk: frames of a row of that step.
        rows: of the step that are searched.
        searches: of these rows.
    """

    def __init__(self, scratch: Scratch, chunk: int, rows: Sequence[int], searches: Sequence[TransducerSearch]) -> None:
        self._library = library()
        self._model, self._scratch = scratch.handles
        self._places = np.array(rows, np.int32) * chunk
        size = int(self._library.wavelane_rnnt_size(self._model))
        self._bytes = size * 4
        memories = [self._of(search, size) for search in searches]
        self._bases = np.array([memory.ctypes.data for memory in memories], np.uint64)

    def _of(self, search: TransducerSearch, size: int) -> NDArray[np.float32]:
        if search.memory is None:
            search.memory = np.zeros((search.slots, size), np.float32)
            self._library.wavelane_rnnt_fresh(self._model, pointer(search.memory, FLOATS))
        assert isinstance(search.memory, np.ndarray)
        return search.memory

    def join(self, frames: Ints, rows: Ints, slots: Ints) -> tuple[int, int]:
        """See :class:`wavelane.decode.transducer_search.Networks`."""
        places, states = self._places[rows] + frames, self._addresses(rows, slots)
        stride = c_int64()
        scores = self._library.wavelane_rnnt_join(
            self._model, self._scratch, len(rows), pointer(places, INTS), pointer(states, _STATES), byref(stride)
        )
        return ctypes.addressof(scores.contents), stride.value

    def read(self, rows: Ints, sources: Ints, targets: Ints, ids: Ints) -> None:
        """See :class:`wavelane.decode.transducer_search.Networks`."""
        before, after = self._addresses(rows, sources), self._addresses(rows, targets)
        self._library.wavelane_rnnt_read(
            self._model, self._scratch, len(rows), pointer(ids, INTS), pointer(before, _STATES), pointer(after, _STATES)
        )

    def _addresses(self, rows: Ints, slots: Ints) -> NDArray[np.uint64]:
        return self._bases[rows] + slots.astype(np.uint64) * np.uint64(self._bytes)
