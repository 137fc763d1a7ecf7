"""`wavelane figures --quick` and the demo as users start it, whole."""

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


def test_quick_figures(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "wavelane_server", "figures", "--quick", "--json", str(tmp_path / "f.json")],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / "f.json").read_text())
    assert 0 < figures["seconds_to_ready"] < 60
    assert figures["memory"]["server_mb"] > 50
    assert [entry["lookahead"] for entry in figures["lookaheads"]] == [6, 0]
    for entry in figures["lookaheads"]:
        assert entry["streams"] >= 1
        assert all(load["loop_delay_p99_ms"] > 0 for load in entry["loads"])
    assert "| real-time streams sustained, lookahead 6 " in result.stdout


def test_the_demo_as_make_starts_it():
    result = subprocess.run(
        [sys.executable, "-m", "wavelane_server", "demo", "--once"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    finals = [line for line in result.stdout.splitlines() if line.startswith("[00:")]
    assert len(finals) >= 8
    assert {"right", "down", "zero", "seven"} <= set(" ".join(finals).split())
