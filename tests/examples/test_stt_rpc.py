"""The shortest programs with Google's and Riva's clients, as subprocesses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.page import COMMANDS, decode, transcribe, write_wav
from support.server import Server

EXAMPLES = Path(__file__).parents[2] / "clients" / "examples"
SOUNDCARD = Path(__file__).parent / "soundcard"
PROTOCOLS = ["google", "riva"]


def start(kind: str, protocol: str, server: Server, *arguments: Path, **environment: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, EXAMPLES / f"stt_from_{kind}_{protocol}.py", *arguments, server.grpc],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_file(server: Server) -> None:
    running = {protocol: start("file", protocol, server, COMMANDS) for protocol in PROTOCOLS}
    for protocol, process in running.items():
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        lines = output.decode().splitlines()
        assert len(lines) > 1
        assert " ".join(line.split("] ")[-1] for line in lines).split() == transcribe(server.http, COMMANDS), protocol
        assert lines[1].startswith("[2.")


def test_the_microphone(server: Server, tmp_path: Path) -> None:
    go = write_wav(tmp_path / "go.wav", 0.2, decode(COMMANDS)[: round(1.2 * 16_000)], 0.2)
    path = os.pathsep.join([str(SOUNDCARD), str(Path(__file__).parents[1])])
    running = {protocol: start("mic", protocol, server, MICROPHONE=str(go), PYTHONPATH=path) for protocol in PROTOCOLS}
    try:
        for protocol, process in running.items():
            assert process.stdout is not None
            *partials, final = process.stdout.readline().decode().split("\r\x1b[K")
            assert final.split() == transcribe(server.http, go), protocol
            assert "".join(partials)  # each over the one before
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors) == (0, b"")
    finally:
        for process in running.values():
            process.kill()
