"""The machine a figure was measured on, and what a process uses of it."""

import os
import platform
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError


def describe_machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, system, and the date of now (UTC)."""
    psutil = _psutil()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": _processor(),
        "cores": usable,
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class ProcessMonitor:
    """CPU and memory of a process and its children.

    Raises:
        WavelaneError: INVALID_CONFIG when there is no such process.
    """

    def __init__(self, pid: int) -> None:
        psutil = _psutil()
        self._gone: Any = (psutil.NoSuchProcess, psutil.AccessDenied)
        try:
            self._process = psutil.Process(pid)
        except self._gone:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"there is no process {pid} to watch (--server-pid)"
            ) from None

    def cpu_seconds(self) -> float:
        """Processor time used so far; 0 when the process is gone."""
        return float(sum(times.user + times.system for times in self._each("cpu_times")))

    def resident_bytes(self) -> int:
        """Resident memory; 0 when the process is gone."""
        return int(sum(memory.rss for memory in self._each("memory_info")))

    def _each(self, what: str) -> list[Any]:
        values: list[Any] = []
        with suppress(*self._gone):
            for process in [self._process, *self._process.children(recursive=True)]:
                values.append(getattr(process, what)())
        return values


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _psutil() -> Any:
    try:
        import psutil
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, "the load generator needs its extra: pip install 'wavelane[load]'"
        ) from None
    return psutil
