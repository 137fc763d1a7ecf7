"""Channel policy: one channel, the mean of all, or each on its own."""

from typing import Literal

import numpy as np

from wavelane.audio.pcm import Block
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Samples


def select_channels(block: Block, channel: int | Literal["mix", "separate"]) -> list[Samples]:
    """Turn multichannel audio into mono streams.

    Args:
        block: [channels, n].
        channel: index of the one wanted, ``mix`` for the mean of all, or ``separate`` for all of them.

    Returns:
        one [n] for each stream.

    Raises:
        WavelaneError: INVALID_AUDIO when the audio has no channel of this index.
    """
    if channel == "separate":
        return list(block)
    if channel == "mix":
        return [block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)]
    if channel >= len(block):
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO,
            f"channel {channel} was asked for, but the audio has {len(block)}; channels count from 0",
        )
    return [block[channel]]
