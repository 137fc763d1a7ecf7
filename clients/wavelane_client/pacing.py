"""When a recording's blocks are sent: like a live source, or as fast as the server takes them."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator

from wavelane_client.file import Block


class Schedule:
    """Due times of the blocks of one live source.

    A microphone can hand over a block only when its last sample has been spoken: block ``k`` is due when all blocks up
    to and including it have played. Jitter delays a block, never past the next ones: order is kept, and no delay adds
    to later blocks.

    Args:
        start: time of the first sample (s, any clock).
        jitter: largest delay of a block (s); delays are uniform.
        rng: source of the delays.
    """

    def __init__(self, start: float, *, jitter: float = 0.0, rng: random.Random | None = None) -> None:
        self._played = start
        self._latest = start
        self._jitter = jitter
        self._rng = rng or random.Random()

    def due(self, seconds: float) -> float:
        """When the next block, which plays for ``seconds``, is to be sent."""
        self._played += seconds
        delay = self._rng.uniform(0.0, self._jitter) if self._jitter else 0.0
        self._latest = max(self._latest, self._played + delay)
        return self._latest


async def paced(
    blocks: Iterable[Block],
    *,
    realtime: bool,
    jitter: float = 0.0,
    rng: random.Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Block, None]:
    """Give blocks when they are due; reading (and decoding) happens in a thread.

    Args:
        blocks: audio in order.
        realtime: False gives every block at once.
        jitter: see :class:`Schedule`.
        rng: see :class:`Schedule`.
        clock: the time (s); tests bring their own.
        sleep: waits for some seconds; tests bring their own.
    """
    iterator = iter(blocks)
    schedule: Schedule | None = None
    while (block := await asyncio.to_thread(_next, iterator)) is not None:
        if realtime:
            schedule = schedule or Schedule(clock(), jitter=jitter, rng=rng)
            wait = schedule.due(block.seconds) - clock()
            if wait > 0:
                await sleep(wait)
        yield block


def _next(iterator: Iterator[Block]) -> Block | None:
    return next(iterator, None)
