"""The shortest programs, as subprocesses: what they print is what the server hears."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.page import COMMANDS, decode, transcribe, write_wav
from support.server import Server

EXAMPLES = Path(__file__).parents[2] / "clients" / "examples"
SOUNDCARD = Path(__file__).parent / "soundcard"


def command(program: str, *arguments: str | Path) -> list[str | Path]:
    return [sys.executable, EXAMPLES / f"{program}.py", *arguments]


def address(server: Server, protocol: str) -> str:
    return server.ws if protocol == "native" else f"grpc://{server.grpc}"


@pytest.mark.parametrize("protocol", ["native", "grpc"])
def test_a_file(server: Server, protocol: str) -> None:
    program = command(f"stt_from_file_{protocol}", COMMANDS, address(server, protocol))
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.fullmatch(r"\[(\d+\.\d\d)-(\d+\.\d\d)\] (.+)", line) for line in done.stdout.splitlines()]
    assert " ".join(line[3] for line in lines).split() == transcribe(server.http, COMMANDS)
    times = [float(line[side]) for line in lines for side in (1, 2)]
    assert times == sorted(times)
    assert times[0] > 0
    assert times[-1] < 4.7


def test_what_went_wrong_is_one_sentence(server: Server, tmp_path: Path) -> None:
    nothing = tmp_path / "nothing.wav"
    nothing.write_bytes(b"no audio at all" * 100)
    for arguments, fault in (
        ([nothing, server.ws], "which is no WAV"),
        ([COMMANDS, "ws://127.0.0.1:9"], "no server at ws://127.0.0.1:9"),
        ([], "python clients/examples/stt_from_file_native.py talk.flac"),
    ):
        done = subprocess.run(command("stt_from_file_native", *arguments), capture_output=True, text=True, timeout=60)
        assert done.returncode == 1
        assert fault in done.stderr
        assert "Traceback" not in done.stderr


def test_the_microphone(server: Server, tmp_path: Path) -> None:
    go = write_wav(tmp_path / "go.wav", 0.2, decode(COMMANDS)[: round(1.2 * 16_000)], 0.2)
    said = transcribe(server.http, go)
    environment = {
        **os.environ,
        "MICROPHONE": str(go),
        "PYTHONPATH": os.pathsep.join([str(SOUNDCARD), str(Path(__file__).parents[1])]),
    }
    running = [
        subprocess.Popen(
            command(f"stt_from_mic_{protocol}", address(server, protocol)),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for protocol in ("native", "grpc")
    ]
    try:
        for process in running:
            assert process.stdout is not None
            *partials, final = process.stdout.readline().decode().split("\r\x1b[K")
            assert final.split() == said
            assert "".join(partials)  # each over the one before
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors) == (0, b"")
    finally:
        for process in running:
            process.kill()
