"""What lies between a speaker and a recording: a room, a telephone line, a codec; and another speaker."""

import io
from pathlib import Path

import av
import numpy as np

from wavelane.audio.resample import Resampler
from wavelane.work import Samples
from wavelane_training.recordings import read_audio

_PEAK = 0.6
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000)


class Channel:
    """Sends samples through one channel, drawn anew each time.

    Args:
        rooms: folder of impulse responses; None for simulated ones only.
        rate: of the samples.
        rng: of the choice.
    """

    def __init__(self, rooms: Path | None, rate: int, rng: np.random.Generator) -> None:
        paths = sorted(path for path in rooms.rglob("*") if path.is_file()) if rooms else []
        self._responses = [read_audio(path, rate) for path in paths if path.suffix in (".wav", ".flac", ".opus")]
        self._rate, self._rng = rate, rng

    def __call__(self, samples: Samples) -> Samples:
        """As it sounds at the other end; as long as before, its peak at 0.6."""
        kind = self._rng.choice(["room", "telephone", "opus"])
        if kind == "room":
            known = self._responses and self._rng.random() < 0.5
            response = (
                self._responses[int(self._rng.integers(len(self._responses)))]
                if known
                else simulated_room(self._rng.uniform(0.15, 0.7), self._rng.uniform(0.1, 0.8), self._rate, self._rng)
            )
            heard = convolve(samples, response)
        elif kind == "telephone":
            heard = coded(samples, self._rate, "wav", "pcm_mulaw", 8_000, None)
        else:
            heard = coded(samples, self._rate, "ogg", "libopus", 16_000, int(self._rng.choice(_OPUS_RATES)))
        return (heard * (_PEAK / max(float(np.abs(heard).max(initial=0.0)), 1e-3))).astype(np.float32)


def revoiced(samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
    """As somebody else would say it: resampled by 0.84 to 1.2, which moves pitch, vocal tract and speed together."""
    factor = float(np.exp(rng.uniform(np.log(0.84), np.log(1.2))))
    resampler = Resampler(round(rate * factor / 100) * 100, rate)
    return np.concatenate([resampler.push(samples), resampler.flush()])


def simulated_room(seconds: float, wet: float, rate: int, rng: np.random.Generator) -> Samples:
    """Impulse response of the direct sound and noise that decays by 60 dB in ``seconds`` (Polack's model, 1988).

    Args:
        seconds: reverberation time.
        wet: energy of the tail, as a part of the direct sound's.
        rate: of the response.
        rng: of the noise.
    """
    count = int(seconds * rate)
    tail = rng.standard_normal(count) * np.exp(-6.9 * np.arange(count) / count)
    tail *= np.sqrt(wet / np.sum(tail**2))
    tail[0] = 1.0
    return tail.astype(np.float32)


def convolve(samples: Samples, response: Samples) -> Samples:
    """Samples heard through a room, beginning with the direct sound, as long as before."""
    size = 1 << (len(samples) + len(response)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(response, size), size)
    direct = int(np.abs(response).argmax())
    return wet[direct : direct + len(samples)].astype(np.float32)


def coded(samples: Samples, rate: int, container: str, codec: str, codec_rate: int, bits: int | None) -> Samples:
    """Samples encoded and decoded again with FFmpeg, as long as before.

    Args:
        samples: float32.
        rate: of the samples.
        container: FFmpeg's name, ``wav`` or ``ogg``.
        codec: FFmpeg's name of the encoder.
        codec_rate: sample rate of the encoded stream.
        bits: per second; None is the codec's own.
    """
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=codec_rate, options={"b": str(bits)} if bits else {})
        if not isinstance(stream, av.AudioStream):
            raise ValueError(f"{codec} is no audio codec")
        stream.layout = "mono"
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=codec_rate)
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = rate
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            output.mux(stream.encode(piece))
        output.mux(stream.encode(None))
    buffer.seek(0)
    decoded = read_audio(buffer, rate)[: len(samples)]
    return np.pad(decoded, (0, len(samples) - len(decoded)))
