"""Full and draining servers: refusals that say when to come back, and sessions that are finished in order."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from websockets.exceptions import InvalidStatus

from support.serving import quiet, text_of
from support.streamclients import GrpcClient, WsClient
from wavelane_server.bridge import Recognizer
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

Serve = Callable[..., Coroutine[Any, Any, Service]]


@pytest.fixture(scope="module")
def refusals() -> Callable[[Service, str], float]:
    def count(service: Service, code: str) -> float:
        return service.metrics.registry.get_sample_value("wavelane_refusals_total", {"code": code}) or 0.0

    return count


async def refused_websocket(service: Service) -> tuple[int, dict[str, Any], str]:
    with pytest.raises(InvalidStatus) as refusal:
        await WsClient.open(service.http_port)
    response = refusal.value.response
    assert response.body is not None
    return response.status_code, json.loads(response.body)["error"], response.headers["Retry-After"]


async def test_a_full_server_refuses_before_the_handshake(
    serve: Serve, refusals: Callable[[Service, str], float]
) -> None:
    service = await serve(engine__max_sessions=2, limits__retry_after_s=7)
    holders = [await WsClient.open(service.http_port), await GrpcClient.open(service.grpc_port)]
    for holder in holders:
        await holder.configure()

    status, error, retry = await refused_websocket(service)
    assert (status, error["code"], retry) == (503, "overloaded", "7")
    assert "all 2 lanes of this server are in use (setting engine.max_sessions)" in error["message"]

    client = await GrpcClient.open(service.grpc_port)
    await client.message({"type": "configure"})
    assert await client.rest() == [], "refused by the status, before any response"
    assert client.status == "RESOURCE_EXHAUSTED"
    assert client.metadata["wavelane-error-code"] == "overloaded"
    assert client.metadata["retry-after-ms"] == "7000"

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", trust_env=False) as http:
        answer = await http.post("/v1/audio/transcriptions", files={"file": b"RIFF"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
        assert answer.json()["error"]["code"] == "overloaded"
    assert refusals(service, "overloaded") == 3

    for holder in holders:
        await holder.end()
        await holder.rest()
    await quiet(service)
    again = await WsClient.open(service.http_port)
    await again.configure()
    await again.end()
    await again.rest()
    assert again.close_code == 1000


async def test_more_lanes_than_are_left(serve: Serve, speech: bytes) -> None:
    """The handshake cannot know how many lanes a session will want."""
    service = await serve(engine__max_sessions=3)
    holder = await WsClient.open(service.http_port)
    await holder.configure(channels=2, channel="separate")
    assert service.recognizer.engine.stats.lanes == 2

    client = await WsClient.open(service.http_port)
    await client.message({"type": "configure", "channels": 2, "channel": "separate"})
    events = await client.rest()
    assert [(event["type"], event.get("code")) for event in events] == [("error", "overloaded"), ("closed", None)]
    assert client.close_code == 1013
    call = await GrpcClient.open(service.grpc_port)
    await call.message({"type": "configure", "channels": 2, "channel": "separate"})
    assert await call.rest() == []
    assert call.status == "RESOURCE_EXHAUSTED"
    assert service.recognizer.engine.stats.lanes == 2, "the lane that was there is free again"

    single = await WsClient.open(service.http_port)
    await single.configure()
    await single.audio(speech)
    await single.end()
    assert text_of(await single.rest())
    await holder.end()
    await holder.rest()
    await quiet(service)


async def ready(service: Service) -> tuple[int, str | None]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", trust_env=False) as http:
        assert (await http.get("/livez")).status_code == 200
        answer = await http.get("/readyz")
        return answer.status_code, answer.json().get("reason")


async def health(service: Service) -> int:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        stub = health_pb2_grpc.HealthStub(channel)  # type: ignore[no-untyped-call]
        request = health_pb2.HealthCheckRequest(service="wavelane.v1.SpeechRecognizer")
        status: int = (await stub.Check(request)).status
        return status


async def test_a_drain_lets_sessions_finish(serve: Serve, speech: bytes) -> None:
    service = await serve(limits__drain_timeout_s=100)
    assert await ready(service) == (200, None)
    assert await health(service) == health_pb2.HealthCheckResponse.SERVING
    clients: list[Any] = [await WsClient.open(service.http_port), await GrpcClient.open(service.grpc_port)]
    for client in clients:
        await client.configure()
        await client.audio(speech[: len(speech) // 2])

    draining = asyncio.create_task(service.drain())
    await asyncio.sleep(0.05)
    assert await ready(service) == (503, "draining")
    assert await health(service) == health_pb2.HealthCheckResponse.NOT_SERVING
    status, error, _ = await refused_websocket(service)
    assert (status, error["code"]) == (503, "shutting_down")
    refused = await GrpcClient.open(service.grpc_port)
    await refused.rest()
    assert (refused.status, refused.metadata["wavelane-error-code"]) == ("UNAVAILABLE", "shutting_down")
    assert not draining.done()

    for client in clients:
        await client.audio(speech[len(speech) // 2 :])
        await client.end()
        assert text_of(await client.rest())
        assert client.status in (1000, "OK")
    async with asyncio.timeout(60):
        await draining


async def test_a_drain_is_over_when_everybody_was_told_how_it_ended(serve: Serve, speech: bytes) -> None:
    """The sockets are closed at once afterwards; who has finished is not told then that the server goes away."""
    service = await serve(limits__drain_timeout_s=100)
    client = await WsClient.open(service.http_port)
    await client.configure()
    await client.audio(speech)

    async def drain() -> None:
        await service.drain()
        for connection in list(service._http.server_state.connections):
            connection.shutdown()

    draining = asyncio.create_task(drain())
    await client.end()
    assert text_of(await client.rest())
    assert client.close_code == 1000
    await draining


async def test_a_drain_ends_what_does_not_finish(serve: Serve, speech: bytes) -> None:
    service = await serve(limits__drain_timeout_s=0.2)
    clients: list[Any] = [await WsClient.open(service.http_port), await GrpcClient.open(service.grpc_port)]
    for client in clients:
        await client.configure()
        await client.audio(speech)
    await service.drain()
    for client in clients:
        events = await client.rest()
        fatal = next(event for event in events if event["type"] == "error")
        assert (fatal["code"], fatal["fatal"]) == ("shutting_down", True)
        assert text_of(events), "what was heard is final"
        assert events[-1] == {"type": "closed", "received": len(speech) // 2}
        assert client.status in (1012, "UNAVAILABLE")
    await quiet(service)


async def test_not_ready_while_loading(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    attach = Recognizer.attach
    monkeypatch.setattr(Recognizer, "attach", lambda recognizer, engine: None)
    service = await serve()
    assert await ready(service) == (503, "loading")
    status, error, _ = await refused_websocket(service)
    assert (status, error["code"]) == (503, "overloaded")
    assert "still being loaded" in error["message"]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", trust_env=False) as http:
        assert (await http.get("/v1/models")).status_code == 503
        assert (await http.get("/metrics")).status_code == 200
    assert service._engine is not None
    attach(service.recognizer, service._engine)
    assert await ready(service) == (200, None)


async def test_not_ready_when_the_engine_is_stuck(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    service = await serve()
    monkeypatch.setattr(type(service.recognizer.engine), "healthy", property(lambda _: False))
    status, reason = await ready(service)
    assert status == 503
    assert reason is not None
    assert reason.startswith("stuck")


async def test_pages_of_other_origins(serve: Serve) -> None:
    service = await serve(server__allowed_origins=["https://example.org"])
    for origin, allowed in (
        ("https://example.org", True),
        (f"http://127.0.0.1:{service.http_port}", True),
        ("https://evil.example", False),
        ("null", False),
        ("http://[", False),
    ):
        if allowed:
            client = await WsClient.open(service.http_port, origin=origin)
            await client.configure()
            await client.socket.close()
            continue
        with pytest.raises(InvalidStatus) as refusal:
            await WsClient.open(service.http_port, origin=origin)
        assert refusal.value.response.status_code == 403
        assert refusal.value.response.body is not None
        assert b"server.allowed_origins" in refusal.value.response.body
