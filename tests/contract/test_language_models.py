"""Language models and hotwords reach the search over both transports, with any number of front ends."""

from typing import Any

import pytest

from support.server import Server
from support.serving import pieces
from support.streamclients import GrpcClient, WsClient

EXPECTED = "egypt"


async def opened(server: Server, kind: str) -> Any:
    if kind == "websocket":
        return await WsClient.open(int(server.http.rsplit(":", 1)[1]))
    return await GrpcClient.open(int(server.grpc.rsplit(":", 1)[1]))


async def finals(client: Any, audio: bytes) -> str:
    """The text up to the answer of a flush."""
    for piece in pieces(audio, 16_000):
        await client.audio(piece)
    await client.message({"type": "flush"})
    texts = []
    while (event := await client.next())["type"] != "flushed":
        if event["type"] == "final":
            texts.append(event["alternatives"][0]["text"])
    return " ".join(texts)


@pytest.mark.parametrize("kind", ["websocket", "grpc"])
async def test_hotwords_change_what_is_heard_until_they_are_dropped(
    any_server: Server, speech: bytes, kind: str
) -> None:
    client = await opened(any_server, kind)
    # The gain goes on from one utterance to the next: without, the same audio gives the same text again.
    ready = await client.configure(decoding={"method": "beam"}, lm="general", audio={"gain": "off"})
    assert (ready["config"]["lm"], list(ready["config"]["hotwords"])) == ("general", [])
    plain = await finals(client, speech)
    assert EXPECTED not in plain.split()
    await client.message({"type": "reconfigure", "hotwords": [{"phrase": EXPECTED, "boost": 8}]})
    assert (await client.next())["type"] == "configured"
    assert EXPECTED in (await finals(client, speech)).split()
    await client.message({"type": "reconfigure", "hotwords": []})
    assert (await client.next())["type"] == "configured"
    assert await finals(client, speech) == plain
    await client.message({"type": "reconfigure", "lm": "off"})
    configured = await client.next()
    assert configured["config"]["lm"] == "off"
    assert await finals(client, speech) != plain
    await client.end()
    await client.rest()


@pytest.mark.parametrize("kind", ["websocket", "grpc"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lm": "medical"}, "it has general, or off"),
        ({"hotwords": ["smörgås"]}, "'smörgås' cannot be spelled with the model's pieces (no piece has 'öå')"),
    ],
)
async def test_what_is_not_there_is_refused(
    any_server: Server, kind: str, options: dict[str, object], says: str
) -> None:
    client = await opened(any_server, kind)
    await client.message({"type": "configure", **options})
    refusal = await client.next()
    assert (refusal["type"], refusal["code"], refusal["fatal"]) == ("error", "invalid_config", False)
    assert says in refusal["message"]
    # Nothing is lost: the client may ask for something else.
    await client.configure()
    await client.end()
    await client.rest()
