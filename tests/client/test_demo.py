"""`wavelane demo`, on a terminal and not, from start to Ctrl-C."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from wavelane.events import Alternative, Final, Partial, Word
from wavelane_client.demo import Demo
from wavelane_client.messages import ModelInfo, Ready
from wavelane_client.server_process import free_port, is_free, next_free_port

SPEECH = Path("tests/data/speech").resolve()


def command(audio: str, *arguments: str) -> list[str]:
    ports = ("--port", str(free_port("127.0.0.1")), "--grpc-port", str(free_port("127.0.0.1")))
    return [sys.executable, "-m", "wavelane_server", "demo", "--audio", str(SPEECH / audio), *ports, *arguments]


def test_plain_lines_then_serves_until_ctrl_c():
    # unbuffered, so that the lines can be waited for
    process = subprocess.Popen(
        command("commands.flac"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line.rstrip())
            if "Ctrl-C ends" in line:
                break
        text = "\n".join(lines)
        assert any(line.startswith("  ") and line.strip() for line in lines), text  # partials as they change
        assert any(line.startswith("[00:0") and line.endswith("zero") for line in lines), text  # finals with times
        assert "First word " in text
        page = text.split("open ")[1].split(" ")[0]
        assert httpx.get(page, trust_env=False).status_code == 200
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 0, rest
        with pytest.raises(httpx.ConnectError):
            httpx.get(page, trust_env=False)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_live_view_on_a_terminal():
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"}
    process = subprocess.Popen(
        command("libri_lemon.opus", "--once"), stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    try:
        while True:
            try:
                data = os.read(ours, 65_536)
            except OSError:  # Linux: the other side is closed
                break
            if not data:
                break
            shown += data
        assert process.wait(20) == 0, shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    text = shown.decode()
    assert "\x1b[90m[00:0" in text  # a partial in grey
    assert text.count("first word ") > 5  # the view is drawn again and again
    assert re.search(r"\x1b\[32m\[00:00\.\d–00:0\d\.\d\] \x1b\[0m\x1b\[1m\w", text)  # a final with its times
    assert "First word " in text
    assert "Now you" not in text


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_a_closed_terminal_leaves_no_server_behind():
    import pty

    ours, theirs = pty.openpty()
    arguments = command("libri_lemon.opus")
    port = int(arguments[arguments.index("--port") + 1])
    process = subprocess.Popen(arguments, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        shown = b""
        while b"Ready in" not in shown:
            shown += os.read(ours, 65_536)
        assert not is_free("127.0.0.1", port)
        os.close(ours)
        process.send_signal(signal.SIGHUP)  # what a terminal that closes sends
        assert process.wait(30) in (0, 1)
        assert is_free("127.0.0.1", port)
    finally:
        process.kill()
        process.wait()


def test_a_given_port_that_is_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-m", "wavelane_server", "demo", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert result.returncode == 1
        assert result.stderr == f"wavelane: port {port} of 127.0.0.1 is in use: choose another one with --port\n"
        assert not is_free("127.0.0.1", port)
        assert next_free_port("127.0.0.1", port) > port


def test_what_is_shown():
    now = 100.0
    console = Console(width=100, record=True, file=io.StringIO())
    demo = Demo(console, clock=lambda: now)
    model = ModelInfo(name="m")
    demo.event(Ready(session="s", version=1, clock_rate=16_000, config={}, model=model))
    assert demo.figures() == "listening …"
    now = 101.2
    demo.event(
        Partial(channel=0, utterance=0, text="go le", stable=2, words=(), start=8_000, processed=16_000, lag_ms=0)
    )
    assert demo.figures() == "first word 1.20 s · partial 200 ms behind the speaker"
    word = Word(text="go", start=8_000, end=61 * 16_000, confidence=1.0)
    now = 162.0
    demo.event(
        Final(
            channel=0,
            utterance=0,
            alternatives=(Alternative(text="go", confidence=1.0, words=(word,)),),
            start=0,
            end=62 * 16_000,
            processed=62 * 16_000,
            lag_ms=0,
            reason="silence",
        )
    )
    assert console.export_text() == "  go le\n[00:00.5–01:01.0] go\n"  # the plain lines
    console.print(demo.view())
    assert console.export_text() == ("[00:00.5–01:01.0] go\n\nfirst word 1.20 s · finals 1.00 s after the last word\n")
