import pytest
import torch
from pydantic import ValidationError

from wavelane.engine import EngineConfig
from wavelane.errors import ErrorCode, WavelaneError


def test_unknown_keys_are_errors():
    with pytest.raises(ValidationError, match="max_session"):
        EngineConfig.model_validate({"max_session": 3})


@pytest.mark.parametrize(
    "settings",
    [
        {"device": "tpu"},
        {"precision": "int4"},
        {"head": "llm"},
        {"max_sessions": -1},
        {"cuda_graphs": "sometimes"},
        {"max_graphs": 0},
        {"max_backlog_seconds": 0},
        {"max_batch": -1},
        {"workers": -1},
        {"buckets": []},
        {"buckets": [0, 1]},
        {"buckets": [2, 1]},
        {"buckets": [1, 1]},
        {"max_wait_ms": -1},
        {"threads": -1},
        {"stall_seconds": 0},
    ],
)
def test_values_out_of_range_are_errors(settings: dict[str, object]):
    with pytest.raises(ValidationError):
        EngineConfig.model_validate(settings)


def test_every_setting_is_described():
    assert all(field.description for field in EngineConfig.model_fields.values())


@pytest.mark.parametrize(
    ("settings", "shapes"),
    [
        ({"buckets": (1, 2, 4, 8), "max_batch": 8}, (1, 2, 4, 8)),
        ({"buckets": (1, 2, 4, 8), "max_batch": 6}, (1, 2, 4, 6)),
        ({"buckets": (1, 2), "max_batch": 6}, (1, 2, 6)),
        ({"buckets": (4, 8), "max_batch": 64, "max_sessions": 3}, (3,)),
        ({"buckets": (1, 2, 4, 8), "max_batch": 6, "identical": True}, (6,)),
    ],
)
def test_batch_shapes_end_with_the_largest_batch(settings: dict[str, object], shapes: tuple[int, ...]):
    assert EngineConfig.model_validate(settings).batch_shapes == shapes


def test_small_models_are_stepped_by_each_core_alone_and_large_ones_by_all_together(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wavelane.engine.config.usable_cores", lambda: 8)
    cpu = EngineConfig(device="cpu")
    assert cpu.parallelism(8_000_000) == (8, 1)
    assert cpu.parallelism(114_000_000) == (1, 8)
    assert EngineConfig(device="cpu", workers=2).parallelism(8_000_000) == (2, 4)
    assert EngineConfig(device="cpu", threads=4).parallelism(8_000_000) == (2, 4)
    assert EngineConfig(device="cpu", workers=3, threads=1).parallelism(114_000_000) == (3, 1)


def test_the_largest_batch_follows_the_device():
    assert EngineConfig(device="cpu").batch_shapes[-1] == 32
    assert EngineConfig(device="cpu", max_batch=5).batch_shapes == (1, 2, 4, 5)


def test_device_and_precision():
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert EngineConfig().torch_device().type == expected
    assert EngineConfig(device="cpu").torch_device() == torch.device("cpu")
    assert EngineConfig(device="cpu", backend="torch", precision="bf16").torch_dtype() is torch.bfloat16
    assert EngineConfig(device="cpu").torch_dtype() is torch.float32


def test_the_native_library_packs_float32(monkeypatch: pytest.MonkeyPatch):
    for reason, dtype in ((None, torch.float32), ("no such instructions", torch.bfloat16)):
        monkeypatch.setattr("wavelane.native.library.missing", lambda reason=reason: reason)
        assert EngineConfig(device="cpu", precision="bf16").torch_dtype() is dtype


def test_native_steps_have_one_thread_each(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wavelane.engine.config.usable_cores", lambda: 8)
    assert EngineConfig(device="cpu").parallelism(600_000_000, native=True) == (8, 1)
    assert EngineConfig(device="cpu", workers=3, threads=2).parallelism(600_000_000, native=True) == (3, 1)


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(WavelaneError, match=r"engine.device is cuda:99, but torch .* sees \d+ CUDA devices") as refusal:
        EngineConfig(device="cuda:99").torch_device()
    assert refusal.value.code is ErrorCode.INVALID_CONFIG
