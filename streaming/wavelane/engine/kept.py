"""What takes long to make is kept for the next one who wants it."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from wavelane.errors import WavelaneError

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")


class Kept(Generic[Key, Thing]):
    """Things by what they are made of, those that were wanted last. Safe to call from any thread.

    A refusal is kept like a thing: finding out takes as long. Two threads that want the same new thing at the same time
    both make it, and get the same one.

    Args:
        make: makes one.
        most: that are kept.
    """

    def __init__(self, make: Callable[[Key], Thing], most: int) -> None:
        self._make = make
        self._most = most
        self._things: OrderedDict[Key, Thing | WavelaneError] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, key: Key) -> bool:
        """Whether a thing need not be made, which then stays longer."""
        with self._lock:
            there = key in self._things
            if there:
                self._things.move_to_end(key)
            return there

    def get(self, key: Key) -> Thing:
        """The thing, made now if it is not there. Raises WavelaneError if it cannot be made."""
        with self._lock:
            thing = self._things.get(key)
            if thing is not None:
                self._things.move_to_end(key)
        if thing is None:
            try:
                thing = self._make(key)
            except WavelaneError as error:
                thing = WavelaneError(error.code, error.message)
            # The one that has to go is let go of without the lock: it may be large.
            gone = None
            with self._lock:
                thing = self._things.setdefault(key, thing)
                if len(self._things) > self._most:
                    gone = self._things.popitem(last=False)
            del gone
        if isinstance(thing, WavelaneError):
            # A new one each time: an exception remembers where it was raised.
            raise WavelaneError(thing.code, thing.message)
        return thing
