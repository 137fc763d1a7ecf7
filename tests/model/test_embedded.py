"""The model that ships inside the package."""

import json
from importlib import resources
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wavelane.decode.words import WordBuilder
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import inspect_model, load_model
from wavelane.model.embedded import DEFAULT, EMBEDDED, embedded_path
from wavelane.model.offline import transcribe_tokens

SPEECH = Path(__file__).parent.parent / "data" / "speech"
LARGEST_BYTES = 30 << 20


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    return load_model(embedded_path())


def recording(name: str) -> NDArray[np.float32]:
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(str(SPEECH / name)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames.extend(resampler.resample(None))
    return np.concatenate([frame.to_ndarray().reshape(-1) for frame in frames])


def text(model: LoadedModel, samples: NDArray[np.float32], lookahead: int) -> str:
    builder = WordBuilder(model.spec.vocabulary, model.spec.frame_samples)
    for token in transcribe_tokens(model, samples, lookahead=lookahead):
        builder.add(token, 0)
    return builder.text


@pytest.mark.parametrize("name", EMBEDDED)
def test_it_is_small_described_and_named_after_its_folder(name: str) -> None:
    folder = embedded_path(name)
    assert folder.is_relative_to(str(resources.files("wavelane")))
    assert sum(path.stat().st_size for path in folder.iterdir()) < LARGEST_BYTES
    spec = inspect_model(folder)
    assert spec.name == name
    assert spec.vocabulary
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    for part in ("## Training data", "## Word error rate", "## Limits", "## Licence", "wavelane_training.evaluate"):
        assert part in card


def test_it_serves_every_lookahead_of_its_family(model: LoadedModel) -> None:
    assert model.spec.name == DEFAULT
    assert set(model.spec.lookaheads) >= {13, 6, 1, 0}
    assert model.spec.default_lookahead == 6
    assert model.spec.parameters > 1_000_000


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("lookahead", [6, 0])
def test_it_hears_spoken_commands(dtype: torch.dtype, lookahead: int) -> None:
    lines = map(json.loads, (SPEECH / "manifest.jsonl").read_text().splitlines())
    (said,) = [line["text"].split() for line in lines if line["audio_filepath"] == "commands.flac"]
    heard = text(load_model(embedded_path(), dtype=dtype), recording("commands.flac"), lookahead).split()
    assert len(set(heard) & set(said)) >= 3, heard


def test_it_says_nothing_to_silence(model: LoadedModel) -> None:
    assert transcribe_tokens(model, np.zeros(48_000, np.float32), lookahead=6) == []
    assert transcribe_tokens(model, np.zeros(0, np.float32), lookahead=6) == []


def test_names_that_are_not_there() -> None:
    with pytest.raises(WavelaneError) as caught:
        embedded_path("wavelane-en-huge")
    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND
    with pytest.raises(WavelaneError, match="has no head 'rnnt'"):
        transcribe_tokens(load_model(embedded_path()), np.zeros(16_000, np.float32), head="rnnt")
