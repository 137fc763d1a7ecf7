import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from support.frontends import front_end
from support.serving import heard_alone, quiet, text_of
from support.streamclients import GrpcClient, WsClient
from wavelane.audio.channels import select_channels
from wavelane.audio.decoder import open_decoder
from wavelane.audio.resample import Resampler
from wavelane_server.loading import load_config
from wavelane_server.serve import load_model
from wavelane_server.service import Service

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="session")
def speech_file() -> Path:
    return DATA / "speech" / "libri_egypt.opus"


@pytest.fixture(scope="session")
def speech(speech_file: Path) -> bytes:
    """3.6 s of speech, linear16 at 16 kHz."""
    decoder = open_decoder("container", sample_rate=16_000, channels=1, limits=None)
    blocks = [*decoder.feed(speech_file.read_bytes()), *decoder.finish()]
    resampler = Resampler(decoder.sample_rate, 16_000)
    parts = [resampler.push(select_channels(block, "mix")[0]) for block in blocks] + [resampler.flush()]
    return (np.clip(np.concatenate(parts), -1, 1) * 32767).astype("<i2").tobytes()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serve() -> AsyncIterator[Callable[..., Coroutine[Any, Any, Service]]]:
    """Starts services with settings of one's own, on this event loop and free ports."""
    services: list[Service] = []

    async def start(elsewhere: bool = False, **settings: object) -> Service:
        flags = {name.replace("__", "."): value for name, value in settings.items()}
        config = load_config(flags={"server.port": 0, "server.grpc_port": 0, "engine.threads": 1, **flags})
        service = front_end(config) if elsewhere else Service(config, load_model)
        services.append(service)
        await service.start()
        return service

    yield start
    for service in services:
        await service.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["here"])
async def service(serve: Callable[..., Coroutine[Any, Any, Service]], request: pytest.FixtureRequest) -> Service:
    """A server with small limits, so that tests are quick; its engine is ``here``, or ``elsewhere``."""
    return await serve(
        elsewhere=request.param == "elsewhere",
        limits__idle_timeout_s=1.0,
        limits__send_timeout_s=0.5,
        limits__send_buffer=64,
        limits__max_upload_bytes=200_000,
        limits__max_audio_seconds=20,
        engine__max_sessions=8,
        engine__max_backlog_seconds=6.0,
    )


@pytest.fixture(params=["websocket", "grpc"])
def connect(request: pytest.FixtureRequest, service: Service) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Opens a raw connection over each transport."""
    if request.param == "grpc":
        return lambda **options: GrpcClient.open(service.grpc_port, **options)
    return lambda **options: WsClient.open(service.http_port, **options)


@pytest_asyncio.fixture(loop_scope="module")
async def neighbour(service: Service, speech: bytes) -> AsyncIterator[None]:
    """Another session that is in progress during the test, and must come out as if it had been alone."""
    alone = await heard_alone(service, speech)
    client = await WsClient.open(service.http_port)
    await client.configure()
    middle = len(speech) // 4 * 2
    await client.audio(speech[:middle])
    keepalive = asyncio.create_task(_keep_alive(client))
    yield
    keepalive.cancel()
    await client.audio(speech[middle:])
    await client.end()
    assert text_of(await client.rest()) == alone
    assert client.close_code == 1000
    await quiet(service)


async def _keep_alive(client: WsClient) -> None:
    while True:
        await asyncio.sleep(0.3)
        await client.message({"type": "keepalive"})
