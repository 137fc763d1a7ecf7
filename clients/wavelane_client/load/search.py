"""The largest number of sessions that a server carries: doubling, then bisection."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median

from wavelane.measure import percentile
from wavelane_client.load.report import Result


@dataclass(frozen=True, slots=True)
class Stage:
    """One number of sessions and whether the server carried it."""

    sessions: int
    carried: bool
    reason: str
    """What the decision rests on."""
    marginal: bool = False
    """Failed by less than a factor of two: worth a second try."""
    generator_late: bool = False
    """The generator was late itself: a failed stage may be its fault."""


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a search."""

    sessions: int
    """Most sessions carried; 0 when not even one was."""
    stages: tuple[Stage, ...]
    limited: bool
    """The search stopped at its limit, not the server's."""


async def find_max(
    measure: Callable[[int], Awaitable[Stage]], *, first: int, limit: int, resolution: float = 0.06
) -> Found:
    """Search for the most sessions that are carried.

    A number that fails by little is tried once more before it counts: one hiccup of a machine is not its capacity.

    Args:
        measure: runs a stage.
        first: sessions of the first stage.
        limit: never try more.
        resolution: stop when the uncertainty is below this part of the result.
    """
    stages: list[Stage] = []

    async def carried(sessions: int) -> bool:
        stages.append(await measure(sessions))
        if stages[-1].marginal:
            stages.append(await measure(sessions))
        return stages[-1].carried

    good, bad = 0, limit + 1
    sessions = min(first, limit)
    while bad - good > max(1, resolution * good):
        if await carried(sessions):
            good = sessions
        else:
            bad = sessions
        sessions = min(2 * good, limit) if bad > limit else (good + bad) // 2
        if sessions in (good, bad):
            break
    return Found(good, tuple(stages), limited=good >= limit)


SENDING = 0.9
"""Part of the sessions that have to be sending at a time; the others are on their way from one to the next."""

HOPELESS_FINALS = 50
"""The newest finals by which a run is given up."""
HOPELESS_FACTOR = 4
"""Times the bound that half of them take then."""


def hopeless(bound_seconds: float) -> Callable[[Result], bool]:
    """Whether a run cannot meet the bound any more, by the time that is measured (:class:`.run.Run`): a server far
    behind only falls back further, and what waits there at the end would slow down the next stage."""

    def overloaded(result: Result) -> bool:
        newest = result.finals()[-HOPELESS_FINALS:]
        return len(newest) == HOPELESS_FINALS and median(newest) > HOPELESS_FACTOR * bound_seconds

    return overloaded


def judge(result: Result, bound_seconds: float) -> Stage:
    """Whether a run meets the bound: p95 of end-of-audio to final, no session refused or broken, and nearly all of them
    sending all the time: sessions that wait for their `ready` are no load."""
    late = percentile(result.lateness, 0.99)
    sessions = result.plan.sessions
    faults = result.errors() + result.refused()
    if result.given_up:
        return Stage(sessions, False, f"given up: half of the newest finals took over {HOPELESS_FACTOR} bounds")
    p95 = percentile(result.finals(), 0.95)
    late_itself = late is not None and late > bound_seconds / 10
    if faults:
        what = ", ".join(f"{count} {code}" for code, count in faults.most_common())
        return Stage(sessions, False, f"sessions failed: {what}", generator_late=late_itself)
    if p95 is None:
        return Stage(
            sessions, False, "no session ended in the measured time: make it or the sessions longer or shorter"
        )
    if (sending := result.sending()) is not None and sending < SENDING * sessions:
        return Stage(sessions, False, f"only {sending:.0f} were sending at a time", generator_late=late_itself)
    return Stage(
        sessions,
        carried=p95 < bound_seconds,
        reason=f"p95 of end of audio to final {1000 * p95:.0f} ms",
        marginal=bound_seconds <= p95 < 2 * bound_seconds,
        generator_late=late_itself,
    )
