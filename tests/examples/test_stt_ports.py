"""The shortest programs over the protocols of Vosk, sherpa-onnx and Wyoming, as subprocesses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from support.page import COMMANDS, decode, transcribe, write_wav
from support.server import Server

EXAMPLES = Path(__file__).parents[2] / "clients" / "examples"
SOUNDCARD = Path(__file__).parent / "soundcard"
PROTOCOLS = ["vosk", "sherpa", "wyoming"]


def start(kind: str, protocol: str, server: Server, *arguments: Path, **environment: str) -> "subprocess.Popen[str]":
    port = server.port(protocol)
    address = f"{'tcp' if protocol == 'wyoming' else 'ws'}://127.0.0.1:{port}"
    return subprocess.Popen(
        [sys.executable, EXAMPLES / f"stt_from_{kind}_{protocol}.py", *arguments, address],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_file(server: Server) -> None:
    running = {protocol: start("file", protocol, server, COMMANDS) for protocol in PROTOCOLS}
    done = {protocol: process.communicate(timeout=60) for protocol, process in running.items()}
    assert {process.returncode for process in running.values()} == {0}, done
    said = transcribe(server.http, COMMANDS)
    for protocol, (output, _) in done.items():
        lines = output.splitlines()
        assert len(lines) == (1 if protocol == "wyoming" else 2)
        assert " ".join(line.split("] ")[-1] for line in lines).split() == said, protocol
        assert protocol == "wyoming" or lines[1].startswith("[2.")


def test_the_microphone(server: Server, tmp_path: Path) -> None:
    go = write_wav(tmp_path / "go.wav", 0.2, decode(COMMANDS)[: round(1.2 * 16_000)], 0.2)
    said = transcribe(server.http, go)
    path = os.pathsep.join([str(SOUNDCARD), str(Path(__file__).parents[1])])
    running = {protocol: start("mic", protocol, server, MICROPHONE=str(go), PYTHONPATH=path) for protocol in PROTOCOLS}
    try:
        for protocol, process in running.items():
            assert process.stdout is not None
            heard = ""
            while heard.split() != said:
                letter = process.stdout.read(1)
                assert letter, (protocol, process.communicate())
                # A partial is written over the one before.
                heard = "" if letter == "\r" else heard + letter.replace("\x1b", "").removesuffix("\n")
                heard = heard.removeprefix("[K")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
            assert (process.returncode, errors) == (0, "")
    finally:
        for process in running.values():
            process.kill()
