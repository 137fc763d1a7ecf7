"""Connections share the event loop with everything else."""

import asyncio
from collections.abc import Callable

import pytest

from wavelane_server.transport import turns
from wavelane_server.transport.turns import Turns


class Noted:
    """A connection that notes when it was read from."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self._name, self._notes = name, notes

    def read_next(self) -> None:
        self._notes.append(self._name)


def received(shared: Turns, reader: Noted) -> None:
    """As a connection does it."""
    if shared.now():
        reader.read_next()
    else:
        shared.later(reader)


def ticks(notes: list[str], most: int) -> Callable[[], None]:
    """Something else on the loop, in every turn."""
    left = most

    def tick() -> None:
        nonlocal left
        notes.append("-")
        left -= 1
        if left:
            asyncio.get_running_loop().call_soon(tick)

    return tick


async def test_little_is_taken_on_the_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLICE_S", 60.0)
    notes: list[str] = []
    shared = Turns(asyncio.get_running_loop())
    for name in "abcdef":
        received(shared, Noted(name, notes))
    assert notes == list("abcdef")


async def test_what_is_too_much_for_a_turn_waits_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLICE_S", -1.0)
    notes: list[str] = []
    shared = Turns(asyncio.get_running_loop())
    for name in "abcd":
        received(shared, Noted(name, notes))
    asyncio.get_running_loop().call_soon(ticks(notes, 4))
    assert notes == ["a"]
    await asyncio.sleep(0)
    # What comes while others wait goes behind them.
    received(shared, Noted("e", notes))
    for _ in range(8):
        await asyncio.sleep(0)
    assert "".join(notes).replace("-", "") == "abcde"
    assert "".join(notes).startswith("ab-c-d-e"), "one a turn, and the rest of the loop has its turns in between"


async def test_the_next_turn_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLICE_S", -1.0)
    notes: list[str] = []
    shared = Turns(asyncio.get_running_loop())
    for name in "abc":
        received(shared, Noted(name, notes))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert notes[-1] == name
