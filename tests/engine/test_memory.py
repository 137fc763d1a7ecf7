import pytest
import torch
from toymodel import toy_model

from wavelane.engine import EngineConfig
from wavelane.engine.memory import STATE_SHARE, lanes_that_fit, with_lanes
from wavelane.engine.selfcheck import SPARE
from wavelane.engine.step import DeviceStep, memory_of_a_lane
from wavelane.errors import ErrorCode, WavelaneError

GIB = 2**30
LANE = 3 * 2**20


def test_what_is_asked_for_is_given_if_it_fits():
    assert lanes_that_fit(300, 4096, LANE, 2 * GIB) == 300


def test_without_a_wish_it_is_the_default_or_what_fits():
    assert lanes_that_fit(0, 4096, LANE, 100 * GIB) == 4096
    assert lanes_that_fit(0, 4096, LANE, 2 * GIB) == int(2 * GIB * STATE_SHARE) // LANE - 2 - SPARE


@pytest.mark.parametrize("asked", [0, 1, 7, 4096])
@pytest.mark.parametrize("free", [0, LANE * 20, LANE * 30, 100 * GIB])
def test_the_pool_never_takes_more_than_its_share(asked: int, free: int):
    try:
        lanes = lanes_that_fit(asked, 4096, LANE, free)
    except WavelaneError:
        assert (max(asked, 1) + 2 + SPARE) * LANE > free * STATE_SHARE
    else:
        assert (lanes + 2 + SPARE) * LANE <= free * STATE_SHARE
        assert lanes == asked or (asked == 0 and lanes >= 1)


def test_too_many_are_refused_with_the_number_that_fits():
    with pytest.raises(WavelaneError) as refusal:
        lanes_that_fit(2000, 4096, LANE, 2 * GIB)
    assert refusal.value.code is ErrorCode.INVALID_CONFIG
    room = int(2 * GIB * STATE_SHARE) // LANE - 2 - SPARE
    assert refusal.value.message == (
        "The state of 2000 lanes (setting engine.max_sessions) takes 6,000 MiB of GPU memory, 3.00 MiB each, and 75% "
        "of the 2,048 MiB that are free may hold state; set engine.max_sessions to at most "
        f"{room}, or use a GPU with more memory."
    )


def test_a_gpu_without_room_for_one_lane_says_so():
    with pytest.raises(WavelaneError, match=r"take a smaller model or engine\.precision = bf16"):
        lanes_that_fit(0, 4096, LANE, LANE * 10)


def test_the_memory_of_a_lane_is_that_of_a_row_of_the_pool():
    step = DeviceStep(toy_model(), "ctc", 4, bounded=False)
    assert memory_of_a_lane(toy_model(), "ctc") == step.bytes_per_lane
    row = sum(leaf.nbytes for state in step.peek([0]) for leaf in state.values())
    assert row == step.bytes_per_lane


def test_on_a_cpu_the_default_is_a_number_of_its_own():
    assert with_lanes(EngineConfig(device="cpu"), toy_model(), "ctc").max_sessions == 1024
    assert with_lanes(EngineConfig(device="cpu", max_sessions=5), toy_model(), "ctc").max_sessions == 5


def test_on_cuda_the_memory_decides(monkeypatch: pytest.MonkeyPatch):
    class Config(EngineConfig):
        def torch_device(self) -> torch.device:
            return torch.device("cuda")

    lane = memory_of_a_lane(toy_model(), "ctc")
    model = toy_model()

    class Leaf:
        device = torch.device("cuda")

    monkeypatch.setattr("wavelane.engine.memory.memory_of_a_lane", lambda *_: lane)
    monkeypatch.setattr(
        "wavelane.engine.memory.free_memory", lambda device: int((500 + 2 + SPARE) * lane / STATE_SHARE) + 1
    )
    model.encoder.init_state = lambda batch: {"h": Leaf()}  # type: ignore[assignment, dict-item]
    assert Config().largest_batch == 256
    assert with_lanes(Config(), model, "ctc").max_sessions == 500
    assert with_lanes(Config(max_sessions=20), model, "ctc").max_sessions == 20
    with pytest.raises(WavelaneError, match="at most 500"):
        with_lanes(Config(max_sessions=501), model, "ctc")
