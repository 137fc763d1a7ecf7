import numpy as np
import pytest

from wavelane.audio.channels import select_channels
from wavelane.errors import ErrorCode, WavelaneError

STEREO = np.array([[0.5, 0.25, 0.0], [-0.5, 0.75, 1.0]], np.float32)


def test_one_channel():
    (stream,) = select_channels(STEREO, 1)
    assert stream.tolist() == [-0.5, 0.75, 1.0]


def test_the_mean_of_all():
    (stream,) = select_channels(STEREO, "mix")
    assert stream.tolist() == [0.0, 0.5, 0.5]
    assert stream.dtype == np.float32


def test_each_on_its_own():
    left, right = select_channels(STEREO, "separate")
    assert left.tolist() == STEREO[0].tolist()
    assert right.tolist() == STEREO[1].tolist()


def test_mono_is_not_copied():
    mono = STEREO[:1]
    assert np.shares_memory(select_channels(mono, "mix")[0], mono)


def test_a_channel_that_is_not_there():
    with pytest.raises(WavelaneError, match="channel 2 was asked for, but the audio has 2") as failure:
        select_channels(STEREO, 2)
    assert failure.value.code is ErrorCode.INVALID_AUDIO
