"""Log-mel features of a batch of sample windows.

Frame ``f`` of a stream depends only on the samples ``f * hop - left`` to ``f * hop + right`` (:class:`FeatureSpec`), so
a window that holds them gives the same frame whether it is computed live or from the whole file. The numbers are those
of NeMo's ``AudioToMelSpectrogramPreprocessor`` and of transformers' ``NemotronAsrStreamingFeatureExtractor``:
pre-emphasis, symmetric Hann window centred in ``n_fft``, power spectrum, Slaney mel filters, logarithm.

Both references leave the first sample of a stream as it is (zero history does the same) and apply pre-emphasis before
they pad with zeros. Whoever cuts windows therefore continues a stream after its last sample ``x`` with
``x * preemphasis ** k``, whose pre-emphasised continuation is zero (:meth:`FeatureSpec.closing`). NeMo computes one
frame more than it counts as valid and sets it to zero: the closing frame of a stream holds zeros.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wavelane.spec import FeatureSpec


def _hertz_to_mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slaney's scale: linear to 1 kHz (200/3 Hz a mel), logarithmic above (27 steps for a factor of 6.4)."""
    linear = hertz * 3.0 / 200.0
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(hertz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(hertz < 1000.0, linear, logarithmic)


def _mel_to_hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


def mel_filters(n_mels: int, n_fft: int, sample_rate: int) -> NDArray[np.float32]:
    """Triangular filters from 0 Hz to half the sample rate, each of unit area (M. Slaney, Auditory Toolbox, 1998).

    Returns:
        [n_fft // 2 + 1, n_mels]
    """
    bins = np.linspace(0.0, sample_rate / 2, n_fft // 2 + 1)
    edges = _mel_to_hertz(np.linspace(0.0, _hertz_to_mel(np.array(sample_rate / 2)), n_mels + 2))
    widths = np.diff(edges)
    rising = (bins[:, None] - edges[None, :-2]) / widths[:-1]
    falling = (edges[None, 2:] - bins[:, None]) / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))).astype(np.float32)


class LogMel(nn.Module):
    """Windows of samples to log-mel frames, always in float32.

    Args:
        spec: how audio becomes frames.
        subsampling: frames of one encoder frame; a row that starts a stream has one less than that unused at its left.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, spec: FeatureSpec, subsampling: int = 8) -> None:
        super().__init__()
        self.spec = spec
        self._lead = subsampling - 1
        self._margin = (spec.n_fft - spec.window) // 2
        window = torch.zeros(spec.n_fft)
        window[self._margin : self._margin + spec.window] = torch.hann_window(spec.window, periodic=False)
        self.register_buffer("window", window)
        self.register_buffer("filters", torch.from_numpy(mel_filters(spec.n_mels, spec.n_fft, spec.sample_rate)))

    def frames(self, samples: Tensor) -> Tensor:
        """[B, window_samples(F)] to [B, F, n_mels], every frame valid."""
        if self.spec.preemphasis is not None:
            # Two roundings, not the one of a fused multiply-add: quiet bands of loud frames show the difference.
            signal = samples[:, 1:] - self.spec.preemphasis * samples[:, :-1]
        else:
            signal = samples[:, 1:]
        # The window is zero in the margins of n_fft: what the padding holds does not matter.
        padded = nn.functional.pad(signal, (self._margin, self.spec.n_fft - self.spec.window - self._margin))
        spectrum = torch.fft.rfft(padded.unfold(1, self.spec.n_fft, self.spec.hop) * self.window)
        power = torch.view_as_real(spectrum).square().sum(-1)
        return torch.log(power @ self.filters + self.spec.log_guard)

    def forward(self, samples: Tensor, frames: Tensor, start: Tensor, last: Tensor) -> Tensor:
        """Features of one step.

        Args:
            samples: [B, window_samples(chunk_frames)] float32.
            frames: [B] int64, valid frames of each row.
            start: [B] bool, the row begins a stream: its frames follow the unused ones.
            last: [B] bool, the row ends a stream: its newest frame is the closing one, where the model has one.

        Returns:
            [B, chunk_frames, n_mels] float32; unused frames are zero.
        """
        features = self.frames(samples)
        first = start.to(torch.int64) * self._lead
        end = first + frames
        if self.spec.closing_frame:
            end = end - last.to(torch.int64)
        position = torch.arange(features.shape[1], device=features.device)
        used = (position >= first[:, None]) & (position < end[:, None])
        return features * used.unsqueeze(-1)
