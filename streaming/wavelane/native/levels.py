"""What is measured of a hop of 16-bit audio, compiled (``src/levels``); it runs for every packet of every session."""

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

LIBRARY = Path(__file__).with_name("libwavelane_levels.so")
"""Runs on any processor. Not of :mod:`wavelane.native.library`, which has to do with threads."""

Levels = Callable[[bytes, int, int], list[int]]
"""Of little-endian 16-bit audio, its number of samples and a magnitude: sum, sum of squares, and how many samples have
that magnitude or more."""


def open_levels() -> Levels | None:
    """The compiled measurement; None where it was not compiled or does not run."""
    if sys.byteorder != "little":
        return None
    try:
        # Not CDLL, which would let go of the interpreter: the call takes less time than that.
        function = ctypes.PyDLL(str(LIBRARY)).wavelane_levels16
    except (OSError, AttributeError):
        return None
    function.restype = None
    # No argtypes: bytes, int and an array are passed as they are in a third of the time.
    out = (ctypes.c_int64 * 3)()

    def levels(data: bytes, count: int, full: int) -> list[int]:
        function(data, count, full, out)
        return out[:]

    return levels
