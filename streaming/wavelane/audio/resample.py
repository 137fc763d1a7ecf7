"""Streaming resampling of one channel, with libswresample (through PyAV).

Not soxr, which serves files better than live streams: the FFT stages of its quality HQ hold back 37 ms at 48 kHz, 40 ms
at 44.1 kHz and 115 ms at 8 kHz. The polyphase filter here has 64 taps at the lower rate, so it holds back 2 ms (4 ms at
8 kHz); it passes 7 kHz unchanged, 7.5 kHz at -1 dB, and keeps aliases of 8.5 kHz and above below -90 dB.
"""

from fractions import Fraction

import av
import numpy as np
from av.error import BlockingIOError as NotYet
from av.error import EOFError as Exhausted

from wavelane.work import Samples

_FILTER = "filter_size=64"
_MIN_BLOCK_MS = 5
"""Less input than this waits: a call costs about as much as filtering 20 ms."""

_EMPTY = np.zeros(0, np.float32)


class Resampler:
    """Converts the rate of a stream; any split of the same samples gives the same output.

    Output sample ``k`` is the signal at time ``k / target``: the filter's delay is taken out. Flushing may happen any
    time; the clock runs on, so that the samples given in all are ``round(samples taken * target / rate)`` after every
    flush, and nothing drifts.

    Args:
        rate: of the input (Hz).
        target: of the output (Hz).
    """

    def __init__(self, rate: int, target: int = 16_000) -> None:
        self._rate = rate
        self._target = target
        self._taken = 0
        self._given = 0
        self._waiting: list[Samples] = []
        self._waiting_samples = 0
        self._min_block = max(1, rate * _MIN_BLOCK_MS // 1000)
        self._graph: av.filter.Graph | None = None

    def push(self, samples: Samples) -> Samples:
        """Take input [n], give the output that is ready [m]; at the same rate the samples themselves."""
        if self._rate == self._target:
            return samples
        if not len(samples):
            return _EMPTY
        self._taken += len(samples)
        self._waiting.append(samples)
        self._waiting_samples += len(samples)
        if self._waiting_samples < self._min_block:
            return _EMPTY
        output = self._filter(self._take_waiting())
        self._given += len(output)
        return output

    def flush(self) -> Samples:
        """Give the tail of what was taken, and start anew with silence before the next sample."""
        if self._rate == self._target or (not self._waiting and self._graph is None):
            return _EMPTY
        parts = [self._filter(self._take_waiting())] if self._waiting else []
        parts.append(self._drain())
        self._graph = None
        due = round(Fraction(self._taken * self._target, self._rate)) - self._given
        tail = np.zeros(due, np.float32)
        output = np.concatenate(parts)[:due]
        tail[: len(output)] = output
        self._given += due
        return tail

    def _take_waiting(self) -> Samples:
        samples = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting = []
        self._waiting_samples = 0
        return samples

    def _filter(self, samples: Samples) -> Samples:
        graph = self._graph or self._open()
        frame = av.AudioFrame(format="flt", layout="mono", samples=len(samples))
        frame.planes[0].update(samples.tobytes())
        frame.sample_rate = self._rate
        graph.push(frame)
        try:
            return _pull(graph)
        except NotYet:
            return _EMPTY

    def _drain(self) -> Samples:
        if self._graph is None:
            return _EMPTY
        parts = [_EMPTY]
        self._graph.push(None)
        try:
            while True:
                parts.append(_pull(self._graph))
        except Exhausted:
            return np.concatenate(parts)

    def _open(self) -> av.filter.Graph:
        graph = av.filter.Graph()
        graph.threads = 1  # The default starts a pool of threads for every stream.
        source = graph.add_abuffer(
            sample_rate=self._rate, format="flt", layout="mono", time_base=Fraction(1, self._rate)
        )
        resample = graph.add("aresample", f"{self._target}:{_FILTER}")
        sink = graph.add("abuffersink")
        source.link_to(resample)
        resample.link_to(sink)
        graph.configure()
        self._graph = graph
        return graph


def _pull(graph: av.filter.Graph) -> Samples:
    frame = graph.pull()
    assert isinstance(frame, av.AudioFrame), "an audio graph gives audio"
    samples: Samples = frame.to_ndarray()[0]
    return samples
