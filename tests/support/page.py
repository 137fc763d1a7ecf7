"""For tests of the page: recordings for a fake microphone, what the server itself makes of them, faults of a page."""

import wave
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import httpx
import numpy as np
from playwright.async_api import Page

from support.server import Server, start_server

SPEECH = Path(__file__).parent.parent / "data" / "speech"
COMMANDS = SPEECH / "commands.flac"
"""Four spoken words that the embedded model reads well."""
RATE = 16_000

OpenPage = Callable[..., Awaitable[Page]]
"""See the fixture `page` of the browser tests."""


def transcribe(http: str, recording: Path) -> list[str]:
    """What the server writes for this file when it gets it whole."""
    with recording.open("rb") as file:
        url = f"{http}/v1/audio/transcriptions"
        answer = httpx.post(url, files={"file": file}, data={"response_format": "text"}, timeout=60)
    answer.raise_for_status()
    return answer.text.split()


def decode(recording: Path) -> np.ndarray[Any, Any]:
    """Mono samples of a recording, int16 at RATE."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(recording)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def write_wav(path: Path, *parts: float | np.ndarray[Any, Any]) -> Path:
    """A WAV of recordings, and silences given in seconds, which hold a faint noise as those of real microphones do."""
    noise = np.random.default_rng(0)
    samples = [
        part if isinstance(part, np.ndarray) else noise.integers(-3, 4, int(part * RATE), np.int16) for part in parts
    ]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.concatenate(samples).tobytes())
    return path


@dataclass
class Faults:
    """What went wrong in the page. `network` are failed requests, which some tests cause."""

    errors: list[str] = field(default_factory=list)
    network: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Collect from this page."""

        def console(message: Any) -> None:
            if message.type in ("error", "warning"):
                network = ("ERR_", "Failed to load", "WebSocket connection to", "CORS policy")
                failed = any(part in message.text for part in network)
                (self.network if failed else self.errors).append(message.text)

        page.on("console", console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))


class Mortal:
    """A server that can be killed and started again on its port."""

    def __init__(self) -> None:
        self._server: Server | None = None
        self.http = ""
        self.start()

    def start(self) -> None:
        """Start, and wait until it is ready."""
        port = str(urlsplit(self.http).port or 0)
        self._server = start_server(["--port", port])
        self.http = self._server.http

    def kill(self) -> None:
        """As by the out-of-memory killer: no goodbye."""
        if self._server is not None:
            self._server.process.kill()
            self._server.process.wait()
            self._server.follower.join()
            self._server = None
