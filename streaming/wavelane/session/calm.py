"""A lane in calm: nothing happens in most hops of audio, and then one compiled call does all that a hop needs."""

from collections.abc import Callable
from ctypes import Array, addressof, byref, c_int16
from functools import partial

from wavelane.audio.enhance.chain import FrontEnd
from wavelane.audio.enhance.level import HOP
from wavelane.audio.framer import Framer
from wavelane.native.calm import State, Take, open_calm
from wavelane.session.gate import SpeechGate

_take = open_calm()


class Calm:
    """Holds the state of a lane's parts while it is calm; see :mod:`wavelane.native.calm`.

    Args:
        front_end: of the lane, if it has one.
        gate: of the lane.
        take: the compiled call.
    """

    def __init__(self, front_end: FrontEnd | None, gate: SpeechGate, take: Take) -> None:
        self._front_end = front_end
        self._gate = gate
        self._state = State()
        self.on = False
        """The state is here; nothing may be asked of the parts but what they say."""
        self.take: Callable[[bytes, int], int] = partial(take, byref(self._state))
        """Take samples, [2 * n] bytes, and ``n``, up to :meth:`room`; gives a
        :class:`wavelane.native.calm.Outcome`. Only while :attr:`on`."""
        self.keep: Callable[[bytes], None] = gate.keep
        """Where samples go that were taken without a stream."""
        self.frame_bytes = 2 * gate.frame_samples
        """Packets that are no multiple of this are not taken."""
        self._hop: Array[c_int16] | None = None

    @classmethod
    def of(cls, front_end: FrontEnd | None, gate: object) -> "Calm | None":
        """For a lane; None where nothing was compiled, or for a gate of another kind."""
        return cls(front_end, gate, _take) if _take is not None and isinstance(gate, SpeechGate) else None

    def begin(self, framer: Framer | None) -> bool:
        """Take the state of the parts, if they are calm; ``framer``: of the open stream."""
        state = self._state
        if self._front_end is not None and not self._front_end.lend(state):
            return False
        if not self._gate.lend(state):
            return False
        if framer is not None:
            framer.lend(state)
        state.hops = state.taken = state.part = 0
        self.on = True
        return True

    @property
    def fresh(self) -> bool:
        """No part of a hop was taken."""
        return not self._state.part

    def room(self) -> int:
        """Bytes that the hop in progress lacks."""
        if self._hop is None:
            # For those whose packets are no hops.
            self._hop = (c_int16 * HOP)()
            self._state.hop = addressof(self._hop)
        return 2 * (HOP - self._state.part)

    def refill(self, framer: Framer) -> None:
        """Give the framer back what is its own, before it takes audio itself."""
        framer.reclaim(self._state)

    def refilled(self, framer: Framer) -> None:
        """It took audio."""
        framer.lend(self._state)

    def end(self, framer: Framer | None, *, judged: int) -> None:
        """Give the state back.

        Args:
            framer: of the open stream.
            judged: so many samples that come next were judged already, by the call that they roused.
        """
        if not self.on:
            return
        self.on = False
        state = self._state
        if self._front_end is not None:
            self._front_end.reclaim(state)
        self._gate.reclaim(state)
        if judged:
            self._gate.foretell(state, judged)
        if framer is not None:
            framer.reclaim(state)
