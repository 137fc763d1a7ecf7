"""The voice assistant: whole conversations with a real server, as its user hears and reads them."""

import re
import subprocess
import sys
import tempfile
import wave
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.server import Server

DATA = Path(__file__).parents[1] / "data" / "examples"
CONVERSATION = DATA / "assistant_conversation.opus"
"""`stop the timer`, said to nobody; `hey computer, set a timer for five minutes`; 1.8 s later `stop the timer`."""
TIMER = DATA / "assistant_timer.opus"
"""`set a timer for one second`, and silence."""
REPLY = DATA / "assistant_reply.wav"
"""2.5 s of speech."""
SYNTHESISER = f"{sys.executable} -c \"import sys; sys.stdout.buffer.write(open('{REPLY}', 'rb').read())\""
LATENCY = r"latency: \d\.\d\d s from the last word to the first sample of the reply \(\d\.\d\d s to the final, .*\)"

Talks = dict[str, tuple[list[str], Path]]


@pytest.fixture(scope="module")
def talks(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Talks:
    """Conversations: what was on the terminal, and a file of what the loudspeaker got.

    They are held at the same time, because each takes as long as people speak.
    """
    folder = tmp_path_factory.mktemp("talks")
    flags = {
        "barge-in": ["--file", CONVERSATION, "--speak", SYNTHESISER],
        "no barge-in": ["--file", CONVERSATION, "--speak", SYNTHESISER, "--no-barge-in"],
        "push to talk": ["--file", TIMER, "--speak", "print", "--push-to-talk"],
    }
    running = {}
    with ExitStack() as stack:
        for name, arguments in flags.items():
            enter = stack.enter_context(tempfile.TemporaryFile())
            enter.write(b"\n")
            enter.seek(0)
            command = [sys.executable, "-m", "examples.assistant", "--url", f"grpc://{server.grpc}", *arguments]
            command += ["--speaker", folder / name]
            process = subprocess.Popen(
                command, stdin=enter, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
            running[name] = stack.enter_context(process)
            stack.callback(process.kill)
        said = {name: process.communicate(timeout=60)[0] for name, process in running.items()}
    assert {process.returncode for process in running.values()} == {0}, said
    return {name: (said[name].splitlines(), folder / name) for name in running}


def samples(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        return file.readframes(file.getnframes())


def test_the_reply_stops_when_the_user_speaks(talks: Talks) -> None:
    lines, sound = talks["barge-in"]
    patterns = [
        re.escape('Say "hey computer, what can you do".'),
        "you:     hey computer set a timer for five minutes?",  # and not what was said before, to somebody else
        r"         timer\(wake=yes, count=five, unit=minute\), score [01]\.\d\d",
        "reply:   Timer set for 5 minutes.",
        LATENCY,
        r"         \(stopped\)",
        "you:     stop the timer",  # no wake phrase within a conversation
        r"         cancel\(\), score [01]\.\d\d",
        "reply:   Timer cancelled.",
        LATENCY,
    ]
    assert len(lines) == len(patterns), lines
    for pattern, line in zip(patterns, lines, strict=True):
        assert re.fullmatch(pattern, line)

    reply, played = samples(REPLY), samples(sound)
    cut = len(played) - len(reply)  # the second reply was played whole
    assert played[cut:] == reply
    assert 0 < cut < 0.9 * len(reply)
    assert played[:cut] == reply[:cut]


def test_without_barge_in_nothing_is_heard_while_the_reply_is_played(talks: Talks) -> None:
    lines, sound = talks["no barge-in"]
    assert re.fullmatch("you:     hey computer set a timer for five minutes?", lines[1])
    assert not [line for line in lines if "stopped" in line or "cancel" in line]
    assert samples(sound) == samples(REPLY)


def test_enter_takes_the_place_of_the_wake_phrase(talks: Talks) -> None:
    lines, _ = talks["push to talk"]
    assert lines[:3] == ["Press Enter, then speak.", "listening ...", "you:     set a timer for one second"]
    assert lines[4] == "reply:   Timer set for 1 second."
    assert re.fullmatch(LATENCY, lines[5])
    assert lines[-1] == "reply:   Your timer for 1 second is over."
