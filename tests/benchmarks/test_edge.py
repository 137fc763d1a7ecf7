"""The measurement of the edge: its clients speak WebSocket, and its figures are those of what they did."""

import asyncio

import edgecost
import pytest
from edge import SPEC, measure
from edgeload import BINARY, TEXT, Unframer, cut, masked
from edgestub import StubEngine
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from support.toy import linear16, speech
from wavelane.engine.base import Delivery
from wavelane.session.options import parse_options
from wavelane.session.session import Session


@given(st.binary(max_size=300) | st.sampled_from([bytes(125), bytes(126), bytes(65_535), bytes(65_536)]))
def test_frames_are_those_of_a_websocket(payload: bytes) -> None:
    reader = StreamReader()
    reader.feed_data(masked(BINARY, payload))
    parser = Frame.parse(reader.read_exact, mask=True, max_size=None)
    with pytest.raises(StopIteration) as parsed:
        next(parser)
    assert parsed.value.value == Frame(Opcode.BINARY, payload)
    assert masked(TEXT, b"{}")[0] == 0x81


@given(st.lists(st.integers(0, 400), max_size=8), st.lists(st.integers(0), max_size=8))
def test_messages_are_counted_however_they_are_cut(sizes: list[int], cuts: list[int]) -> None:
    data = b"".join(Frame(Opcode.TEXT, bytes(size)).serialize(mask=False) for size in sizes)
    edges = [0, *sorted(at % (len(data) + 1) for at in cuts), len(data)]
    unframer = Unframer()
    assert sum(unframer.feed(data[start:end]) for start, end in zip(edges, edges[1:], strict=False)) == len(sizes)  # noqa: RUF007


async def test_the_stub_answers_every_chunk_at_the_pace_of_speech() -> None:
    answers: list[Delivery] = []
    stub = StubEngine(SPEC, 2, answers.extend)
    slot = stub.open()
    session = Session(parse_options({"vad": {"kind": "off"}}), SPEC)
    for packet in cut(linear16(speech([(20.0, 0.5)])), 100):
        session.receive_audio(packet)
    sent = 0
    while (chunk := session.next_chunk()) is not None:
        stub.submit(slot, chunk)
        sent += 1
    await asyncio.sleep(0)
    assert len(answers) == sent > 30
    for answer in answers:
        session.receive_result(answer.outcome)  # type: ignore[arg-type]
    assert sum(len(answer.outcome.tokens) for answer in answers) == pytest.approx(50, abs=3)  # type: ignore[union-attr]
    assert session.backlog_ms < 1_000
    stub.close(slot)
    stub.audit()


async def test_the_cost_of_a_packet_is_measured() -> None:
    figures = await edgecost.measure(4, 20, "webrtc")
    assert figures["packets"] == 80
    assert figures["us_per_packet"] > 0
    assert figures["messages_per_packet"] > 0


async def test_a_small_load_is_measured() -> None:
    plan = {
        "sessions": 3, "packet_ms": 100, "ramp_s": 0.3, "warm_s": 1.0, "seconds": 4.0,
        "options": {"vad": {"kind": "webrtc"}, "lookahead": 0},
    }  # fmt: skip
    figures = await measure(0, plan, {})
    assert figures["lost"] == 0
    assert 0 < figures["packets_sent_per_s"] <= 33
    assert 0 < figures["packets_taken_per_s"] < 50
    assert figures["chunks_per_s"] > 0
    assert figures["messages_out_per_s"] > 0
    assert figures["us_per_packet"] > 0
