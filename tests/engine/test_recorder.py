"""The order of CUDA calls of a recording, without CUDA: a log of what would have been called."""

import contextlib
from collections.abc import Iterator

import pytest
import torch

from wavelane.engine.cuda import CudaRecorder, free_memory
from wavelane.engine.step import Outputs

OUTPUTS = Outputs(torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 0), torch.zeros(1, 1, 1), None)


class FakeStream:
    def __init__(self, log: list[str], name: str) -> None:
        self.log, self.name = log, name

    def wait_stream(self, other: "FakeStream") -> None:
        self.log.append(f"{self.name} waits for {other.name}")


class FakeCuda:
    """The parts of ``torch.cuda`` that the recorder uses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.log: list[str] = []
        self.free = 1000
        self.main = FakeStream(self.log, "main")
        self.current = self.main
        self._streams = self._pools = 0
        for name in (
            "graph_pool_handle", "Stream", "CUDAGraph", "current_stream", "set_stream", "mem_get_info", "empty_cache",
            "stream", "graph", "device", "memory_reserved", "memory_allocated",
        ):  # fmt: skip
            monkeypatch.setattr(torch.cuda, name, getattr(self, name))

    def graph_pool_handle(self) -> str:
        self._pools += 1
        return f"pool {self._pools}"

    def Stream(self, device: torch.device) -> FakeStream:  # noqa: N802
        self._streams += 1
        return FakeStream(self.log, f"side {self._streams}")

    def CUDAGraph(self) -> "FakeCuda":  # noqa: N802
        return self

    def replay(self) -> None:
        self.log.append("replay")

    def current_stream(self) -> FakeStream:
        return self.current

    def set_stream(self, stream: FakeStream) -> None:
        self.current = stream

    def mem_get_info(self, device: torch.device) -> tuple[int, int]:
        return self.free, 2000

    def memory_reserved(self, device: torch.device) -> int:
        return 300

    def memory_allocated(self, device: torch.device) -> int:
        return 100

    def empty_cache(self) -> None:
        self.log.append("empty cache")

    @contextlib.contextmanager
    def device(self, device: torch.device) -> Iterator[None]:
        yield

    @contextlib.contextmanager
    def stream(self, stream: FakeStream) -> Iterator[None]:
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextlib.contextmanager
    def graph(self, graph: object, *, pool: str, stream: FakeStream, capture_error_mode: str) -> Iterator[None]:
        assert capture_error_mode == "thread_local"
        self.current = stream
        self.log.append(f"capture on {stream.name} into {pool}")
        yield
        self.current = self.main
        self.free -= 10


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


def test_a_function_is_warmed_up_on_the_stream_that_it_is_captured_on(cuda: FakeCuda) -> None:
    recorder = CudaRecorder(torch.device("cuda"))

    def function() -> Outputs:
        cuda.log.append(f"runs on {cuda.current.name}")
        return OUTPUTS

    assert recorder.memory() == 0
    recording = recorder.record(function)
    assert cuda.log == [
        "empty cache",
        "side 1 waits for main",
        "runs on side 1",
        "runs on side 1",
        "capture on side 1 into pool 1",
        "runs on side 1",
        "main waits for side 1",
    ]
    assert recording.outputs is OUTPUTS
    recording.replay()
    assert cuda.log[-1] == "replay"
    recorder.record(function)
    assert [line for line in cuda.log if line.startswith("capture")] == ["capture on side 1 into pool 1"] * 2
    assert recorder.memory() == 20


def test_after_a_failure_the_next_recording_begins_anew(cuda: FakeCuda) -> None:
    """The allocator takes a pool whose capture failed to be recorded to still, and refuses to begin again."""
    recorder = CudaRecorder(torch.device("cuda"))
    calls = 0

    def function() -> Outputs:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise RuntimeError("operation not permitted when stream is capturing")
        return OUTPUTS

    with pytest.raises(RuntimeError, match="not permitted"):
        recorder.record(function)
    assert cuda.current is cuda.main
    recorder.record(function)
    assert cuda.log[-2:] == ["capture on side 2 into pool 2", "main waits for side 2"]


def test_what_torch_holds_unused_is_free(cuda: FakeCuda) -> None:
    assert free_memory(torch.device("cuda")) == 1000 + 300 - 100
