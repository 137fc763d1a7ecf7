"""Lanes by name: a slot is an index into the state pool and the generation of its tenant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Slot:
    """Names one lane of one tenant. The index is used again, the pair never."""

    index: int
    """Row in the state pool."""
    generation: int
    """Counts the tenants of the index from 0."""


class SlotPool:
    """Hands out slots. Not thread-safe: the scheduler's lock guards it.

    Args:
        size: number of slots.
    """

    def __init__(self, size: int) -> None:
        self._generations = [0] * size
        self._taken = [False] * size
        # Last in, first out: the row used last is the one that caches still hold, and rows never used stay untouched.
        self._free = list(range(size - 1, -1, -1))
        self._allocated = 0
        self._freed = 0

    @property
    def size(self) -> int:
        """Number of slots."""
        return len(self._taken)

    @property
    def live(self) -> int:
        """Slots in use."""
        return self.size - len(self._free)

    def allocate(self) -> Slot | None:
        """A slot of a generation never seen before, or None when all are in use."""
        if not self._free:
            return None
        index = self._free.pop()
        self._taken[index] = True
        self._allocated += 1
        return Slot(index, self._generations[index])

    def free(self, slot: Slot) -> None:
        """Take a slot back. Raises ValueError for one that is not alive: freeing twice would give it to two tenants."""
        if not self.alive(slot):
            raise ValueError(f"{slot} is not in use")
        self._taken[slot.index] = False
        self._generations[slot.index] += 1
        self._free.append(slot.index)
        self._freed += 1

    def alive(self, slot: Slot) -> bool:
        """Whether the slot is in use by this very generation."""
        return self._taken[slot.index] and self._generations[slot.index] == slot.generation

    def audit(self) -> None:
        """Check that allocated − freed = live and that no slot is both free and taken. Raises RuntimeError."""
        taken = sum(self._taken)
        free = set(self._free)
        if (
            self._allocated - self._freed != taken
            or len(free) != len(self._free)
            or taken + len(free) != self.size
            or any(self._taken[index] for index in free)
        ):
            raise RuntimeError(
                f"slots do not add up: {self._allocated} allocated - {self._freed} freed, {taken} taken, "
                f"{len(self._free)} free of {self.size}"
            )
