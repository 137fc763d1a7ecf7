"""Which backend runs a model, and what is refused."""

import pytest
from toymodel import toy_model

from wavelane.engine import EngineConfig
from wavelane.engine.backend import choose_backend, make_runner, native_precision
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.runner import Runner
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.embedded import embedded_path
from wavelane.native.library import missing

needs_library = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture(scope="module")
def embedded() -> LoadedModel:
    return load_model(embedded_path())


def cpu(**settings: object) -> EngineConfig:
    return EngineConfig.model_validate({"device": "cpu", "max_sessions": 2, **settings})


@needs_library
def test_a_fastconformer_runs_natively_in_int8(embedded: LoadedModel):
    config = cpu()
    assert choose_backend(embedded, config) == "native"
    assert native_precision(config) == "int8"
    runner = make_runner(embedded, "ctc", config, "native", lambda _: None)
    assert isinstance(runner, NativeRunner)
    runner.warm_up([1, 2], [6])
    assert runner.shares()["feed_forward"] > 0


def test_torch_can_be_asked_for(embedded: LoadedModel):
    config = cpu(backend="torch")
    assert choose_backend(embedded, config) == "torch"
    assert isinstance(make_runner(embedded, "ctc", config, "torch", lambda _: None), Runner)


def test_other_families_run_on_torch_and_the_log_says_why(caplog: pytest.LogCaptureFixture):
    assert choose_backend(toy_model(), cpu()) == "torch"
    assert "another family" in caplog.text


def test_what_cannot_be_is_refused(embedded: LoadedModel):
    for settings, words in (
        ({"backend": "native"}, "cannot run toy: the model is of another family"),
        ({"precision": "int8"}, "int8 needs the native library"),
    ):
        with pytest.raises(WavelaneError, match=words) as refusal:
            choose_backend(toy_model(), cpu(**settings))
        assert refusal.value.code is ErrorCode.INVALID_CONFIG
    with pytest.raises(WavelaneError, match=r"engine\.backend = torch"):
        choose_backend(embedded, cpu(backend="torch", precision="int8"))


def test_without_the_library_torch_computes(embedded: LoadedModel, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wavelane.native.model.missing", lambda: "no such instructions")
    assert choose_backend(embedded, cpu()) == "torch"
    with pytest.raises(WavelaneError, match="no such instructions"):
        choose_backend(embedded, cpu(backend="native"))
