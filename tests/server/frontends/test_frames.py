"""The wire between front ends and engine: nothing is lost or rounded, and nonsense is an error."""

from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.engine.base import Delivery
from wavelane.engine.governor import Condition
from wavelane.engine.metrics import EngineStats
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import FeatureSpec, ModelSpec
from wavelane.work import Chunk, Decoding, FusionRequest, Hypothesis, StepResult, Token
from wavelane_server.frontends import frames, framing
from wavelane_server.frontends.framing import FrameError, FrameReader, Kind

U32 = st.integers(0, 2**32 - 1)
SLOTS = st.builds(Slot, U32, U32)
SMALL = st.integers(0, 200)
DECODINGS = st.builds(
    Decoding,
    beam=SMALL,
    alternatives=SMALL,
    settle=SMALL,
    fusion=st.none()
    | st.builds(
        FusionRequest,
        lm=st.none() | st.text(max_size=9),
        lm_weight=st.none() | st.floats(0, 10),
        hotwords=st.lists(st.tuples(st.text(max_size=9), st.floats(0, 20)), max_size=3).map(tuple),
    ),
    grammar=st.none() | st.text(max_size=20),
)
CHUNKS = st.builds(
    Chunk,
    lane=st.integers(0, 7),
    sequence=U32,
    samples=st.lists(st.floats(width=32), max_size=40).map(lambda values: np.array(values, np.float32)),
    frames=st.integers(1, 520),
    start=st.booleans(),
    last=st.booleans(),
    lookahead=st.integers(0, 64),
    bounds=st.none() | st.tuples(st.integers(0, 64), st.integers(0, 64)),
    prompt=st.none() | st.integers(0, 200),
    end=st.integers(0, 2**60),
    decoding=st.none() | DECODINGS,
)
TOKENS = st.builds(Token, id=U32, frame=U32, confidence=st.floats(0, 1))
RESULTS = st.builds(
    StepResult,
    lane=st.integers(0, 7),
    sequence=U32,
    tokens=st.lists(TOKENS, max_size=5).map(tuple),
    frames=st.integers(0, 65),
    last=st.booleans(),
    tentative=st.lists(TOKENS, max_size=3).map(tuple),
    alternatives=st.lists(
        st.builds(Hypothesis, tokens=st.lists(TOKENS, max_size=3).map(tuple), score=st.floats(-1e6, 0)), max_size=3
    ).map(tuple),
    unsettled=st.booleans(),
)
ERRORS = st.builds(WavelaneError, st.sampled_from(ErrorCode), st.text(max_size=50))


def read(data: bytes, cuts: list[int] = []) -> list[tuple[Kind, bytes]]:  # noqa: B006 - not changed
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    reader = FrameReader()
    return [(kind, bytes(body)) for start, end in pairwise(edges) for kind, body in reader.feed(data[start:end])]


def values(thing: Any) -> dict[str, Any]:
    """Every field, those that are added later included."""
    found = {field.name: getattr(thing, field.name) for field in fields(thing)}
    return {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in found.items()}


@given(st.lists(st.tuples(SLOTS, CHUNKS), min_size=1, max_size=5, unique_by=lambda item: item[0]))
def test_chunks_arrive_as_they_left(work: list[tuple[Slot, Chunk]]) -> None:
    decodings = {}
    for slot, chunk in work:
        if chunk.decoding is not None:
            ((kind, body),) = read(frames.encode_decoding(slot, chunk.decoding))
            assert kind is Kind.DECODING
            decodings.update([frames.decode_decoding(memoryview(body))])
    heard = []
    for kind, body in read(b"".join(frames.encode_chunks(work))):
        assert kind is Kind.CHUNKS
        heard += frames.decode_chunks(memoryview(body), decodings)
    assert [(slot, values(chunk)) for slot, chunk in heard] == [(slot, values(chunk)) for slot, chunk in work]


def test_chunks_leave_in_frames_that_hold_little_memory() -> None:
    chunk = Chunk(
        lane=0, sequence=0, samples=np.ones(20_000, np.float32), frames=1, start=True, last=False, lookahead=0
    )
    messages = list(frames.encode_chunks([(Slot(number, 0), chunk) for number in range(20)]))
    assert len(messages) > 1
    assert all(len(message) < frames.CHUNKS_BYTES + 80_100 < framing.MAX_FRAME_BYTES for message in messages)
    heard = [slot.index for message in messages for _, body in read(message)
             for slot, _ in frames.decode_chunks(memoryview(body), {})]  # fmt: skip
    assert heard == list(range(20))


@given(st.lists(st.builds(Delivery, SLOTS, RESULTS | ERRORS), max_size=6))
def test_results_arrive_as_they_left(deliveries: list[Delivery]) -> None:
    ((kind, body),) = read(frames.encode_results(deliveries))
    assert kind is Kind.RESULTS
    heard = frames.decode_results(memoryview(body))
    assert [slot for slot, _ in heard] == [slot for slot, _ in deliveries]
    for (_, got), (_, sent) in zip(heard, deliveries, strict=True):
        if isinstance(sent, WavelaneError):
            assert isinstance(got, WavelaneError)
            assert (got.code, got.message) == (sent.code, sent.message)
        else:
            assert values(got) == values(sent)


@given(st.lists(st.tuples(st.sampled_from(Kind), st.binary(max_size=30)), max_size=6), st.lists(st.integers(0)))
def test_any_split_gives_the_same_frames(messages: list[tuple[Kind, bytes]], cuts: list[int]) -> None:
    assert read(b"".join(framing.frame(*message) for message in messages), cuts) == messages


def test_what_is_said_seldom() -> None:
    stats = EngineStats(
        lanes=1, max_lanes=2, queued=3, running=4, steps=5, rows=6, padding=7, refused=8, dropped=9, failed=10,
        wakeups=11, last_step_age=None, running_for=0.5, lookaheads={0: 1, 13: 2},
        condition=Condition(load=0.9, capacity=118.5, refusing=True, slowdown=1.2, limit=0.8, dial=7),
    )  # fmt: skip
    spec = ModelSpec(
        name="m", features=FeatureSpec(n_mels=80, preemphasis=None), lookaheads=(13, 0), default_lookahead=0,
        left_context=70, vocabulary=("\u2581a", "b"), heads=("rnnt", "ctc"), prompts={"en": 1}, default_prompt=1,
    )  # fmt: skip
    welcome = frames.Welcome(spec=spec, head="ctc", stats=stats, healthy=True)
    ((kind, body),) = read(frames.encode_json(Kind.WELCOME, welcome))
    heard = frames.decode_json(frames.Welcome, memoryview(body))
    assert (kind, heard.spec, heard.stats, heard.head) == (Kind.WELCOME, spec, stats, "ctc")
    refused = frames.Refused(request=7, code=ErrorCode.OVERLOADED, message="full")
    ((_, body),) = read(frames.encode_json(Kind.REFUSED, refused))
    assert frames.decode_json(frames.Refused, memoryview(body)) == refused
    with pytest.raises(FrameError, match="Refused"):
        frames.decode_json(frames.Refused, memoryview(b"{}"))


def test_lanes() -> None:
    for lookahead in (None, 0, 13):
        ((kind, body),) = read(frames.encode_open(frames.Open(9, 2, lookahead)))
        assert (kind, frames.decode_open(memoryview(body))) == (Kind.OPEN, (9, 2, lookahead))
    slots = [Slot(1, 2), Slot(3, 4)]
    ((kind, body),) = read(frames.encode_opened(frames.Opened(9, slots)))
    assert (kind, frames.decode_opened(memoryview(body))) == (Kind.OPENED, (9, slots))
    ((kind, body),) = read(frames.encode_close(slots))
    assert (kind, frames.decode_slots(memoryview(body))) == (Kind.CLOSE, slots)


@given(st.floats(0, 1e6))
def test_how_late_a_front_end_is(seconds: float) -> None:
    ((kind, body),) = read(frames.encode_delay(seconds))
    assert (kind, frames.decode_delay(memoryview(body))) == (Kind.DELAYED, seconds)


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_delays_that_are_none(seconds: float) -> None:
    with pytest.raises(FrameError, match="s late"):
        frames.decode_delay(memoryview(frames.encode_delay(seconds)[8:]))


def head(length: int, kind: int) -> bytes:
    return length.to_bytes(4, "little") + bytes((kind, 0, 0, 0))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (head(framing.MAX_FRAME_BYTES + 1, Kind.CHUNKS), "a frame of 33554433 bytes, at most 33554432 are taken"),
        (head(0, 99), "no frame is of kind 99"),
    ],
)
def test_frames_that_are_none(data: bytes, said: str) -> None:
    with pytest.raises(FrameError, match=said):
        read(data)


SLOT = Slot(0, 0)
WINDOW = np.ones(4, np.float32)
TONE = Chunk(lane=0, sequence=0, samples=WINDOW, frames=1, start=True, last=False, lookahead=0)
PIECE = StepResult(lane=0, sequence=0, tokens=(Token(id=1, frame=1, confidence=1.0),), frames=1, last=False)
CHUNK = next(frames.encode_chunks([(SLOT, TONE)]))[8:]
BEST = Hypothesis(tokens=PIECE.tokens, score=-1.0)
FOUND = StepResult(
    lane=0, sequence=0, tokens=(), frames=1, last=True, tentative=PIECE.tokens, alternatives=(BEST, BEST)
)
SEARCHED = frames.encode_results([Delivery(SLOT, FOUND)])[8:]
RESULT = frames.encode_results([Delivery(SLOT, PIECE)])[8:]


@given(st.data())
def test_cut_bodies_are_errors(data: st.DataObject) -> None:
    for body, decode in (
        (CHUNK, lambda body: frames.decode_chunks(body, {})),
        (RESULT, frames.decode_results),
        (SEARCHED, frames.decode_results),
    ):
        cut = data.draw(st.integers(1, len(body) - 1))
        with pytest.raises(FrameError):
            list(decode(memoryview(body[:cut])))


def test_other_nonsense() -> None:
    searched = next(frames.encode_chunks([(SLOT, replace(TONE, decoding=Decoding(beam=4)))]))[8:]
    with pytest.raises(FrameError, match="has no decoding"):
        list(frames.decode_chunks(memoryview(searched), {}))
    for body in (b"123", bytes(8) + b"{}"):
        with pytest.raises(FrameError, match="decoding"):
            frames.decode_decoding(memoryview(body))
    for lanes in (0, frames.MAX_LANES + 1):
        with pytest.raises(FrameError, match="lanes for a session"):
            frames.decode_open(memoryview(frames.encode_open(frames.Open(1, lanes))[8:]))
    with pytest.raises(FrameError):
        frames.decode_open(memoryview(b"123"))
    with pytest.raises(FrameError, match="bytes of slots"):
        frames.decode_slots(memoryview(b"12345"))
    with pytest.raises(FrameError, match="promised"):
        frames.decode_opened(memoryview(frames.encode_opened(frames.Opened(1, [Slot(0, 0)]))[8:-8]))
    unknown = frames.encode_results([Delivery(SLOT, WavelaneError(ErrorCode.INTERNAL, "x"))])[8:]
    with pytest.raises(FrameError, match="results"):
        frames.decode_results(memoryview(unknown.replace(b"internal", b"nternali")))
