"""What the assistant can do: each intent of ``assistant.jsgf`` has a method of its name, and none needs a network."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from wavelane_client import Intent

ONES = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {word: value for value, word in enumerate(ONES.split())}
NUMBERS |= {word: 10 * value for value, word in enumerate(TENS.split(), start=2)}
UNITS = {"second": 1, "minute": 60, "hour": 3600}
"""Seconds."""


class Skills:
    """Answers intents. The lights are only remembered here: put the switches of your home in ``_light``.

    Args:
        announce: says what nobody asked for at the moment: a timer is over.
        now: the time.
    """

    def __init__(self, announce: Callable[[str], None], now: Callable[[], datetime] = datetime.now) -> None:
        self._announce = announce
        self._now = now
        self._alarm: asyncio.TimerHandle | None = None
        self._lit: set[str] = set()
        self._shopping: list[str] = []

    def answer(self, intent: Intent) -> str:
        """Do it; the reply, empty where there is nothing to say."""
        slots = {name: value for name, value in intent.slots.items() if name != "wake"}
        reply: str = getattr(self, f"_{intent.name}")(**slots)
        return reply

    def _wake(self) -> str:
        return "Yes?"

    def _stop(self) -> str:
        return ""  # whatever was being said stopped when the user spoke

    def _help(self) -> str:
        return "I tell the time and the date, set a timer, switch lights, add numbers, and keep your shopping list."

    def _time(self) -> str:
        return f"It is {self._now():%H:%M}."

    def _date(self) -> str:
        return f"It is {self._now():%A, %B} {self._now().day}."

    def _timer(self, count: str, unit: str) -> str:
        name = f"{number(count)} {unit}{'s' * (number(count) != 1)}"
        self._cancel()
        delay = number(count) * UNITS[unit]
        self._alarm = asyncio.get_running_loop().call_later(delay, self._ring, name)
        return f"Timer set for {name}."

    def _remaining(self) -> str:
        if self._alarm is None:
            return "There is no timer."
        minutes, seconds = divmod(round(self._alarm.when() - asyncio.get_running_loop().time()), 60)
        return f"{minutes} minutes and {seconds} seconds." if minutes else f"{seconds} seconds."

    def _cancel(self) -> str:
        if self._alarm is None:
            return "There is no timer."
        self._alarm.cancel()
        self._alarm = None
        return "Timer cancelled."

    def _light(self, state: str, room: str = "living room") -> str:
        if state == "on":
            self._lit.add(room)
        else:
            self._lit.discard(room)
        return f"The light in the {room} is {state}."

    def _lights(self) -> str:
        return f"On: {', '.join(sorted(self._lit))}." if self._lit else "All lights are off."

    def _sum(self, left: str, operation: str, right: str) -> str:
        a, b = number(left), number(right)
        result = {"plus": a + b, "minus": a - b, "times": a * b}[operation]
        return f"{a} {operation} {b} is {'minus ' * (result < 0)}{abs(result)}."

    def _add(self, thing: str) -> str:
        self._shopping.append(thing)
        return f"Added {thing}."

    def _list(self) -> str:
        return f"You need {', '.join(self._shopping)}." if self._shopping else "The list is empty."

    def _clear(self) -> str:
        self._shopping.clear()
        return "The list is empty."

    def _ring(self, name: str) -> None:
        self._alarm = None
        self._announce(f"Your timer for {name} is over.")


def number(words: str) -> int:
    """``twenty five`` is 25."""
    return sum(NUMBERS[word] for word in words.split())
