"""Silero VAD, batched: one call judges a window each of many streams, with explicit state.

The network is that of silero-vad 6 at 16 kHz, rebuilt in plain torch from the weights in its package (MIT): a Fourier
transform as a convolution, four convolutions, an LSTM cell. The package itself is never imported: its model keeps the
state of its streams inside, and importing it looks for torchaudio. The weights are those of its TorchScript file; the
safetensors file beside it holds an older training (probabilities differ by up to 0.3).
"""

import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.work import Samples

WINDOW = 512
"""Samples that one step judges (32 ms at 16 kHz)."""
_CONTEXT = 64
"""Samples of the window before that each step sees again."""
_PAD = 64
_PARTS = ("weight", "bias")
_FFT, _HOP, _BINS, _HIDDEN = 256, 128, 129, 128
STATE = _CONTEXT + 2 * _HIDDEN
"""Floats of one stream's state: context, LSTM output, LSTM cell."""

_WEIGHTS = Path("data") / "silero_vad.jit"
_NAMES = {
    "stft_conv.weight": "stft.forward_basis_buffer",
    **{f"conv{index + 1}.{part}": f"encoder.{index}.reparam_conv.{part}" for index in range(4) for part in _PARTS},
    **{f"lstm_cell.{part}_{gate}": f"decoder.rnn.{part}_{gate}" for part in _PARTS for gate in ("ih", "hh")},
    **{f"final_conv.{part}": f"decoder.decoder.2.{part}" for part in _PARTS},
}
"""Our names of the weights to theirs."""


def weights_path() -> Path:
    """Where the installed silero-vad package keeps its weights.

    Raises:
        WavelaneError: INVALID_CONFIG when it is not installed, or too old to have them.
    """
    spec = find_spec("silero_vad")
    for folder in spec.submodule_search_locations or () if spec else ():
        if (path := Path(folder) / _WEIGHTS).is_file():
            return path
    raise WavelaneError(
        ErrorCode.INVALID_CONFIG,
        "vad.kind silero needs silero-vad 6.2 or later on the server: pip install 'wavelane[silero]', or use webrtc",
    )


class _Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _BINS, _FFT, stride=_HOP, bias=False)
        self.conv1 = nn.Conv1d(_BINS, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, _HIDDEN, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(_HIDDEN, _HIDDEN)
        self.final_conv = nn.Conv1d(_HIDDEN, 1, 1)

    def forward(self, windows: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """[B, WINDOW], [B, STATE] to probabilities [B] and the next state [B, STATE]."""
        context, hidden, cell = torch.split(state, [_CONTEXT, _HIDDEN, _HIDDEN], dim=1)
        audio = nn.functional.pad(torch.cat((context, windows), dim=1), (0, _PAD), mode="reflect")
        spectrum = self.stft_conv(audio.unsqueeze(1))
        x = torch.hypot(spectrum[:, :_BINS], spectrum[:, _BINS:])
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = torch.relu(layer(x))
        hidden, cell = self.lstm_cell(x.squeeze(2), (hidden, cell))
        probability = torch.sigmoid(self.final_conv(torch.relu(hidden).unsqueeze(2)))
        return probability.flatten(), torch.cat((windows[:, -_CONTEXT:], hidden, cell), dim=1)


class SileroBatch:
    """Judges windows of many streams in one call, on whatever thread calls it; keeps nothing between calls.

    Args:
        path: weights; the installed package's by default.

    Raises:
        WavelaneError: INVALID_CONFIG when there are no weights, or not of this network.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or weights_path()
        self._network = _Network().eval().requires_grad_(False)
        try:
            with warnings.catch_warnings():  # torch has deprecated TorchScript, silero-vad still ships it.
                warnings.simplefilter("ignore", DeprecationWarning)
                theirs = torch.jit.load(str(path), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
            self._network.load_state_dict({ours: theirs[f"_model.{name}"] for ours, name in _NAMES.items()})
        except (RuntimeError, KeyError, ValueError, OSError) as error:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, f"{path} does not hold the weights of Silero VAD 6 at 16 kHz: {error}"
            ) from None

    @staticmethod
    def init_state(batch: int) -> NDArray[np.float32]:
        """State of streams that have heard nothing, [batch, STATE]."""
        return np.zeros((batch, STATE), np.float32)

    def probabilities(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Judge one window of each stream.

        Args:
            windows: [B, WINDOW], the next samples of each stream.
            states: [B, STATE], from :meth:`init_state` or the call before; not changed.

        Returns:
            probability of speech [B], and the next states [B, STATE].
        """
        with torch.inference_mode():
            probabilities, states_after = self._network(torch.from_numpy(windows), torch.from_numpy(states))
        return probabilities.numpy(), states_after.numpy()


class SileroDetector:
    """One stream's judge, for callers that may run a network in place; see :class:`wavelane.vad.base.Detector`.

    Args:
        model: shared by all streams.
    """

    frame_samples = WINDOW

    def __init__(self, model: SileroBatch) -> None:
        self._model = model
        self.reset()

    def reset(self) -> None:
        """Begin a new stream."""
        self._state = self._model.init_state(1)
        self._rest: Samples = np.zeros(0, np.float32)

    def push(self, samples: Samples) -> NDArray[np.float32]:
        """Take samples [n], give the probabilities [k] of the windows they complete."""
        audio = np.concatenate((self._rest, samples)) if len(self._rest) else samples
        count = len(audio) // WINDOW
        self._rest = audio[count * WINDOW :].copy()
        probabilities = np.empty(count, np.float32)
        for index in range(count):
            window = np.ascontiguousarray(audio[None, index * WINDOW : (index + 1) * WINDOW])
            (probabilities[index],), self._state = self._model.probabilities(window, self._state)
        return probabilities
