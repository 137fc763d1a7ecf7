"""The microphone as a source of audio blocks, through PortAudio (extra ``mic``)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.file import BYTES_PER_SAMPLE, HIGHEST_RATE, LOWEST_RATE, Block

QUEUED_BLOCKS = 100
"""Captured blocks that wait for the network; past it the oldest are dropped and counted."""


class Microphone:
    """Captures 16-bit mono PCM at the device's own rate.

    Args:
        device: name (or part of it) or number of an input device; None is the system's default.
        block_seconds: length of a block (s).

    Raises:
        WavelaneError: INVALID_AUDIO when sounddevice, PortAudio or the device is missing.
    """

    def __init__(self, device: str | int | None = None, *, block_seconds: float = 0.1) -> None:
        self._sounddevice = _sounddevice()
        self._device = int(device) if isinstance(device, str) and device.isdigit() else device
        self._block_seconds = block_seconds
        try:
            info = self._sounddevice.query_devices(self._device, "input")
        except (ValueError, self._sounddevice.PortAudioError) as error:
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO,
                f"no microphone{f' {device!r}' if device is not None else ''} found ({error}); "
                "`python -m sounddevice` lists the devices",
            ) from None
        rate = int(info["default_samplerate"])
        self.name = str(info["name"])
        self.sample_rate = min(max(rate, LOWEST_RATE), HIGHEST_RATE)
        self.dropped = 0
        """Blocks lost because the network did not keep up."""

    @property
    def options(self) -> dict[str, object]:
        """The session options that describe the audio."""
        return {"encoding": "linear16", "sample_rate": self.sample_rate, "channels": 1}

    async def blocks(self) -> AsyncIterator[Block]:
        """Blocks as they are captured, until the caller stops iterating."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED_BLOCKS)

        def put(data: bytes) -> None:
            if queue.full():
                queue.get_nowait()
                self.dropped += 1
            queue.put_nowait(data)

        def captured(data: Any, _frames: int, _time: Any, _status: Any) -> None:  # called in PortAudio's thread
            loop.call_soon_threadsafe(put, bytes(data))

        with self._sounddevice.RawInputStream(
            samplerate=self.sample_rate,
            blocksize=round(self._block_seconds * self.sample_rate),
            device=self._device,
            channels=1,
            dtype="int16",
            callback=captured,
        ):
            while True:
                data = await queue.get()
                yield Block(data, len(data) / (BYTES_PER_SAMPLE * self.sample_rate))


def _sounddevice() -> Any:
    try:
        import sounddevice
    except ImportError:
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO, "the microphone needs sounddevice: pip install 'wavelane[mic]'"
        ) from None
    except OSError:  # its wheels for Linux come without PortAudio
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO,
            "the microphone needs the PortAudio library: apt-get install libportaudio2, or use the page of "
            "`wavelane serve` in a browser",
        ) from None
    return sounddevice
