"""Events on their way to one client: bounded, partials conflated, finals never dropped."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from wavelane.engine.base import Timing
from wavelane.events import Partial
from wavelane_server.adapters.base import Outgoing, Progress, Reply


class Item(NamedTuple):
    """One event that waits to be sent."""

    event: Outgoing | Reply
    since: float | None
    """When the audio, flush or end that caused the event was received (s, :func:`time.monotonic`)."""
    timing: Timing | None
    """How the chunk whose result made the event went through the engine; None for one that no result made."""


class Outbox:
    """A queue with one reader.

    A partial replaces an unsent one of the same utterance, so a client that reads slowly gets fewer partials, never
    old ones; so does the progress of a channel. When ``limit`` other events wait, the next one overflows the box:
    :attr:`overflowed` is set, and nothing more is taken.

    Args:
        limit: events that may wait.
        hand_over: offered each event that nothing before it waits for, while the reader waits too; returns whether it
            took it. Must not raise.
    """

    def __init__(self, limit: int, hand_over: "Callable[[Item], bool] | None" = None) -> None:
        self._limit = limit
        self._hand_over = hand_over
        self._items: OrderedDict[int, Item] = OrderedDict()
        self._unsent: dict[tuple[int, int], int] = {}
        self._next = 0
        self._reader: asyncio.Future[None] | None = None
        self._asker: asyncio.Future[None] | None = None
        self.overflowed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, event: Outgoing | Reply, since: float | None = None, timing: Timing | None = None) -> None:
        """Take an event; see :class:`Item`."""
        if self.overflowed.is_set():
            return
        reader = self._reader
        if (
            self._hand_over is not None
            and not self._items
            and reader is not None
            and not reader.done()
            and self._hand_over(Item(event, since, timing))
        ):
            return
        if isinstance(event, (Partial, Progress)):
            subject = _subject(event)
            if (unsent := self._unsent.get(subject)) is not None:
                del self._items[unsent]
            self._unsent[subject] = self._next
        if len(self._items) >= self._limit:
            self.overflowed.set()
            return
        self._items[self._next] = Item(event, since, timing)
        self._next += 1
        if reader is not None and not reader.done():
            reader.set_result(None)

    async def room(self) -> None:
        """Wait until no more than half of what may wait does. For one asker, whose event may as well come later."""
        while len(self._items) > self._limit // 2:
            self._asker = asyncio.get_running_loop().create_future()
            await self._asker

    def release(self) -> None:
        """Let go of who events were handed to, and of all that waits."""
        self._hand_over = None
        self._items.clear()

    async def get(self) -> Item:
        """The oldest event; waits for one."""
        while not self._items:
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        _, item = self._items.popitem(last=False)
        if isinstance(item.event, (Partial, Progress)):
            del self._unsent[_subject(item.event)]
        if self._asker is not None and not self._asker.done():
            self._asker.set_result(None)
        return item


def _subject(event: Partial | Progress) -> tuple[int, int]:
    """What only the newest event of counts: channel, and utterance (-1: none)."""
    return event.channel, event.utterance if isinstance(event, Partial) else -1
