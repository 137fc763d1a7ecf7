"""Compare what our streaming step gives with what a reference implementation gave for the same file.

A reference is an ``.npz`` with any of these arrays:

- ``features`` [n_mels, frames] of the whole file;
- ``step000_encoded``, ``step001_encoded``, .. [frames, d_model]: valid encoder output of each step, before a prompt;
- ``ctc_logprobs`` [frames, pieces + 1] and ``ctc_ids``;
- ``rnnt_ids`` and ``rnnt_frames`` (encoder frame of each piece);
- ``prompt<p>_step000_projected``, .. [frames, joint]: after language prompt ``p`` and the joint network's projection,
  and ``prompt<p>_rnnt_ids``.

Other arrays are ignored.
"""

import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

from wavelane.audio.framer import Window
from wavelane.decode.ctc import CtcDecoder
from wavelane.decode.rnnt import RnntDecoder
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import Encoded, LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.encoder import Encoder
from wavelane.model.offline import step_inputs, windows
from wavelane.work import Samples

TOLERANCES = {"features": 3e-4, "encoded": 1e-3, "projected": 1e-3, "logprobs": 1e-3, "ids": 0.0, "frames": 0.0}
"""Largest difference accepted, by the last part of an array's name.

Features are logarithms: in a silent band under a loud frame, float32's Fourier transform is 1.4e-4 off what float64
gives, in the references as in ours, and not to the same side on every processor.
"""

_KNOWN = re.compile(
    r"features|step\d+_encoded|ctc_logprobs|ctc_ids|rnnt_ids|rnnt_frames|prompt\d+_(step\d+_projected|rnnt_ids)"
)

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One array of the reference against ours."""

    array: str
    expected: tuple[int, ...]
    """Shape in the reference."""
    found: tuple[int, ...] | None
    """Our shape; None when we give no such array (a step too few, a head that the model does not have)."""
    difference: float
    """Largest absolute difference; infinite when the shapes differ. For ids and frames, how many differ."""
    tolerance: float

    @property
    def ok(self) -> bool:
        """Within the tolerance."""
        return self.difference <= self.tolerance

    @property
    def kind(self) -> str:
        """The array's name without the number of its step."""
        return re.sub(r"step\d+", "step*", self.array)


@dataclass(frozen=True, slots=True)
class Report:
    """Outcome of a verification."""

    model: str
    lookahead: int
    comparisons: tuple[Comparison, ...]
    extra_steps: int
    """Steps that we have and the reference does not."""

    @property
    def ok(self) -> bool:
        """Everything within its tolerance, and no steps too many."""
        return self.extra_steps == 0 and all(comparison.ok for comparison in self.comparisons)

    def worst(self) -> tuple[Comparison, ...]:
        """For each kind of array the comparison with the largest difference."""
        kinds: dict[str, Comparison] = {}
        for comparison in self.comparisons:
            known = kinds.get(comparison.kind)
            if known is None or comparison.difference > known.difference:
                kinds[comparison.kind] = comparison
        return tuple(kinds.values())


def verify(checkpoint: str | Path | LoadedModel, wav: str | Path, reference_npz: str | Path, lookahead: int) -> Report:
    """Stream a file through the serving path and compare with a reference.

    Args:
        checkpoint: anything that :func:`wavelane.model.checkpoint.load_model` reads, or a loaded FastConformer.
        wav: the audio that the reference streamed; mono, at the model's rate.
        reference_npz: what it gave.
        lookahead: that it streamed with; need not be one that the checkpoint was trained for.

    Raises:
        WavelaneError: a file cannot be read, or the reference has none of the arrays above.
    """
    loaded = checkpoint if isinstance(checkpoint, LoadedModel) else load_model(checkpoint)
    if not isinstance(loaded.encoder, Encoder):
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED, f"{loaded.spec.name} is not a FastConformer; nothing to verify."
        )
    if lookahead < 0:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"The lookahead is {lookahead}, it must be 0 or more frames.")
    expected = _read_reference(Path(reference_npz))
    samples = _read_wav(Path(wav), loaded.spec.features.sample_rate)
    prompts = sorted({int(match[1]) for name in expected if (match := re.match(r"prompt(\d+)_", name))})
    found = _stream(loaded, loaded.encoder, samples, lookahead, prompts)
    steps = sum(bool(re.fullmatch(r"step\d+_encoded", name)) for name in expected)
    ours = sum(bool(re.fullmatch(r"step\d+_encoded", name)) for name in found)
    comparisons = tuple(_compare(name, array, found.get(name)) for name, array in expected.items())
    return Report(loaded.spec.name, lookahead, comparisons, max(0, ours - steps) if steps else 0)


def _compare(name: str, expected: Array, found: Array | None) -> Comparison:
    part = name.rpartition("_")[2]
    exact = part in ("ids", "frames")
    shape = None if found is None else found.shape
    if found is None or (found.shape != expected.shape and not exact):
        difference = float("inf")
    elif exact:
        common = min(len(found), len(expected))
        difference = float(np.count_nonzero(found[:common] != expected[:common]) + abs(len(found) - len(expected)))
    else:
        gap = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        # NaN compares as larger than any tolerance, not as smaller.
        difference = float(np.nan_to_num(gap, nan=np.inf).max(initial=0.0))
    return Comparison(name, expected.shape, shape, difference, TOLERANCES[part])


@torch.inference_mode()
def _stream(
    loaded: LoadedModel, encoder: Encoder, samples: Samples, lookahead: int, prompts: list[int]
) -> dict[str, Array]:
    """Everything that a reference may hold."""
    pieces: dict[str, list[Array]] = defaultdict(list)
    cut = windows(loaded.spec, samples, lookahead)
    stepped = _reference_steps(cut, loaded)
    state = encoder.init_state(1)
    tracks = list(_tracks(loaded, prompts))
    base = 0
    for number, step in enumerate(step_inputs(cut)):
        features = loaded.front_end(step.samples, step.frames, step.start, step.last)
        first = loaded.spec.lead if bool(step.start) else 0
        pieces["features"].append(features[0, first : first + int(step.frames)].numpy())
        if number >= stepped:
            continue
        encoded, state = encoder.encode(features, step.frames, step.start, state, lookahead)
        length = int(encoded.lengths[0])
        pieces[f"step{number:03d}_encoded"].append(encoded.frames[0, :length].float().numpy())
        for track in tracks:
            for name, array in track.step(encoder, encoded, number, base).items():
                pieces[name].append(array)
        base += length
    arrays = {name: np.concatenate(parts) for name, parts in pieces.items()}
    if "features" in arrays:
        arrays["features"] = arrays["features"].T
    return arrays


def _reference_steps(cut: list[Window], loaded: LoadedModel) -> int:
    """Steps that the reference makes: NeMo leaves out a tail too short for one encoder frame, we do not."""
    if cut and not cut[-1].start and cut[-1].frames < loaded.spec.subsampling and loaded.spec.tail == "short":
        return len(cut) - 1
    return len(cut)


class _Track:
    """One decoder, and for prompted models one prompt, followed through the file."""

    def __init__(self, decoder: CtcDecoder | RnntDecoder, prompt: int | None) -> None:
        self._decoder = decoder
        self._prompt = prompt
        self._state = decoder.init_state(1)

    def step(self, encoder: Encoder, encoded: Encoded, number: int, base: int) -> dict[str, Array]:
        """The arrays' parts of one step."""
        decoder, prefix = self._decoder, "" if self._prompt is None else f"prompt{self._prompt}_"
        parts: dict[str, Array] = {}
        if self._prompt is not None:
            encoded = encoder.apply_prompt(encoded, torch.tensor([self._prompt]))
        length = int(encoded.lengths[0])
        if isinstance(decoder, CtcDecoder):
            parts["ctc_logprobs"] = decoder.log_probabilities(encoded.frames)[0, :length].numpy()
        elif self._prompt is not None:
            projected = decoder.project(encoded.frames)[0, :length]
            parts[f"{prefix}step{number:03d}_projected"] = projected.float().numpy()
        emissions, self._state = decoder.step(encoded, self._state)
        count = int(emissions.counts[0])
        parts[f"{prefix}{decoder.name}_ids"] = emissions.ids[0, :count].numpy()
        parts[f"{prefix}{decoder.name}_frames"] = emissions.frames[0, :count].numpy() + base
        return parts


def _tracks(loaded: LoadedModel, prompts: list[int]) -> Iterator[_Track]:
    for decoder in loaded.decoders.values():
        assert isinstance(decoder, CtcDecoder | RnntDecoder), "decoders of a FastConformer"
        if loaded.spec.prompts:
            yield from (_Track(decoder, prompt) for prompt in prompts)
        else:
            yield _Track(decoder, None)


def _read_reference(path: Path) -> Mapping[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if _KNOWN.fullmatch(name)}
    except FileNotFoundError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"There is no reference {path}.") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{path} is not an .npz reference: {error}.") from error
    if not arrays:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"{path} has no array that can be compared, such as features, step000_encoded, ctc_ids or rnnt_ids.",
        )
    return arrays


def _read_wav(path: Path, rate: int) -> Samples:
    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            if stream.rate != rate or stream.channels != 1:
                raise WavelaneError(
                    ErrorCode.INVALID_AUDIO,
                    f"{path} has {stream.channels} channels at {stream.rate} Hz, but models hear one at {rate} Hz.",
                )
            resampler = av.AudioResampler(format="flt", layout="mono", rate=rate)
            frames = [out for frame in container.decode(stream) for out in resampler.resample(frame)]
    except (OSError, IndexError, av.FFmpegError) as error:
        raise WavelaneError(ErrorCode.INVALID_AUDIO, f"Cannot read audio from {path}: {error}.") from error
    if not frames:
        raise WavelaneError(ErrorCode.INVALID_AUDIO, f"{path} holds no audio.")
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames]).astype(np.float32, copy=False)
