import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from wavelane.errors import WavelaneError
from wavelane_server.cli import wavelane
from wavelane_server.config import Config
from wavelane_server.loading import load_config
from wavelane_server.settings import settings, to_markdown, to_toml


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.upper().startswith("WAVELANE_"):
            monkeypatch.delenv(name)


def write(folder: Path, text: str) -> Path:
    file = folder / "wavelane.toml"
    file.write_text(text)
    return file


def test_later_sources_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, '[server]\nport = 1\ngrpc_port = 1\nhost = "file"\n[session.vad]\nkind = "off"\nmode = 3\n')
    monkeypatch.setenv("WAVELANE_SERVER__PORT", "2")
    monkeypatch.setenv("WAVELANE_SERVER__GRPC_PORT", "2")
    monkeypatch.setenv("WAVELANE_SESSION__VAD__MODE", "2")
    config = load_config(file, {"server.port": "3"})
    assert (config.server.host, config.server.grpc_port, config.server.port) == ("file", 2, 3)
    assert (config.session.vad.kind, config.session.vad.mode) == ("off", 2)
    assert config.session.vad.pre_roll_ms == Config().session.vad.pre_roll_ms


def test_a_mapping_is_a_table_or_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phrases = {"wave lane": "Wavelane", 'say "so"': "so"}
    file = write(tmp_path, '[session.text]\nreplace = {"wave lane" = "Wavelane", "say \\"so\\"" = "so"}\n')
    assert load_config(file).session.text.replace == phrases
    assert tomllib.loads(to_toml(load_config(file)))["session"]["text"]["replace"] == phrases
    flags = ["--session-text-replace", '{"a b": "C"}', "--session-text-itn", "--print-config"]
    printed = tomllib.loads(CliRunner().invoke(wavelane, ["serve", "--config", str(file), *flags]).output)
    assert printed["session"]["text"]["itn"] is True
    assert printed["session"]["text"]["replace"]["a b"] == "C"
    monkeypatch.setenv("WAVELANE_SESSION__TEXT__REPLACE", '{"d": "E"}')
    assert load_config().session.text.replace == {"d": "E"}


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAVELANE_CONFIG", str(write(tmp_path, "[server]\nport = 4\n")))
    assert load_config().server.port == 4


def test_the_printed_configuration_reads_back(tmp_path: Path) -> None:
    config = load_config(flags={"server.host": 'a"b', "engine.buckets": [1, 3], "session.lookahead": 0})
    assert load_config(write(tmp_path, to_toml(config))) == config
    assert tomllib.loads(to_toml(config))["engine"]["buckets"] == [1, 3]


WRONG = {
    "unknown key in the file": ("[server]\nprot = 1", {}, {},
    r"unknown setting server.prot \(.*wavelane.toml\); did you mean server.port"),
    "unknown section in the file": ("[srever]\nport = 1", {}, {}, "unknown setting srever .*did you mean server"),
    "unknown variable": ("", {"WAVELANE_SERVER__PROT": "1"}, {}, "WAVELANE_SERVER__PROT .environment.; did you mean "
    "WAVELANE_SERVER__PORT"),
    "unknown section in the environment": ("", {"WAVELANE_PORT": "1"}, {}, "unknown setting WAVELANE_PORT"),
    "unknown flag": ("", {}, {"server.prot": 1}, r"unknown setting server.prot \(command line\)"),
    "wrong type in the environment": ("", {"WAVELANE_SERVER__PORT": "x"}, {}, r"server.port \(environment\): .*int"),
    "out of range": ("", {}, {"server.port": "70000"}, r"server.port \(command line\): .*less than or equal to 65535"),
    "a section that is a value": ("server = 3", {}, {}, r"server \(.*wavelane.toml\): "),
    "a list that is no list": ("", {"WAVELANE_ENGINE__BUCKETS": "[1,"}, {}, "environment: .*JSON"),
    "the source that won": ("[server]\nport = 'x'", {"WAVELANE_SERVER__PORT": "y"}, {}, r"server.port \(environment\)"),
    "broken TOML": ("[server", {}, {}, "is not valid TOML"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_wrong_settings(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, environment, flags, said = WRONG[case]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WavelaneError) as error:
        load_config(write(tmp_path, text), flags)
    assert error.value.code == "invalid_config"
    assert re.search(said, error.value.message), error.value.message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(WavelaneError) as error:
        load_config(flags={"server.port": -1, "session.vad.mode": 9})
    assert "server.port" in error.value.message
    assert "session.vad.mode" in error.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WavelaneError, match="there is no configuration file"):
        load_config(tmp_path / "no.toml")


def test_every_setting_is_documented_and_has_names_of_its_own() -> None:
    known = list(settings())
    assert len(known) > 40
    for setting in known:
        assert len(setting.description) > 10, setting.name
    flags = [flag for setting in known for flag in setting.flags]
    assert len(flags) == len(set(flags))
    for name in ("_ms", "_s", "_seconds", "_bytes"):
        for setting in known:
            if setting.name.endswith(name):
                unit = {"_ms": "ms", "_s": "(s)", "_seconds": "(s)", "_bytes": "bytes"}[name]
                assert unit in setting.description, f"{setting.name} does not say its unit"


def test_the_readme_has_the_table() -> None:
    readme = Path(__file__).parents[2] / "server" / "README.md"
    assert to_markdown() in readme.read_text(), "run python -m wavelane_server.settings and paste its output"


def test_serve_prints_what_it_would_use() -> None:
    arguments = ["serve", "--port", "0", "--no-server-grpc", "--engine-buckets", "[1, 2]", "--print-config"]
    result = CliRunner().invoke(wavelane, arguments)
    assert result.exit_code == 0, result.output
    printed = tomllib.loads(result.output)
    assert printed["server"]["port"] == 0
    assert printed["server"]["grpc"] is False
    assert printed["engine"]["buckets"] == [1, 2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "x"], "server.port (command line)"),
        (["--engine-buckets", "1,2"], "takes a JSON list"),
        (["--session-text-replace", "a=b"], "takes a JSON object"),
        (["--session-vad-kind", "ears"], "'webrtc', 'silero', 'off'"),
        (["--sever-port", "1"], "No such option"),
        (["--config", "/no/such.toml"], "there is no configuration file"),
    ],
)
def test_serve_refuses_what_is_wrong(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(wavelane, ["serve", *arguments])
    assert result.exit_code == 2
    assert said in result.output


def test_help_names_every_setting() -> None:
    text = CliRunner().invoke(wavelane, ["serve", "--help"]).output
    for setting in settings():
        for flag in setting.flags:
            assert flag in text
