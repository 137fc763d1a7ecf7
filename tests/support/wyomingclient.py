"""A raw Wyoming client: no package between the test and the wire."""

import asyncio
import json
from typing import Any

FORMAT = {"rate": 16_000, "width": 2, "channels": 1}


def packet(kind: str, data: dict[str, Any] | None = None, payload: bytes = b"") -> bytes:
    """The bytes of an event."""
    body = json.dumps(data).encode() if data else b""
    line = {"type": kind, "version": "1.10.2", "data_length": len(body), "payload_length": len(payload)}
    return json.dumps(line).encode() + b"\n" + body + payload


def recording(speech: bytes, chunk: int = 3200, **transcribe: Any) -> bytes:
    """A whole transcription of linear16 at 16 kHz."""
    chunks = [speech[at : at + chunk] for at in range(0, len(speech), chunk)]
    audio = b"".join(packet("audio-chunk", FORMAT, data) for data in chunks)
    return packet("transcribe", transcribe) + packet("audio-start", FORMAT) + audio + packet("audio-stop")


class WyomingClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int) -> "WyomingClient":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def next(self) -> tuple[str, dict[str, Any]] | None:
        """The next event; None where the connection ends."""
        line = await self.reader.readline()
        if not line:
            return None
        header = json.loads(line)
        body = await self.reader.readexactly(header.get("data_length", 0))
        return header["type"], json.loads(body or b"{}")

    async def until(self, kind: str) -> dict[str, Any]:
        """Data of the next event of a type."""
        while (found := await self.next()) is not None:
            if found[0] == kind:
                return found[1]
        raise AssertionError(f"the connection ended before {kind}")

    async def rest(self) -> list[tuple[str, dict[str, Any]]]:
        """All events until the connection ends."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    def close(self) -> None:
        self.writer.close()
