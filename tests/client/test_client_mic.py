"""The microphone, with PortAudio replaced."""

import sys
import types

import pytest

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.mic import QUEUED_BLOCKS, Microphone


class PortAudioError(Exception):
    pass


def fake_sounddevice(monkeypatch, blocks: int, rate: float = 44_100.0):
    module = types.ModuleType("sounddevice")

    class RawInputStream:
        def __init__(self, *, samplerate, blocksize, device, channels, dtype, callback):
            assert (samplerate, channels, dtype) == (int(rate), 1, "int16")
            self.data = bytes(2 * blocksize)
            self.callback = callback

        def __enter__(self):
            for _ in range(blocks):
                self.callback(self.data, len(self.data) // 2, None, None)

        def __exit__(self, *_):
            pass

    def query_devices(device, kind):
        if device == "none":
            raise ValueError("No input device matching 'none'")
        return {"default_samplerate": rate, "name": "Fake"}

    module.RawInputStream = RawInputStream
    module.query_devices = query_devices
    module.PortAudioError = PortAudioError
    monkeypatch.setitem(sys.modules, "sounddevice", module)


async def test_blocks_come_at_the_devices_rate(monkeypatch):
    fake_sounddevice(monkeypatch, blocks=3)
    microphone = Microphone()
    assert microphone.options == {"encoding": "linear16", "sample_rate": 44_100, "channels": 1}
    blocks = microphone.blocks()
    for _ in range(3):
        block = await anext(blocks)
        assert len(block.data) == 2 * 4410
        assert block.seconds == pytest.approx(0.1)
    await blocks.aclose()
    assert microphone.dropped == 0


async def test_a_slow_network_loses_the_oldest_blocks_and_counts_them(monkeypatch):
    fake_sounddevice(monkeypatch, blocks=QUEUED_BLOCKS + 5)
    microphone = Microphone()
    blocks = microphone.blocks()
    await anext(blocks)
    await blocks.aclose()
    assert microphone.dropped == 5


def test_a_device_that_is_not_there(monkeypatch):
    fake_sounddevice(monkeypatch, blocks=0)
    with pytest.raises(WavelaneError, match=r"no microphone 'none' found.*python -m sounddevice") as caught:
        Microphone("none")
    assert caught.value.code is ErrorCode.INVALID_AUDIO


def test_without_sounddevice(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(WavelaneError, match=r"pip install 'wavelane\[mic\]'"):
        Microphone()
