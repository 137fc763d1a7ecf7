"""`wavelane eval` against a real server."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane_server.cli.eval import command

MANIFEST = "tests/data/speech/manifest.jsonl"
COMMANDS = Path("tests/data/speech/commands.flac").resolve()


def run(*arguments: str, code: int = 0):
    result = CliRunner().invoke(command, list(arguments))
    assert result.exit_code == code, result.output
    return result


@pytest.fixture
def commands(tmp_path) -> str:
    """One recording whose words have times (aligned with pocketsphinx)."""
    times = {"go": (0.67, 1.08), "left": (2.06, 2.46), "five": (3.01, 3.45), "zero": (4.2, 4.67)}
    words = [{"word": word, "start": start, "end": end} for word, (start, end) in times.items()]
    line = {"audio_filepath": str(COMMANDS), "text": "go left five zero", "words": words, "corpus": "commands"}
    path = tmp_path / "commands.jsonl"
    path.write_text(json.dumps(line) + "\n")
    return str(path)


def test_recordings_under_conditions_and_lookaheads(server, tmp_path):
    out = tmp_path / "out.json"
    result = run(
        *(MANIFEST, "--url", server.ws, "--lookahead", "6", "--lookahead", "0", "--option", "vad.kind=off"),
        *("--condition", "clean", "--condition", "snr:0+mulaw", "--noise", "tests/data/speech/libri_egypt.opus"),
        *("--json", str(out), "--html", str(tmp_path / "out.html")),
    )
    report = json.loads(out.read_text())
    groups = {(group["condition"], group["lookahead"]): group for group in report["groups"]}
    assert list(groups) == [("clean", 6), ("snr:0+mulaw", 6), ("clean", 0), ("snr:0+mulaw", 0)]
    assert all((group["utterances"], group["words"], group["failed"]) == (4, 32, 0) for group in groups.values())
    for lookahead in (6, 0):
        assert groups["clean", lookahead]["wer"]["value"] < groups["snr:0+mulaw", lookahead]["wer"]["value"]
    assert report["model"]["name"] == "wavelane-en-small"
    assert report["config"]["vad"]["kind"] == "off"
    assert groups["clean", 6]["confidence"]["words"] > 10
    assert "latency" not in groups["clean", 6]
    assert "wavelane-en-small" in result.output
    assert "<table>" in (tmp_path / "out.html").read_text()

    again = run(
        *(MANIFEST, "--url", server.ws, "--lookahead", "6", "--option", "vad.kind=off"),
        *("--against", str(out), "--json", str(tmp_path / "again.json")),
    )
    (compared,) = json.loads((tmp_path / "again.json").read_text())["against"]["groups"]
    assert (compared["change"]["value"], compared["sure"], compared["utterances"]) == (0.0, False, 4)
    assert "the same recordings" in again.output


def test_latencies_in_real_time_through_grpc(server, commands, tmp_path):
    (tmp_path / "keywords").write_text("left\nfive\n")
    run(
        *(commands, "--grpc", "--url", f"grpc://{server.grpc}", "--realtime", "--lookahead", "1"),
        *("--keywords", str(tmp_path / "keywords"), "--json", str(tmp_path / "out.json"), "--normalizer", "basic"),
    )
    (group,) = json.loads((tmp_path / "out.json").read_text())["groups"]
    assert 0 < group["latency"]["word"]["p50_ms"] < 3_000
    assert group["latency"]["final"]["count"] == 1
    assert group["times"]["words"] >= 2
    assert group["times"]["start"]["median_ms"] < 500
    assert (group["keywords"]["said"], group["keywords"]["false"]) == (2, 0)


def test_a_server_of_its_own_with_load_beside(commands, tmp_path):
    run(
        *(commands, "--serve", "--max-sessions 8", "--lookahead", "6", "--beside", "2"),
        *("--json", str(tmp_path / "out.json")),
    )
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["groups"][0]["failed"] == 0
    assert (report["beside"]["sessions"], report["beside"]["errors"], report["beside"]["refused"]) == (2, {}, {})
    assert report["beside"]["audio_seconds"] > 1


def test_another_recogniser_needs_no_server(commands, tmp_path):
    (tmp_path / "other.jsonl").write_text(json.dumps({"audio_filepath": str(COMMANDS), "text": "go left five"}))
    run(
        *(commands, "--transcripts", str(tmp_path / "other.jsonl"), "--normalizer", "basic"),
        *("--json", str(tmp_path / "other.json")),
    )
    report = json.loads((tmp_path / "other.json").read_text())
    assert report["name"] == "other"
    assert report["groups"][0]["wer"]["value"] == 0.25
    assert report["groups"][0]["hours"] == pytest.approx(5.1 / 3600, abs=1e-4)
    (tmp_path / "other.jsonl").write_text("")
    result = run(commands, "--transcripts", str(tmp_path / "other.jsonl"), code=1)
    assert "1 of 1 failed" in result.output


def test_commands_understood_by_a_grammar_in_a_file(server, tmp_path):
    grammar = (
        "#JSGF V1.0; grammar moves; public <move> = (go <way> {way} five zero) {intent:move}; <way> = left | right;"
    )
    (tmp_path / "moves.jsgf").write_text(grammar)
    line = {"audio_filepath": str(COMMANDS), "text": None, "intent": "move"}
    lines = [line | {"slots": {"way": way}} for way in ("left", "right")]
    (tmp_path / "m.jsonl").write_text("\n".join(map(json.dumps, lines)))
    run(
        *(str(tmp_path / "m.jsonl"), "--url", server.ws, "--json", str(tmp_path / "out.json")),
        *("--option", f"grammar=@{tmp_path / 'moves.jsgf'}", "--option", "vad.kind=off"),
        *("--option", "endpoint.silence_ms=3000"),
    )
    (group,) = json.loads((tmp_path / "out.json").read_text())["groups"]
    assert (group["intents"]["commands"], group["intents"]["intent"], group["intents"]["slots"]) == (2, 1.0, 0.5)
    assert group["intents"]["understood"]["value"] == 0.5


def test_no_server(commands):
    result = run(commands, "--url", "ws://127.0.0.1:9", code=2)
    assert "no server at" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--option", "vad.kin=off"], 1, "vad.kin: unknown option"),
        (["--option", "loud"], 2, "is not NAME=VALUE"),
        (["--option", "grammar=@missing.jsgf"], 2, "cannot read missing.jsgf"),
        (["--option", "lookahead=3"], 2, "give the lookahead as --lookahead"),
        (["--option", "vad=off", "--option", "vad.kind=off"], 2, "beside a value of vad"),
        (["--condition", "echo"], 1, "is no condition"),
        (["--condition", "snr:5"], 1, "needs --noise"),
        (["--corpus", "none"], 1, "no recording is of the set 'none'; there are commands"),
        (["--serve", ""], 2, "either --url of a running server, or --serve"),
        (["--grpc"], 2, "--grpc needs an address"),
        (["--transcripts", MANIFEST], 2, "--transcripts asks no server"),
    ],
)
def test_what_cannot_be_done_is_said(server, commands, arguments, code, message):
    assert message in run(commands, "--url", server.ws, *arguments, code=code).output
