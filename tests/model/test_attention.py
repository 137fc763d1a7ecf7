"""Attention against a plain computation, key by key."""

import math

import pytest
import torch
from torch import Tensor

from wavelane.model.attention import Attention, _fused, _products, sinusoids, visible
from wavelane.model.weights import Weights

D_MODEL, HEADS = 12, 3


def tensors(bias: bool) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    made = {f"a.{part}.weight": torch.randn(D_MODEL, D_MODEL, generator=generator) * 0.4
            for part in ("query", "key", "value", "out", "position")}  # fmt: skip
    made |= {f"a.bias_{name}": torch.randn(HEADS, D_MODEL // HEADS, generator=generator) for name in "uv"}
    if bias:
        made |= {
            f"a.{part}.bias": torch.randn(D_MODEL, generator=generator) for part in ("query", "key", "value", "out")
        }
    return made


def plain(x: Tensor, past: Tensor, given: dict[str, Tensor], allowed: Tensor) -> Tensor:
    """Equation of Transformer-XL, section 3.3, one query, key and head at a time; x [T, D], past [C, D]."""
    width = D_MODEL // HEADS
    zero = torch.zeros(D_MODEL)

    def project(part: str, value: Tensor) -> Tensor:
        return value @ given[f"a.{part}.weight"].T + given.get(f"a.{part}.bias", zero)

    everything = torch.cat((past, x))
    query, key, value = project("query", x), project("key", everything), project("value", everything)
    merged = torch.zeros_like(x)
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        u, v = given["a.bias_u"][head], given["a.bias_v"][head]
        scores = torch.full((len(x), len(everything)), -torch.inf)
        for i in range(len(x)):
            for j in range(len(everything)):
                if allowed[i, j]:
                    distance = len(past) + i - j
                    position = (sinusoids(distance, distance, D_MODEL) @ given["a.position.weight"].T)[0, part]
                    content = (query[i, part] + u) @ key[j, part]
                    scores[i, j] = (content + (query[i, part] + v) @ position) / math.sqrt(width)
        merged[:, part] = torch.softmax(scores, dim=1) @ value[:, part]
    return project("out", merged)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("chunk", "left"), [(1, 4), (3, 6), (4, 0), (5, 3)])
def test_cached_attention_is_attention_over_everything(chunk: int, left: int, bias: bool) -> None:
    given = tensors(bias)
    attention = Attention(Weights.of(given), "a", D_MODEL, HEADS, bias)
    positions = attention.positions(sinusoids(left + chunk - 1, -(chunk - 1), D_MODEL))
    past, first, second = torch.randn(left, D_MODEL), torch.randn(chunk, D_MODEL), torch.randn(chunk, D_MODEL)
    allowed = torch.rand(chunk, left + chunk) < 0.7
    allowed[:, -1] = True
    mask = torch.where(allowed, 0.0, -1e9)[None, None]
    keys = values = torch.zeros(1, HEADS, left, D_MODEL // HEADS)
    # Fill the cache with what it would hold after ``past``.
    for step in past.split(chunk) if left else ():
        width = len(step)
        table = attention.positions(sinusoids(left + width - 1, -(width - 1), D_MODEL))
        _, keys, values = attention(step[None], keys, values, table, torch.zeros(1, 1, width, left + width))
        keys, values = keys[:, :, width:], values[:, :, width:]
    found, keys, values = attention(first[None], keys, values, positions, mask)
    torch.testing.assert_close(found[0], plain(first, past, given, allowed), atol=1e-5, rtol=1e-4)
    keys, values = keys[:, :, chunk:], values[:, :, chunk:]
    following, _, _ = attention(second[None], keys, values, positions, mask)
    newest = torch.cat((past, first))[chunk:]
    torch.testing.assert_close(following[0], plain(second, newest, given, allowed), atol=1e-5, rtol=1e-4)


def test_rows_of_a_batch_do_not_meet() -> None:
    attention = Attention(Weights.of(tensors(True)), "a", D_MODEL, HEADS, True)
    positions = attention.positions(sinusoids(6, -1, D_MODEL))
    x, keys, values = torch.randn(4, 2, D_MODEL), torch.randn(4, HEADS, 5, 4), torch.randn(4, HEADS, 5, 4)
    mask = torch.where(torch.rand(4, 1, 2, 7) < 0.8, 0.0, -1e9)
    together, _, _ = attention(x, keys, values, positions, mask)
    for row in range(4):
        one = slice(row, row + 1)
        single, _, _ = attention(x[one], keys[one], values[one], positions, mask[one])
        torch.testing.assert_close(together[one], single)


def test_both_ways_to_attend_agree() -> None:
    query, keys, values = torch.randn(3, 2, 4, 8), torch.randn(3, 2, 9, 8), torch.randn(3, 2, 9, 8)
    bias = torch.where(torch.rand(3, 2, 4, 9) < 0.7, torch.randn(3, 2, 4, 9), -1e9)
    torch.testing.assert_close(_fused(query, keys, values, bias), _products(query, keys, values, bias))


def test_sinusoids_at_distance_zero_and_their_rates() -> None:
    at_zero = sinusoids(0, 0, 6)[0]
    assert at_zero.tolist() == [0, 1, 0, 1, 0, 1]
    both = sinusoids(1, -1, 6)
    assert both.shape == (3, 6)
    torch.testing.assert_close(both[0, 0::2], -both[2, 0::2])
    torch.testing.assert_close(both[0, 0::2], torch.sin(10000.0 ** (-torch.arange(3) / 3)))


@pytest.mark.parametrize(("chunk", "left"), [(2, 4), (7, 28), (1, 3)])
def test_a_chunk_sees_itself_and_whole_chunks_of_its_left_context(chunk: int, left: int) -> None:
    assert visible(chunk, left, 0).all()


def test_left_contexts_that_are_no_multiple_of_the_chunk() -> None:
    # Stream grid (Hugging Face): left 5 and chunks of 2 show the two whole chunks before this one.
    stream = visible(2, 5, grid_offset=1)
    assert stream.tolist() == [[False, True, True, True, True, True, True]] * 2
    # Window grid (NeMo): cells are counted from the oldest cached frame, so this chunk spans two of them.
    window = visible(2, 5, grid_offset=0)
    assert window.tolist() == [[True] * 6 + [False], [False, False] + [True] * 5]
