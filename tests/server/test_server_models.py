"""Names of models, and the commands around them. The hub is played."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from click.testing import CliRunner
from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.embedded import DEFAULT, embedded_path
from wavelane_server.cli import wavelane
from wavelane_server.config import ModelConfig
from wavelane_server.models import cached, locate

Play = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Play:
    """Makes the hub answer: with files, or by raising."""

    def hub(names: list[str] | Exception, download: Exception | None = None) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []
        snapshot = tmp_path / "snapshot"

        def model_info(_: object, repo: str, **__: object) -> object:
            if isinstance(names, Exception):
                raise names
            return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name) for name in names])

        def snapshot_download(repo: str, **options: Any) -> str:
            calls.append({"repo": repo, **options})
            if download is not None:
                raise download
            snapshot.mkdir(exist_ok=True)
            for name in names if isinstance(names, list) else []:
                (snapshot / name).parent.mkdir(exist_ok=True)
                (snapshot / name).touch()
            return str(snapshot)

        monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
        return calls

    return hub


def wrong(model: str, code: ErrorCode = ErrorCode.MODEL_NOT_FOUND, **options: Any) -> str:
    with pytest.raises(WavelaneError) as error:
        locate(ModelConfig(path=model, **options))
    assert error.value.code is code
    return error.value.message


def test_embedded_by_either_name() -> None:
    assert locate(ModelConfig()).path == locate(ModelConfig(path=DEFAULT)).path == embedded_path()


def test_a_path(tmp_path: Path) -> None:
    file = tmp_path / "model.nemo"
    file.touch()
    assert locate(ModelConfig(path=str(file))).path == file
    assert "there is no model" in wrong(str(tmp_path / "other.nemo"))
    assert "there is no model" in wrong("folder/other.nemo")


def test_a_folder_from_the_hub(play: Play) -> None:
    calls = play(["config.json", "model.safetensors", "tokenizer.json", "pytorch_model.bin", "model.nemo"])
    located = locate(ModelConfig(path="owner/name", revision="v2"))
    assert located.name == "owner/name"
    assert (located.path / "config.json").exists()
    assert calls[0]["revision"] == "v2"
    assert "*.bin" not in str(calls[0]["allow_patterns"])
    assert "*.nemo" not in str(calls[0]["allow_patterns"])


def test_an_archive_from_the_hub(play: Play) -> None:
    calls = play(["README.md", "name.nemo", "old/name-before.nemo"])
    assert locate(ModelConfig(path="owner/name")).path.name == "name.nemo"
    assert calls[0]["allow_patterns"] == ["name.nemo"]


def test_a_repository_without_a_checkpoint(play: Play) -> None:
    calls = play(["README.md", "pytorch_model.bin", "config.json"])
    assert "neither config.json with safetensors" in wrong("owner/name", ErrorCode.MODEL_UNSUPPORTED)
    assert calls == [], "nothing was fetched"


def test_a_name_that_the_hub_does_not_have(play: Play) -> None:
    import httpx

    response: Any = SimpleNamespace(headers={}, request=httpx.Request("GET", "https://x"), status_code=404)
    play(RepositoryNotFoundError("404", response=response))
    assert "the hub has no model 'owner/nmae'" in wrong("owner/nmae")


@pytest.mark.parametrize("failure", [OfflineModeIsEnabled("off"), ConnectionError("no route"), TimeoutError()])
def test_out_of_reach_and_not_cached(play: Play, failure: Exception, tmp_path: Path) -> None:
    play(failure, download=FileNotFoundError())
    said = wrong("owner/name", cache_dir=tmp_path)
    assert f"is not in the cache {tmp_path}, and the hub is out of reach ({type(failure).__name__})" in said


def test_out_of_reach_but_cached(play: Play, tmp_path: Path) -> None:
    calls = play(OfflineModeIsEnabled("off"))
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "name.nemo").touch()
    assert locate(ModelConfig(path="owner/name")).path.name == "name.nemo"
    assert calls[0]["local_files_only"] is True


def test_a_cache_that_cannot_be_written(play: Play, tmp_path: Path) -> None:
    play(["name.nemo"], download=PermissionError(13, "Permission denied"))
    said = wrong("owner/name", cache_dir=tmp_path / "cache")
    assert f"cannot be written to the cache {tmp_path / 'cache'} (Permission denied)" in said
    assert "--model-cache-dir" in said


def test_a_download_that_breaks_off(play: Play) -> None:
    play(["name.nemo"], download=RuntimeError("reset"))
    assert "fetching owner/name broke off" in wrong("owner/name")


def test_a_cache_with_a_model(tmp_path: Path) -> None:
    assert cached(ModelConfig(cache_dir=tmp_path / "none")) == []
    repo = tmp_path / "models--owner--name"
    snapshot = repo / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("0" * 40)
    (snapshot / "name.nemo").touch()
    assert cached(ModelConfig(cache_dir=tmp_path)) == [("owner/name", snapshot / "name.nemo")]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(wavelane, ["models", *arguments])


def test_list(tmp_path: Path) -> None:
    result = run("list", "--json", "--cache-dir", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert [row["name"] for row in json.loads(result.output)] == [DEFAULT]
    assert DEFAULT in run("list", "--cache-dir", str(tmp_path)).output


def test_info() -> None:
    facts = json.loads(run("info", "embedded", "--json").output)
    assert facts["name"] == DEFAULT
    assert facts["parameters"] > 1_000_000
    assert facts["default_lookahead"] in facts["lookaheads"]
    assert "lookaheads" in run("info", "embedded").output


def test_convert(tmp_path: Path) -> None:
    result = run("convert", "embedded", str(tmp_path / "copy"), "--dtype", "bf16", "--name", "copied")
    assert result.exit_code == 0, result.output
    facts = json.loads(run("info", str(tmp_path / "copy"), "--json").output)
    assert facts["name"] == "copied"


def test_a_model_that_is_broken(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(embedded_path(), copy)
    (copy / "model.safetensors").write_bytes(b"\xff" * 100)
    result = run("info", str(copy))
    assert isinstance(result.exception, WavelaneError)
    assert result.exception.code is ErrorCode.MODEL_UNSUPPORTED


def test_doctor() -> None:
    result = CliRunner().invoke(wavelane, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    findings = {finding["name"]: finding for finding in json.loads(result.output)}
    for name in ("python", "torch", "device", "native", "threads", DEFAULT, "av", "webrtcvad", "silero_vad", "grpc"):
        assert findings[name]["detail"], name
    for finding in findings.values():
        assert finding["status"] != "missing" or finding["fix"], finding
    assert findings[DEFAULT]["status"] == "ok"
    assert "torch" in CliRunner().invoke(wavelane, ["doctor"]).output


def test_doctor_measures_what_the_machine_carries(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(wavelane, ["doctor", "--measure", "--json"])
    assert result.exit_code == 0, result.output
    findings = {finding["name"]: finding for finding in json.loads(result.stdout) if finding["area"] == "capacity"}
    assert findings["lookahead 6"]["status"] == "ok"
    assert "streams of continuous speech in time (steps of 560 ms)" in findings["lookahead 6"]["detail"]
    assert {"lookahead 13", "lookahead 1", "lookahead 0"} <= findings.keys()
    monkeypatch.setenv("WAVELANE_ENGINE__CAPACITY", "off")
    assert "not measured: engine.capacity is off" in CliRunner().invoke(wavelane, ["doctor", "--measure"]).output
    monkeypatch.setenv("WAVELANE_MODEL__PATH", "/nowhere.nemo")
    result = CliRunner().invoke(wavelane, ["doctor", "--measure"])
    assert result.exit_code == 1
    assert "/nowhere.nemo" in result.output


@pytest.mark.parametrize(("identical", "status"), [("true", "ok"), ("false", "info")])
def test_doctor_says_whether_results_depend_on_neighbours(
    identical: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"CAPACITY": "off", "BACKEND": "torch", "PRECISION": "fp32", "MAX_BATCH": "4", "IDENTICAL": identical}
    for name, value in settings.items():
        monkeypatch.setenv(f"WAVELANE_ENGINE__{name}", value)
    result = CliRunner().invoke(wavelane, ["doctor", "--measure", "--json"])
    found = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert found["identical results"]["status"] == status
    assert "torch fp32" in found["engine"]["detail"]


def test_doctor_finds_what_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from wavelane_server.doctor import examine

    real = importlib.import_module

    def broken(name: str, package: str | None = None) -> Any:
        if name == "matplotlib":
            raise OSError("a library is missing")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", broken)
    finding = next(finding for finding in examine() if finding.name == "matplotlib")
    assert finding.status == "missing"
    assert "a library is missing" in finding.detail
    assert "plots" in finding.detail
    assert finding.fix


def test_help_imports_no_torch() -> None:
    import subprocess
    import sys

    code = (
        "import sys; from click.testing import CliRunner; from wavelane_server.cli import wavelane; "
        "runner = CliRunner(); "
        "assert runner.invoke(wavelane, ['--help']).exit_code == 0; "
        "assert runner.invoke(wavelane, ['transcribe', '--help']).exit_code == 0; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
