"""Recordings as audio blocks: decoded by PyAV to 16-bit PCM at the file's own rate, or passed through undecoded."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av

from wavelane.errors import ErrorCode, WavelaneError

STDIN = "-"
LOWEST_RATE, HIGHEST_RATE = 8_000, 96_000
"""Sample rates that a session takes (Hz)."""
FALLBACK_RATE = 16_000
"""Rate for files outside of those (Hz)."""
MOST_CHANNELS = 8
BYTES_PER_SAMPLE = 2
SAMPLE_BYTES = {"linear16": 2, "float32": 4, "mulaw": 1, "alaw": 1, "container": 1}
"""Bytes that must not be torn apart, by encoding."""
UNKNOWN_BYTES_PER_SECOND = 32_000.0
"""Pace of a container of unknown length: 16-bit PCM at 16 kHz; a compressed one goes faster than it plays."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some audio, ready to be sent."""

    data: bytes
    seconds: float
    """How long it plays."""


class PcmFile:
    """A recording decoded to interleaved little-endian 16-bit PCM.

    Args:
        path: any file that FFmpeg reads, or ``-`` for standard input.
        sample_rate: resample to this (Hz); None keeps the file's own.
        mono: mix all channels to one.

    Raises:
        WavelaneError: INVALID_AUDIO when the file cannot be opened or has no audio.
    """

    def __init__(self, path: str, *, sample_rate: int | None = None, mono: bool = False) -> None:
        self.path = path
        self._container = _open(path)
        if not self._container.streams.audio:
            self._container.close()
            raise WavelaneError(ErrorCode.INVALID_AUDIO, f"{_name(path)} has no audio track")
        self._stream = stream = self._container.streams.audio[0]
        rate = sample_rate or int(stream.rate or FALLBACK_RATE)
        self.sample_rate = rate if LOWEST_RATE <= rate <= HIGHEST_RATE else FALLBACK_RATE
        """Samples per second and channel (Hz)."""
        self.channels = int(stream.channels)
        """Interleaved channels, 1 to 8; more are mixed to one."""
        self._layout: Any = stream.layout
        if mono or not 1 <= self.channels <= MOST_CHANNELS:
            self.channels, self._layout = 1, "mono"

    @property
    def duration(self) -> float | None:
        """Length in seconds, where the file says it."""
        if self._container.duration is not None:
            return float(self._container.duration / av.time_base)
        return None

    @property
    def options(self) -> dict[str, object]:
        """The session options that describe these bytes."""
        return {"encoding": "linear16", "sample_rate": self.sample_rate, "channels": self.channels}

    def blocks(self, seconds: float) -> Iterator[Block]:
        """Blocks of ``seconds`` each, the last one shorter. Raises INVALID_AUDIO for a corrupt file."""
        frame_bytes = BYTES_PER_SAMPLE * self.channels
        block_bytes = max(1, round(seconds * self.sample_rate)) * frame_bytes
        bytes_per_second = frame_bytes * self.sample_rate
        buffer = bytearray()
        for data in self._pcm():
            buffer += data
            while len(buffer) >= block_bytes:
                yield Block(bytes(buffer[:block_bytes]), block_bytes / bytes_per_second)
                del buffer[:block_bytes]
        if buffer:
            yield Block(bytes(buffer), len(buffer) / bytes_per_second)

    def close(self) -> None:
        """Close the file."""
        self._container.close()

    def _pcm(self) -> Iterator[bytes]:
        resampler = av.AudioResampler(format="s16", layout=self._layout, rate=self.sample_rate)
        try:
            for frame in self._container.decode(self._stream):
                for out in resampler.resample(frame):
                    yield _bytes(out, self.channels)
            for out in resampler.resample(None):
                yield _bytes(out, self.channels)
        except av.FFmpegError as error:
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO, f"{_name(self.path)} is corrupt or cut short ({error.strerror})"
            ) from None


class RawFile:
    """A file's bytes as they are, for the server to decode.

    Args:
        path: a file, or ``-`` for standard input.
        encoding: ``container`` (the server finds the format) or that of headerless audio.
        sample_rate: of headerless audio (Hz).
        channels: of headerless audio.
        duration: seconds that a container plays, for pacing; None when unknown.

    Raises:
        WavelaneError: INVALID_AUDIO when the file cannot be read.
    """

    def __init__(
        self, path: str, *, encoding: str, sample_rate: int, channels: int, duration: float | None = None
    ) -> None:
        self.path = path
        self.encoding = encoding
        self.sample_rate = sample_rate
        self.channels = channels
        try:
            self._file: BinaryIO = sys.stdin.buffer if path == STDIN else Path(path).open("rb")  # noqa: SIM115
        except OSError as error:
            raise _unreadable(path, error) from None
        self._bytes_per_second = self._rate(duration)

    @property
    def options(self) -> dict[str, object]:
        """The session options that describe these bytes."""
        if self.encoding == "container":
            return {"encoding": "container"}
        return {"encoding": self.encoding, "sample_rate": self.sample_rate, "channels": self.channels}

    def blocks(self, seconds: float) -> Iterator[Block]:
        """Blocks of about ``seconds`` each: exactly for raw audio, on the file's average for a container."""
        width = SAMPLE_BYTES[self.encoding] * self.channels
        size = max(1, round(seconds * self._bytes_per_second / width)) * width
        while data := self._file.read(size):
            yield Block(data, len(data) / self._bytes_per_second)

    def close(self) -> None:
        """Close the file."""
        if self.path != STDIN:
            self._file.close()

    def _rate(self, duration: float | None) -> float:
        if self.encoding != "container":
            return float(SAMPLE_BYTES[self.encoding] * self.channels * self.sample_rate)
        if duration and self.path != STDIN:
            return Path(self.path).stat().st_size / duration
        return UNKNOWN_BYTES_PER_SECOND


def duration_of(path: str) -> float | None:
    """Seconds that a file plays, where its header says so."""
    if path == STDIN:
        return None
    file = PcmFile(path)
    try:
        return file.duration
    finally:
        file.close()


def _open(path: str) -> Any:
    try:
        return av.open(sys.stdin.buffer if path == STDIN else path, mode="r")
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise _unreadable(path, error) from None
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO,
            f"{_name(path)} is no audio file that FFmpeg knows ({reason}); headerless audio needs "
            "--raw --encoding linear16 --sample-rate HZ",
        ) from None


def _unreadable(path: str, error: OSError) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_AUDIO, f"cannot read {_name(path)}: {error.strerror or error}")


def _bytes(frame: Any, channels: int) -> bytes:
    # A plane may be padded beyond its samples for alignment.
    return bytes(memoryview(frame.planes[0])[: frame.samples * channels * BYTES_PER_SAMPLE])


def _name(path: str) -> str:
    return "standard input" if path == STDIN else path
