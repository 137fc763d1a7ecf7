import json
from pathlib import Path

import pytest

from wavelane.errors import WavelaneError
from wavelane_client.evaluate.compare import compare_runs
from wavelane_client.evaluate.page import make_page
from wavelane_client.evaluate.report import (
    make_report,
    read_report,
    read_transcripts,
    score_transcripts,
    write_report,
)
from wavelane_client.evaluate.row import Heard, HeardWord, Row, make_row
from wavelane_client.evaluate.text import normaliser
from wavelane_client.manifest import Entry

SAID = {"a": "turn the light on", "b": "two cups of tea & honey", "c": "stop"}


def run(heard: dict[str, str], *, lookahead: int | None = 6, condition: str = "clean") -> list[Row]:
    return [
        make_row(
            Entry(name=name, path=Path("x"), text=SAID[name], corpus="set"),
            condition,
            lookahead,
            2.0,
            Heard(text=text, words=(HeardWord(text="turn", start=0.0, end=0.4, confidence=0.9),)),
            normaliser("basic"),
        )
        for name, text in heard.items()
    ]


WELL = {"a": "turn the light on", "b": "two cups of tea and honey", "c": "stop"}
BADLY = {"a": "turn light off", "b": "to cups of tea", "c": "stop"}


def test_a_report_reads_back_as_it_was(tmp_path):
    rows = run(BADLY)
    report = make_report("ours", rows, "basic", ["light"], manifests=["m"])
    write_report(report, tmp_path / "r.json")
    read = read_report(tmp_path / "r.json")
    assert (read.name, read.normaliser, list(read.rows)) == ("ours", "basic", rows)
    group = read.values["groups"][0]
    assert (group["words"], group["wer"]["value"]) == (10, 0.4)
    assert (group["substitutions"], group["deletions"], group["insertions"], group["perfect"]) == (2, 2, 0, 1)
    assert group["keywords"]["recall"] == 1.0


@pytest.mark.parametrize("content", ["", "{}", '{"format": "other"}', '{"format": "wavelane-eval/1"}'])
def test_what_is_no_report_is_refused(tmp_path, content):
    (tmp_path / "r.json").write_text(content)
    with pytest.raises(WavelaneError, match="is no report"):
        read_report(tmp_path / "r.json")


def saved(tmp_path, rows: list[Row], normaliser_name: str = "basic"):
    write_report(make_report("before", rows, normaliser_name), tmp_path / "other.json")
    return read_report(tmp_path / "other.json")


def test_two_runs_are_compared_recording_by_recording(tmp_path):
    compared = compare_runs(run(WELL), "basic", saved(tmp_path, run(BADLY)))
    (group,) = compared["groups"]
    assert (group["utterances"], group["wer"], group["other_wer"]) == (3, 0.1, 0.4)
    assert group["change"]["value"] == pytest.approx(-0.3)
    assert [change["name"] for change in compared["better"]] == ["a", "b"]
    assert compared["worse"] == []
    turned = compare_runs(run(BADLY), "basic", saved(tmp_path, run(WELL)))
    assert [change["name"] for change in turned["worse"]] == ["a", "b"]
    assert turned["better"] == []


def test_another_recogniser_is_compared_with_every_lookahead(tmp_path):
    rows = [*run(WELL, lookahead=6), *run(BADLY, lookahead=0)]
    compared = compare_runs(rows, "basic", saved(tmp_path, run(BADLY, lookahead=None)))
    assert [group["lookahead"] for group in compared["groups"]] == [6, 0]
    assert compared["groups"][1]["change"]["value"] == 0


def test_runs_that_cannot_be_compared_are_refused(tmp_path):
    other = saved(tmp_path, run(BADLY))
    with pytest.raises(WavelaneError, match="give both the same"):
        compare_runs(run(WELL), "whisper", other)
    with pytest.raises(WavelaneError, match="no recording in common"):
        compare_runs(run(WELL, condition="mulaw"), "basic", other)


def test_transcripts_of_another_recogniser_are_scored(tmp_path):
    path = tmp_path / "t.jsonl"
    lines = [{"audio_filepath": "a", "text": "turn a light on", "words": [{"word": "turn", "start": 0, "end": 0.2}]}]
    path.write_text("\n".join(map(json.dumps, lines)))
    entries = [(Entry(name=name, path=Path("x"), text=text), 1.0) for name, text in SAID.items()]
    rows = score_transcripts(entries, read_transcripts(path), "clean", "basic")
    assert [row.error is None for row in rows] == [True, False, False]
    assert rows[0].counts is not None
    assert rows[0].counts.errors == 1
    assert rows[0].words[0].right
    path.write_text('{"text": "no name"}')
    with pytest.raises(WavelaneError, match=r"t\.jsonl, line 1: every line is"):
        read_transcripts(path)


def test_the_page_stands_alone_and_escapes_what_it_shows(tmp_path):
    rows = run({**BADLY, "c": "<script>"})
    report = make_report("ours & theirs", rows, "none", ["light"])
    report["against"] = compare_runs(run(WELL), "basic", saved(tmp_path, run(BADLY)))
    page = make_page(report, rows)
    assert "<title>Recognition of ours &amp; theirs</title>" in page
    assert "<ins>&lt;script&gt;</ins>" in page or "<script>" not in page
    assert "<script" not in page
    assert "http" not in page
    assert "Got better" in page
    assert "turn <del>the</del> light <del>on</del> <ins>off</ins>" in page


def test_the_whisper_normaliser_makes_spellings_equal():
    normalise = normaliser("whisper")
    assert normalise("Um, I'm the colour-blind Mr. Smith") == normalise("i am the color blind mister smith")
    assert normalise("twenty one") == "21"
    assert normaliser("basic")("It's  ON, now!") == "it's on now"
    with pytest.raises(WavelaneError, match="there is no normaliser"):
        normaliser("loud")
