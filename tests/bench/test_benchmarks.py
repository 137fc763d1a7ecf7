"""``benchmarks/``: the loads that peers are measured under, their processes, and the comparison."""

import importlib
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from wavelane.errors import WavelaneError
from wavelane.measure import Point

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
FAKE = """
import time


class Fake:
    # 0.56 s: no hiccup of a machine looks like an engine that is overrun.
    chunk = 8960

    def __init__(self, rows, seconds):
        self.rows, self.seconds, self.began = rows, seconds, []

    def begin(self, row):
        self.began.append(row)

    def step(self, rows, audio):
        assert len(rows) == len(audio) == len(set(rows))
        assert all(len(samples) == self.chunk for samples in audio)
        time.sleep(self.seconds)


def make(point, rows):
    if point["precision"] == "broken":
        raise RuntimeError("no such precision")
    return Fake(rows, float(point["precision"]))


def version():
    print("a library that talks")
    return "fake 1"
"""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of the benchmarks."""

    def imported(name: str) -> ModuleType:
        monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        return importlib.import_module(name)

    return imported


@pytest.fixture
def point(tmp_path: Path) -> dict[str, Any]:
    np.save(tmp_path / "audio.npy", np.zeros((2, 16_000), np.float32))
    return {
        "audio": str(tmp_path / "audio.npy"),
        "precision": "0.02",
        "processes": 1,
        "threads": 1,
        "batch": 4,
        "seconds": 0.4,
        "warm_up": 0.1,
        "chunk_ms": 5000.0,
    }


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "fake_peer.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("fake_peer", None)
    return importlib.import_module("fake_peer")


def test_saturated(load: Any, fake: ModuleType, point: dict[str, Any]) -> None:
    harness = load("harness")
    found = harness.run(harness.saturated, fake.make, point)
    # 4 rows of 0.56 s in 20 ms and a little.
    assert 0 < found["streams"] <= 4 * 0.56 / 0.02
    assert found["latency"]["p50_ms"] >= 20
    assert found["latency"]["count"] <= 0.4 / 0.02 + 1
    assert found["cores"] < 0.9


def test_paced(load: Any, fake: ModuleType, point: dict[str, Any]) -> None:
    harness = load("harness")
    found = harness.run(harness.paced, fake.make, point | {"count": 3, "seconds": 1.2})
    assert found["carried"] is True
    assert found["streams"] == 3
    # 2 or 3 chunks of each of 3 rows are due within 1.2 s.
    assert 6 <= found["latency"]["count"] <= 9
    assert found["latency"]["p50_ms"] >= 20


def test_what_is_overrun_is_not_carried(load: Any, fake: ModuleType, point: dict[str, Any]) -> None:
    harness = load("harness")
    # Steps of one row in 0.3 s: 10 rows have 10 chunks in 0.56 s.
    found = harness.run(harness.paced, fake.make, point | {"count": 10, "batch": 1, "precision": "0.3", "seconds": 9})
    assert found["carried"] is False
    assert found["details"]["overrun"]


def test_streams_begin_anew_and_at_different_places(load: Any, fake: ModuleType, point: dict[str, Any]) -> None:
    engine = fake.Fake(2, 0)
    engine.chunk = 2_560
    audio = np.arange(32_000, dtype=np.float32).reshape(2, 16_000)
    np.save(point["audio"], audio)
    streams = load("harness").Streams(point["audio"], engine, 1)
    first = [streams.next(row)[0] for row in (0, 1)]
    # Row 0 hears the second stream from its beginning, row 1 the first one from its middle (of 6.25 chunks).
    assert first == [16_000, 7_680]
    assert [streams.next(1)[0] for _ in range(3)] == [10_240, 12_800, 0]
    assert engine.began == [0, 1, 1]


def worker(load: Any, tmp_path: Path) -> Any:
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    return load("peer_workers").Worker("fake", Path(sys.executable), environment, tmp_path / "fake.log")


def subject(load: Any, point: dict[str, Any]) -> Any:
    return load("peer_workers").Subject(
        name="m", nemo=Path("m.nemo"), export=None, lookahead=6, chunk_ms=5000.0, audio=Path(point["audio"])
    )


def test_a_peer_in_a_process_of_its_own(load: Any, fake: ModuleType, point: dict[str, Any], tmp_path: Path) -> None:
    setup = load("peer_workers").Setup(peer="nemo", precision="0.01", processes=2, threads=1, batch=2)
    peer = worker(load, tmp_path)
    try:
        measured = peer.measure(setup, subject(load, point), 0.3, 0.1)
        with pytest.raises(WavelaneError, match="no such precision"):
            peer.measure(replace(setup, precision="broken"), subject(load, point), 0.3, 0.1)
        with pytest.raises(WavelaneError, match="no such precision"):
            peer.measure(replace(setup, precision="broken", processes=1), subject(load, point), 0.3, 0.1)
        live = peer.measure(replace(setup, processes=1), subject(load, point), 1.2, 0.1, count=2)
    finally:
        peer.close()
    assert (measured.engine, measured.batch, measured.processes, measured.kind) == ("fake 1", 2, 2, "saturated")
    # Two processes with 2 rows of 0.56 s in 10 ms and a little.
    assert 0 < measured.streams <= 224
    assert (live.kind, live.streams, live.carried, live.batch) == ("paced", 2, True, None)
    assert "a library that talks" in (tmp_path / "fake.log").read_text()
    assert Point.from_json(measured.to_json()) == measured


def test_a_peer_that_ends_is_an_error(load: Any, tmp_path: Path) -> None:
    begin = time.monotonic()
    with pytest.raises(WavelaneError, match=r"ended without an answer; what it printed is in .*fake\.log"):
        worker(load, tmp_path)
    assert time.monotonic() - begin < 30
    assert "fake_peer" in (tmp_path / "fake.log").read_text()


OURS = Point(
    kind="saturated",
    engine="wavelane 1",
    model="m",
    precision="int8",
    lookahead=1,
    chunk_ms=160.0,
    batch=32,
    threads=2,
    streams=100.0,
    latency={"p50_ms": 50.0, "p95_ms": 70.0},
)


def test_ratios(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    run = load("run")
    quick = replace(OURS, batch=8, streams=60.0, latency={"p95_ms": 30.0})
    many = replace(OURS, engine="sherpa", processes=2, threads=1, streams=40.0, latency={"p95_ms": 35.0})
    one = replace(OURS, engine="sherpa", streams=25.0, latency={"p95_ms": 90.0})
    live = replace(OURS, kind="paced", carried=True, streams=80.0)
    late = replace(OURS, kind="paced", carried=False, streams=90.0)
    their_live = replace(live, engine="sherpa", streams=20.0)
    (row,) = run.ratios([OURS, quick, many, one, live, late, their_live])
    assert dict(zip(run.HEADINGS, row, strict=True))["model and chunk"] == "m, 0.16 s"
    # Against the best; against the best of one process; with no more latency than the best; live streams.
    assert [cell for cell in row if cell.startswith("**")] == ["**2.50**", "**4.00**", "**1.50**", "**4.00**"]
    assert row[6].startswith("60.0 (int8")
    (alone,) = run.ratios([OURS])
    assert alone[2:6] == ["–"] * 4


def test_peers_of_a_part(load: Any) -> None:
    run, setups = load("run"), load("peer_workers").setups

    def measured(part: Any, quick: bool) -> set[tuple[str, str, int, int]]:
        return {(s.peer, s.precision, s.processes, s.batch) for s in setups(4, quick) if run.fits(s, part)}

    assert measured(run.QUICK[0], True) == {("sherpa", "int8", 4, 8), ("sherpa", "int8", 1, 8), ("nemo", "bf16", 1, 32)}
    assert {("sherpa", "fp32", 4, 8), ("nemo", "fp32", 1, 32)} <= measured(run.FULL[0], False)
    assert measured(run.FULL[2], False) == {("nemo", "bf16", 1, 8)}
    # All cores are used in each.
    assert {s.processes * s.threads for s in setups(4, False)} == {4}


def test_parts_of_a_run(load: Any) -> None:
    run = load("run")
    assert run.chosen(run.FULL, None, None) == list(run.FULL)
    (part,) = run.chosen(run.FULL, ["shape:large"], [1, 5])
    assert (part.model, part.lookaheads) == ("shape:large", (1,))
    with pytest.raises(WavelaneError, match="no such models and lookaheads, but embedded: 6, 1"):
        run.chosen(run.QUICK, ["shape:large"], None)


def test_peers_that_are_searched_in_real_time(load: Any) -> None:
    setup = load("peer_workers").Setup
    one = setup(peer="nemo", precision="bf16", processes=1, threads=2, batch=8)
    two = replace(one, processes=2, threads=1)
    strongest = load("run").strongest
    assert strongest([(one, OURS), (two, replace(OURS, streams=200.0))]) == [
        (two, replace(OURS, streams=200.0)),
        (one, OURS),
    ]
    assert strongest([(one, OURS), (two, replace(OURS, streams=50.0))]) == [(one, OURS)]
