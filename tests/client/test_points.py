"""The report that all measurements share."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.measure import Point, best, summarise
from wavelane_client.load.points import (
    by_panel,
    cells,
    make_report,
    plot_capacity,
    points_markdown,
    print_points,
    read_points,
    write_report,
)

POINT = Point(
    kind="saturated",
    engine="wavelane 1",
    model="m",
    precision="int8",
    lookahead=6,
    chunk_ms=560.0,
    batch=8,
    threads=2,
    streams=123.4,
    latency=summarise([0.1, 0.2]),
    cores=1.98,
    foreign_cores=0.02,
    details={"share": 0.61},
)
PEER = replace(POINT, engine="peer 2", processes=2, threads=1, streams=60.0, foreign_cores=0.4, details={})
MACHINE = {"processor": "none"}


def test_what_is_in_time() -> None:
    assert POINT.in_time
    assert not replace(POINT, chunk_ms=160.0).in_time
    assert replace(POINT, chunk_ms=160.0, carried=True).in_time
    assert not replace(POINT, carried=False).in_time
    assert not replace(POINT, latency=summarise([])).in_time
    assert (POINT.disturbed, PEER.disturbed, replace(PEER, foreign_cores=None).disturbed) == (False, True, False)


def test_the_best_of_those_in_time() -> None:
    quick = replace(POINT, streams=50.0, latency=summarise([0.05]))
    late = replace(POINT, streams=500.0, latency=summarise([0.6]))
    assert best([quick, POINT, late]) == POINT
    assert best([quick, POINT, late], p95_ms=100.0) == quick
    assert best([late]) is None
    assert best([]) is None


def test_a_report_is_read_back(tmp_path: Path) -> None:
    write_report(make_report([POINT, PEER], MACHINE, limits={"fp32": 1}), tmp_path / "r.json")
    assert read_points(tmp_path / "r.json") == [POINT, PEER]
    data = json.loads((tmp_path / "r.json").read_text())
    assert (data["machine"], data["limits"]) == (MACHINE, {"fp32": 1})


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": "other"}', '{"format": "wavelane-report/1", "points": [{"kind": "x"}]}']
)
def test_what_is_no_report(tmp_path: Path, content: str) -> None:
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(WavelaneError) as caught:
        read_points(tmp_path / "r.json")
    assert caught.value.code is ErrorCode.INVALID_CONFIG
    with pytest.raises(WavelaneError):
        write_report({}, tmp_path / "missing" / "r.json")


def test_rows() -> None:
    assert cells(POINT) == [
        "wavelane 1", "int8", "saturated", "1 × 2", "8", "123", "100.0", "200.0", "200.0", "1.98", "61 %"
    ]  # fmt: skip
    assert cells(replace(PEER, chunk_ms=160.0))[3:6] == ["2 × 1", "8", "(60.0)"]
    assert cells(PEER)[-2:] == ["1.98 +0.4!", "–"]


def test_points_are_compared_with_their_like(tmp_path: Path) -> None:
    other = replace(POINT, lookahead=1, chunk_ms=160.0, streams=44.0)
    panels = by_panel([POINT, other, PEER])
    assert panels == {"m, chunks of 0.56 s, lookahead 6": [POINT, PEER], "m, chunks of 0.16 s, lookahead 1": [other]}
    text = points_markdown([POINT, other, PEER])
    assert text.count("| wavelane 1 |") == 2
    assert "| peer 2 | int8 | saturated | 2 × 1 | 8 | 60.0 |" in text
    console = Console(record=True, width=40, force_terminal=False)
    print_points(console, [POINT, PEER])
    # Nothing is cut off where there is no terminal to fit.
    shown = console.export_text()
    assert all(cell in shown for cell in cells(POINT) + cells(PEER))
    plot_capacity([POINT, other, PEER, replace(POINT, kind="load", chunk_ms=None)], tmp_path / "p.png", "title")
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(WavelaneError, match="cannot write"):
        plot_capacity([POINT], tmp_path / "missing" / "p.png")
