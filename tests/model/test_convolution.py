"""The convolution module: streamed equals whole, norms as the references compute them."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from wavelane.model.convolution import NORM_EPSILON, Convolution
from wavelane.model.weights import Weights

D_MODEL, KERNEL = 6, 5


def tensors(bias: bool, norm: str) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(2)
    shapes: dict[str, tuple[int, ...]] = {
        "c.pointwise1.weight": (2 * D_MODEL, D_MODEL, 1), "c.depthwise.weight": (D_MODEL, 1, KERNEL),
        "c.pointwise2.weight": (D_MODEL, D_MODEL, 1), "c.norm.weight": (D_MODEL,), "c.norm.bias": (D_MODEL,),
    }  # fmt: skip
    if bias:
        shapes |= {"c.pointwise1.bias": (2 * D_MODEL,), "c.depthwise.bias": (D_MODEL,), "c.pointwise2.bias": (D_MODEL,)}
    if norm == "batch_norm":
        shapes["c.norm.mean"] = (D_MODEL,)
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    if norm == "batch_norm":
        made["c.norm.variance"] = torch.rand(D_MODEL, generator=generator) + 0.5
    return made


def plain(x: Tensor, given: dict[str, Tensor], norm: str) -> Tensor:
    """The whole of [T, D] at once."""
    gated = functional.glu(
        functional.conv1d(x.T[None], given["c.pointwise1.weight"], given.get("c.pointwise1.bias")), 1
    )
    mixed = functional.conv1d(
        functional.pad(gated, (KERNEL - 1, 0)),
        given["c.depthwise.weight"],
        given.get("c.depthwise.bias"),
        groups=D_MODEL,
    )
    if norm == "layer_norm":
        mixed = functional.layer_norm(
            mixed.transpose(1, 2), (D_MODEL,), given["c.norm.weight"], given["c.norm.bias"], NORM_EPSILON
        ).transpose(1, 2)
    else:
        mixed = functional.batch_norm(
            mixed, given["c.norm.mean"], given["c.norm.variance"], given["c.norm.weight"], given["c.norm.bias"]
        )
    mixed = functional.silu(mixed)
    return functional.conv1d(mixed, given["c.pointwise2.weight"], given.get("c.pointwise2.bias"))[0].T


@pytest.mark.parametrize("norm", ["layer_norm", "batch_norm"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("chunk", [1, 3, 7])
def test_streamed_is_the_whole_file(norm: str, bias: bool, chunk: int) -> None:
    given = tensors(bias, norm)
    module = Convolution(Weights.of(given), "c", D_MODEL, KERNEL, bias, norm)
    x = torch.randn(21, D_MODEL)
    past = torch.zeros(1, KERNEL - 1, D_MODEL)
    outputs = []
    for part in x.split(chunk):
        y, past = module(part[None], past, None)
        outputs.append(y[0])
    torch.testing.assert_close(torch.cat(outputs), plain(x, given, norm), atol=1e-5, rtol=1e-4)


def test_frames_after_the_end_do_not_reach_valid_ones() -> None:
    module = Convolution(Weights.of(tensors(True, "layer_norm")), "c", D_MODEL, KERNEL, True, "layer_norm")
    x, past = torch.randn(1, 6, D_MODEL), torch.randn(1, KERNEL - 1, D_MODEL)
    inside = torch.tensor([1.0, 1, 1, 0, 0, 0]).view(1, 6, 1)
    _, after = module(x, past, inside)
    assert not after[:, -3:].any()
