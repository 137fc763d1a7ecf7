"""The client library and `wavelane transcribe` against a real server, with real speech."""

import asyncio
import json
import os
import re
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from support.server import start_server
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Closed, Failed, Final, Flushed, Partial
from wavelane_client import Configured, connect, connect_sync
from wavelane_client.load.corpus import decode
from wavelane_server.cli.transcribe import command as transcribe_command

SPEECH = Path("tests/data/speech").resolve()
COMMANDS = str(SPEECH / "commands.flac")
LEMON = str(SPEECH / "libri_lemon.opus")
TRANSPORTS = ("websocket", "grpc")


@pytest.fixture(scope="module")
def urls(server) -> dict[str, str]:
    return {"websocket": server.ws, "grpc": f"grpc://{server.grpc}"}


@pytest.fixture(scope="module")
def pcm() -> bytes:
    return decode(COMMANDS)


async def recognise(url: str, pcm: bytes, **options) -> list:
    async with connect(url, **options) as stream:
        events = [stream.ready]
        for at in range(0, len(pcm), 3201):  # odd pieces: samples are cut in half
            await stream.send(pcm[at : at + 3201])
        await stream.end()
        events += [event async for event in stream]
    return events


def finals_of(events) -> list[Final]:
    return [event for event in events if isinstance(event, Final)]


async def test_both_transports_give_the_same(urls, pcm):
    one, other = [await recognise(urls[name], pcm, lookahead=0) for name in TRANSPORTS]
    assert [replace(final, lag_ms=0) for final in finals_of(one)] == [
        replace(final, lag_ms=0) for final in finals_of(other)
    ], "but for how late they were"
    assert one[0].config == other[0].config
    assert one[0].model == other[0].model
    assert one[0].config["lookahead"] == 0
    assert one[-1] == other[-1] == Closed(received=len(pcm) // 2)
    assert {"go", "five", "zero"} <= set(" ".join(final.text for final in finals_of(one)).split())
    assert all(word.start < word.end for final in finals_of(one) for word in final.words)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_control_messages(urls, pcm, transport):
    async with connect(urls[transport], vad={"kind": "off"}) as stream:
        await stream.reconfigure(partials=False)
        configured = await anext(stream)
        assert isinstance(configured, Configured)
        assert configured.config["partials"] is False
        await stream.send(pcm[: 2 * 16_000 * 2])
        await stream.keepalive()
        await stream.flush()
        heard = []
        async for event in stream:
            heard.append(event)
            if isinstance(event, Flushed):
                break
        assert heard[-1] == Flushed(at=32_000)
        assert finals_of(heard)
        assert not any(isinstance(event, Partial) for event in heard)
        await stream.reconfigure(endpoint={"silence_ms": 5})
        refused = await anext(stream)
        assert isinstance(refused, Failed)
        assert (refused.code, refused.fatal) == (ErrorCode.INVALID_CONFIG, False)
        await stream.end()
        assert [event async for event in stream][-1] == Closed(received=32_000)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_refused_option_names_itself(urls, transport):
    with pytest.raises(WavelaneError, match="sample_rate") as caught:
        await recognise(urls[transport], b"", sample_rate=7)
    assert caught.value.code is ErrorCode.INVALID_CONFIG


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_fatal_error_comes_after_the_finals(urls, pcm, transport):
    nan = b"\x00\x00\xc0\x7f"
    async with connect(urls[transport], encoding="float32", vad={"kind": "off"}) as stream:
        await stream.send(nan * 16_000)
        heard = []
        with pytest.raises(WavelaneError, match="NaN") as caught:
            await collect(stream, heard)
    assert caught.value.code is ErrorCode.INVALID_AUDIO
    assert isinstance(heard[-1], Closed)


async def collect(stream, events) -> None:
    async for event in stream:
        events.append(event)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_synchronous_client(urls, pcm, transport):
    with connect_sync(urls[transport]) as stream:
        assert stream.ready.clock_rate == 16_000
        stream.send(pcm)
        stream.end()
        events = list(stream)
    assert any(isinstance(event, Partial) for event in events)
    assert " ".join(final.text for final in finals_of(events)).startswith("go ")
    assert isinstance(events[-1], Closed)


async def test_a_killed_server_is_a_clear_error():
    server = start_server()
    try:
        async with connect(server.ws) as one, connect(f"grpc://{server.grpc}") as other:
            for stream in (one, other):
                await stream.send(bytes(32_000))
            server.process.send_signal(signal.SIGKILL)
            for stream in (one, other):
                with pytest.raises(WavelaneError, match="was lost before the session ended") as caught:
                    await asyncio.wait_for(collect(stream, []), 10)
                assert caught.value.code is ErrorCode.UNAVAILABLE
                with pytest.raises(WavelaneError, match="was lost"):
                    await stream.send(bytes(32))
    finally:
        server.process.kill()
        server.process.wait()


def run(*arguments: str, stdin: bytes = b""):
    return CliRunner().invoke(transcribe_command, list(arguments), input=stdin)


def test_transcribe_text(urls):
    result = run("--url", urls["websocket"], COMMANDS)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("go")
    assert "~" not in result.stdout


def test_transcribe_over_grpc_gives_the_same_json_lines(urls):
    outputs = []
    for arguments in (("--url", urls["websocket"]), ("--grpc", "--url", urls["grpc"])):
        result = run(*arguments, "--output", "jsonl", COMMANDS)
        assert (result.exit_code, result.stderr) == (0, "")
        events = [json.loads(line) for line in result.stdout.splitlines()]
        assert events[0]["type"] == "ready"
        assert events[-1] == {"type": "closed", "received": 81_600}
        outputs.append([event | {"lag_ms": 0} for event in events if event["type"] == "final"])
    assert outputs[0] == outputs[1]


def test_transcribe_partials_at_real_time(urls):
    result = run("--url", urls["websocket"], "--partials", "--realtime", LEMON)
    assert result.exit_code == 0
    assert sum(line.startswith("~ ") for line in result.stdout.splitlines()) >= 2


def test_transcribe_with_a_language_model_and_hotwords(urls, tmp_path):
    hotwords = tmp_path / "hotwords.txt"
    hotwords.write_text("lemon juice\t6\n")
    for transport in TRANSPORTS:
        result = run("--url", urls[transport], "--beam", "4", "--lm", "general", "--hotwords", str(hotwords), LEMON)
        assert (result.exit_code, result.stderr) == (0, "")
        assert "lemon juice" in result.stdout
    hotwords.write_text("lemon\tmuch\n")
    result = run("--url", urls["websocket"], "--hotwords", str(hotwords), LEMON)
    assert "line 1: could not convert string to float" in result.stderr


def test_transcribe_the_servers_own_decoder_and_standard_input(urls):
    for arguments in (("--raw", LEMON), ("-",), ("--raw", "-")):
        result = run("--url", urls["websocket"], *arguments, stdin=Path(LEMON).read_bytes())
        assert result.exit_code == 0, result.stderr
        assert len(result.stdout.split()) > 2


def test_transcribe_several_files_into_a_folder(urls, tmp_path):
    result = run("--url", urls["websocket"], "--output", "srt", "--output-dir", str(tmp_path / "out"), COMMANDS, LEMON)
    assert (result.exit_code, result.output) == (0, "")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["commands.srt", "libri_lemon.srt"]
    assert (tmp_path / "out" / "commands.srt").read_text().startswith("1\n00:00:0")


def test_transcribe_goes_on_after_a_broken_file_and_fails(urls, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"not audio at all" * 100)
    result = run("--url", urls["websocket"], str(broken), COMMANDS)
    assert result.exit_code == 1
    assert f"wavelane: {broken}: " in result.stderr
    assert "five zero" in result.stdout


def test_transcribe_keeps_what_was_decoded_before_a_file_breaks(urls, tmp_path):
    cut = tmp_path / "cut.flac"
    data = bytearray(Path(COMMANDS).read_bytes())
    data[len(data) * 3 // 4 :] = os.urandom(len(data) // 4)
    cut.write_bytes(data)
    result = run("--url", urls["websocket"], str(cut))
    assert "go" in result.stdout
    assert result.exit_code in (0, 1)  # FFmpeg may skip what is broken
    assert (result.exit_code == 1) == ("corrupt" in result.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give either files"),
        (("--mic", "a.wav"), "give either files"),
        (("-", "-"), "standard input can be read once only"),
        (("--grpc", "--url", "ws://x", "a.wav"), "grpc://HOST:PORT"),
        (("--output", "srt", "a.wav", "b.wav"), "need --output-dir"),
        (("--output", "vtt", "--partials", "a.wav"), "subtitles have no partials"),
        (("--output-dir", "x", "a/1.wav", "b/1.wav"), "share a name"),
        (("--device", "1", "a.wav"), "--device is for --mic"),
        (("--channel", "left", "a.wav"), "neither a channel counted from 0 nor mix nor separate"),
        (("--text", "pretty", "a.wav"), "none of itn, punctuation, capitals, mask, fluent, all"),
        (("--replace", "pretty", "a.wav"), "not of the form HEARD=WRITTEN"),
    ],
)
def test_transcribe_usage(arguments, message):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


def test_transcribe_without_a_server():
    result = run("--url", "ws://127.0.0.1:9", COMMANDS)
    assert result.exit_code == 2
    assert (
        "no server at ws://127.0.0.1:9/v1/stream (connection refused): start one with `wavelane serve`" in result.stderr
    )


def test_transcribe_without_a_microphone(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    result = run("--mic")
    assert result.exit_code == 1
    assert "pip install 'wavelane[mic]'" in result.stderr


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_text_is_written_as_asked_for(urls, pcm, transport):
    plain = finals_of(await recognise(urls[transport], pcm))
    text = {"punctuation": True, "capitals": True, "replace": {"five": "V"}}
    events = await recognise(urls[transport], pcm, text=text)
    assert events[0].config["text"]["replace"] == {"five": "V"}
    assert events[0].config["text"]["itn"] is False
    shown = finals_of(events)
    assert [final.alternatives[0].spoken for final in shown] == [final.text for final in plain]
    assert all(final.alternatives[0].spoken == "" for final in plain), "nothing was written otherwise"
    for final in shown:
        assert re.fullmatch(r"[A-Z].*[.?]", final.text)
        assert " ".join(word.text for word in final.words) == final.text
    assert "V" in " ".join(final.text for final in shown).replace(".", " ").replace(",", " ").split()
    for utterance in range(len(shown)):
        stable = ""
        for partial in (event for event in events if isinstance(event, Partial) and event.utterance == utterance):
            assert partial.text.startswith(stable)
            stable = partial.text[: partial.stable]
        assert shown[utterance].text.startswith(stable)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_text_cannot_be(urls, transport):
    with pytest.raises(WavelaneError, match=r"text\.replace: .*has no word"):
        await recognise(urls[transport], b"", text={"replace": {"...": "x"}})
    async with connect(urls[transport]) as stream:
        await stream.reconfigure(text={"itn": True, "replace": {"a": "b"}})
        configured = await anext(stream)
        await stream.reconfigure(text={"replace": {}})
        again = await anext(stream)
        await stream.end()
    assert (configured.config["text"]["replace"], again.config["text"]["replace"]) == ({"a": "b"}, {})
    assert again.config["text"]["itn"] is True


def test_transcribe_writes_text(urls):
    first = run("--url", urls["websocket"], COMMANDS).stdout.split()[0]
    flags = ("--text", "capitals,punctuation", "--replace", f"{first}=walk on")
    result = run("--url", urls["websocket"], *flags, COMMANDS)
    assert result.exit_code == 0
    assert result.stdout.startswith("Walk on")
    assert result.stdout.rstrip()[-1] in ".?"


async def test_words_can_be_left_out(urls, pcm):
    finals = finals_of(await recognise(urls["websocket"], pcm, words=False))
    assert finals[0].text.startswith("go")
    assert all(final.words == () for final in finals)
