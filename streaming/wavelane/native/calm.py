"""A lane in calm, compiled (``src/levels/calm.hpp``): a hop of 16-bit audio, or a part of one, is taken in one call as
long as nothing has to be told or changed. Everything else is done where its rules are written, in Python, from the same
state."""

import ctypes
import sys
from collections.abc import Callable
from ctypes import c_double, c_int64
from enum import IntEnum
from typing import get_type_hints

from wavelane.native.levels import LIBRARY


class State(ctypes.Structure):
    """``Calm``: what is here while it is calm. Each part of a lane lends its own and takes it back."""

    judge: int
    detector: int
    frame: int
    measured: int
    gain: int
    offset: int
    report: int
    min_speech: int
    min_silence: int
    stream: int
    silence: int
    window: int
    room: int
    filled: int
    floor: float
    speech: float
    spoken: int
    mean: float
    offset_hops: int
    flat: int
    no_signal: int
    position: int
    speaking: int
    candidate: int
    candidate_speech: int
    candidate_end: int
    speech_end: int
    active: int
    hops: int
    taken: int
    part: int
    hop: int
    flags: int


State._fields_ = [(name, c_double if kind is float else c_int64) for name, kind in get_type_hints(State).items()]


class Outcome(IntEnum):
    """What came of the samples."""

    TAKEN = 0
    UNFED = 1
    """All is done but that the window has no room for them."""
    ROUSED = 2
    """Nothing is done but that the detector has judged them: its ``flags``."""


Take = Callable[[object, bytes, int], int]
"""Takes samples, [2 * n] bytes, and their number, into a state (``ctypes.byref``); gives an :class:`Outcome`. They are
whole frames of the detector and no more than the hop in progress lacks; parts of a hop are kept at ``hop``."""


def open_calm() -> Take | None:
    """The compiled call; None where it was not compiled, from these sources, or does not run."""
    if sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != ctypes.sizeof(c_int64):
        return None
    try:
        # Neither CDLL nor argtypes: see wavelane.native.levels.
        library = ctypes.PyDLL(str(LIBRARY))
        same = library.wavelane_calm_size() == ctypes.sizeof(State)
        return library.wavelane_calm_take if same else None
    except (OSError, AttributeError):
        return None
