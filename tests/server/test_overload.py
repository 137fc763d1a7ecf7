"""A machine with enough to do: sessions are refused on every transport, those in progress go on, some are moved."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from support.serving import heard_alone, quiet, text_of
from support.streamclients import GrpcClient, WsClient
from wavelane_server.metrics import Metrics
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")

Serve = Callable[..., Coroutine[Any, Any, Service]]


async def get(service: Service, path: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", trust_env=False) as http:
        return await http.get(path)


async def test_what_the_machine_does_not_carry_is_refused_and_the_others_go_on(serve: Serve, speech: bytes) -> None:
    service = await serve(engine__capacity=2, engine__max_sessions=100, limits__retry_after_s=7)
    alone = await heard_alone(service, speech)
    ready = (await get(service, "/readyz")).json()
    assert (ready["capacity"], ready["refusing"], ready["max_lanes"]) == (2.0, False, 100)

    holders = [await WsClient.open(service.http_port), await GrpcClient.open(service.grpc_port)]
    for holder in holders:
        await holder.configure()
    assert (await get(service, "/readyz")).json()["refusing"] is True

    with pytest.raises(InvalidStatus) as refusal:
        await WsClient.open(service.http_port)
    response = refusal.value.response
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    assert b"setting engine.capacity" in (response.body or b"")
    assert b"carries 2 streams of continuous speech" in (response.body or b"")

    late = await GrpcClient.open(service.grpc_port)
    await late.message({"type": "configure"})
    assert await late.rest() == []
    assert late.status == "RESOURCE_EXHAUSTED"
    assert late.metadata["wavelane-error-code"] == "overloaded"

    metrics = (await get(service, "/metrics")).text
    assert "wavelane_capacity_streams 2.0" in metrics
    assert 'wavelane_refusals_total{code="overloaded"} 2.0' in metrics
    assert 'wavelane_lookahead_lanes{lookahead="6"} 2.0' in metrics

    for holder in holders:
        await holder.audio(speech)
        await holder.end()
        assert text_of(await holder.rest()) == alone
    await quiet(service)
    again = await WsClient.open(service.http_port)
    await again.configure()
    await again.end()
    await again.rest()
    assert again.close_code == 1000


@pytest.mark.parametrize("transport", ["websocket", "grpc"])
async def test_an_auto_session_is_moved_and_told(serve: Serve, speech: bytes, transport: str) -> None:
    """The capacity is one stream at lookahead 6, so that at 0 one is too much."""
    service = await serve(engine__capacity=1)
    client: Any = (
        await GrpcClient.open(service.grpc_port) if transport == "grpc" else await WsClient.open(service.http_port)
    )
    auto = {"lookahead_auto": True} if transport == "grpc" else {"lookahead": "auto"}
    ready = await client.configure(**auto, lookahead_min=0)
    assert ready["config"] | auto | {"lookahead_min": 0, "lookahead_max": 13} == ready["config"]
    told: list[int] = []
    assert await heard_words(client, speech, told)
    assert told
    assert told == sorted(told), "under a constant load it only goes up"


async def heard_words(client: Any, speech: bytes, told: list[int]) -> str:
    """Speak in real time, over and over, until the lookahead has changed."""
    events: list[dict[str, Any]] = []

    async def listen() -> None:
        while (event := await client.next())["type"] != "closed":
            events.append(event)
            if event["type"] == "lookahead_changed":
                told.append(event["lookahead"])

    listener = asyncio.create_task(listen())
    for index in range(150):
        begin = index * 3200 % (len(speech) - 3200) // 2 * 2
        await client.audio(speech[begin : begin + 3200])
        await asyncio.sleep(0.1)
        if told and index > 40:
            break
    await client.end()
    await listener
    return text_of(events)


async def test_a_loop_that_is_late_takes_no_more_sessions_and_keeps_those_it_has(
    serve: Serve, speech: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = await serve(limits__max_loop_delay_ms=50)
    alone = await heard_alone(service, speech)
    holder = await WsClient.open(service.http_port)
    await holder.configure()
    with monkeypatch.context() as late:
        late.setattr(Metrics, "recent_delay", property(lambda _: 0.4))
        with pytest.raises(InvalidStatus) as refusal:
            await WsClient.open(service.http_port)
        assert refusal.value.response.status_code == 503
        assert b"400 ms late" in (refusal.value.response.body or b"")
        assert b"limits.max_loop_delay_ms" in (refusal.value.response.body or b"")
        await holder.audio(speech)
        await holder.end()
        assert text_of(await holder.rest()) == alone
    again = await WsClient.open(service.http_port)
    await again.configure()


async def test_the_delay_of_a_loop_is_what_most_of_its_turns_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wavelane_server.metrics.RECENT_DELAYS", 4)
    metrics = Metrics()
    sampling = asyncio.create_task(metrics.sample_loop_delay())
    await asyncio.sleep(0)
    seen = []
    for _ in range(8):
        time.sleep(0.15)  # noqa: ASYNC251
        await asyncio.sleep(0.001)
        seen.append(metrics.recent_delay)
    assert seen[:2] == [0.0, 0.0], "too few samples to tell"
    assert seen[-1] > 0.05
    metrics.forget_loop_delay()
    assert metrics.recent_delay == 0.0
    for _ in range(5):  # results wait, though the loop is quick
        metrics.waited(0.3)
        metrics.waited(0.1)
        await asyncio.sleep(0.06)
    assert metrics.recent_delay == 0.3
    sampling.cancel()
