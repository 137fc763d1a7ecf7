"""What this processor can do at best: the rate of matrix products in each precision, through torch's own libraries."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from wavelane.bench.operations import Gemm
from wavelane.machine import usable_cores
from wavelane.measure import percentile

SQUARES = {"cpu": (1024, 1024, 1024), "cuda": (8192, 8192, 8192)}
PRECISIONS = ("fp32", "bf16", "int8")
Shape = tuple[int, int, int]
"""(rows, inner, columns) of a product."""


def shapes_of(gemms: Sequence[Gemm], batch: int, parts: Sequence[str]) -> dict[Shape, int]:
    """The products of some parts of a step of a batch, and how many of each there are."""
    shapes: dict[Shape, int] = {}
    for gemm in gemms:
        if gemm.part in parts:
            shape = (gemm.rows * batch, gemm.inner, gemm.columns)
            shapes[shape] = shapes.get(shape, 0) + gemm.count
    return shapes


def measure_rate(
    shapes: dict[Shape, int], precision: str, device: torch.device, threads: int = 1, seconds: float = 0.1
) -> float | None:
    """Operations in a second (G op/s) that products of these shapes reach, each as often as it occurs.

    Weights are packed before, as an engine would have them; int8 has 8-bit activations and per-column scales, and gives
    floats. Several threads compute products of their own each, as the engine's workers do.

    Args:
        shapes: products and how many there are of each.
        precision: ``fp32``, ``bf16`` or ``int8``.
        device: where.
        threads: of a CPU.
        seconds: for each shape.

    Returns:
        None where torch has no such product here.
    """
    taken = 0.0
    operations = 0
    for (rows, inner, columns), count in shapes.items():
        try:
            products = [_product(rows, inner, columns, precision, device) for _ in range(threads)]
            took = _time(products, device, seconds)
        except (RuntimeError, NotImplementedError):
            return None
        taken += took * count
        operations += 2 * rows * inner * columns * count * threads
    return operations / taken / 1e9


def measure_limits(
    shapes: dict[Shape, int], device: torch.device, precisions: Sequence[str] = PRECISIONS, seconds: float = 0.1
) -> dict[str, dict[str, float | None]]:
    """Rates (G op/s, :func:`measure_rate`) by precision: ``square`` and ``model`` shapes on one thread and on all.

    Keys are ``square_1``, ``model_1``, ``square_all`` and ``model_all``; a GPU has the last two only.
    """
    cores = 1 if device.type == "cuda" else usable_cores()
    counts = {"all": cores} if device.type == "cuda" else {"1": 1, "all": cores}
    return {
        precision: {
            f"{name}_{label}": _rounded(measure_rate(which, precision, device, threads, seconds))
            for label, threads in counts.items()
            for name, which in (("square", {SQUARES[device.type]: 1}), ("model", shapes))
        }
        for precision in precisions
    }


def _rounded(rate: float | None) -> float | None:
    return None if rate is None else round(rate, 1)


def _time(products: Sequence[Callable[[], object]], device: torch.device, seconds: float) -> float:
    """Time (s) of a product while all of them run, each on a thread of its own: the fastest tenth, undisturbed."""
    if device.type == "cuda":
        return _time_on_gpu(products[0], device, seconds)
    times: list[list[float]] = [[] for _ in products]
    barrier = threading.Barrier(len(products))

    def run(product: Callable[[], object], mine: list[float]) -> None:
        torch.set_num_threads(1)
        with torch.inference_mode():
            product()
            barrier.wait()
            end = time.perf_counter() + seconds
            while (before := time.perf_counter()) < end or not mine:
                product()
                mine.append(time.perf_counter() - before)

    workers = [threading.Thread(target=run, args=pair) for pair in zip(products, times, strict=True)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(percentile(mine, 0.1) or 0.0 for mine in times)


def _time_on_gpu(product: Callable[[], object], device: torch.device, seconds: float) -> float:
    with torch.inference_mode():
        for _ in range(3):
            product()
        torch.cuda.synchronize(device)
        count, begin = 0, time.perf_counter()
        while time.perf_counter() < begin + seconds:
            for _ in range(10):
                product()
            torch.cuda.synchronize(device)
            count += 10
        return (time.perf_counter() - begin) / count


def _product(rows: int, inner: int, columns: int, precision: str, device: torch.device) -> Callable[[], object]:
    """A product with prepared weights."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, inner, generator=generator).to(device)
    weight = torch.randn(columns, inner, generator=generator).to(device)
    if precision == "int8":
        return _int8_product(x, weight)
    if precision == "bf16":
        x, weight = x.bfloat16(), weight.bfloat16()
        if device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
            packed: Any = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
            return lambda: torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], "")
    return lambda: functional.linear(x, weight)


def _int8_product(x: Tensor, weight: Tensor) -> Callable[[], object]:
    values = (weight * 40).clamp(-127, 127).to(torch.int8)
    if x.device.type == "cuda":
        inputs = (x * 40).clamp(-127, 127).to(torch.int8)
        return lambda: torch._int_mm(inputs, values.t())
    inputs = (x * 40 + 128).clamp(0, 255).to(torch.uint8)
    columns = len(weight)
    packed: Any = torch.ops.onednn.qlinear_prepack(values, list(x.shape))
    scales, zeros = torch.full((columns,), 0.025), torch.zeros(columns, dtype=torch.int64)
    return lambda: torch.ops.onednn.qlinear_pointwise(
        inputs, 0.025, 128, packed, scales, zeros, None, 1.0, 0, torch.float32, "none", [], ""
    )
