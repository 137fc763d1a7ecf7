"""The loads that other engines are measured under: the same as those of ``wavelane bench``, for any engine.

An engine is an object with ``chunk`` (samples of a step), ``rows`` (streams it holds) and

    ``begin(row)``              the next chunk of this row starts a new stream
    ``step(rows, audio)``       take a chunk (an array) for each of these rows, and read the result of each

Only numpy is needed here: this runs in the environment of the peers.
"""

import multiprocessing
import os
import random
import time
from pathlib import Path

import numpy as np

RATE = 16_000
BEHIND_CHUNKS = 3
"""Chunks that may wait before an engine counts as overrun."""
PATIENCE_SECONDS = 300
"""How long a process may take for a point, loading included."""


class Streams:
    """Audio for the rows of an engine; each begins at a place of its own, and starts anew when it is through."""

    def __init__(self, path, engine, first):
        audio = np.load(path, mmap_mode="r")
        self.engine = engine
        self.audio = [np.ascontiguousarray(audio[(first + row) % len(audio)]) for row in range(engine.rows)]
        self.at = [row * (len(x) // engine.rows) // engine.chunk * engine.chunk for row, x in enumerate(self.audio)]
        for row in range(engine.rows):
            engine.begin(row)

    def next(self, row):
        """The next chunk of a row."""
        size = self.engine.chunk
        if self.at[row] + size > len(self.audio[row]):
            self.at[row] = 0
            self.engine.begin(row)
        self.at[row] += size
        return self.audio[row][self.at[row] - size : self.at[row]]


def saturated(make, point, rank, wait):
    """No waiting: every row has a chunk for every step. Returns what :func:`summarise` takes."""
    engine = make(point, point["batch"])
    streams = Streams(point["audio"], engine, rank * point["batch"])
    rows = list(range(engine.rows))
    steps, end, before, begin = [], None, None, 0.0
    while True:
        now = time.perf_counter()
        if end is not None and now >= end:
            if before is not None:
                break
            wait()
            steps, before, begin = [], usage(), time.perf_counter()
            end = begin + point["seconds"]
        started = time.perf_counter()
        engine.step(rows, [streams.next(row) for row in rows])
        steps.append(time.perf_counter() - started)
        if end is None:  # The first step, which allocates and compiles, is not part of the warm-up.
            end = time.perf_counter() + point["warm_up"]
    return result(before, begin, len(steps) * engine.rows * engine.chunk / RATE, steps, False)


def paced(make, point, rank, wait):
    """In real time, ``count`` streams with phases of their own: steps of whatever is due, at most ``batch`` rows."""
    ranks, count = point["processes"], point["count"]
    mine = count // ranks + (rank < count % ranks)
    engine = make(point, mine)
    streams = Streams(point["audio"], engine, rank * mine)
    rows = list(range(engine.rows))
    for first in range(0, mine, point["batch"]):  # memory of a row may be committed when it is used first
        some = rows[first : first + point["batch"]]
        engine.step(some, [streams.next(row) for row in some])
    wait()
    period = engine.chunk / RATE
    phases = random.Random(rank)
    # All rows have the same period, so that the order of their phases is the order of every round.
    phase = sorted(phases.random() * period for _ in rows)
    begin = time.perf_counter() + 0.05
    measured = begin + period + point["warm_up"]
    end = measured + point["seconds"]
    done, latencies, before, overrun = 0, [], None, False
    while True:
        now = time.perf_counter()
        if before is None and now >= measured:
            before = usage()
        due = [begin + (n // mine) * period + phase[n % mine] for n in range(done, done + min(mine, point["batch"]))]
        if due[0] >= end:
            break
        if due[0] > now:
            time.sleep(due[0] - now)
            continue
        ready = [at for at in due if at <= now and at < end]
        batch = [(done + n) % mine for n in range(len(ready))]
        engine.step(batch, [streams.next(row) for row in batch])
        now = time.perf_counter()
        latencies += [now - at for at in ready if at >= measured]
        done += len(ready)
        if now - ready[-1] > BEHIND_CHUNKS * period:
            overrun = True
            latencies.append(now - ready[0])
            break
    return result(before or usage(), measured, len(latencies) * period, latencies, overrun)


def result(before, begin, audio, times, overrun):
    """What one process measured."""
    own, everyone = usage()
    wall = max(time.perf_counter() - begin, 1e-3)
    return {
        "streams": audio / wall,
        "wall": wall,
        "times": times,
        "cores": (own - before[0]) / wall,
        "everyone": (everyone - before[1]) / wall,
        "overrun": overrun,
    }


def usage():
    """Processor time (s) of this process, and of everything on this machine."""
    times = os.times()
    try:
        with Path("/proc/stat").open(encoding="ascii") as file:
            fields = [int(value) for value in file.readline().split()[1:9]]
        busy = (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")
    except OSError:
        busy = 0.0
    return times.user + times.system, busy


def run(load, make, point):
    """Measure a point in as many processes as it asks for, which begin together; returns the fields of a report."""
    processes = point["processes"]
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(processes), context.Queue()
    if processes == 1:
        parts = [load(make, point, 0, lambda: None)]
    else:
        children = [
            context.Process(target=_child, args=(load, make, point, rank, barrier, answers))
            for rank in range(processes)
        ]
        for child in children:
            child.start()
        parts = [answers.get(timeout=PATIENCE_SECONDS) for _ in children]
        for child in children:
            child.join()
    for part in parts:
        if isinstance(part, Exception):
            raise part
    return summarise(parts, point)


def summarise(parts, point):
    """Rates of processes add up, and their times are one sample."""
    times = sorted(1000 * value for part in parts for value in part["times"])
    cores = sum(part["cores"] for part in parts)
    everyone = sum(part["everyone"] for part in parts) / len(parts)

    def percentile(q):
        return round(times[max(0, int(np.ceil(q * len(times))) - 1)], 2) if times else None

    fields = {
        "streams": round(sum(part["streams"] for part in parts), 2),
        "latency": {
            "count": len(times),
            **{f"p{100 * q:.0f}_ms": percentile(q) for q in (0.5, 0.95, 0.99)},
            "max_ms": percentile(1.0),
        },
        "cores": round(cores, 3),
        "foreign_cores": round(max(0.0, everyone - cores), 3),
        "details": {"seconds": round(max(part["wall"] for part in parts), 2)},
    }
    if "count" in point:
        overrun = any(part["overrun"] for part in parts)
        late = fields["latency"]["p95_ms"] is None or fields["latency"]["p95_ms"] >= point["chunk_ms"]
        fields |= {"streams": point["count"], "carried": not (overrun or late)}
        fields["details"]["overrun"] = overrun
    return fields


def _child(load, make, point, rank, barrier, answers):
    try:
        answers.put(load(make, point, rank, barrier.wait))
    except Exception as error:
        barrier.abort()
        answers.put(RuntimeError(f"{type(error).__name__}: {error}"))
