"""Makes the recordings for the assistant with espeak-ng: python tests/data/examples/make_assistant.py."""

import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np

HERE = Path(__file__).parent
RATE, REPLY_RATE = 16_000, 8_000
Samples = np.ndarray[tuple[int], np.dtype[np.int16]]

CONVERSATIONS: dict[str, list[float | str]] = {
    # Not for the assistant; for it; into its reply.
    "assistant_conversation.opus": [
        *(0.2, "stop the timer", 0.7, "hey computer, set a timer for five minutes", 1.8, "stop the timer", 0.8),
    ],
    "assistant_timer.opus": [0.2, "set a timer for one second", 2.2],
}


def say(text: str, rate: int) -> Samples:
    """What espeak-ng says, without the silence around it: int16 (samples,)."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", "en-us", "-s", "160", "-w", file.name, text], check=True)
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        with av.open(file.name) as container:
            frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    samples = np.concatenate([frame.to_ndarray()[0] for frame in [*frames, *resampler.resample(None)]])
    loud = np.flatnonzero(np.abs(samples) > 100)
    return samples[loud[0] : loud[-1]]


def write(path: Path, samples: Samples, rate: int, codec: str) -> None:
    """One file; Opus at 24 kbit/s."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 24_000
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)


if __name__ == "__main__":
    noise = np.random.default_rng(0)
    for name, parts in CONVERSATIONS.items():
        pieces = [
            say(part, RATE) if isinstance(part, str) else noise.integers(-3, 4, int(part * RATE), np.int16)
            for part in parts
        ]
        write(HERE / name, np.concatenate(pieces), RATE, "libopus")
    reply = say("This reply is long enough to be interrupted.", REPLY_RATE)
    write(HERE / "assistant_reply.wav", reply, REPLY_RATE, "pcm_s16le")
