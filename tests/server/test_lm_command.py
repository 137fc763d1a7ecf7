from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane.lm.store import read_lm
from wavelane_server.cli.lm import command

TEXT = "turn left at the light\nturn right, please!\nmake it twelve o'clock\nplay 99 songs\n" * 3


@pytest.fixture
def text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "my.txt"
    path.write_text(TEXT)
    return path


def run(*arguments: object, fails: bool = False) -> str:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert (result.exit_code != 0) is fails, result.output
    return result.output


def test_a_model_is_built_measured_converted_and_mixed(text: Path, tmp_path: Path) -> None:
    arpa, compact, both = tmp_path / "a.arpa", tmp_path / "a.safetensors", tmp_path / "b.arpa.gz"
    said = run("build", "--text", text, "--order", 3, "--out", arpa)
    assert "left out 3 sentences with words that the model cannot write, such as '99'" in said
    assert f"{arpa}: 14 1-grams" in said
    assert "o'clock" in read_lm(arpa).ids
    run("convert", arpa, compact)
    assert run("perplexity", arpa, text) == run("perplexity", compact, text)
    other = tmp_path / "other.txt"
    other.write_text("play some music\n")
    alone = run("build", "--text", other, "--mix", arpa, "--mix-weight", 0.7, "--out", both)
    assert "1-grams" in alone
    assert {"play", "clock", "left"} - read_lm(both).ids.keys() == {"clock"}
    run("mix", arpa, both, "--weight", 0.9, "--half", "--out", tmp_path / "c.safetensors")


def test_a_model_over_pieces_is_one_of_the_recogniser(text: Path, tmp_path: Path) -> None:
    out = tmp_path / "p.safetensors"
    assert "6-grams" in run("build", "--text", text, "--units", "piece", "--half", "--out", out)
    assert any(word.startswith("▁tur") for word in read_lm(out).words)
    assert "0 of them unknown" in run("perplexity", out, text)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--out", "x.bin"), "says no format"),
        (("--out", "x.arpa", "--half"), "for the compact format"),
        (("--out", "x.arpa", "--prune", "a"), "whole numbers"),
        (("--out", "x.arpa", "--order", 11), "1<=x<=10"),
    ],
)
def test_wrong_options_are_refused(text: Path, arguments: tuple[object, ...], complaint: str) -> None:
    assert complaint in run("build", "--text", text, *arguments, fails=True)
