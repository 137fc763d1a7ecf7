"""Real speech through real sockets gives what the same model gives offline."""

import json
from functools import cache
from pathlib import Path

import httpx
import jiwer
import numpy as np
import pytest

from support.encode import encode
from support.server import Server
from support.words import much_alike
from wavelane.audio.decoder import decode_bytes
from wavelane.audio.enhance.chain import whole
from wavelane.audio.enhance.options import AudioOptions
from wavelane.audio.limits import DecoderLimits
from wavelane.audio.resample import Resampler
from wavelane.decode.words import WordBuilder
from wavelane.events import Closed, Failed, Final, Partial
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.model.offline import transcribe_tokens
from wavelane.work import Samples
from wavelane_client import connect

SPEECH = Path(__file__).parents[1] / "data" / "speech"
UTTERANCES = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]


@cache
def model() -> LoadedModel:
    return load_model(embedded_path())


def read(name: str) -> Samples:
    rate, block = decode_bytes((SPEECH / name).read_bytes(), DecoderLimits())
    resampler = Resampler(rate)
    return np.concatenate([resampler.push(block[0]), resampler.flush()])


@cache
def offline(name: str, lookahead: int) -> str:
    builder = WordBuilder(model().spec.vocabulary, model().spec.frame_samples)
    for token in transcribe_tokens(model(), whole(AudioOptions(), read(name)), lookahead=lookahead):
        builder.add(token, 0)
    return builder.text


async def live(url: str, name: str, **options: object) -> tuple[str, list[str]]:
    """The text of all finals, and the partials."""
    async with connect(url, encoding="container", **options) as stream:
        data = (SPEECH / name).read_bytes()
        for start in range(0, len(data), 1_000):
            await stream.send(data[start : start + 1_000])
        await stream.end()
        events = [event async for event in stream]
    assert isinstance(events[-1], Closed)
    finals = [event for event in events if isinstance(event, Final)]
    return " ".join(f.text for f in finals if f.text), [event.text for event in events if isinstance(event, Partial)]


@pytest.mark.parametrize("lookahead", [6, 0])
@pytest.mark.parametrize("transport", ["ws", "grpc"])
async def test_word_errors_live_are_those_of_the_offline_run(
    any_server: Server, transport: str, lookahead: int
) -> None:
    url = any_server.ws if transport == "ws" else f"grpc://{any_server.grpc}"
    references, heard_live, heard_offline = [], [], []
    for utterance in UTTERANCES:
        text, _ = await live(url, utterance["audio_filepath"], lookahead=lookahead, vad={"kind": "off"})
        references.append(utterance["text"])
        heard_live.append(text)
        heard_offline.append(offline(utterance["audio_filepath"], lookahead))
    # The server steps in int8 where it can, the offline run in float32: one place of some thirty words may differ.
    assert jiwer.wer(heard_offline, heard_live) <= 0.1
    assert abs(jiwer.wer(references, heard_live) - jiwer.wer(references, heard_offline)) <= 0.04


@pytest.mark.parametrize("kind", ["webrtc", "silero"])
async def test_words_come_through_the_gate(any_server: Server, kind: str) -> None:
    text, _ = await live(any_server.ws, "commands.flac", vad={"kind": kind})
    assert jiwer.wer("go left five zero", text) <= 0.5


async def test_a_file_over_http_is_recognised_as_the_offline_run_does(any_server: Server) -> None:
    name = UTTERANCES[0]["audio_filepath"]
    async with httpx.AsyncClient(base_url=any_server.http, trust_env=False, timeout=60) as http:
        answer = await http.post(
            "/v1/audio/transcriptions", files={"file": (name, (SPEECH / name).read_bytes())}, data={"vad": "off"}
        )
        models = (await http.get("/v1/models")).json()["data"]
    assert answer.json().keys() == {"text"}
    assert much_alike(answer.json()["text"], offline(name, model().spec.default_lookahead))
    assert [entry["id"] for entry in models] == [model().spec.name]


async def test_a_message_that_holds_a_minute_is_recognised_whole(any_server: Server) -> None:
    """More than may wait for the engine: it is decoded as the engine keeps up."""
    minute = np.tile(read("commands.flac"), 12)[None, :]
    data = encode("ogg", "libopus", 16_000, minute)
    async with connect(any_server.ws, encoding="container", vad={"kind": "off"}) as stream:
        await stream.send(data)
        await stream.end()
        events = [event async for event in stream]
    assert not [event for event in events if isinstance(event, Failed)]
    finals = [event for event in events if isinstance(event, Final)]
    assert len(" ".join(final.text for final in finals).split()) >= 24
    closed = events[-1]
    assert isinstance(closed, Closed)
    assert closed.received / 16_000 == pytest.approx(minute.shape[1] / 16_000, abs=0.1)
