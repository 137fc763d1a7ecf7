"""Length-prefixed binary frames: what :mod:`wavelane_server.frontends.frames` says travels in. Sans-I/O.

A frame is its body's length and its kind (8 bytes, little-endian), then the body.
"""

import struct
from collections.abc import Iterator
from enum import IntEnum

MAX_FRAME_BYTES = 1 << 25
"""Longest body of a front end's frame: a session's hotwords; the longest window of audio takes a hundredth of it."""

MAX_ENGINE_FRAME_BYTES = 1 << 26
"""Longest body of an engine's frame: all results of a step for one front end."""


class Kind(IntEnum):
    """What a frame says."""

    OPEN = 1
    """Front end: a session wants lanes."""
    CHUNKS = 2
    """Front end: audio, of several lanes."""
    CLOSE = 3
    """Front end: lanes are given back."""
    DECODING = 4
    """Front end: how streams of a lane are searched that begin from now on, where their first chunk says so."""
    DELAYED = 5
    """Front end, every second: how late it is with what the engine gives it."""
    WELCOME = 16
    """Engine, first: what is served."""
    OPENED = 17
    """Engine: the lanes."""
    REFUSED = 18
    """Engine: no lanes, and why."""
    RESULTS = 19
    """Engine: what steps gave, of several lanes."""
    STATS = 20
    """Engine, at least every :data:`wavelane_server.frontends.host.BEAT_S`: how it is."""


class FrameError(Exception):
    """The other side does not keep to the protocol; the connection is of no more use."""


HEAD = struct.Struct("<IB3x")
"""Length of the body, kind."""


def frame(kind: Kind, body: bytes) -> bytes:
    """A whole frame."""
    return HEAD.pack(len(body), kind) + body


class FrameReader:
    """Bytes, cut anywhere, to frames.

    Args:
        max_bytes: longest body taken.
    """

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max = max_bytes
        self._parts: list[bytes] = []
        self._held = 0
        self._wanted = HEAD.size

    def feed(self, data: bytes) -> Iterator[tuple[Kind, memoryview]]:
        """Take bytes, give the frames that they complete: kind and body, a view.

        Raises:
            FrameError: a frame is too long or of no known kind.
        """
        if self._parts or len(data) < self._wanted:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._wanted:
                return
            data = b"".join(self._parts)
            self._parts = []
            self._held = 0
        view = memoryview(data)
        at = 0
        while True:
            left = len(data) - at
            self._wanted = HEAD.size
            if left >= HEAD.size:
                length, number = HEAD.unpack_from(data, at)
                if length > self._max:
                    raise FrameError(f"a frame of {length} bytes, at most {self._max} are taken")
                self._wanted += length
                if left >= self._wanted:
                    try:
                        kind = Kind(number)
                    except ValueError:
                        raise FrameError(f"no frame is of kind {number}") from None
                    yield kind, view[at + HEAD.size : at + self._wanted]
                    at += self._wanted
                    continue
            if left:
                self._parts = [bytes(view[at:])]
                self._held = left
            return
