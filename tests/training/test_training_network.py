"""The network that is trained computes what is served."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import DEFAULT, embedded_path
from wavelane.model.offline import step_inputs, transcribe_tokens, windows
from wavelane_training.checkpoints import starting_point
from wavelane_training.network import Network, chunk_mask, encoder_frames
from wavelane_training.recordings import read_audio
from wavelane_training.store import FrontEnd

SPEECH = Path(__file__).parents[1] / "data" / "speech"


@pytest.fixture(scope="module")
def network() -> Network:
    config, weights = starting_point(DEFAULT)
    built = Network(config)
    built.load(weights)
    return built.eval()


def greedy(scores: torch.Tensor, blank: int) -> list[int]:
    best = torch.unique_consecutive(scores.argmax(-1)).tolist()
    return [piece for piece in best if piece != blank]


@pytest.mark.parametrize("lookahead", [6, 1])
def test_it_hears_what_the_served_model_hears(network: Network, lookahead: int) -> None:
    samples = read_audio(SPEECH / "commands.flac")
    served = transcribe_tokens(load_model(embedded_path()), samples, lookahead=lookahead)
    mels = torch.from_numpy(FrontEnd(network.config.features)(samples).astype(np.float32))[None]
    with torch.inference_mode():
        scores, frames = network(mels, torch.tensor([mels.shape[1]]), lookahead)
    assert greedy(scores[0, : int(frames[0])], network.config.blank) == [token.id for token in served]


def test_features_are_those_of_the_served_front_end(network: Network) -> None:
    samples = read_audio(SPEECH / "commands.flac")
    loaded = load_model(embedded_path())
    parts = []
    for step in step_inputs(windows(loaded.spec, samples, 6)):
        features, count = loaded.front_end(step.samples, step.frames, step.start, step.last)[0], int(step.frames[0])
        # Frames before a stream's beginning, or after its end, are not valid.
        parts.append(features[-count:] if bool(step.start[0]) else features[:count])
    served = torch.cat(parts)
    ours = torch.from_numpy(FrontEnd(network.config.features)(samples).astype(np.float32))
    torch.testing.assert_close(ours, served[: len(ours)], atol=1e-2, rtol=1e-3)  # stored as float16
    assert len(served) - len(ours) == 1  # the closing frame
    assert not served[-1].any()


def test_padding_changes_nothing(network: Network) -> None:
    generator = torch.Generator().manual_seed(0)
    mels = torch.randn(1, 160, 80, generator=generator) - 6
    longer = torch.cat((mels, torch.zeros(1, 77, 80)), 1)
    with torch.inference_mode():
        alone, count = network(mels, torch.tensor([160]), 6)
        padded, same = network(longer, torch.tensor([160]), 6)
    assert count == same == encoder_frames(torch.tensor(160))
    torch.testing.assert_close(padded[:, : int(count)], alone, atol=1e-4, rtol=1e-4)


def test_a_chunk_sees_itself_and_whole_chunks_of_the_past() -> None:
    mask = chunk_mask(6, 1, 2)
    assert mask.int().tolist() == [
        [1, 1, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [0, 0, 1, 1, 1, 1],
    ]
