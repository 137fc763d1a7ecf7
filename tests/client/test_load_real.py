"""`wavelane load` against a real server."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane_client.load.plan import Plan
from wavelane_client.load.run import Run
from wavelane_server.cli.load import command

MANIFEST = "tests/data/speech/manifest.jsonl"
LEMON = Path("tests/data/speech/libri_lemon.opus").resolve()


def run(*arguments: str):
    return CliRunner().invoke(command, list(arguments))


@pytest.mark.parametrize(("transport", "seconds"), [("websocket", 7), ("grpc", 3)])
def test_four_sessions_for_a_few_seconds(server, tmp_path, transport, seconds):
    target = ("--url", server.ws) if transport == "websocket" else ("--grpc", "--url", f"grpc://{server.grpc}")
    manifest = tmp_path / "short.jsonl"
    manifest.write_text(json.dumps({"audio_filepath": str(LEMON), "text": "lemon juice may be added at pleasure"}))
    result = run(
        *target,
        *("--manifest", str(manifest), "--sessions", "4", "--ramp", "0.4", "--duration", str(seconds)),
        *("--server-pid", str(server.process.pid), "--lookahead", "0", "--vad", "off", "--processes", "2"),
        *("--json", str(tmp_path / "out.json"), "--png", str(tmp_path / "out.png")),
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["plan"]["options"] == {"lookahead": 0, "vad": {"kind": "off"}}
    assert report["audio_seconds_per_second"] == pytest.approx(4, rel=0.35)
    assert report["sessions_sending_mean"] == pytest.approx(4, rel=0.35)
    assert report["sessions_finished"] >= 2
    if transport == "websocket":  # long enough for sessions that are heard from their start to their end
        assert report["accuracy"]["wer"] > 0
        assert report["accuracy"]["words"] == 7 * report["accuracy"]["sessions"] > 0
    assert report["final"]["count"] == report["sessions_finished"]
    assert 0 < report["final"]["p50_ms"] < 5000
    assert report["partial_lag"]["count"] > 5
    assert 0 < report["first_partial"]["p50_ms"] < 5000
    assert (report["errors"], report["refused"]) == ({}, {})
    assert 0 < report["generator"]["cores"] < 1
    assert report["server"]["cores"] > 0
    assert report["server"]["rss_mb"] > 50
    shares = report["final_shares"]
    if transport == "grpc":  # the metrics have another port
        assert (shares, report["steps_per_audio_second"]) == (None, None)
    else:
        assert list(shares) == ["edge", "wait", "step", "delivery", "outside"]
        assert shares["step"]["count"] > 0
        assert 0 < shares["step"]["p50_ms"] <= shares["step"]["p95_ms"]
        # A step each 80 ms, and one more at the end of a session.
        assert 10 < report["steps_per_audio_second"] < 15
        assert "wait for a step" in result.output
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert "end of audio to final" in result.output


async def test_a_hopeless_run_ends_at_once(server):
    asked = 0

    def second_time(_result):
        nonlocal asked
        asked += 1
        return asked == 2

    run = Run(Plan(url=server.ws, manifest=MANIFEST, sessions=2, duration=600.0, processes=2), hopeless=second_time)
    async with asyncio.timeout(60):
        assert (await run.run()).given_up
    assert asked == 2


def test_a_worker_whose_owner_is_gone_ends_quietly():
    plan = Plan(url="ws://127.0.0.1:1", manifest=MANIFEST, sessions=1, duration=30.0)
    worker = subprocess.Popen(
        [sys.executable, "-m", "wavelane_client.load.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(json.dumps(plan.to_json()) + "\n")
    worker.stdin.flush()
    assert json.loads(worker.stdout.readline())["type"] == "ready"
    worker.stdout.close()
    worker.stdin.write(f"{time.monotonic()!r}\n")
    worker.stdin.close()
    assert worker.wait(timeout=30) == 1
    assert worker.stderr is not None
    assert worker.stderr.read() == ""
    worker.stderr.close()


def test_a_conversation_is_measured(server, tmp_path):
    result = run(
        *("--url", server.ws, "--manifest", MANIFEST, "--sessions", "2", "--ramp", "0", "--duration", "4"),
        *("--conversation", "--json", str(tmp_path / "out.json")),
    )
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "out.json").read_text())
    assert (report["plan"]["speech_share"], report["plan"]["session_seconds"]) == (0.4, 60.0)
    # A step each 0.56 s at most, but for those at the ends of streams.
    assert 0 <= report["steps_per_audio_second"] < 2.5
    assert "steps for each second of audio" in result.output


def test_errors_of_sessions_are_counted_and_shown(server, tmp_path):
    result = run(
        *("--url", server.ws, "--sessions", "2", "--ramp", "0", "--duration", "0.5", "--lookahead", "5"),
        *("--json", str(tmp_path / "out.json")),
    )
    assert result.exit_code == 1
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["errors"]["invalid_config"] >= 2
    assert any("lookahead" in message for message in report["messages_of_errors"])


def test_the_search_reports_its_stages(server, tmp_path):
    result = run(
        *("--url", server.ws, "--manifest", MANIFEST, "--sessions", "1", "--limit", "1", "--find-max"),
        *("--bound-ms", "20000", "--ramp", "0", "--duration", "3", "--json", str(tmp_path / "out.json")),
    )
    assert result.exit_code == 0, result.output
    assert "The server carries 1 sessions, the --limit." in result.output
    search = json.loads((tmp_path / "out.json").read_text())["search"]
    assert (search["sessions"], search["limited"], len(search["stages"])) == (1, True, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--url", "ws://127.0.0.1:9"), 2, "no server at ws://127.0.0.1:9/v1/stream"),
        (("--grpc", "--url", "ws://x"), 2, "grpc://HOST:PORT"),
    ],
)
def test_nothing_to_load(arguments, code, message):
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr


def test_a_file_that_does_not_decode(server, tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"nothing")
    result = run("--url", server.ws, str(tmp_path / "bad.wav"))
    assert result.exit_code == 1
    assert "bad.wav is no audio file" in result.stderr


def test_a_process_to_watch_that_is_not_there(server):
    result = run("--url", server.ws, "--server-pid", "999999999")
    assert result.exit_code == 1
    assert "there is no process 999999999 to watch" in result.stderr
