"""In place of PortAudio, which a bare machine lacks: a microphone that plays $MICROPHONE, then silence."""

import os
import threading
import time
from typing import Any

import numpy as np

from support.page import RATE, decode


class PortAudioError(Exception):
    pass


def query_devices(_device: Any, _kind: str) -> dict[str, Any]:
    return {"default_samplerate": float(RATE), "name": "recording"}


class RawInputStream:
    def __init__(self, *, blocksize: int, callback: Any, **_: Any) -> None:
        recording = decode(os.environ["MICROPHONE"])
        silence = np.zeros(20 * RATE, np.int16)
        self._samples = np.concatenate([recording, silence])
        self._blocksize = blocksize
        self._callback = callback
        self._closed = threading.Event()

    def __enter__(self) -> None:
        threading.Thread(target=self._play, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    def _play(self) -> None:
        start = time.monotonic()
        for at in range(0, len(self._samples), self._blocksize):
            self._closed.wait(max(0.0, start + at / RATE - time.monotonic()))
            if self._closed.is_set():
                break
            block = self._samples[at : at + self._blocksize]
            self._callback(block.tobytes(), len(block), None, None)
