"""The shortest programs with OpenAI's and AssemblyAI's clients: what they print is what the server hears."""

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


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLES / program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_a_file_with_openai(server: Server) -> None:
    done = run("stt_from_file_openai.py", COMMANDS, server.http)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == transcribe(server.http, COMMANDS)


def test_a_file_with_assemblyai(server: Server) -> None:
    done = run("stt_from_file_assemblyai.py", COMMANDS, server.ws)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.fullmatch(r"\[(\d+\.\d\d)-(\d+\.\d\d)\] (.+)", line) for line in done.stdout.splitlines()]
    said = " ".join(line[3] for line in lines if line).split()
    # Turns are as long as AssemblyAI's, and where they end the last words may be others.
    assert said[:2] == transcribe(server.http, COMMANDS)[:2]
    times = [float(line[side]) for line in lines if line for side in (1, 2)]
    assert len(times) == 2 * len(lines)
    assert times == sorted(times)


@pytest.mark.parametrize("vendor", ["openai", "assemblyai"])
def test_what_went_wrong_is_one_sentence(server: Server, tmp_path: Path, vendor: str) -> None:
    missing = run(
        f"stt_from_file_{vendor}.py", tmp_path / "missing.wav", server.http if vendor == "openai" else server.ws
    )
    assert missing.returncode == 1
    assert "missing.wav" in missing.stderr
    assert "Traceback" not in missing.stderr


@pytest.mark.parametrize("vendor", ["openai", "assemblyai"])
def test_the_microphone(server: Server, tmp_path: Path, vendor: str) -> None:
    said = write_wav(tmp_path / "said.wav", 0.2, decode(COMMANDS)[round(1.2 * 16_000) :], 0.2)
    path = os.pathsep.join([str(SOUNDCARD), str(Path(__file__).parents[1])])
    running = subprocess.Popen(
        [sys.executable, EXAMPLES / f"stt_from_mic_{vendor}.py", server.http if vendor == "openai" else server.ws],
        env={**os.environ, "MICROPHONE": str(said), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        final = running.stdout.readline().decode().split("\r\x1b[K")[-1]
        assert final.split() == transcribe(server.http, said)
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
        assert (running.returncode, errors) == (0, b"")
    finally:
        running.kill()
