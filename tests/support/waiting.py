"""Waiting for what nobody signals. How long it takes depends on what else the machine does: only that it comes is a
test's business."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_S = 60.0
"""Nothing that a test waits for takes so long."""


async def until(condition: Callable[[], bool], pause: float = 0.01) -> None:
    """Let the event loop run until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(pause)


def wait_until(condition: Callable[[], bool], pause: float = 0.01) -> None:
    """The same without an event loop. Raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {PATIENCE_S:g} s")
        time.sleep(pause)
