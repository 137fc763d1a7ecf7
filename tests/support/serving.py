"""What tests of a running service share."""

import asyncio
from typing import Any

from support.streamclients import WsClient
from wavelane_server.service import Service

_offline: dict[tuple[int, bytes], str] = {}


def pieces(data: bytes, size: int) -> list[bytes]:
    """Cut bytes into messages."""
    return [data[at : at + size] for at in range(0, len(data), size)]


def text_of(events: list[dict[str, Any]]) -> str:
    """All finals, in order."""
    finals = [event for event in events if event["type"] == "final"]
    return " ".join(final["alternatives"][0]["text"] for final in finals if final["alternatives"][0]["text"])


async def heard_alone(service: Service, speech: bytes) -> str:
    """What a session by itself hears."""
    key = (id(service), speech)
    if key not in _offline:
        client = await WsClient.open(service.http_port)
        await client.configure()
        for piece in pieces(speech, 3200):
            await client.audio(piece)
        await client.end()
        _offline[key] = text_of(await client.rest())
        assert _offline[key]
    return _offline[key]


async def quiet(service: Service) -> None:
    """Until every lane is back; fails when one does not come."""
    async with asyncio.timeout(30):
        while service.recognizer.live or service.recognizer.engine.stats.lanes:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    service.recognizer.engine.audit()
