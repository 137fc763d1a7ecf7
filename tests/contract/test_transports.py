"""Both native transports are one protocol, with any number of front ends: the same script gives the same events, to the
last field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.server import Server
from support.serving import pieces
from support.streamclients import GrpcClient, WsClient

SPEECH = Path(__file__).parents[1] / "data" / "speech" / "libri_egypt.opus"


def clients(server: Server) -> Iterator[Any]:
    yield WsClient.open(int(server.http.rsplit(":", 1)[1]))
    yield GrpcClient.open(int(server.grpc.rsplit(":", 1)[1]))


def without_pace(event: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on how fast the engine was, and which session it is."""
    told = _known({name: value for name, value in event.items() if name not in ("lag_ms", "processed", "session")})
    assert isinstance(told, dict)
    return told


def _known(value: Any) -> Any:
    """Without what is None, which protobuf leaves out."""
    if isinstance(value, dict):
        return {name: _known(inner) for name, inner in value.items() if inner is not None}
    return [_known(inner) for inner in value] if isinstance(value, list) else value


DETECTED = ("speech_started", "speech_stopped", "audio_issue")

SCRIPTS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "separate channels": {"channels": 2, "channel": "separate"},
    "one channel": {"channels": 2, "channel": 1},
    "no detector": {"vad": {"kind": "off"}},
    "without words": {"words": False, "lookahead": 0},
    "short endpoints": {"endpoint": {"silence_ms": 100, "max_utterance_ms": 1000}},
    "mu-law": {"encoding": "mulaw", "sample_rate": 8000},
    "container": {"encoding": "container"},
    "grammar": {
        "grammar": "#JSGF V1.0; grammar g; public <a> = but the vatican received with open arms "
        "(the | no) messengers {who} of egypt {where:south};"
    },
    "language model and hotwords": {
        "decoding": {"method": "beam", "beam": 4},
        "lm": "general",
        "lm_weight": 0.25,
        "hotwords": ["gods", {"phrase": "of egypt", "boost": 2.5}],
    },
    "written": {
        "text": {"itn": True, "punctuation": True, "capitals": True, "verbatim": False, "replace": {"the": "THE"}}
    },
}


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_same_script_gives_the_same_events(any_server: Server, speech: bytes, name: str) -> None:
    options = SCRIPTS[name]
    audio = SPEECH.read_bytes() if name == "container" else speech
    heard = []
    for opening in clients(any_server):
        client = await opening
        ready = await client.configure(**options)
        for piece in pieces(audio, 4000):
            await client.audio(piece)
        await client.message({"type": "flush"})
        events = [without_pace(ready)]
        while (event := await client.next())["type"] != "flushed":
            events.append(event)
        events.append(event)
        await client.message({"type": "reconfigure", "partials": False})
        events.append(await client.next())
        await client.message({"type": "keepalive"})
        await client.end()
        events += await client.rest()
        assert client.status in (1000, "OK")
        # Which partials there are, and how the channels take turns, depends on how chunks met the engine's steps;
        # everything else is fixed by the audio.
        told = [without_pace(event) for event in events if event["type"] != "partial"]
        # What the detector hears is told at once, finals when their results are there: two orders, not one.
        heard.append(
            [
                [event for event in told if (event.get("channel"), event["type"] in DETECTED) == (channel, detected)]
                for channel in (None, 0, 1)
                for detected in (False, True)
            ]
        )
        kinds = [event["type"] for event in told]
    assert heard[0] == heard[1]
    assert kinds[0] == "ready"
    assert kinds[-1] == "closed"
    assert "final" in kinds
    assert "configured" in kinds


async def test_partials_have_the_same_shape(any_server: Server, speech: bytes) -> None:
    shapes = []
    for opening in clients(any_server):
        client = await opening
        await client.configure(lookahead=0)
        for piece in pieces(speech, 4000):
            await client.audio(piece)
        await client.end()
        partials = [event for event in await client.rest() if event["type"] == "partial"]
        assert partials
        assert any(partial["words"] for partial in partials)
        shapes.append({(key, type(value)) for key, value in partials[-1].items()})
    assert shapes[0] == shapes[1]
