"""The measured rate of matrix products."""

import pytest
import torch

from wavelane.bench.limit import PRECISIONS, measure_limits, measure_rate, shapes_of
from wavelane.bench.operations import work_of
from wavelane.bench.shapes import shape_config

CPU = torch.device("cpu")


def test_the_products_of_a_step() -> None:
    gemms = work_of(shape_config("tiny"), 1).gemms
    shapes = shapes_of(gemms, 8, ("feed_forward", "attention"))
    # (rows, inner, columns): 8 streams of 2 frames; two feed-forward modules in each of two layers.
    assert shapes == {(16, 32, 128): 4, (16, 128, 32): 4, (16, 32, 96): 2, (16, 32, 32): 2}


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_rate_is_operations_in_a_second(precision: str) -> None:
    rate = measure_rate({(64, 128, 256): 2, (64, 256, 128): 1}, precision, CPU, seconds=0.02)
    assert rate is not None
    assert 0.01 < rate < 1e5


def test_a_product_that_torch_does_not_have_has_no_rate() -> None:
    assert measure_rate({(4, -1, 8): 1}, "fp32", CPU) is None


def test_all_limits() -> None:
    limits = measure_limits({(16, 32, 32): 1}, CPU, seconds=0.01)
    assert list(limits) == list(PRECISIONS)
    assert all(list(rates) == ["square_1", "model_1", "square_all", "model_all"] for rates in limits.values())
    assert all(rate is None or rate > 0 for rates in limits.values() for rate in rates.values())
    assert limits["fp32"]["square_all"]
