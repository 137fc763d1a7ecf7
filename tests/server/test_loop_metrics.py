"""Metrics without a lock say what those of the library say."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from wavelane_server.loop_metrics import LoopCounter, LoopHistogram

BUCKETS = (0.005, 0.5, 1.0, 30.0)


def text(registry: CollectorRegistry) -> list[str]:
    return [line for line in generate_latest(registry).decode().splitlines() if "_created" not in line]


@given(st.lists(st.sampled_from(BUCKETS) | st.floats(0.0, 100.0)))
def test_they_are_those_of_the_library(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    counter, library = (
        LoopCounter("heard_seconds", "Heard.", registry=ours),
        Counter("heard_seconds", "Heard.", registry=theirs),
    )
    histograms = (
        LoopHistogram("lag_seconds", "Lag.", buckets=BUCKETS, registry=ours),
        Histogram("lag_seconds", "Lag.", buckets=BUCKETS, registry=theirs),
    )
    for value in values:
        counter.value += value
        library.inc(value)
        for histogram in histograms:
            histogram.observe(value)
    assert text(ours) == text(theirs)
