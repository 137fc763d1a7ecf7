"""Cuts a mono stream into the windows of one encoder step each (see :class:`wavelane.work.Chunk`)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from wavelane.native.calm import State
from wavelane.spec import FeatureSpec
from wavelane.work import Samples


@dataclass(frozen=True, slots=True)
class Window:
    """The audio of one encoder step."""

    samples: Samples
    """[``features.window_samples(subsampling * (lookahead + 1))``], its own memory."""
    frames: int
    """Valid feature frames."""
    start: bool
    """First of its stream: the framer's ``lead`` unused frames come before the valid ones."""
    last: bool
    """Known to be the last of its stream."""
    end: int
    """Samples of the stream up to the newest one in here."""
    lookahead: int
    """Encoder frames awaited; the window has ``subsampling * (lookahead + 1)`` feature frames."""


class Framer:
    """One stream after another, each cut into windows; any split of the same samples gives the same windows.

    A window leaves as soon as the samples that its last frame depends on are there. Windows overlap by what
    neighbouring frames share; before a stream is silence, after it what ``FeatureSpec.closing`` says.

    The lookahead may change within a stream (:meth:`retarget`): what two windows share does not depend on it, so the
    frames of a stream are the same whatever their windows are.

    Args:
        features: how audio becomes frames.
        subsampling: feature frames of one encoder frame.
        lookahead: encoder frames awaited; a window has ``subsampling * (lookahead + 1)`` feature frames.
        lead: feature frames that a stream's first window has less (``ModelSpec.lead``); None: ``subsampling - 1``.
    """

    def __init__(self, features: FeatureSpec, *, subsampling: int, lookahead: int, lead: int | None = None) -> None:
        self._features = features
        self._subsampling = subsampling
        self._lead = subsampling - 1 if lead is None else lead
        self._wanted = lookahead
        self.reset()

    @property
    def lookahead(self) -> int:
        """Of the window in progress."""
        return self._lookahead

    def retarget(self, lookahead: int) -> None:
        """Change the lookahead from the next window on; the one in progress stays as long as it is."""
        self._wanted = lookahead
        if not self._taken:
            self._resize()

    def reset(self, lookahead: int | None = None) -> None:
        """Forget the stream in progress and begin a new one, with another lookahead where one is given."""
        if lookahead is not None:
            self._wanted = lookahead
        self._lookahead = self._wanted
        self._slots = self._subsampling * (self._lookahead + 1)
        self._buffer = np.empty(self._features.window_samples(self._slots), np.float32)
        self._filled = self._lead * self._features.hop + self._features.left
        self._buffer[: self._filled] = 0.0
        self._taken = 0
        self._next_frame = 0
        self._last_sample = 0.0

    def push(self, samples: Samples) -> list[Window]:
        """Take samples [n], give the windows they complete."""
        count = len(samples)
        if not count:
            return []
        self._taken += count
        self._last_sample = float(samples[-1])
        filled = self._filled + count
        if filled < len(self._buffer):
            # As in _fill, for what comes most: no window is complete yet.
            self._buffer[self._filled : filled] = samples
            self._filled = filled
            return []
        return [self._window(content, self._valid(), last=False) for content in self._fill(samples)]

    def lend(self, state: State) -> None:
        """Let the window be filled, though not completed, without Python; see :mod:`wavelane.native.calm`."""
        state.window, state.room, state.filled = self._buffer.ctypes.data, len(self._buffer), self._filled

    def reclaim(self, state: State) -> None:
        """Take note of what was filled in."""
        if state.filled != self._filled:
            self._taken += state.filled - self._filled
            self._filled = state.filled
            self._last_sample = float(self._buffer[self._filled - 1])

    def finish(self) -> list[Window]:
        """End the stream: give the windows of its remaining frames, ``features.total_frames(n)`` in all.

        The last window is marked. Nothing is returned when earlier windows have all frames already (only possible
        without a closing frame): then the one before, although not marked, was the last. The next stream may begin.
        """
        windows = []
        if self._taken:
            total = self._features.total_frames(self._taken)
            closing = np.array(self._features.closing(self._last_sample), np.float32)
            for content in self._fill(closing):
                if frames := min(self._valid(), total - self._next_frame):
                    windows.append(self._window(content, frames, last=self._next_frame + frames == total))
            if frames := total - self._next_frame:
                content = self._buffer.copy()
                content[self._filled :] = 0.0
                windows.append(self._window(content, frames, last=True))
        self.reset()
        return windows

    def _valid(self) -> int:
        """Frames that the next window has if it is full."""
        return self._slots if self._next_frame else self._slots - self._lead

    def _window(self, content: Samples, frames: int, *, last: bool) -> Window:
        start = self._next_frame == 0
        self._next_frame += frames
        end = min(self._taken, (self._next_frame - 1) * self._features.hop + self._features.right)
        return Window(
            samples=content,
            frames=frames,
            start=start,
            last=last,
            end=self._taken if last else end,
            lookahead=self._lookahead,
        )

    def _fill(self, samples: Samples) -> Iterator[Samples]:
        """Move samples through the buffer, give its content whenever it is full. To be taken to the end."""
        at = 0
        while at < len(samples):
            count = min(len(self._buffer) - self._filled, len(samples) - at)
            self._buffer[self._filled : self._filled + count] = samples[at : at + count]
            self._filled += count
            at += count
            if self._filled == len(self._buffer):
                content = self._buffer
                yield content
                # The window is the buffer itself; only what the next one shares with it is copied.
                self._buffer = np.empty_like(content)
                advance = self._slots * self._features.hop
                self._filled -= advance
                self._buffer[: self._filled] = content[advance:]
                self._resize()

    def _resize(self) -> None:
        """Give the window in progress, which holds no more than what it shares with the one before, the size wanted."""
        if self._lookahead == self._wanted:
            return
        self._lookahead = self._wanted
        self._slots = self._subsampling * (self._lookahead + 1)
        shared = self._buffer[: self._filled]
        self._buffer = np.empty(self._features.window_samples(self._slots), np.float32)
        self._buffer[: self._filled] = shared
