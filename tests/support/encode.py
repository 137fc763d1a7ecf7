"""Encodes test audio with FFmpeg, and decodes it the ordinary way, as the reference."""

import io
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]


def tones(rate: int, seconds: float, channels: int = 1) -> Audio:
    """[channels, n]: a chord with some noise, another in each channel."""
    time = np.arange(round(rate * seconds)) / rate
    noise = np.random.default_rng(5).standard_normal((channels, len(time))) * 0.01
    pitch = np.array([[220.0], [330.0], [440.0], [550.0]][:channels])
    return (0.3 * np.sin(2 * np.pi * pitch * time) + 0.2 * np.sin(7 * np.pi * pitch * time) + noise).astype(np.float32)


def encode(
    container: str, codec: str, rate: int, audio: Audio, sample_format: str | None = None, **options: str
) -> bytes:
    """A file of ``audio`` [channels, n] at ``rate`` Hz."""
    layout = {1: "mono", 2: "stereo"}[len(audio)]
    target = io.BytesIO()
    with av.open(target, "w", format=container, options=options) as file:
        experimental = {"strict": "experimental"} if codec == "vorbis" else None
        stream = file.add_stream(codec, rate=rate, layout=layout, options=experimental)
        if sample_format:
            stream.format = sample_format
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        frame_size = stream.codec_context.frame_size or 64
        convert = av.AudioResampler(stream.format.name, layout, rate, frame_size=frame_size)
        for part in [*convert.resample(frame), *convert.resample(None)]:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    return target.getvalue()


def reference(data: bytes) -> Audio:
    """The file decoded by FFmpeg's own demuxer and decoder, [channels, n]."""
    blocks = []
    with av.open(io.BytesIO(data)) as file:
        for frame in file.decode(audio=0):
            samples = frame.to_ndarray()
            if frame.format.is_packed:
                samples = samples.reshape(-1, frame.layout.nb_channels).T
            if samples.dtype == np.uint8:
                samples = samples.astype(np.float32) / 128 - 1
            elif samples.dtype.kind == "i":
                samples = samples / 2.0 ** (8 * samples.dtype.itemsize - 1)
            blocks.append(samples.astype(np.float32))
    return np.concatenate(blocks, axis=1)
