"""What front ends and the engine process say to each other, in frames (:mod:`.framing`). Sans-I/O.

Numbers are little-endian, samples raw float32, so nothing is rounded on the way. What is said once or seldom is JSON.
Nothing is ever unpickled.
"""

import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, TypeAdapter

from wavelane.engine.base import Delivery, Timing
from wavelane.engine.metrics import EngineStats
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, Decoding, Hypothesis, StepResult, Token
from wavelane_server.frontends.framing import HEAD, FrameError, Kind, frame

CHUNKS_BYTES = 1 << 18
"""Chunks are sent in frames of about this size: a chunk that waits keeps its whole frame in memory."""

MAX_LANES = 8
"""Most lanes that a session asks for at once."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Welcome(_Message):
    """What the engine serves."""

    spec: ModelSpec
    head: str
    stats: EngineStats
    healthy: bool


class Stats(_Message):
    """How the engine is."""

    stats: EngineStats
    healthy: bool


class Refused(_Message):
    """Why there are no lanes."""

    request: int
    code: ErrorCode
    message: str


class Open(NamedTuple):
    """A session wants lanes, all or none; the answer carries the number back."""

    request: int
    lanes: int
    lookahead: int | None = None
    """The longest that the session allows; None: the model's default."""


class Opened(NamedTuple):
    """The lanes of a session."""

    request: int
    slots: list[Slot]


# request, lanes, lookahead (-1: none)
_OPEN = struct.Struct("<IIi4x")
# request, lanes
_OPENED = struct.Struct("<II")
# seconds
_DELAY = struct.Struct("<d")
_SLOT = struct.Struct("<II")
# slot, sequence, samples, frames, lane, lookahead, its bounds, flags, language prompt, end of the audio
_CHUNK = struct.Struct("<IIIIHBBBBBxIq4x")
# slot, sequence, frames, tokens (or bytes of an error), lane, flags, timing (NaN: none)
_RESULT = struct.Struct("<IIIHHBB2xddd")
_TOKEN = struct.Struct("<IId")

# Behind the tokens of a result of a search: tentative tokens, alternatives, whether unsettled
_SEARCH = struct.Struct("<HBB")
# tokens, score
_ALTERNATIVE = struct.Struct("<Hd")

_START, _LAST, _PROMPT, _BOUNDS, _DECODED = 1, 2, 4, 8, 16
_FAILED, _SEARCHED = 4, 8
_DECODING: TypeAdapter[Decoding] = TypeAdapter(Decoding)
_NO_TIMING = (math.nan,) * 3

_Json = TypeVar("_Json", bound=_Message)


def encode_json(kind: Kind, message: _Message) -> bytes:
    """A frame of a message that is said seldom."""
    return frame(kind, message.model_dump_json().encode())


def decode_json(kind: type[_Json], body: memoryview) -> _Json:
    """The message of a frame. Raises FrameError."""
    try:
        return kind.model_validate_json(bytes(body))
    except ValueError as error:
        raise FrameError(f"{kind.__name__}: {error}") from None


def encode_open(message: Open) -> bytes:
    """See :attr:`Kind.OPEN`."""
    lookahead = -1 if message.lookahead is None else message.lookahead
    return frame(Kind.OPEN, _OPEN.pack(message.request, message.lanes, lookahead))


def decode_open(body: memoryview) -> Open:
    """See :attr:`Kind.OPEN`. Raises FrameError."""
    request, lanes, lookahead = _unpack(_OPEN, body)
    message = Open(request, lanes, None if lookahead < 0 else lookahead)
    if not 1 <= message.lanes <= MAX_LANES:
        raise FrameError(f"{message.lanes} lanes for a session")
    return message


def encode_opened(message: Opened) -> bytes:
    """See :attr:`Kind.OPENED`."""
    return frame(
        Kind.OPENED, _OPENED.pack(message.request, len(message.slots)) + b"".join(map(_pack_slot, message.slots))
    )


def decode_opened(body: memoryview) -> Opened:
    """See :attr:`Kind.OPENED`. Raises FrameError."""
    request, count = _unpack(_OPENED, body[: _OPENED.size])
    slots = decode_slots(body[_OPENED.size :])
    if len(slots) != count:
        raise FrameError(f"{len(slots)} slots, {count} promised")
    return Opened(request, slots)


def encode_close(slots: Sequence[Slot]) -> bytes:
    """See :attr:`Kind.CLOSE`."""
    return frame(Kind.CLOSE, b"".join(map(_pack_slot, slots)))


def decode_slots(body: memoryview) -> list[Slot]:
    """The body of :attr:`Kind.CLOSE`. Raises FrameError."""
    if len(body) % _SLOT.size:
        raise FrameError(f"{len(body)} bytes of slots")
    return [Slot(index, generation) for index, generation in _SLOT.iter_unpack(body)]


def encode_delay(seconds: float) -> bytes:
    """See :attr:`Kind.DELAYED`."""
    return frame(Kind.DELAYED, _DELAY.pack(seconds))


def decode_delay(body: memoryview) -> float:
    """The body of :attr:`Kind.DELAYED` (s). Raises FrameError."""
    (seconds,) = _unpack(_DELAY, body)
    if not 0 <= seconds < math.inf:
        raise FrameError(f"{seconds} s late")
    return float(seconds)


def encode_decoding(slot: Slot, decoding: Decoding) -> bytes:
    """See :attr:`Kind.DECODING`."""
    return frame(Kind.DECODING, _pack_slot(slot) + _DECODING.dump_json(decoding))


def decode_decoding(body: memoryview) -> tuple[Slot, Decoding]:
    """See :attr:`Kind.DECODING`. Raises FrameError."""
    try:
        index, generation = _SLOT.unpack_from(body)
        return Slot(index, generation), _DECODING.validate_json(bytes(body[_SLOT.size :]))
    except (struct.error, ValueError) as error:
        raise FrameError(f"decoding: {error}") from None


def encode_chunks(work: Iterable[tuple[Slot, Chunk]]) -> Iterator[bytes]:
    """Frames of :attr:`Kind.CHUNKS`, of about :data:`CHUNKS_BYTES` each.

    The decoding of a chunk goes before them, see :func:`encode_decoding`.
    """
    parts: list[bytes | memoryview] = []
    size = 0
    for slot, chunk in work:
        flags = (_START if chunk.start else 0) | (_LAST if chunk.last else 0)
        if chunk.prompt is not None:
            flags |= _PROMPT
        if chunk.bounds is not None:
            flags |= _BOUNDS
        if chunk.decoding is not None:
            flags |= _DECODED
        samples = chunk.samples.data  # copied once, by the join
        parts.append(
            _CHUNK.pack(
                slot.index,
                slot.generation,
                chunk.sequence & 0xFFFFFFFF,
                len(chunk.samples),
                chunk.frames,
                chunk.lane,
                chunk.lookahead,
                *(chunk.bounds or (0, 0)),
                flags,
                chunk.prompt or 0,
                chunk.end,
            )
        )
        parts.append(samples)
        size += _CHUNK.size + samples.nbytes
        if size >= CHUNKS_BYTES:
            yield b"".join([HEAD.pack(size, Kind.CHUNKS), *parts])
            parts, size = [], 0
    if parts:
        yield b"".join([HEAD.pack(size, Kind.CHUNKS), *parts])


def decode_chunks(body: memoryview, decodings: Mapping[Slot, Decoding]) -> Iterator[tuple[Slot, Chunk]]:
    """See :attr:`Kind.CHUNKS`. The samples are views of ``body``.

    Args:
        body: of the frame.
        decodings: what :attr:`Kind.DECODING` said of each lane.

    Raises:
        FrameError: it is cut, or refers to a decoding that was not told.
    """
    at = 0
    while at < len(body):
        if at + _CHUNK.size > len(body):
            raise FrameError("a chunk is cut")
        (index, generation, sequence, count, frames, lane, lookahead, shortest, longest, flags, prompt, end) = (
            _CHUNK.unpack_from(body, at)
        )
        at += _CHUNK.size
        if count * 4 > len(body) - at:
            raise FrameError("the samples of a chunk are cut")
        samples = np.frombuffer(body, np.float32, count, at)
        at += count * 4
        slot = Slot(index, generation)
        if flags & _DECODED and slot not in decodings:
            raise FrameError(f"{slot} has no decoding")
        yield (
            slot,
            Chunk(
                lane=lane,
                sequence=sequence,
                samples=samples,
                frames=frames,
                start=bool(flags & _START),
                last=bool(flags & _LAST),
                lookahead=lookahead,
                bounds=(shortest, longest) if flags & _BOUNDS else None,
                prompt=prompt if flags & _PROMPT else None,
                end=end,
                decoding=decodings[slot] if flags & _DECODED else None,
            ),
        )


def encode_results(deliveries: Iterable[Delivery]) -> bytes:
    """A frame of :attr:`Kind.RESULTS`: all results of a step for one front end."""
    parts: list[bytes] = []
    for delivery in deliveries:
        slot, outcome = delivery
        timing = delivery.timing or _NO_TIMING
        if isinstance(outcome, WavelaneError):
            error = f"{outcome.code.value}\n{outcome.message}".encode()[:0xFFFF]
            parts.append(_RESULT.pack(slot.index, slot.generation, 0, 0, len(error), 0, _FAILED, *timing))
            parts.append(error)
            continue
        parts.append(
            _RESULT.pack(
                slot.index,
                slot.generation,
                outcome.sequence,
                outcome.frames,
                len(outcome.tokens),
                outcome.lane,
                (_LAST if outcome.last else 0) | (_SEARCHED if _searched(outcome) else 0),
                *timing,
            )
        )
        parts += map(_pack_token, outcome.tokens)
        if _searched(outcome):
            parts.append(_SEARCH.pack(len(outcome.tentative), len(outcome.alternatives), outcome.unsettled))
            parts += map(_pack_token, outcome.tentative)
            for alternative in outcome.alternatives:
                parts.append(_ALTERNATIVE.pack(len(alternative.tokens), alternative.score))
                parts += map(_pack_token, alternative.tokens)
    return frame(Kind.RESULTS, b"".join(parts))


def decode_results(body: memoryview) -> list[Delivery]:
    """See :attr:`Kind.RESULTS`. Raises FrameError."""
    deliveries = []
    at = 0
    try:
        while at < len(body):
            index, generation, sequence, frames, count, lane, flags, *times = _RESULT.unpack_from(body, at)
            at += _RESULT.size
            timing = None if math.isnan(times[0]) else Timing(*times)
            slot = Slot(index, generation)
            if flags & _FAILED:
                code, _, message = str(body[at : at + count], "utf-8", "replace").partition("\n")
                at += count
                deliveries.append(Delivery(slot, WavelaneError(ErrorCode(code), message), timing))
                continue
            tokens, at = _tokens(body, at, count)
            tentative: tuple[Token, ...] = ()
            alternatives: list[Hypothesis] = []
            unsettled = 0
            if flags & _SEARCHED:
                tentatives, hypotheses, unsettled = _SEARCH.unpack_from(body, at)
                tentative, at = _tokens(body, at + _SEARCH.size, tentatives)
                for _ in range(hypotheses):
                    length, score = _ALTERNATIVE.unpack_from(body, at)
                    other, at = _tokens(body, at + _ALTERNATIVE.size, length)
                    alternatives.append(Hypothesis(tokens=other, score=score))
            result = StepResult(
                lane=lane,
                sequence=sequence,
                tokens=tokens,
                frames=frames,
                last=bool(flags & _LAST),
                tentative=tentative,
                alternatives=tuple(alternatives),
                unsettled=bool(unsettled),
            )
            deliveries.append(Delivery(slot, result, timing))
    except (struct.error, ValueError) as error:
        raise FrameError(f"results: {error}") from None
    if at > len(body):
        raise FrameError("a result is cut")
    return deliveries


def _searched(result: StepResult) -> bool:
    return bool(result.tentative or result.alternatives or result.unsettled)


def _tokens(body: memoryview, at: int, count: int) -> tuple[tuple[Token, ...], int]:
    """Tokens from a place on, and the place behind them."""
    end = at + count * _TOKEN.size
    if end > len(body):
        raise FrameError("a result is cut")
    found = [
        Token(id=piece, frame=when, confidence=confidence)
        for piece, when, confidence in _TOKEN.iter_unpack(body[at:end])
    ]
    return tuple(found), end


def _pack_token(token: Token) -> bytes:
    return _TOKEN.pack(token.id, token.frame, token.confidence)


def _pack_slot(slot: Slot) -> bytes:
    return _SLOT.pack(slot.index, slot.generation)


def _unpack(layout: struct.Struct, body: memoryview) -> tuple[int, ...]:
    try:
        return layout.unpack(body)
    except struct.error as error:
        raise FrameError(str(error)) from None
