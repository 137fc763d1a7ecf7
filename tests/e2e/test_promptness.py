"""Nothing waits that need not: in the order of steps and messages, without a clock."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from torch import Tensor
from toymodel import SPEC, ToyEncoder, toy_model

from support.serving import quiet
from support.streamclients import GrpcClient, WsClient
from wavelane.model.base import Encoded, LoadedModel, State
from wavelane_server.loading import load_config
from wavelane_server.service import Service

CHUNK = SPEC.chunk_frames(1) * SPEC.features.hop
"""Samples that a step advances by."""
FIRST = (SPEC.start_frames(1) - 1) * SPEC.features.hop + SPEC.features.right
"""Samples that the first step needs: up to the last one that its last frame depends on."""


PLAIN = {"lead_ms": 0, "tail_ms": 0}
"""No silence around the audio, so that steps can be counted."""


class Gate:
    """Lets steps through one by one; each test has its own, so that none finds what another one left."""

    def __init__(self) -> None:
        self._allowed = threading.Semaphore(0)
        self.begun = 0
        """Steps that came to it."""

    def allow(self) -> None:
        """One step more."""
        self._allowed.release()

    def open(self) -> None:
        """As many as come."""
        self._allowed.release(1_000)

    def pass_through(self) -> None:
        """Wait to be allowed."""
        self.begun += 1
        assert self._allowed.acquire(timeout=60)


class SteppedEncoder(ToyEncoder):
    """Steps lanes only when the gate lets it; what the engine steps for itself is silent, and free."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    def step(self, features: Tensor, *arguments: Any) -> tuple[Encoded, State]:
        if bool(features.any()):
            self.gate.pass_through()
        return super().step(features, *arguments)


@pytest.fixture(scope="module")
def encoder() -> SteppedEncoder:
    return SteppedEncoder()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(encoder: SteppedEncoder) -> AsyncIterator[Service]:
    toy = toy_model()
    model = LoadedModel(toy.spec, toy.front_end, encoder, toy.decoders)
    flags = {"server.port": 0, "server.grpc_port": 0, "engine.workers": 1, "engine.threads": 1, "engine.device": "cpu"}
    service = Service(load_config(flags=flags), lambda config: model)
    await service.start()
    yield service
    await service.stop()


@pytest_asyncio.fixture(params=["websocket", "grpc"], loop_scope="module")
async def client(request: pytest.FixtureRequest, service: Service) -> Any:
    if request.param == "grpc":
        return await GrpcClient.open(service.grpc_port)
    return await WsClient.open(service.http_port)


@pytest_asyncio.fixture(loop_scope="module")
async def gate(client: Any, service: Service, encoder: SteppedEncoder) -> AsyncIterator[Gate]:
    """A closed gate; afterwards what a test that failed left in the engine is let go of."""
    encoder.gate = gate = Gate()
    yield gate
    client.vanish()
    gate.open()
    await quiet(service)


def noise(samples: int) -> bytes:
    return (np.random.default_rng(1).standard_normal(samples) * 8_000).clip(-32_768, 32_767).astype("<i2").tobytes()


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def partial(client: Any) -> dict[str, Any]:
    async with asyncio.timeout(30):
        event: dict[str, Any] = await client.next()
    assert event["type"] == "partial", event
    return event


async def test_a_partial_leaves_before_the_next_step_is_made(client: Any, gate: Gate):
    """Five chunks wait in the engine; after each step its partial is there while the next step stands still."""
    await client.configure(vad={"kind": "off"}, lookahead=1, audio=PLAIN)
    await client.audio(noise(FIRST + 4 * CHUNK))
    text = ""
    for step in range(5):
        gate.allow()
        heard = await partial(client)
        # What the client has heard is the work of this very step: the next one has at most begun.
        assert heard["processed"] == FIRST + step * CHUNK
        assert gate.begun <= step + 2
        assert len(heard["text"]) > len(text)
        text = heard["text"]
    await client.end()
    gate.allow()
    events = await client.rest()
    assert gate.begun == 6
    assert [event["type"] for event in events if event["type"] in ("final", "closed")] == ["final", "closed"]


async def test_a_chunk_is_stepped_when_its_last_sample_is_there(client: Any, gate: Gate):
    """Not when the packet after it comes."""
    await client.configure(vad={"kind": "off"}, lookahead=1, audio=PLAIN)
    gate.open()
    await client.audio(noise(FIRST - 1))
    await client.message({"type": "keepalive"})
    await client.audio(noise(1))
    assert (await partial(client))["processed"] == FIRST
    await client.audio(noise(CHUNK))
    assert (await partial(client))["processed"] == FIRST + CHUNK
    await client.end()
    await client.rest()
    assert gate.begun == 3


async def test_an_end_takes_one_step_and_no_company(client: Any, service: Service, gate: Gate):
    """With a detector too: who ends does not wait for the silence that would have ended the utterance."""
    await client.configure(vad={"kind": "webrtc"}, lookahead=1, audio=PLAIN)
    rows = service.recognizer.engine.stats.rows
    # Less than a chunk after the pre-roll: everything is left to the end.
    await client.audio(noise(CHUNK // 2))
    await client.end()
    gate.allow()
    async with asyncio.timeout(30):
        events = await client.rest()
    assert [event["reason"] for event in events if event["type"] == "final"] == ["end"]
    assert service.recognizer.engine.stats.rows == rows + 1
