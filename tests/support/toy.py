"""A recogniser small enough to know its answers: loudness in, pieces out, with the engine's interface to a session."""

import itertools
import random
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.search import Search, advance_ctc
from wavelane.events import Event
from wavelane.session.session import Session
from wavelane.spec import FeatureSpec, ModelSpec
from wavelane.work import Chunk, StepResult, Token

VOCABULARY = ("\u2581one", "\u2581two", "\u2581three", "\u2581fo", "ur", "\u2581fi", "ve", "\u2581")
SPEC = ModelSpec(
    name="toy",
    features=FeatureSpec(n_mels=80),
    lookaheads=(13, 6, 1, 0),
    default_lookahead=6,
    left_context=70,
    vocabulary=VOCABULARY,
    heads=("ctc",),
)


class EnergyDetector:
    """Speech is what is loud. 20 ms frames."""

    frame_samples = 320

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.float32)

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        audio = np.concatenate((self._rest, samples))
        count = len(audio) // self.frame_samples
        frames = audio[: count * self.frame_samples].reshape(count, self.frame_samples)
        self._rest = audio[count * self.frame_samples :]
        return (np.abs(frames).mean(axis=1) > 0.01).astype(np.float32)

    def reset(self) -> None:
        self._rest = np.zeros(0, np.float32)


class ToyRecogniser:
    """Emits, for every loud 80 ms of a stream, a piece that depends on the loudness and on what came before.

    It keeps the stream's audio, so a step that was left out, doubled or given to another lane shows in its output.
    """

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        self.spec = spec
        self.lookaheads: list[int] = []
        self._streams: dict[int, tuple[int, int]] = {}

    @property
    def steps(self) -> int:
        """Steps made."""
        return len(self.lookaheads)

    def step(self, chunk: Chunk) -> StepResult:
        self.lookaheads.append(chunk.lookahead)
        frame, last = (0, -1) if chunk.start else self._streams[chunk.lane]
        tokens = []
        heard = self.hear(chunk)
        for index, (piece, loudness) in enumerate(heard):
            if piece >= 0 and piece != last:
                tokens.append(Token(id=piece, frame=frame + index, confidence=0.5 + loudness / 4))
            last = piece
        self._streams[chunk.lane] = (frame + len(heard), last)
        return StepResult(
            lane=chunk.lane, sequence=chunk.sequence, tokens=tuple(tokens), frames=len(heard), last=chunk.last
        )

    def hear(self, chunk: Chunk) -> list[tuple[int, float]]:
        """Piece (-1: none) and loudness of every encoder frame."""
        features = self.spec.features
        skip = self.spec.subsampling - 1 if chunk.start else 0
        count = -(-(chunk.frames + (7 if chunk.start else 0)) // self.spec.subsampling)
        heard = []
        for index in range(count):
            at = features.left + features.hop * (max(skip, 0) + 8 * index - (7 if chunk.start else 0))
            window = chunk.samples[max(at, 0) : at + 8 * features.hop]
            loudness = float(np.sort(np.abs(window))[len(window) // 2]) if len(window) else 0.0
            heard.append((min(int(loudness * 20), 7) if loudness > 0.05 else -1, loudness))
        return heard


class ToySearcher(ToyRecogniser):
    """The same, not so sure of what it hears, with a beam search over it."""

    def __init__(self, spec: ModelSpec = SPEC) -> None:
        super().__init__(spec)
        self.said: list[Token] = []
        """All pieces that were told for good."""
        self._searches: dict[int, Search] = {}

    def step(self, chunk: Chunk) -> StepResult:
        blank = len(self.spec.vocabulary)
        if chunk.start:
            assert chunk.decoding is not None
            self._searches[chunk.lane] = Search(chunk.decoding, blank + 1, blank)
        heard = self.hear(chunk)
        scores = np.full((len(heard), blank + 1), -7.0, np.float32)
        for row, (piece, loudness) in zip(scores, heard, strict=True):
            # How sure it is depends on the sound alone.
            doubt = 2 * np.sin(loudness * 9_973)
            row[blank] = -6.0 if piece >= 0 else 0.0
            row[piece if piece >= 0 else 0] = 0.0 if piece >= 0 else -4.0
            row[(piece + 3) % blank] += 6.0 + doubt if piece >= 0 else 0.0
        (found,) = advance_ctc(
            [self._searches[chunk.lane]], [scores.ctypes.data], blank + 1, [len(heard)], [chunk.last]
        )
        self.said += found.tokens
        return StepResult(
            lane=chunk.lane,
            sequence=chunk.sequence,
            tokens=found.tokens,
            frames=len(heard),
            last=chunk.last,
            tentative=found.tentative,
            alternatives=found.alternatives,
            unsettled=found.unsettled,
        )


def speech(plan: Iterable[tuple[float, float]], seed: int = 7) -> NDArray[np.float32]:
    """Noise at 16 kHz: (seconds, loudness) after one another."""
    generator = np.random.default_rng(seed)
    parts = [np.sign(generator.standard_normal(round(seconds * 16_000))) * loudness for seconds, loudness in plan]
    return np.concatenate(parts).astype(np.float32)


def linear16(samples: NDArray[np.float32]) -> bytes:
    """Little-endian 16 bit PCM."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def split(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Cut bytes at the given positions."""
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(edges)]


class Driver:
    """Runs a session against the toy, answering after as many further messages as ``delay`` says."""

    def __init__(
        self, session: Session, *, delay: int = 0, seed: int | None = None, toy: ToyRecogniser | None = None
    ) -> None:
        self.session = session
        self.toy = toy or ToyRecogniser()
        self.log: list[Event] = []
        self._due: list[Chunk] = []
        self._delay = delay
        self._random = None if seed is None else random.Random(seed)

    def audio(self, *pieces: bytes) -> "Driver":
        for piece in pieces:
            self.session.receive_audio(piece)
            self.pump()
        return self

    def flush(self) -> "Driver":
        self.session.receive_flush()
        self.pump()
        return self

    def end(self) -> list[Event]:
        self.session.receive_end()
        self.pump(everything=True)
        return self.log

    def pump(self, *, everything: bool = False) -> None:
        """Take work, and answer what is due."""
        while True:
            while (chunk := self.session.next_chunk()) is not None:
                self._due.append(chunk)
            self.log += self.session.events()
            keep = self._delay if self._random is None else self._random.randrange(6)
            if not self._due or (not everything and len(self._due) <= keep):
                if not self.session.more:
                    return
                self.session.resume()
                continue
            self.session.receive_result(self.toy.step(self._due.pop(0)))
            self.log += self.session.events()
