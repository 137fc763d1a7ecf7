"""An engine with a virtual clock: sessions that speak, steps that take as long as a formula says, the real governor."""

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from wavelane.engine.capacity import CostModel, StepTime
from wavelane.engine.dial import assigned
from wavelane.engine.governor import Governor
from wavelane.engine.load import LaneLoad
from wavelane.work import Chunk

FRAME_S = 0.08
NOTHING = np.zeros(0, np.float32)


@dataclass
class Client:
    """One session: always in real time, speaking for spells, in chunks of its lookahead."""

    rank: int
    load: LaneLoad
    lookahead: int
    bounds: tuple[int, int] | None
    talk: float
    """Share of the time for which it speaks; 1: always."""
    leaves: float
    speaking_until: float = 0.0
    queue: list[tuple[int, float]] = field(default_factory=list)
    """Lookahead and time of arrival of each chunk that waits."""
    ready: float = 0.0
    running: bool = False
    gone: bool = False


class Simulation:
    """Workers, sessions and foreign load.

    Args:
        times: of a step on the quiet machine, by lookahead.
        workers: steps at once.
        foreign: factor on every step's time, by time; whatever else runs on the machine.
        measured: factor on what the governor was told at the start.
        costs: further values of the cost model.
    """

    SPELL_S = 3.0

    def __init__(
        self,
        times: dict[int, StepTime],
        *,
        workers: int = 2,
        largest: int = 32,
        default: int = 6,
        foreign: Callable[[float], float] = lambda now: 1.0,
        measured: float = 1.0,
        known: bool = True,
        enforce: bool = True,
        seed: int = 1,
        **costs: object,
    ) -> None:
        self.random = random.Random(seed)
        self.times, self.workers, self.largest, self.default, self.foreign = times, workers, largest, default, foreign
        told = {lookahead: StepTime(t.fixed * measured, t.row * measured) for lookahead, t in times.items()}
        model = CostModel(FRAME_S, workers, largest, latency=0.5, headroom=0.1, times=told if known else {})
        self.governor = Governor(replace(model, **costs), tuple(times), default, enforce=enforce)
        self.now = 0.0
        self.clients: set[int] = set()
        self.by_id: dict[int, Client] = {}
        self.refused = self.admitted = self.steps = 0
        self.latencies: list[tuple[float, float]] = []
        """Time, and latency as a share of the chunk's length."""
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._orders = itertools.count()
        self._idle = workers
        self._ready: dict[int, Client] = {}

    @property
    def live(self) -> int:
        return len(self.clients)

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._orders), what))

    def run(self, until: float) -> "Simulation":
        while self._events and self._events[0][0] <= until:
            self.now, _, what = heapq.heappop(self._events)
            what()
        self.now = until
        return self

    def knock(
        self,
        lookahead: int | None = None,
        bounds: tuple[int, int] | None = None,
        talk: float = 1.0,
        stays: float = float("inf"),
    ) -> bool:
        """One more session wants in."""
        wanted = self.default if lookahead is None else lookahead
        longest = wanted if bounds is None else bounds[1]
        if not self.governor.admit(longest, self.now):
            self.refused += 1
            return False
        self.admitted += 1
        number = next(self._orders)
        client = Client(number, self.governor.open(longest, self.now), wanted, bounds, talk, self.now + stays)
        self.clients.add(number)
        self.by_id[number] = client
        if stays < float("inf"):
            self.at(client.leaves, lambda: self.leave(number))
        self._listen(number, self.now + self.random.random() * self._length(client))
        return True

    def knocks(self, rate: float, until: float, **how: object) -> None:
        """Sessions want in at a rate, in regular intervals."""

        def next_one() -> None:
            self.knock(**how)  # type: ignore[arg-type]
            if self.now + 1 / rate < until:
                self.at(self.now + 1 / rate, next_one)

        self.at(self.now, next_one)

    def leave(self, number: int) -> None:
        if number in self.clients:
            self.clients.discard(number)
            client = self.by_id.pop(number)
            client.gone = True
            self._ready.pop(number, None)
            self.governor.close(client.load, self.now)

    def late(self, since: float) -> float:
        """Share of results later than half of their chunk."""
        recent = [latency for at, latency in self.latencies if at >= since]
        return sum(latency > 0.5 for latency in recent) / max(len(recent), 1)

    def lookaheads(self) -> dict[int, int]:
        return self.governor.lookaheads

    def _length(self, client: Client) -> float:
        if client.bounds is not None:
            lookaheads = tuple(sorted(self.times))
            position = self.governor.condition(self.now).dial
            client.lookahead = assigned(lookaheads, client.bounds, client.rank, position)
        return (client.lookahead + 1) * FRAME_S

    def _listen(self, number: int, when: float) -> None:
        self.at(when, lambda: self._heard(number))

    def _heard(self, number: int) -> None:
        client = self.by_id.get(number)
        if client is None:
            return
        if client.talk < 1 and self.now >= client.speaking_until:
            # A spell of silence, then one of speech: no chunk comes of silence.
            silence = self.random.expovariate(1 / (self.SPELL_S * (1 / client.talk - 1)))
            spell = self.random.expovariate(1 / self.SPELL_S)
            client.speaking_until = self.now + silence + spell
            self._listen(number, self.now + silence + self._length(client))
            return
        client.queue.append((client.lookahead, self.now))
        chunk = Chunk(
            lane=0,
            sequence=0,
            samples=NOTHING,
            frames=1,
            start=False,
            last=False,
            lookahead=client.lookahead,
            bounds=client.bounds,
        )
        self.governor.submit(client.load, chunk, (client.lookahead + 1) * FRAME_S, self.now)
        if not client.running and number not in self._ready:
            client.ready = self.now
            self._ready[number] = client
            self._step()
        self._listen(number, self.now + self._length(client))

    def _step(self) -> None:
        while self._idle and self._ready:
            due = sorted(self._ready, key=lambda n: self._ready[n].ready + (self._ready[n].queue[0][0] + 1) * FRAME_S)
            lookahead = self._ready[due[0]].queue[0][0]
            rows = [number for number in due if self._ready[number].queue[0][0] == lookahead]
            rows = rows[: min(self.largest, -(-len(rows) // self._idle))]
            batch = [self._ready.pop(number) for number in rows]
            for client in batch:
                client.running = True
            seconds = self.times[lookahead].of(len(batch)) * self.foreign(self.now)
            seconds *= self.random.uniform(0.9, 1.2)
            self._idle -= 1
            self.at(self.now + seconds, partial(self._done, lookahead, batch, rows, seconds))

    def _done(self, lookahead: int, batch: list[Client], numbers: list[int], seconds: float) -> None:
        self._idle += 1
        self.steps += 1
        latencies = [self.now - client.ready for client in batch]
        self.governor.step(lookahead, len(batch), seconds, latencies, self.now)
        length = (lookahead + 1) * FRAME_S
        self.latencies += [(self.now, latency / length) for latency in latencies]
        for number, client in zip(numbers, batch, strict=True):
            client.running = False
            client.queue.pop(0)
            if client.queue and not client.gone:
                client.ready = self.now
                self._ready[number] = client
        self._step()
