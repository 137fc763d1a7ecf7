"""What a CUDA graph does, without CUDA: a function is run again, on the same memory."""

from collections.abc import Callable

import torch
from torch.utils import _pytree

from wavelane.engine.step import Outputs


def tensors(outputs: Outputs) -> list[torch.Tensor]:
    return [leaf for leaf in _pytree.tree_leaves(outputs) if leaf is not None]


class FakeRecording:
    def __init__(self, function: Callable[[], Outputs]) -> None:
        self._function = function
        self.outputs = function()
        self.replays = 0

    @torch.inference_mode()
    def replay(self) -> None:
        self.replays += 1
        fresh = self._function()
        for memory, leaf in zip(tensors(self.outputs), tensors(fresh), strict=True):
            assert memory.shape == leaf.shape, "a graph has fixed shapes"
            memory.copy_(leaf)


class FakeRecorder:
    """Also counts, and fails or lies on demand."""

    def __init__(self, breaks: Callable[[int], bool] = lambda number: False) -> None:
        self.recordings: list[FakeRecording] = []
        self.attempts = 0
        self._breaks = breaks

    def record(self, function: Callable[[], Outputs]) -> FakeRecording:
        self.attempts += 1
        if self._breaks(self.attempts - 1):
            raise RuntimeError("operation not permitted when stream is capturing")
        function()  # warm-up
        self.recordings.append(FakeRecording(function))
        return self.recordings[-1]

    def memory(self) -> int:
        return 1000 * len(self.recordings)


class Lie(FakeRecording):
    """A recording whose outputs are changed after each replay."""

    def __init__(self, function: Callable[[], Outputs], lie: Callable[[Outputs], None]) -> None:
        super().__init__(function)
        self._lie = lie

    def replay(self) -> None:
        super().replay()
        with torch.inference_mode():
            self._lie(self.outputs)


class LyingRecorder(FakeRecorder):
    def __init__(self, lie: Callable[[Outputs], None]) -> None:
        super().__init__()
        self._lie = lie

    def record(self, function: Callable[[], Outputs]) -> Lie:
        self.recordings.append(Lie(function, self._lie))
        return self.recordings[-1]  # type: ignore[return-value]
