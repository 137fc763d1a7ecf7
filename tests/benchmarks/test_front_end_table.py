from pathlib import Path

import front_end
import numpy as np
import pytest
from front_end import ALL, EDGES, LEVELS, ROBUSTNESS, Recording, Trial, count, table

from wavelane.session.options import parse_options
from wavelane_client.evaluate.conditions import Studio, parse_condition

RECORDINGS = [
    Recording("a", "digits", "go left now", b""),
    Recording("b", "digits", "stop", b""),
    Recording("c", "talk", "Good morning, all.", b""),
]


def test_errors_are_counted_by_corpus_and_at_both_ends() -> None:
    errors = count(RECORDINGS, ["left now", "stop", "good morning"])
    assert list(errors) == [ALL, "digits", "talk"]
    assert (errors[ALL].first, errors[ALL].last, errors[ALL].counts.deletions) == (1, 1, 2)
    assert (errors["digits"].first, errors["digits"].last) == (1, 0)


def test_a_row_says_what_was_measured() -> None:
    trial = Trial("snr:10", {"vad": {"kind": "off"}, "audio": {"remove_dc": False}})
    text = table([(trial, count(RECORDINGS, ["left now", "stop", "good morning"]))])
    assert text.splitlines()[-1] == (
        "| snr:10, vad.kind=off, audio.remove_dc=false | 28.6 | 25.0 | 33.3 | 0 | 2 | 0 | 1 | 1 |"
    )


@pytest.mark.parametrize("trial", [*EDGES, *LEVELS, *ROBUSTNESS], ids=lambda trial: trial.name)
def test_every_trial_can_be_measured(trial: Trial) -> None:
    parse_condition(trial.condition)
    parse_options(trial.options)


def test_an_offset_clips_nothing() -> None:
    bench = object.__new__(front_end.Bench)
    bench._studio = Studio()
    loud = np.full(1_600, 32_767, "<i2").tobytes()
    sent = bench._sent(Recording("a", "", "", loud), Trial(offset=0.3))
    assert np.frombuffer(sent.data, "<i2").max() == round(32_767 / 2 + 0.3 * 32_768)


def test_the_recordings_of_the_repository_are_heard(tmp_path: Path) -> None:
    from click.testing import CliRunner

    manifest = Path(__file__).parents[1] / "data" / "speech" / "manifest.jsonl"
    out = tmp_path / "tables.md"
    few = {"edges": EDGES[:1]}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(front_end, "SUITES", few)
        result = CliRunner().invoke(front_end.main, [str(manifest), "--suite", "edges", "--out", str(out)])
    assert result.exit_code == 0, result.output
    row = out.read_text().splitlines()[-2]
    assert row.startswith("| clean, vad.kind=off, audio.lead_ms=0, audio.tail_ms=0 |")
    assert float(row.split("|")[2]) < 90
