"""The shortest programs with Deepgram's client, as subprocesses: what they print is what the server hears."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from support.page import COMMANDS, decode, transcribe, write_wav
from support.server import Server

EXAMPLES = Path(__file__).parents[2] / "clients" / "examples"
SOUNDCARD = Path(__file__).parent / "soundcard"


def test_a_file(server: Server) -> None:
    program = [sys.executable, EXAMPLES / "stt_from_file_deepgram.py", COMMANDS, server.ws]
    done = subprocess.run(program, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [re.fullmatch(r"\[(\d+\.\d\d)-(\d+\.\d\d)\] (.+)", line) for line in done.stdout.splitlines()]
    assert len(lines) > 1
    assert " ".join(line[3] for line in lines if line).split() == transcribe(server.http, COMMANDS)


def test_the_microphone(server: Server, tmp_path: Path) -> None:
    go = write_wav(tmp_path / "go.wav", 0.2, decode(COMMANDS)[: round(1.2 * 16_000)], 0.2)
    path = os.pathsep.join([str(SOUNDCARD), str(Path(__file__).parents[1])])
    running = subprocess.Popen(
        [sys.executable, EXAMPLES / "stt_from_mic_deepgram.py", server.ws],
        env={**os.environ, "MICROPHONE": str(go), "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert running.stdout is not None
        *partials, final = running.stdout.readline().decode().split("\r\x1b[K")
        assert final.split() == transcribe(server.http, go)
        assert "".join(partials)  # each over the one before
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=20)
        assert (running.returncode, errors) == (0, b"")
    finally:
        running.kill()
