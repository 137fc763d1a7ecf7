"""What is CUDA's own: how graphs are recorded, and how its libraries are set."""

from collections.abc import Callable
from typing import Any

import torch

from wavelane.engine.step import Outputs

_WARM_UPS = 2
"""Runs before a recording: libraries load their kernels and allocate workspaces, which a recording must not do."""


def configure() -> None:
    """Set torch's CUDA libraries for serving: the same bits from run to run before the last per cent of speed.

    Process-wide, as torch has it.
    """
    # Features are float32 whatever the model's precision, and their logarithm shows TF32's 10 bits in quiet bands.
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
    # Products that are split along their inner dimension are summed in float32.
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    # Measuring kernels at run time would choose others from start to start.
    torch.backends.cudnn.benchmark = False
    # A step's attention has few queries, an odd number of keys and a bias of its own for each row; cuDNN would build a
    # plan for each shape. The memory-efficient kernel takes them all, flash attention takes no bias.
    torch.backends.cuda.enable_cudnn_sdp(False)


def free_memory(device: torch.device) -> int:
    """Device memory (bytes) that this process can still have, what torch holds unused included."""
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


class CudaRecording:
    """A CUDA graph and the memory of its outputs."""

    def __init__(self, graph: torch.cuda.CUDAGraph, outputs: Outputs) -> None:
        self._graph = graph
        self.outputs = outputs

    def replay(self) -> None:
        """Queue the graph on the current stream."""
        self._graph.replay()


class CudaRecorder:
    """Records CUDA graphs that share one memory pool: they must be replayed one after the other, on one stream.

    Args:
        device: that computes.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._pool, self._stream = self._anew()
        self._free_before: int | None = None

    def record(self, function: Callable[[], Outputs]) -> CudaRecording:
        """See :class:`wavelane.engine.graphs.Recorder`."""
        if self._free_before is None:
            torch.cuda.empty_cache()
            self._free_before, _ = torch.cuda.mem_get_info(self._device)
        with torch.cuda.device(self._device):
            current = torch.cuda.current_stream()
            self._stream.wait_stream(current)
            with torch.cuda.stream(self._stream):
                for _ in range(_WARM_UPS):
                    function()
            graph = torch.cuda.CUDAGraph()
            try:
                # Other threads go on: what they do is not part of the recording and does not spoil it.
                with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):
                    outputs = function()
            except BaseException:
                # A failure leaves the recording's stream the current one, and its pool as if still recorded to.
                torch.cuda.set_stream(current)
                self._pool, self._stream = self._anew()
                raise
            current.wait_stream(self._stream)
        return CudaRecording(graph, outputs)

    def _anew(self) -> tuple[Any, torch.cuda.Stream]:
        # Workspaces of libraries belong to a stream: warm-up and capture use the same one.
        return torch.cuda.graph_pool_handle(), torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]

    def memory(self) -> int:
        """Device memory (bytes) that has gone since the first recording."""
        return 0 if self._free_before is None else max(0, self._free_before - torch.cuda.mem_get_info(self._device)[0])
