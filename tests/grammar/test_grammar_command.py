from pathlib import Path

from click.testing import CliRunner

from wavelane_server.cli.grammar import command

COFFEE = str(Path(__file__).parents[2] / "clients" / "examples" / "grammars" / "coffee.jsgf")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, arguments)
    return result.exit_code, result.output


def test_check(tmp_path: Path) -> None:
    status, output = run("check", COFFEE)
    assert status == 0
    assert "coffee: orderDrink" in output
    bad = tmp_path / "bad.jsgf"
    bad.write_text("#JSGF V1.0;\ngrammar g;\npublic <a> = <b>;")
    status, output = run("check", str(bad))
    assert status == 2
    assert "line 3, column 14" in output


def test_sentences() -> None:
    status, output = run("sentences", COFFEE, "-n", "7", "--seed", "3")
    assert status == 0
    assert len(set(output.splitlines())) == 7
    assert run("sentences", COFFEE, "-n", "7", "--seed", "3") == (status, output)
    assert len(run("sentences", COFFEE, "-n", "30", "--repeat")[1].splitlines()) == 30


def test_understand() -> None:
    status, output = run("understand", COFFEE, "can i get a small late with skim milk")
    assert status == 0
    assert output.splitlines()[1:] == ["orderDrink", "  size: small", "  coffeeDrink: latte", "  milkAmount: skim milk"]
    assert run("understand", COFFEE, "it is a lovely day")[0] == 1
