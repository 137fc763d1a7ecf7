"""What this machine offers: cores, and instructions of its processor."""

import functools
import os
import sys
import threading
from contextlib import suppress
from pathlib import Path

_FAST = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8")
_ASIDE = 10
"""Added to the niceness: about a tenth of the time where others want all of it."""


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def step_aside() -> None:
    """From now on this thread's computing waits for others': those who answer clients need little, but at once.

    Linux only, where every thread has a niceness of its own.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _ASIDE)


@functools.cache
def processor_flags() -> frozenset[str]:
    """Instruction set extensions, by their names in ``/proc/cpuinfo``; empty where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    line = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return frozenset(line.partition(":")[2].split())


def instruction_sets() -> tuple[str, ...]:
    """Vector and matrix extensions of this processor that matter for speed; empty where the system does not say."""
    return tuple(name for name in _FAST if name in processor_flags())
