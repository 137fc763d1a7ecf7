"""``wavelane bench``: options, and a whole small run."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane.engine import EngineConfig
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.native.library import missing
from wavelane_client.load.points import read_points
from wavelane_server.benchmark import Bench, Settings, audio, precisions
from wavelane_server.cli import wavelane


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--lookahead", "6"], "No such option"),
        (["--lookaheads", "six"], "'six' is no list of whole numbers"),
        (["--lookaheads", "-1"], "-1 is too small: the least is 0"),
        (["--batches", "0"], "0 is too small: the least is 1"),
        (["--seconds", "0"], "is not in the range"),
        (["--engine", "workers"], "is not NAME=VALUE"),
        (["--manifest", "nowhere.jsonl"], "does not exist"),
        (["extra"], "unexpected extra argument"),
    ],
)
def test_wrong_options_are_refused(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(wavelane, ["bench", *arguments])
    assert result.exit_code == 2
    assert sentence in result.output


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (Settings(model="shape:tiny", precisions=("fp7",)), "fp7|precision"),
        (Settings(model="shape:tiny", engine={"warp": "9"}), "warp"),
        (Settings(model="shape:tiny", lookaheads=(6, 5)), "has no lookahead 5; choose from 13, 6, 3, 1, 0"),
        (Settings(model="shape:huge"), "There is no shape 'huge'"),
        (Settings(model="/no/such/model"), "there is no model"),
    ],
)
def test_what_the_engine_or_the_model_does_not_have_is_refused(settings: Settings, sentence: str) -> None:
    with pytest.raises(WavelaneError, match=sentence) as caught:
        Bench(settings, [], print)
    assert caught.value.code in (ErrorCode.INVALID_CONFIG, ErrorCode.MODEL_NOT_FOUND)


def test_audio_is_the_bundled_recording() -> None:
    streams = audio(None)
    assert {len(stream) for stream in streams} == {30 * 16_000}
    assert 0.01 < abs(streams[0]).mean() < 0.5


def test_a_whole_run(tmp_path: Path) -> None:
    interval = sys.getswitchinterval()
    arguments = [
        "bench",
        "--model",
        "shape:tiny",
        "--lookaheads",
        "1",
        "--precisions",
        "fp32",
        "--batches",
        "2",
        "--seconds",
        "0.2",
    ]
    arguments += ["--engine", "workers=1", "--engine", "threads=1"]
    arguments += ["--json", str(tmp_path / "r.json"), "--png", str(tmp_path / "r.png")]
    try:
        result = CliRunner().invoke(wavelane, arguments)
    finally:
        sys.setswitchinterval(interval)
    assert result.exit_code == 0, result.output
    assert "shape:tiny, chunks of 0.16 s, lookahead 1" in result.output
    saturated, *paced = read_points(tmp_path / "r.json")
    assert (saturated.kind, saturated.batch, saturated.threads) == ("saturated", 2, 1)
    assert saturated.details["gops"] > 0
    assert saturated.details["share"] == pytest.approx(
        saturated.details["gops"] / json.loads((tmp_path / "r.json").read_text())["limits"]["fp32"]["model_all"],
        abs=1e-4,
    )
    assert paced[0].streams == 1, "how long a single stream waits"
    assert len(paced) > 1
    assert {point.kind for point in paced} == {"paced"}
    assert (tmp_path / "r.png").stat().st_size > 1000


def test_every_precision_of_the_engine() -> None:
    assert precisions(EngineConfig(device="cpu", backend="torch")) == ("fp32", "bf16")
    native = precisions(EngineConfig(device="cpu"))
    assert ("int8" in native) == (missing() is None)
