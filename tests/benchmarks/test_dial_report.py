"""What the benchmark of the dial makes of its runs."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from dial import Lookaheads, Mode, draw, main, table

from wavelane_client.load.server_metrics import Scrape


def point(streams: int, carried: bool = True, p95: float | None = 90.0, **values: Any) -> dict[str, Any]:
    return {
        "streams": streams,
        "carried": carried,
        "reason": "",
        "generator_late": False,
        "final": {"count": 9, "p50_ms": 20.0, "p95_ms": p95, "p99_ms": p95, "max_ms": p95},
        "partial_lag": {"count": 9, "p50_ms": 20.0, "p95_ms": 30.0, "p99_ms": 40.0, "max_ms": 50.0},
        "wer": 0.25,
        "words": 100,
        "refused": 0,
        "mean_lookahead": 0.0,
        **values,
    }


REPORT = {
    "schema": "wavelane-dial/1",
    "model": "m",
    "bound_ms": 300.0,
    "modes": [
        {"mode": "0", "streams": 40, "points": [point(40), point(64, carried=False, p95=900.0)]},
        {"mode": "6", "streams": 120, "points": [point(120, mean_lookahead=6.0, wer=None)]},
        {"mode": "13", "streams": 0, "points": [point(32, carried=False, p95=None)]},
        {"mode": "auto", "streams": 110, "points": [point(110, mean_lookahead=4.2)]},
    ],
}


def test_gain_and_cost_are_those_at_the_most_streams_carried() -> None:
    rows = table(REPORT).splitlines()[2:]
    assert rows[0] == "| 0 | 40 | 1.00× | 0.0 | 20.0 / 90.0 | 30.0 | 25.0% |"
    assert rows[1] == "| 6 | 120 | 3.00× | 6.0 | 20.0 / 90.0 | 30.0 |  |"
    assert rows[2] == "| 13 | 0 | | | | | |"
    assert rows[3].startswith("| auto | 110 | 2.75× | 4.2 |")


def test_the_picture_is_drawn(tmp_path: Path) -> None:
    draw(REPORT, tmp_path / "dial.png")
    assert (tmp_path / "dial.png").read_bytes().startswith(b"\x89PNG")


def test_the_mean_lookahead_counts_lanes() -> None:
    seen = Lookaheads()
    assert seen.mean is None
    text = 'wavelane_lookahead_lanes{lookahead="0"} 3.0\nwavelane_lookahead_lanes{lookahead="13"} 1.0\n'
    seen.take(
        Scrape.parse("# TYPE wavelane_lookahead_lanes gauge\n" + text).by_label("wavelane_lookahead_lanes", "lookahead")
    )
    seen.take({})
    assert seen.mean == 3.25


def test_only_auto_lets_the_server_measure_itself() -> None:
    assert Mode.fixed(6).options == {"lookahead": 6}
    assert Mode.fixed(6).arguments[-1] == "off"
    assert Mode.auto(0, 13).options == {"lookahead": "auto", "lookahead_min": 0, "lookahead_max": 13}
    assert Mode.auto(0, 13).arguments[-1] == "measure"


@pytest.mark.parametrize("value", ["6;13", "all"])
def test_lookaheads_are_a_list_of_numbers(value: str) -> None:
    result = CliRunner().invoke(main, ["--lookaheads", value])
    assert result.exit_code == 2
    assert "is no list of numbers like 0,1,6,13" in result.output
