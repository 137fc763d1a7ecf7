"""Buffers between host and device, used again and again: pinned, so that copies run beside the computation.

A step takes a :class:`Stage` when it is launched and gives it back when its results are read, so that the next batch
can be staged while one runs. Audio goes up on a stream of its own.
"""

import math
import threading
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from wavelane.engine.step import COLUMNS, Row
from wavelane.work import Samples


class _Buffer:
    """One allocation for tensors of changing shapes."""

    def __init__(self, dtype: torch.dtype, device: torch.device, pinned: bool = False) -> None:
        self._dtype, self._device, self._pinned = dtype, device, pinned
        self._flat = torch.empty(0, dtype=dtype, device=device)

    def view(self, *shape: int) -> Tensor:
        """A tensor of this shape; what it holds is undefined, and ends with the next view."""
        count = math.prod(shape)
        if self._flat.numel() < count:
            self._flat = torch.empty(count, dtype=self._dtype, device=self._device, pin_memory=self._pinned)
        return self._flat[:count].view(shape)


class Stage:
    """The buffers of one step in flight.

    Args:
        device: that computes.
        uploads: stream for audio; None on a CPU, where nothing is copied.
    """

    def __init__(self, device: torch.device, uploads: torch.cuda.Stream | None) -> None:
        host, pinned = torch.device("cpu"), uploads is not None
        self._uploads = uploads
        self._host_samples = _Buffer(torch.float32, host, pinned)
        self._host_table = _Buffer(torch.int64, host, pinned)
        self._samples = _Buffer(torch.float32, device)
        self._table = _Buffer(torch.int64, device)
        self._numbers = _Buffer(torch.int64, host, pinned)
        self._confidences = _Buffer(torch.float32, host, pinned)

    def up(
        self, windows: Sequence[Samples], rows: Sequence[Row], padding: Row, shape: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Bring a batch to the device; the current stream waits for it, the host does not.

        Args:
            windows: of the first rows, [window] each; the others are silent.
            rows: of the same batch, as many.
            padding: the other rows of the table.
            shape: B, window

        Returns:
            samples [B, window] and table [6, B], on the device.
        """
        bucket, count = shape[0], len(rows)
        samples, table = self._host_samples.view(*shape), self._host_table.view(COLUMNS, bucket)
        into, lines = samples.numpy(), table.numpy()
        if count:
            np.stack(windows, out=into[:count])
            lines[:, :count] = np.array(rows, dtype=np.int64).T
        into[count:] = 0
        lines[:, count:] = np.array(padding, dtype=np.int64)[:, None]
        if self._uploads is None:
            return samples, table
        # Allocated on this stream too: memory that others used on theirs is not written while they do.
        with torch.cuda.stream(self._uploads):
            above = self._samples.view(*shape), self._table.view(COLUMNS, bucket)
            above[0].copy_(samples, non_blocking=True)
            above[1].copy_(table, non_blocking=True)
        torch.cuda.current_stream().wait_stream(self._uploads)
        return above

    def down(self, numbers: Tensor, confidences: Tensor) -> tuple[Tensor, Tensor]:
        """Bring results to the host, behind what the current stream has to do; the host does not wait."""
        below = self._numbers.view(*numbers.shape), self._confidences.view(*confidences.shape)
        below[0].copy_(numbers, non_blocking=True)
        below[1].copy_(confidences, non_blocking=True)
        return below


class Stages:
    """As many stages as steps were ever in flight at once. Thread-safe.

    Args:
        device: that computes.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._uploads: torch.cuda.Stream | None = None
        if device.type == "cuda":
            self._uploads = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._free: list[Stage] = []
        self._lock = threading.Lock()

    def take(self) -> Stage:
        """A stage that nobody else uses."""
        with self._lock:
            return self._free.pop() if self._free else Stage(self._device, self._uploads)

    def give(self, stage: Stage) -> None:
        """The stage's step is done and read."""
        with self._lock:
            self._free.append(stage)
