"""Corrections of words: fitted to made-up words whose errors are known, and by the command to a real model."""

import json
import math
import random
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane.model.checkpoint.native import read_native_config, write_words
from wavelane.model.embedded import embedded_path
from wavelane.spec import WordTuning
from wavelane_client.evaluate.calibrate import fit, half_of
from wavelane_client.evaluate.row import HeardWord, Row
from wavelane_server.cli.calibrate import command

OTHER = WordTuning(head="ctc", lookahead=1, end=(1.0, 2.0))
SPEECH = Path("tests/data/speech").resolve()


def row(words: list[HeardWord], *, speaker: str | None = None, name: str = "a") -> Row:
    return Row(
        name=name,
        corpus="set",
        speaker=speaker,
        condition="clean",
        lookahead=6,
        seconds=1.0,
        raw_reference=None,
        reference=None,
        raw_hypothesis="",
        hypothesis="",
        words=tuple(words),
        counts=None,
        characters=None,
    )


def late_words(rng: random.Random, *, alone: float, joined: float, end: float) -> list[HeardWord]:
    """Three words: the first after silence, the second right behind it, the third after a pause of 0.2 s."""
    words, at = [], 1.0
    for pause, late in ((1.0, alone), (0.0, joined), (0.2, (alone + joined) / 2)):
        start = at + pause
        stray = 3.0 if rng.random() < 0.1 else 0.0  # a word that was aligned to somewhere else
        words.append(
            HeardWord(
                text="a",
                start=start,
                end=start + 0.08,
                confidence=0.5,
                right=True,
                said_start=start - late - stray,
                said_end=start + 0.08 - end,
            )
        )
        at = start + 0.08
    return words


def test_the_line_is_found_though_some_words_are_far_off() -> None:
    rng = random.Random(1)
    rows = [row(late_words(rng, alone=0.35, joined=0.15, end=0.1)) for _ in range(100)]
    tuning = fit(rows, "ctc", 6)
    assert (tuning.head, tuning.lookahead) == ("ctc", 6)
    assert tuning.start[0] == pytest.approx(0.15 * 16_000, abs=30)
    assert tuning.start[0] + tuning.start[1] * WordTuning.REACH == pytest.approx(0.35 * 16_000, abs=30)
    assert tuning.end == pytest.approx((1_600, 0.0), abs=5)


def test_confidences_become_shares() -> None:
    """The recogniser says 0.9 for words of which 0.6 are right, and 0.5 for words of which 0.2 are."""
    words = [
        HeardWord(text="a", start=0, end=1, confidence=confidence, right=index < share * 200)
        for confidence, share in ((0.9, 0.6), (0.5, 0.2))
        for index in range(200)
    ]
    offset, factor = fit([row(words)], "ctc", 6).confidence
    for confidence, share in ((0.9, 0.6), (0.5, 0.2)):
        odds = offset + factor * math.log(confidence / (1 - confidence))
        assert 1 / (1 + math.exp(-odds)) == pytest.approx(share, abs=0.01)


def test_nothing_is_fitted_to_too_few_words() -> None:
    rows = [row(late_words(random.Random(1), alone=0.3, joined=0.3, end=0.1)) for _ in range(10)]
    assert fit(rows, "rnnt", 1) == WordTuning(head="rnnt", lookahead=1)
    assert fit(rows * 20, "rnnt", 1).confidence == (0.0, 1.0), "no word is wrong"


def test_all_of_a_speaker_are_in_one_half() -> None:
    halves = {half_of(row([], speaker="s", name=str(index))) for index in range(20)}
    assert len(halves) == 1
    assert {half_of(row([], name=str(index))) for index in range(20)} == {0, 1}


@pytest.fixture
def model(tmp_path) -> Path:
    """A copy of the embedded model, corrected at another lookahead only."""
    folder = tmp_path / "model"
    shutil.copytree(embedded_path(), folder)
    write_words(folder, [OTHER])
    return folder


def manifest(path: Path, copies: int) -> str:
    """The same few recordings by many speakers."""
    times = [("go", 0.67, 1.08), ("left", 2.06, 2.46), ("five", 3.01, 3.45), ("zero", 4.2, 4.67)]
    words = [{"word": word, "start": start, "end": end} for word, start, end in times]
    commands = {"audio_filepath": str(SPEECH / "commands.flac"), "text": "go left five zero", "words": words}
    egypt = {
        "audio_filepath": str(SPEECH / "libri_egypt.opus"),
        "text": "but the vatican received with open arms the messengers of egypt",
    }
    lines = [{**line, "speaker": str(number)} for number in range(copies) for line in (commands, egypt)]
    path.write_text("\n".join(map(json.dumps, lines)))
    return str(path)


def test_a_model_is_calibrated_and_served_with_it(model, tmp_path) -> None:
    lines = manifest(tmp_path / "m.jsonl", 24)
    arguments = [
        str(model),
        lines,
        "--lookahead",
        "6",
        "--serve",
        "--engine-head ctc",
        "--json",
        str(tmp_path / "o.json"),
    ]
    result = CliRunner().invoke(command, [*arguments, "--png", str(tmp_path / "o.png")])
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "o.json").read_text())
    assert report["fitted_to"] + report["measured_on"] == 48
    assert report["measured_on"] > 10
    (each,) = report["lookaheads"]
    assert each["after"]["times"]["start"]["median_ms"] < 80 < each["before"]["times"]["start"]["median_ms"]
    assert each["after"]["times"]["end"]["median_ms"] < 80
    # What it says of these recordings is about right without it: what is fitted may not make it worse. That it makes
    # wrong confidences right is test_confidences_become_shares.
    assert each["after"]["confidence"]["nce"] > each["before"]["confidence"]["nce"] - 0.01
    kept, tuning = read_native_config(model).words
    assert kept == OTHER
    assert (tuning.head, tuning.lookahead) == ("ctc", 6)
    assert list(tuning.start) == each["fitted"]["start"]
    assert (tmp_path / "o.png").read_bytes().startswith(b"\x89PNG")
    assert "Written to" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--lookahead", "5"], "has no lookahead 5"), ([], "one half of the speakers has no recordings")],
)
def test_what_cannot_be_fitted_is_said(model, tmp_path, arguments, message) -> None:
    (tmp_path / "m.jsonl").write_text(json.dumps({"audio_filepath": str(SPEECH / "commands.flac"), "text": None}))
    result = CliRunner().invoke(command, [str(model), str(tmp_path / "m.jsonl"), *arguments])
    assert (result.exit_code, message in result.output) == (1, True), result.output


def test_only_native_folders_can_be_written(tmp_path) -> None:
    lines = manifest(tmp_path / "m.jsonl", 1)
    result = CliRunner().invoke(command, [str(tmp_path), lines])
    assert result.exit_code == 1
    assert "no folder in the native format" in result.output
