"""Counts of operations and bytes against counts by hand, and against what torch multiplies."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from wavelane.bench.operations import work_of
from wavelane.bench.shapes import shape_config, shape_model
from wavelane.model.encoder import Encoder
from wavelane.model.stack import Stack


def test_a_count_by_hand() -> None:
    # tiny: d 32, F 128, 2 layers, 2 heads, kernel 9, 8 channels, left context 70, 80 mels; 7 frames of a step.
    work = work_of(shape_config("tiny"), 6)
    assert work.operations["feed_forward"] == 2 * 2 * (2 * 2 * 32 * 128) * 7
    attention = 3 * 32 * 32 + 32 * 77 + 32 * 83 + 32 * 77 + 32 * 32
    assert work.operations["attention"] == 2 * 2 * attention * 7
    assert work.operations["convolution"] == 2 * 2 * (2 * 32 * 32 + 9 * 32 + 32 * 32) * 7
    assert work.operations["decoder"] == 2 * 32 * 1025 * 7
    # 63 features of 80 bands become 31 x 41, 15 x 21 and 7 x 11.
    subsampling = 31 * 41 * 9 * 8 + (15 * 21 + 7 * 11) * (9 * 8 + 8 * 8) + 7 * 8 * 11 * 32
    assert work.operations["subsampling"] == 2 * subsampling
    assert work.operations["features"] == 56 * (2.5 * 512 * 9 + 2 * 257 * 80)
    layer = 2 * 2 * 32 * 128 + 4 * 32 * 32 + 3 * 32 * 32 + 32 * 83
    assert work.weights == 2 * layer + 9 * 8 + 2 * 64 + 88 * 32 + 32 * 1025
    assert work.state == 2 * (2 * 32 * 77 + 2 * 32 * 8)
    assert work.bytes_moved(4, "bf16") == 2 * work.weights + 4 * 2 * work.state
    assert work.bytes_moved(4, "int8") == work.weights + 4 * 2 * work.state


@pytest.mark.parametrize("lookahead", [0, 1, 6, 13])
def test_torch_multiplies_as_much(lookahead: int) -> None:
    config = shape_config("tiny")
    work = work_of(config, lookahead)
    model = shape_model("tiny")
    encoder = model.encoder
    assert isinstance(encoder, Encoder)
    plan = encoder._plan(lookahead)
    assert isinstance(plan.stack, Stack)
    frames, left = lookahead + 1, config.encoder.left_context
    state = encoder.init_state(1)
    leaves = [tuple(state[f"{name}.{i}"] for i in range(2)) for name in ("keys", "values", "past")]
    with FlopCounterMode(display=False) as layers:
        plan.stack(torch.zeros(1, frames, 32), torch.zeros(1, 1, frames, left + frames), None, *leaves)
    with FlopCounterMode(display=False) as subsampling:
        encoder.subsampling(torch.zeros(1, 7 + 8 * frames, 80), None)
    parts = work.operations
    assert layers.get_total_flops() == parts["feed_forward"] + parts["attention"] + parts["convolution"]
    assert subsampling.get_total_flops() == parts["subsampling"]


def test_a_transducer_is_counted_by_its_frames_of_silence() -> None:
    work = work_of(shape_config("large-rnnt"), 1)
    assert work.operations["decoder"] == 2 * 2 * (512 * 640 + 640 * 1025)
    assert work.total > 400e6
