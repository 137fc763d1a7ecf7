import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from inprocess import RECORDINGS, InProcess, utterances
from long_session import Transcript, cycle, main, measure, packets
from toymodel import toy_model

from wavelane.engine import EngineConfig
from wavelane.errors import ErrorCode
from wavelane.events import Alternative, Event, Failed, Final, Word
from wavelane.session.options import parse_options

CYCLE = 16_000


def said(number: int, *, shift: int = 0, text: str = "go", confidence: float = 0.5) -> Final:
    """The final of cycle ``number``: one word at a quarter of it."""
    start = number * CYCLE + 4_000 + shift
    word = Word(text=text, start=start, end=start + 1_280, confidence=confidence)
    return Final(
        channel=0,
        utterance=number,
        alternatives=(Alternative(text=text, confidence=confidence, words=(word,)),),
        start=start,
        end=word.end,
        processed=number * CYCLE + 12_000,
        lag_ms=90,
        reason="silence",
    )


def followed(events: list[Event]) -> Transcript:
    transcript = Transcript(CYCLE)
    transcript.take(events)
    return transcript


def test_equal_cycles_are_equal():
    transcript = followed([said(number) for number in range(20)])
    assert transcript.finals == transcript.words == 20
    assert transcript.cycles == 20 - transcript.settle - 3  # the first is compared with, the last two may go on
    assert (transcript.different, transcript.worst_shift, transcript.worst_confidence) == (0, 0, 0.0)
    assert transcript.faults == []
    assert transcript.lag_ms == 90
    assert transcript.clock == 19 * CYCLE + 12_000


@pytest.mark.parametrize(
    ("change", "shift"),
    [({"shift": 1}, 1), ({"shift": -700}, 700), ({"text": "no"}, 0)],
)
def test_a_cycle_that_differs_is_seen(change: dict[str, object], shift: int):
    events: list[Event] = [said(number, **(change if number == 9 else {})) for number in range(20)]  # type: ignore[arg-type]
    transcript = followed(events)
    assert transcript.different == 1
    assert transcript.worst_shift == shift


def test_a_confidence_that_differs_is_told_apart():
    transcript = followed([said(number, confidence=0.625 if number == 9 else 0.5) for number in range(20)])
    assert (transcript.different, transcript.worst_confidence) == (0, 0.125)


def test_a_clock_that_drifts_by_one_sample_a_cycle_is_seen():
    transcript = followed([said(number, shift=number) for number in range(20)])
    assert transcript.different == transcript.cycles
    assert transcript.worst_shift == transcript.cycles


def test_what_cannot_be_is_a_fault():
    lost = [said(0), said(2)]
    assert followed(lost).faults == ["utterance 2 came as number 1"]
    back: list[Event] = [said(0), replace(said(1), processed=11_999)]
    assert followed(back).faults == ["processed went back from 12000 to 11999"]
    assert followed([Failed(code=ErrorCode.INTERNAL, message="broken", fatal=True)]).faults == ["broken"]


def test_a_cycle_is_a_whole_number_of_chunks_and_repeats_without_a_seam():
    speech = utterances([str(RECORDINGS)], 10, 0)
    audio = cycle(speech, 8_960)
    assert len(audio) % (2 * 8_960) == 0
    assert len(audio) >= sum(map(len, speech)) + 4 * 2 * 24_000
    sent = b"".join(packets(audio, 2 * len(audio) + 4_000))
    assert sent == audio + audio + audio[:4_000]


def test_a_report_has_a_line_for_each_period():
    config = EngineConfig(device="cpu", workers=1, threads=1)
    speech = utterances([str(RECORDINGS)], 10, 0)
    with InProcess(config, toy_model()) as serving:
        options = parse_options({"vad": {"kind": "webrtc"}})
        report = measure(serving, options, cycle(speech, 2_560), hours=0.05, period=60.0)
        assert serving.engine.stats.lanes == 0
    assert [line["audio_hours"] for line in report["periods"]] == [0.0167, 0.0333, 0.05]
    assert all(
        line["steps"] > 100 and line["step_ms_median"] > 0 < line["cpu_ms_per_step"] for line in report["periods"]
    )
    assert report["faults"] == []
    assert report["flat"]["memory"]
    assert report["finals"] > 20


def test_the_command_finds_cycles_of_the_embedded_model_equal(tmp_path: Path):
    path = tmp_path / "report.json"
    # The native library adds in another order where its cache has slid: what was guessed may be another word then.
    arguments = ["--hours", "0.0175", "--period", "31.5", "--engine", "backend=torch,threads=1", "--json", str(path)]
    recordings = [str(RECORDINGS.parent / name) for name in ("libri_egypt.opus", "commands.flac")]
    outcome = CliRunner().invoke(main, [*recordings, *arguments])
    report = json.loads(path.read_text())
    assert report["cycles_compared"] >= 1
    assert report["cycles_different"] == 0
    assert report["words"] > 40
    assert report["faults"] == []
    assert outcome.exit_code == (0 if all(report["flat"].values()) else 1)
