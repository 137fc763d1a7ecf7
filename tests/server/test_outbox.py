import asyncio

import pytest

from wavelane.events import Alternative, Event, Final, Partial, SpeechStarted
from wavelane_server.adapters.base import Progress
from wavelane_server.outbox import Outbox


def partial(utterance: int, text: str, channel: int = 0) -> Partial:
    return Partial(channel=channel, utterance=utterance, text=text, stable=0, words=(), start=0, processed=0, lag_ms=0)


def final(utterance: int) -> Final:
    best = Alternative(text="done", confidence=1.0, words=())
    return Final(
        channel=0, utterance=utterance, alternatives=(best,), start=0, end=0, processed=0, lag_ms=0, reason="end"
    )


async def drain(outbox: Outbox) -> list[object]:
    return [(await outbox.get()).event for _ in range(len(outbox))]


async def test_a_partial_replaces_an_unsent_one_of_its_utterance() -> None:
    outbox = Outbox(8)
    other = SpeechStarted(channel=0, at=5)
    for event in (partial(0, "a"), other, partial(0, "a", channel=1), partial(0, "a b"), final(0), partial(1, "c")):
        outbox.put(event)
    assert await drain(outbox) == [other, partial(0, "a", channel=1), partial(0, "a b"), final(0), partial(1, "c")]
    outbox.put(partial(1, "c d"))
    assert await drain(outbox) == [partial(1, "c d")]


async def test_only_the_newest_progress_of_a_channel_waits() -> None:
    outbox = Outbox(8)
    for event in (Progress(channel=0, at=1), Progress(channel=1, at=2), partial(0, "a"), Progress(channel=0, at=3)):
        outbox.put(event)
    assert await drain(outbox) == [Progress(channel=1, at=2), partial(0, "a"), Progress(channel=0, at=3)]
    outbox.put(Progress(channel=0, at=4))
    assert await drain(outbox) == [Progress(channel=0, at=4)]


async def test_partials_alone_never_overflow() -> None:
    outbox = Outbox(8)
    for count in range(1000):
        outbox.put(partial(0, str(count)))
    assert not outbox.overflowed.is_set()
    assert await drain(outbox) == [partial(0, "999")]


async def test_one_event_too_many() -> None:
    outbox = Outbox(8)
    finals: list[Event] = [final(index) for index in range(9)]
    for event in finals[:8]:
        outbox.put(event)
    assert not outbox.overflowed.is_set()
    outbox.put(finals[8])
    assert outbox.overflowed.is_set()
    assert await drain(outbox) == finals[:8]


async def test_the_reader_waits_and_survives_being_cancelled() -> None:
    outbox = Outbox(8)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await outbox.get()
    reader = asyncio.create_task(outbox.get())
    await asyncio.sleep(0)
    outbox.put(final(0), since=1.5)
    item = await reader
    assert (item.event, item.since) == (final(0), 1.5)


async def test_there_is_room_when_half_of_it_was_sent() -> None:
    outbox = Outbox(4)
    await outbox.room()
    for number in range(4):
        outbox.put(final(number))
    asker = asyncio.create_task(outbox.room())
    for left in (3, 2):
        await asyncio.sleep(0)
        assert not asker.done()
        await outbox.get()
        assert len(outbox) == left
    await asker
