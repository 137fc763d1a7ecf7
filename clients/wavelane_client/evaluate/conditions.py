"""Under which conditions a recording is heard: rooms, noise, level and codecs, put on it before it is sent.

A condition is written as its parts joined by ``+``: ``clean``, or any of

    room            convolved with an impulse response
    snr:DB          noise is added
    gain:DB         the level is changed; what passes full scale is clipped
    mulaw           mu-law at 8 kHz, sent as such
    opus:KBITS      Ogg Opus, sent as such (``opus`` is 16 kbit/s)

They are applied in this order whatever the order they are written in. Which noise and which room a recording gets
depends on its name, the condition and the seed alone, so that runs can be compared recording by recording.

The signal-to-noise ratio is that of the loudest 128 ms of the speech to the loudest 128 ms of the noise that falls on
it, as in Picovoice's speech-to-intent benchmark: silence around the speech does not change it.
"""

import io
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE
from wavelane_client.file import Block
from wavelane_client.load.corpus import decode
from wavelane_client.manifest import read_manifest

Samples = NDArray[np.float32]
"""[n], full scale is 1, at 16 kHz."""
FRAME = 2_048
"""Samples over which the energy of speech and of noise is taken."""
OPUS_KBITS = 16.0
MULAW_RATE = 8_000
_KEPT_SOURCES = 32
_ENDINGS = {".wav", ".flac", ".opus", ".ogg", ".mp3", ".m4a"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One way to be heard; see the module."""

    name: str
    room: bool = False
    snr: float | None = None
    """Decibels."""
    gain: float | None = None
    """Decibels."""
    mulaw: bool = False
    opus: float | None = None
    """kbit/s."""


CLEAN = Condition(name="clean")


@dataclass(frozen=True, slots=True)
class Sent:
    """A recording as it goes to the server."""

    data: bytes
    options: Mapping[str, Any]
    """Of the session: how ``data`` is encoded."""
    seconds: float
    """How long it plays."""

    def blocks(self, seconds: float) -> list[Block]:
        """Blocks of about this length; of a container, of its average rate."""
        count = max(1, round(self.seconds / seconds))
        width = 2 if self.options["encoding"] == "linear16" else 1
        size = -(-len(self.data) // (count * width)) * width
        rate = len(self.data) / self.seconds
        parts = [self.data[at : at + size] for at in range(0, len(self.data), size)]
        return [Block(part, len(part) / rate) for part in parts]


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        WavelaneError: INVALID_CONFIG, a part is unknown, twice there, or has no number where one is needed.
    """
    values: dict[str, Any] = {}
    for part in text.split("+"):
        kind, _, number = part.partition(":")
        if kind == "clean" and text == "clean":
            return CLEAN
        if kind in values or kind not in ("room", "snr", "gain", "mulaw", "opus"):
            raise _unknown(text)
        if kind in ("room", "mulaw"):
            if number:
                raise _unknown(text)
            values[kind] = True
        else:
            try:
                values[kind] = float(number) if number or kind != "opus" else OPUS_KBITS
            except ValueError:
                raise _unknown(text) from None
    if values.get("mulaw") and "opus" in values:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the condition {text!r} has two codecs: mulaw or opus, not both")
    if not 6 <= values.get("opus", OPUS_KBITS) <= 256:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"the condition {text!r} asks of Opus what it has not: 6 to 256 kbit/s"
        )
    return Condition(name=text, **values)


class Studio:
    """Puts conditions on recordings.

    Args:
        noises: files of noise; needed by conditions with ``snr``.
        rooms: files of impulse responses; needed by conditions with ``room``.
        seed: of which noise and which room a recording gets.
    """

    def __init__(self, noises: Sequence[Path] = (), rooms: Sequence[Path] = (), seed: int = 0) -> None:
        self._noises = noises
        self._rooms = rooms
        self._seed = seed

    def check(self, condition: Condition) -> None:
        """Raise INVALID_CONFIG where the sources that a condition needs are missing."""
        if condition.snr is not None and not self._noises:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the condition {condition.name!r} needs --noise")
        if condition.room and not self._rooms:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the condition {condition.name!r} needs --room")

    def record(self, name: str, pcm: bytes, condition: Condition) -> Sent:
        """A recording under a condition.

        Args:
            name: of the recording.
            pcm: mono, 16 bit, 16 kHz.
            condition: to put on it.
        """
        seconds = len(pcm) / (2 * CLOCK_RATE)
        if condition.room or condition.snr is not None or condition.gain is not None:
            rng = np.random.default_rng([self._seed, zlib.crc32(f"{condition.name}\n{name}".encode())])
            pcm = _to_pcm(self._degrade(_samples(pcm), condition, rng))
        if condition.mulaw:
            return Sent(encode_mulaw(pcm), {"encoding": "mulaw", "sample_rate": MULAW_RATE, "channels": 1}, seconds)
        if condition.opus is not None:
            return Sent(encode_opus(pcm, condition.opus), {"encoding": "container"}, seconds)
        return Sent(pcm, {"encoding": "linear16", "sample_rate": CLOCK_RATE, "channels": 1}, seconds)

    def _degrade(self, speech: Samples, condition: Condition, rng: np.random.Generator) -> Samples:
        if condition.room:
            speech = reverberate(speech, load(self._rooms[int(rng.integers(len(self._rooms)))]))
        if condition.snr is not None:
            noise = load(self._noises[int(rng.integers(len(self._noises)))])
            speech = add_noise(speech, noise, condition.snr, int(rng.integers(len(noise))))
        if condition.gain is not None:
            speech = speech * np.float32(10 ** (condition.gain / 20))
        return speech


def add_noise(speech: Samples, noise: Samples, snr: float, start: int) -> Samples:
    """Speech and noise at a ratio (dB). The noise begins at sample ``start`` and is repeated where it is too short.

    The mixture is made quieter where it would pass full scale.
    """
    noise = np.resize(np.roll(noise, -start), len(speech))
    scale = np.sqrt(_loudest(speech) / max(_loudest(noise), 1e-12) / 10 ** (snr / 10))
    mixed: Samples = speech + np.float32(scale) * noise
    return mixed / max(1.0, float(np.abs(mixed).max(initial=0.0)))


def reverberate(speech: Samples, response: Samples) -> Samples:
    """Speech in a room, as loud as before and without the way from the source: the direct sound comes at once."""
    response = response[int(np.abs(response).argmax()) :]
    size = 1 << (len(speech) + len(response) - 1).bit_length()
    product = np.fft.rfft(speech, size) * np.fft.rfft(response, size)
    wet = np.fft.irfft(product, size)[: len(speech)].astype(np.float32)
    wet *= np.sqrt(_loudest(speech) / max(_loudest(wet), 1e-12))
    return wet / max(1.0, float(np.abs(wet).max(initial=0.0)))


def sources(paths: Sequence[str | Path]) -> list[Path]:
    """Audio files of folders (and their folders), manifests (``.jsonl``) and files, in order.

    Raises:
        WavelaneError: INVALID_CONFIG, a folder holds no audio, or a file is not there.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in _ENDINGS)
            if not inside:
                raise WavelaneError(ErrorCode.INVALID_CONFIG, f"the folder {path} holds no audio")
            found += inside
        elif path.suffix == ".jsonl":
            found += [entry.path for entry in read_manifest(path)]
        elif path.is_file():
            found.append(path)
        else:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"there is no file or folder {path}")
    return found


@lru_cache(_KEPT_SOURCES)
def load(path: Path) -> Samples:
    """A whole file. Raises INVALID_AUDIO."""
    return _samples(decode(str(path)))


def encode_mulaw(pcm: bytes) -> bytes:
    """16-bit PCM at 16 kHz as G.711 mu-law at 8 kHz."""
    codec = av.CodecContext.create("pcm_mulaw", "w")
    codec.sample_rate, codec.layout, codec.format = MULAW_RATE, "mono", "s16"
    resampler = av.AudioResampler("s16", "mono", MULAW_RATE)
    frames = [*resampler.resample(_frame(pcm)), *resampler.resample(None)]
    packets = [packet for frame in [*frames, None] for packet in codec.encode(frame)]
    return b"".join(map(bytes, packets))


def encode_opus(pcm: bytes, kbits: float) -> bytes:
    """16-bit PCM at 16 kHz as Ogg Opus."""
    target = io.BytesIO()
    with av.open(target, "w", format="ogg") as file:
        stream = file.add_stream("libopus", rate=48_000, layout="mono")
        stream.bit_rate = round(kbits * 1000)
        resampler = av.AudioResampler(
            stream.format.name, "mono", 48_000, frame_size=stream.codec_context.frame_size or 960
        )
        for frame in [*resampler.resample(_frame(pcm)), *resampler.resample(None)]:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return target.getvalue()


def _loudest(samples: Samples) -> float:
    """Energy of the loudest frame."""
    padded = np.pad(samples, (0, -len(samples) % FRAME))
    return float((padded.reshape(-1, FRAME).astype(np.float64) ** 2).sum(axis=1).max(initial=0.0))


def _frame(pcm: bytes) -> Any:
    frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2")[None], format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = CLOCK_RATE, 0, Fraction(1, CLOCK_RATE)
    return frame


def _samples(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768)


def _to_pcm(samples: Samples) -> bytes:
    return np.clip(np.round(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes()


def _unknown(text: str) -> WavelaneError:
    return WavelaneError(
        ErrorCode.INVALID_CONFIG,
        f"{text!r} is no condition: write clean, or parts joined by +, each once: room, snr:DB, gain:DB, mulaw, "
        "opus:KBITS",
    )
