"""Which part of a window is inside the stream, level by level."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.model.subsampling import HISTORY, Extent, Subsampling
from wavelane.model.weights import Weights

CHANNELS, MELS, D_MODEL = 3, 10, 6


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "s.conv0.weight": (CHANNELS, 1, 3, 3), "s.conv0.bias": (CHANNELS,),
        "s.conv1.depthwise.weight": (CHANNELS, 1, 3, 3), "s.conv1.depthwise.bias": (CHANNELS,),
        "s.conv1.pointwise.weight": (CHANNELS, CHANNELS, 1, 1), "s.conv1.pointwise.bias": (CHANNELS,),
        "s.conv2.depthwise.weight": (CHANNELS, 1, 3, 3), "s.conv2.depthwise.bias": (CHANNELS,),
        "s.conv2.pointwise.weight": (CHANNELS, CHANNELS, 1, 1), "s.conv2.pointwise.bias": (CHANNELS,),
        "s.out.weight": (D_MODEL, CHANNELS * 3), "s.out.bias": (D_MODEL,),
    }  # fmt: skip
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def subsampling(scale: float = 1.0) -> Subsampling:
    return Subsampling(Weights.of(tensors()), "s", MELS, CHANNELS, D_MODEL, scale)


def causal(given: dict[str, torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """The definition, over a whole file: two zeros before and one after, in time and frequency, at every level."""
    x = torch.nn.functional.pad(features[None, None], (2, 1, 2, 1))
    x = torch.conv2d(x, given["s.conv0.weight"], given["s.conv0.bias"], stride=2).relu()
    for level in ("s.conv1", "s.conv2"):
        x = torch.nn.functional.pad(x, (2, 1, 2, 1))
        depthwise, pointwise = f"{level}.depthwise", f"{level}.pointwise"
        x = torch.conv2d(x, given[f"{depthwise}.weight"], given[f"{depthwise}.bias"], stride=2, groups=CHANNELS)
        x = torch.conv2d(x, given[f"{pointwise}.weight"], given[f"{pointwise}.bias"]).relu()
    return x[0].transpose(0, 1).flatten(1) @ given["s.out.weight"].T + given["s.out.bias"]


@settings(deadline=None)
@given(frames=st.integers(1, 60), lookahead=st.integers(0, 3))
def test_streaming_is_the_whole_file(frames: int, lookahead: int) -> None:
    """With history masked before the start, steps give exactly the causal convolution of the file."""
    layer = subsampling()
    features = torch.randn(frames, MELS, generator=torch.Generator().manual_seed(frames))
    size = 8 * (lookahead + 1)
    history = torch.zeros(HISTORY, MELS)
    outputs, at = [], 0
    while at < frames:
        start = at == 0
        room = size - 7 if start else size
        count = min(room, frames - at)
        chunk = torch.zeros(size, MELS)
        offset = 7 if start else 0
        chunk[offset : offset + count] = features[at : at + count]
        window = torch.cat((history, chunk))
        first = HISTORY + 7 if start else max(0, HISTORY - at)
        extent = Extent(torch.tensor([first]), torch.tensor([HISTORY + offset + count]))
        outputs.append(layer(window[None], extent)[0, : int(extent.outputs()[0])])
        history = window[-HISTORY:]
        at += count
    expected = causal(tensors(), features)
    found = torch.cat(outputs)
    # A tail is cut where the file ends: the frames before it are the same whatever the chunk.
    torch.testing.assert_close(found, expected[: len(found)], atol=1e-5, rtol=1e-4)
    assert len(found) == (frames - 1) // 8 + 1 + (1 if (frames - 1) % 8 else 0)


def test_full_windows_need_no_extent() -> None:
    layer = subsampling()
    window = torch.randn(2, HISTORY + 24, MELS)
    extent = Extent(torch.zeros(2, dtype=torch.int64), torch.full((2,), HISTORY + 24))
    assert torch.equal(layer(window, extent), layer(window, None))
    assert extent.outputs().tolist() == [3, 3]


def test_scale_goes_to_the_output() -> None:
    window = torch.randn(1, HISTORY + 8, MELS)
    torch.testing.assert_close(subsampling(4.0)(window, None), 4.0 * subsampling()(window, None))
