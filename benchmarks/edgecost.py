"""What a packet costs the edge, all layers but the kernel and the event loop's own: processor time, or instructions.

    python benchmarks/edgecost.py [--sessions 1000] [--rounds 40]
    valgrind --tool=callgrind --instr-atstart=no python benchmarks/edgecost.py --sessions 64 --rounds 16 --instructions

Every session sends one packet a round, as fast as it goes, over a transport that only counts. Processor time beside
busy neighbours is up to twice that of a quiet machine; instructions are the same to a percent.
"""

import asyncio
import base64
import gc
import json
import os
import subprocess
import time
from collections.abc import Sequence
from typing import Any

import click
import uvicorn
import uvloop
from edge import SPEC, recordings
from edgeload import BINARY, TEXT, cut, masked
from edgestub import StubEngine
from uvicorn.server import ServerState

from wavelane.engine.base import Delivery
from wavelane.engine.metrics import EngineStats
from wavelane.engine.slots import Slot
from wavelane.work import Chunk
from wavelane_server.app import make_app
from wavelane_server.bridge import Recognizer
from wavelane_server.frontends.frames import (
    decode_results,
    encode_chunks,
    encode_results,
)
from wavelane_server.frontends.framing import MAX_ENGINE_FRAME_BYTES, FrameReader
from wavelane_server.loading import load_config
from wavelane_server.logs import configure_logs
from wavelane_server.metrics import Metrics
from wavelane_server.serve import settle_memory
from wavelane_server.transport.stream_protocol import StreamProtocol

WARM = 15
"""Rounds before the measurement: sessions are in speech and in silence by then."""


class Wire(asyncio.Transport):
    """Takes what is written, and counts it."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.messages = 0

    def write(self, data: Any) -> None:
        """Count."""
        self.messages += 1

    def is_closing(self) -> bool:
        """Never."""
        return False

    def pause_reading(self) -> None:
        """Packets are only sent to those who read."""

    def resume_reading(self) -> None:
        """See :meth:`pause_reading`."""

    def close(self) -> None:
        """Nothing is open."""


class StubClient:
    """A :class:`wavelane_server.engines.EngineClient` over the stub, with what a front end writes and reads for it."""

    spec = SPEC
    head = "ctc"
    trouble = None

    def __init__(self, recognizer: Recognizer, lanes: int) -> None:
        self._recognizer = recognizer
        self._stub = StubEngine(SPEC, lanes, self._sink)
        self._outgoing: list[tuple[Slot, Chunk]] = []
        self._frames = FrameReader(MAX_ENGINE_FRAME_BYTES)
        self.stats: EngineStats = self._stub.stats
        self.stub_s = 0.0
        """Processor time of the stub itself (s), which is no part of the edge."""

    async def open(self, lanes: int, lookahead: int | None = None) -> list[Slot]:
        """Lanes."""
        return [self._stub.open(lookahead) for _ in range(lanes)]

    def submit(self, slot: Slot, chunk: Chunk) -> None:
        """Send with all others of this turn of the event loop."""
        if not self._outgoing:
            asyncio.get_running_loop().call_soon(self._flush)
        self._outgoing.append((slot, chunk))

    def backlog(self, slot: Slot) -> float:
        """None."""
        return 0.0

    def close(self, slot: Slot) -> None:
        """Give a lane back."""
        self._stub.close(slot)

    def _flush(self) -> None:
        work, self._outgoing = self._outgoing, []
        for _ in encode_chunks(work):
            pass
        began = time.process_time()
        for slot, chunk in work:
            self._stub.submit(slot, chunk)
        self.stub_s += time.process_time() - began

    def _sink(self, deliveries: Sequence[Delivery]) -> None:
        began = time.process_time()
        message = encode_results(deliveries)
        self.stub_s += time.process_time() - began
        for _, body in self._frames.feed(message):
            self._recognizer.receive(decode_results(body))


async def measure(
    sessions: int, rounds: int, vad: str, packet_ms: int = 100, *, instructions: bool = False
) -> dict[str, Any]:
    """The cost of a packet; figures by name."""
    config = load_config(flags={"server.grpc": False, "server.log_level": "warning"})
    configure_logs(config.server)
    recognizer = Recognizer(config, Metrics(engine=False))
    client = StubClient(recognizer, sessions)
    recognizer.attach(client)
    app = make_app(recognizer, _no_metrics)
    settings = uvicorn.Config(app, ws=StreamProtocol, ws_per_message_deflate=False, lifespan="off", log_config=None)
    settings.load()
    settle_memory()
    configure = masked(TEXT, json.dumps({"type": "configure", "vad": {"kind": vad}}).encode())
    packets = [[masked(BINARY, packet) for packet in cut(recording, packet_ms)] for recording in recordings()]
    links = []
    for _ in range(sessions):
        link = StreamProtocol(settings, ServerState(), {})
        link.connection_made(wire := Wire())
        links.append((link, wire))
        link.data_received(_request())
        await asyncio.sleep(0)
        link.data_received(configure)
    while len(recognizer.live) < sessions:  # noqa: ASYNC110
        await asyncio.sleep(0.01)

    async def one_round(number: int) -> None:
        for at, (link, _) in enumerate(links):
            mine = packets[at % len(packets)]
            link.data_received(mine[(37 * at + number) % len(mine)])
            if at % 8 == 7:  # what an event loop reads in one turn
                await asyncio.sleep(0)
        await asyncio.sleep(0)

    for number in range(WARM):
        await one_round(number)
    collected = 0.0

    def watch(phase: str, _: object) -> None:
        nonlocal collected
        collected += time.process_time() * (-1 if phase == "start" else 1)

    gc.callbacks.append(watch)
    messages = sum(wire.messages for _, wire in links)
    if instructions:
        _count_instructions("on")
    began, stub_s = time.process_time(), client.stub_s
    for number in range(WARM, WARM + rounds):
        await one_round(number)
    cpu = time.process_time() - began - (client.stub_s - stub_s)
    if instructions:
        _count_instructions("off")
    gc.callbacks.remove(watch)
    count = sessions * rounds
    figures = {
        "sessions": sessions,
        "packets": count,
        "us_per_packet": round(1e6 * cpu / count, 1),
        "us_of_them_collecting_cycles": round(1e6 * collected / count, 2),
        "messages_per_packet": round((sum(wire.messages for _, wire in links) - messages) / count, 3),
    }
    for link, _ in links:
        link.connection_lost(None)
    await recognizer.wait_empty()
    return figures


def _count_instructions(state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(os.getpid())], check=True)


async def _no_metrics() -> bytes:
    return b""


def _request() -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        "GET /v1/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


@click.command()
@click.option("--sessions", default=1000, show_default=True)
@click.option("--rounds", default=40, show_default=True, help="Packets of each session.")
@click.option("--vad", default="webrtc", type=click.Choice(["webrtc", "off"]), show_default=True)
@click.option("--packet-ms", default=100, show_default=True)
@click.option("--instructions", is_flag=True, help="Under callgrind: count instructions of the measured rounds only.")
def main(sessions: int, rounds: int, vad: str, packet_ms: int, instructions: bool) -> None:
    """Measure one load."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        click.echo(json.dumps(runner.run(measure(sessions, rounds, vad, packet_ms, instructions=instructions))))


if __name__ == "__main__":
    main()
