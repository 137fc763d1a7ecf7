"""What the bench listens to: endless streams made of real speech, cut into chunks while it runs."""

import random
from collections.abc import Sequence

import numpy as np

from wavelane.audio.framer import Framer
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, Samples

GAP_SECONDS = 0.3
"""Silence between two utterances of a stream."""


def long_streams(utterances: Sequence[Samples], count: int, seconds: float, rate: int, seed: int = 0) -> list[Samples]:
    """Streams of real speech: utterances in an order of the stream's own, joined, rounded to 16 bits.

    Long ones, so that starts do not blur a throughput; rounded, as audio arrives over a network.

    Args:
        utterances: each [n] float32 at ``rate``.
        count: of streams.
        seconds: of each stream.
        rate: samples per second.
        seed: of the order.

    Returns:
        ``count`` arrays [seconds * rate].
    """
    gap = np.zeros(round(GAP_SECONDS * rate), np.float32)
    length = round(seconds * rate)
    streams = []
    for number in range(count):
        order = random.Random(1000 * seed + number)
        parts: list[Samples] = []
        while sum(map(len, parts)) < length:
            parts += [utterances[order.randrange(len(utterances))], gap]
        joined = np.concatenate(parts)[:length]
        streams.append((np.round(np.clip(joined, -1, 1) * 32767) / 32768).astype(np.float32))
    return streams


class Source:
    """One lane's audio, a chunk at a time, starting anew as another stream when it is through.

    Args:
        spec: of the model.
        lookahead: of the chunks.
        audio: at the model's rate, at least one chunk long.
        at: sample to begin with, so that the lanes of a batch do not all start anew in the same step.
    """

    def __init__(self, spec: ModelSpec, lookahead: int, audio: Samples, at: int = 0) -> None:
        self._audio = audio
        self._lookahead = lookahead
        self._chunk = (lookahead + 1) * spec.frame_samples
        self._at = at // self._chunk * self._chunk
        self._sequence = 0
        self._framer = Framer(spec.features, subsampling=spec.subsampling, lookahead=lookahead, lead=spec.lead)

    def next(self) -> Chunk:
        """The chunk that the next ``(lookahead + 1) * frame_samples`` samples complete."""
        if self._at + self._chunk > len(self._audio):
            self._at = 0
            self._framer.reset()
        # Windows of a stream are complete some samples before the audio of their chunk ends: one for each push.
        (window,) = self._framer.push(self._audio[self._at : self._at + self._chunk])
        self._at += self._chunk
        self._sequence += 1
        return Chunk(
            lane=0,
            sequence=self._sequence - 1,
            samples=window.samples,
            frames=window.frames,
            start=window.start,
            last=False,
            lookahead=self._lookahead,
            end=window.end,
        )


def sources(spec: ModelSpec, lookahead: int, streams: Sequence[Samples], count: int) -> list[Source]:
    """``count`` lanes over the streams, at different places of them."""
    return [
        Source(spec, lookahead, streams[i % len(streams)], i * (len(streams[i % len(streams)]) // count))
        for i in range(count)
    ]
