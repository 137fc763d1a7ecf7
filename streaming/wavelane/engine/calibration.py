"""Times real steps on this machine, between those of sessions if there are any."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from wavelane.engine.base import StepRunner
from wavelane.engine.batching import Batch
from wavelane.engine.capacity import StepTime, fit

BUDGET_S = 0.6
"""Time (s) for the lookahead of most sessions; each other one gets half of it."""

REPEATS = 30
"""Most steps of each shape; the fastest counts, since anything may get in the way of one."""

SIZES = 4
"""Shapes that are timed at most."""

Call = Callable[[Callable[[], None]], "Future[None]"]
"""Has a worker of the engine call a function between two steps."""


def sizes(shapes: Sequence[int]) -> list[int]:
    """The shapes to time: the smallest, the largest, and a few in between, evenly by their place in the list."""
    count = min(SIZES, len(shapes))
    if count == 1:
        return [shapes[-1]]
    return [shapes[round(index * (len(shapes) - 1) / (count - 1))] for index in range(count)]


def time_steps(
    runner: StepRunner,
    call: Call,
    lookahead: int,
    shapes: Sequence[int],
    workers: int,
    budget: float,
    clock: Callable[[], float] = time.perf_counter,
    timer: Callable[[], float] = time.perf_counter,
) -> StepTime:
    """The time of a step of a lookahead, with all workers computing at the same time.

    Larger shapes than the budget allows are left out; the smallest is always timed.

    Args:
        runner: of the engine; steps padding, which costs what rows cost.
        call: reaches its workers.
        lookahead: of the steps.
        shapes: rows of the steps that the engine makes, ascending.
        workers: of the engine.
        budget: time (s) for all of it.
        clock: seconds, for the budget.
        timer: seconds, for a step. Where one thread computes it, its processor time (:func:`time.thread_time`): what
            else runs on the machine just now is no property of the machine, and running corrects for it.

    Raises:
        WavelaneError: the engine stopped.
    """
    times: list[tuple[int, float]] = []
    ends = clock() + budget
    wanted = sizes(shapes)
    for size in wanted:
        if times and clock() + times[-1][1] * size / times[-1][0] > ends:
            break
        taken: list[float] = []
        until = clock() + budget / len(wanted)

        def timed(size: int = size, taken: list[float] = taken, until: float = until) -> None:
            best = math.inf
            for index in range(REPEATS):
                began = timer()
                runner.collect(runner.launch(Batch(lookahead, (), size)))
                best = min(best, timer() - began)
                now = clock()
                # The first step of a shape is slow: one more, if there is any time left at all.
                if now > ends or (index and now + best > until):
                    break
            taken.append(best)

        for future in [call(timed) for _ in range(workers)]:
            future.result()
        times.append((size, sum(taken) / len(taken)))
    if len(shapes) == 1:
        # Every step has this shape, whatever its rows.
        return StepTime(times[0][1], 0.0)
    return fit(times)
