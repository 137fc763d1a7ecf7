from pathlib import Path

import av
import numpy as np
import pytest

SPEECH = Path(__file__).parents[1] / "data" / "speech" / "libri_egypt.opus"


@pytest.fixture(scope="module")
def speech() -> bytes:
    """3.6 s, linear16 at 16 kHz."""
    with av.open(str(SPEECH)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=16_000)
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return b"".join(bytes(np.ascontiguousarray(frame.to_ndarray())) for frame in frames)
