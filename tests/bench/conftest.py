"""A model that is fast to step, and speech."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from wavelane.bench.shapes import shape_model
from wavelane.bench.workload import long_streams
from wavelane.model.base import LoadedModel


@pytest.fixture(scope="session")
def tiny() -> LoadedModel:
    torch.set_num_threads(1)
    return shape_model("tiny")


@pytest.fixture(scope="session")
def streams() -> list[NDArray[np.float32]]:
    noise = np.random.default_rng(0)
    utterances = [(0.1 * noise.standard_normal(n)).astype(np.float32) for n in (20_000, 33_000)]
    return long_streams(utterances, 3, 4.0, 16_000)
