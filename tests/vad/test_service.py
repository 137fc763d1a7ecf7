import threading
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.vad.service import Judged, VadService


class Adder:
    """Judges by the sum of all that its stream has heard: a state mixed up between streams shows."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.broken = False

    def init_state(self, batch: int) -> NDArray[np.float32]:
        return np.zeros((batch, 1), np.float32)

    def probabilities(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if self.broken:
            raise RuntimeError("broken")
        self.batches.append(len(windows))
        after = states + windows.sum(axis=1, keepdims=True)
        return after[:, 0], after


class Collector:
    def __init__(self, expected: int) -> None:
        self.heard: dict[object, list[float | WavelaneError]] = defaultdict(list)
        self.done = threading.Event()
        self._left = expected

    def __call__(self, results: Sequence[Judged]) -> None:
        for result in results:
            outcome = result.outcome
            self.heard[result.stream.key].append(outcome if isinstance(outcome, WavelaneError) else float(outcome[0]))
            self._left -= 1
        if self._left <= 0:
            self.done.set()


def test_streams_share_calls_and_never_states() -> None:
    network, collector = Adder(), Collector(20 * 5)
    service = VadService(network, collector)
    streams = [service.open(index) for index in range(20)]
    for index, stream in enumerate(streams):
        service.submit(stream, np.full((5, 1), index, np.float32), fresh=True)
    assert collector.done.wait(10)
    service.stop()
    assert collector.heard == {index: [index * k for k in range(1, 6)] for index in range(20)}
    assert max(network.batches) > 1


def test_a_fresh_window_begins_anew() -> None:
    collector = Collector(4)
    service = VadService(Adder(), collector)
    stream = service.open("a")
    service.submit(stream, np.ones((2, 1), np.float32), fresh=True)
    service.submit(stream, np.ones((2, 1), np.float32), fresh=True)
    assert collector.done.wait(10)
    service.stop()
    assert collector.heard["a"] == [1, 2, 1, 2]


def test_a_fault_is_told_and_the_service_goes_on() -> None:
    network, collector = Adder(), Collector(1)
    service = VadService(network, collector)
    network.broken = True
    stream = service.open("a")
    service.submit(stream, np.ones((1, 1), np.float32), fresh=True)
    assert collector.done.wait(10)
    (error,) = collector.heard["a"]
    assert isinstance(error, WavelaneError)
    assert error.code is ErrorCode.INTERNAL
    network.broken = False
    collector.done.clear()
    service.submit(stream, np.ones((1, 1), np.float32), fresh=True)
    assert collector.done.wait(10)
    service.stop()
    assert collector.heard["a"][1] == pytest.approx(1.0)
