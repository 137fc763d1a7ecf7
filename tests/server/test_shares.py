"""Where the time from an end to its final goes."""

import asyncio
from typing import Any

import pytest

from support.streamclients import WsClient
from wavelane.engine.base import Delivery, Timing
from wavelane.engine.slots import Slot
from wavelane.work import StepResult
from wavelane_server.frontends import frames
from wavelane_server.metrics import SHARES, Metrics
from wavelane_server.service import Service

pytestmark = pytest.mark.asyncio(loop_scope="module")
RESULT = StepResult(lane=0, sequence=3, tokens=(), frames=7, last=True)


def sums(metrics: Metrics) -> dict[str, float]:
    return {
        sample.labels["share"]: sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "wavelane_final_share_seconds_sum"
    }


@pytest.mark.parametrize(
    ("timing", "shares"),
    [
        (Timing(submitted=101.0, formed=103.0, done=107.0), (1, 2, 4, 8)),
        # The chunk was on its way when the end came.
        (Timing(submitted=90.0, formed=103.0, done=107.0), (0, 3, 4, 8)),
        (Timing(submitted=90.0, formed=91.0, done=107.0), (0, 0, 7, 8)),
        (Timing(submitted=90.0, formed=91.0, done=92.0), (0, 0, 0, 15)),
        (None, (0, 0, 0, 15)),
    ],
)
async def test_shares_add_up_to_the_whole(timing: Timing | None, shares: tuple[float, ...]) -> None:
    metrics = Metrics()
    metrics.share(100.0, timing, 115.0)
    assert sums(metrics) == dict(zip(SHARES, map(float, shares), strict=True))


@pytest.mark.parametrize("timing", [None, Timing(1.25, 2.5, 1e6 + 1e-6)])
async def test_timings_travel_to_front_ends(timing: Timing | None) -> None:
    message = frames.encode_results([Delivery(Slot(1, 2), RESULT, timing), Delivery(Slot(3, 4), RESULT)])
    heard = frames.decode_results(memoryview(message)[8:])
    assert [delivery.timing for delivery in heard] == [timing, None]
    assert [delivery.outcome for delivery in heard] == [RESULT, RESULT]


async def test_every_final_that_was_asked_for_is_counted_with_all_its_shares(service: Service, speech: bytes) -> None:
    def counts() -> dict[str, Any]:
        return {
            (sample.name.removesuffix("_count"), sample.labels.get("share")): sample.value
            for family in service.metrics.registry.collect()
            for sample in family.samples
            if sample.name in ("wavelane_final_share_seconds_count", "wavelane_final_latency_seconds_count")
        }

    before, spent = counts(), sum(sums(service.metrics).values())
    started = asyncio.get_running_loop().time()
    client = await WsClient.open(service.http_port)
    await client.configure(vad={"kind": "off"}, endpoint={"enabled": False})
    middle = len(speech) // 4 * 2
    for half in (speech[:middle], speech[middle:]):
        await client.audio(half)
        await client.message({"type": "flush"})
    await client.end()
    events = await client.rest()
    reasons = [event["reason"] for event in events if event["type"] == "final"]
    assert reasons == ["flush", "flush"]
    after = counts()
    assert {key: value - before.get(key, 0) for key, value in after.items()} == dict.fromkeys(after, 2)
    elapsed = asyncio.get_running_loop().time() - started
    assert 0 < sum(sums(service.metrics).values()) - spent < elapsed
