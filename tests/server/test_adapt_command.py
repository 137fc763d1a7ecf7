from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane.lm.folder import read_folder
from wavelane.lm.store import read_lm
from wavelane.model.checkpoint import inspect_model, load_model
from wavelane.model.embedded import embedded_path
from wavelane.work import FusionRequest
from wavelane_server.cli.adapt import command
from wavelane_server.config import LmConfig
from wavelane_server.language_models import with_language_models

GRAMMAR = "#JSGF V1.0;\ngrammar navigation;\npublic <go> = (drive | walk) to (aleppo | hanover) please;\n"


def run(*arguments: object, fails: bool = False) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if not fails and result.exception is not None:
        raise result.exception
    return result.output if not fails else f"{result.output}{getattr(result.exception, 'message', '')}"


def written(folder: Path) -> Path:
    path = folder / "my.txt"
    path.write_text("Turn left at the quay.\nStop the car!\nGo 5 miles\n")
    return path


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return written(tmp_path)


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model of a text and a grammar, and what was said when it was made."""
    path = tmp_path_factory.mktemp("adapt")
    grammar, folder = path / "go.jsgf", path / "streets"
    grammar.write_text(GRAMMAR)
    return folder, run("--text", written(path), "--grammar", grammar, "--out", folder)


def test_a_domain_becomes_a_model_that_is_served(streets: tuple[Path, str]) -> None:
    folder, said = streets
    assert "left out 1 sentences" in said
    assert "6 sentences" in said
    model = load_model(folder)
    assert model.spec.name == "streets"
    base = embedded_path() / "model.safetensors"
    assert (folder / "model.safetensors").read_bytes() == base.read_bytes()
    brought = read_folder(folder)
    assert brought.default == "domain"
    assert "aleppo" in dict(brought.hotwords)
    assert "to" not in dict(brought.hotwords), "common words need no boost"
    served = with_language_models(model, LmConfig(), folder)
    assert (served.spec.default_lm, served.spec.boosted) == ("domain", len(brought.hotwords))
    assert served.fusions is not None
    lm, hotwords = served.fusions(FusionRequest(lm="domain")).parts
    fitted = read_folder(embedded_path()).models["general"]
    assert brought.models["domain"].blank_penalty == fitted.blank_penalty > 0
    assert (lm.kind, lm.scale, hotwords.kind) == ("piece", fitted.weight, "piece")


def test_a_general_model_and_hotwords_can_be_given(text: Path, tmp_path: Path) -> None:
    general, names = tmp_path / "general", tmp_path / "names.txt"
    names.write_text("aleppo\t4\n")
    run("--text", text, "--out", general, "--rare-words", 0)
    assert read_folder(general).hotwords == ()
    text.write_text("play some music\n")
    mixed = tmp_path / "mixed"
    said = run("--text", text, "--base", general, "--hotwords", names, "--name", "music", "--out", mixed)
    assert "mixed with the general language model, 1 hotwords" in said
    assert read_folder(mixed).hotwords == (("aleppo", 4.0),)
    assert inspect_model(mixed).name == "music"
    assert sum(read_lm(mixed / "domain.safetensors").counts) > sum(read_lm(general / "domain.safetensors").counts)


def test_what_cannot_be_adapted_is_refused(text: Path, streets: tuple[Path, str], tmp_path: Path) -> None:
    assert "give --text or --grammar" in run("--out", tmp_path / "x", fails=True)
    assert "no model 'nowhere'" in run("--text", text, "--base", "nowhere", "--out", tmp_path / "x", fails=True)
    folder, _ = streets
    before = (folder / "config.json").read_bytes()
    assert "is the base itself" in run("--text", text, "--base", folder, "--out", folder, fails=True)
    assert (folder / "config.json").read_bytes() == before


def test_settings_that_name_no_language_model_are_refused(tmp_path: Path) -> None:
    from wavelane.errors import WavelaneError

    model = load_model(embedded_path())
    for config, complaint in (
        (LmConfig(paths=("x",)), "'x' is not name=path"),
        (LmConfig(paths=("off=x.arpa",)), "stands for no language model"),
        (LmConfig(default="medical"), "no language model 'medical'"),
        (LmConfig(paths=(f"a={tmp_path}/none.arpa",)), "cannot be read"),
    ):
        with pytest.raises(WavelaneError, match=complaint):
            with_language_models(model, config, tmp_path)
    assert with_language_models(model, LmConfig(), tmp_path).spec.language_models == ()
