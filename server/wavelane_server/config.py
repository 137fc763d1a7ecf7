"""The one configuration tree: defaults < TOML file < environment < flags. Flags, file and documentation come from it.

A setting ``section.name`` is ``[section] name`` in the file, ``WAVELANE_SECTION__NAME`` in the environment and
``--section-name`` on the command line. Unknown keys are errors in each of them.
"""

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)
from typing_extensions import TypeIs

from wavelane.engine.config import EngineConfig
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.session.options import SessionOptions

ENV_PREFIX = "WAVELANE_"
ENV_CONFIG = "WAVELANE_CONFIG"
"""Names the TOML file where no ``--config`` does."""
ENV_OTHERS = (ENV_CONFIG, "WAVELANE_API_KEY")
"""Names that are no settings: the file's, and what clients take their API key from."""

Port = Annotated[int, Field(ge=0, le=65_535)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]

ALIASES: Mapping[str, str] = {
    "server.host": "--host",
    "server.port": "--port",
    "server.grpc_port": "--grpc-port",
    "server.vosk_port": "--vosk-port",
    "server.sherpa_port": "--sherpa-port",
    "server.wyoming_port": "--wyoming-port",
    "server.frontends": "--frontends",
    "server.log_level": "--log-level",
    "model.path": "--model",
    "engine.device": "--device",
    "engine.precision": "--precision",
    "engine.threads": "--threads",
    "engine.max_sessions": "--max-sessions",
    "session.lookahead": "--lookahead",
}
"""Short flags of the settings that are typed by hand most."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ServerConfig(_Section):
    """Where the server listens and how it logs."""

    host: str = "127.0.0.1"
    """Address that HTTP, WebSocket and gRPC bind; ``0.0.0.0`` or ``::`` for every network of the machine."""
    port: Port = 8080
    """TCP port of HTTP and WebSocket; 0 takes a free one."""
    grpc_port: Port = 50051
    """TCP port of gRPC; 0 takes a free one."""
    grpc: bool = True
    """Serve gRPC."""
    vosk_port: Port | None = None
    """TCP port for clients of vosk-server, which is at ``/`` of the HTTP port too; theirs is 2700. None: none."""
    sherpa_port: Port | None = None
    """TCP port for clients of sherpa-onnx, which is at ``/sherpa`` of the HTTP port too; theirs is 6006. None: none."""
    wyoming_port: Port | None = None
    """TCP port for the Wyoming protocol; 10300 is usual. It knows no API keys: not together with auth.keys_file. None:
    not served."""
    frontends: Annotated[int, Field(ge=0, le=64)] = 0
    """Processes that hold the connections and sessions, beside one for the engine; they share the ports. 0: one process
    does everything. Linux only."""
    engine_timeout_s: Annotated[float, Field(ge=1, le=3_600)] = 5.0
    """With front ends: an engine process that says nothing for so long (s) is stuck: sessions end with an error, and it
    is killed and started again. So it is when a step hangs (setting engine.stall_seconds)."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages, besides the server's own, that may connect: ``["https://example.org"]``, or ``["*"]``."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is logged. Audio and recognised text are never logged."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """``console`` for people, ``json`` (one object a line) for machines; ``auto``: console on a terminal."""

    @property
    def more_ports(self) -> dict[str, int]:
        """Ports of single protocols, by the name of their setting."""
        ports = {"vosk_port": self.vosk_port, "sherpa_port": self.sherpa_port, "wyoming_port": self.wyoming_port}
        return {name: port for name, port in ports.items() if port is not None}


class AuthConfig(_Section):
    """Who may use the server."""

    keys_file: Path | None = None
    """File with API keys, one a line (``#`` begins a comment); a client has to send one of them. None: everybody who
    reaches the server may use it."""


class ModelConfig(_Section):
    """Which model is served."""

    path: str = "embedded"
    """``embedded``, a file (``.nemo``), a folder, a name on the Hugging Face hub (``owner/name``), or
    ``torchaudio:emformer_rnnt_base_librispeech``."""
    revision: str | None = None
    """Branch, tag or commit of a hub model; none: its main branch."""
    cache_dir: Path | None = None
    """Folder for models from the hub; none: the hub library's own (``~/.cache/huggingface/hub``)."""


class LmConfig(_Section):
    """Language models and hotwords of the server."""

    paths: tuple[str, ...] = ()
    """Language models that sessions may choose, each as ``name=path``: ARPA files, gzipped or not, or what
    ``wavelane lm convert`` writes. Those that the model's folder has come on top."""
    default: str | None = None
    """Name of the one for sessions that choose none, or ``off``; none: the model's own default."""
    hotwords_file: Path | None = None
    """Phrases favoured in every session: one a line, with a boost of its own behind a tab where it has one."""
    max_hotwords: Annotated[int, Field(ge=0, le=100_000)] = 5_000
    """Most phrases that one session may favour by its option ``hotwords``."""


class GrammarConfig(_Section):
    """Grammars of the server, and what a client's own may take."""

    paths: tuple[str, ...] = ()
    """Grammars that sessions may choose by name, each as ``name=path``: JSGF files."""
    max_characters: Annotated[int, Field(ge=100, le=10_000_000)] = 65_536
    """Longest grammar that a client may send (characters)."""
    max_states: Annotated[int, Field(ge=10, le=1_000_000)] = 4_000
    """Most states that it may unfold to, with every rule written out wherever it is used; about one for each word, and
    one for each group. 1,000 take about 40 ms to read."""


class ProfilesConfig(_Section):
    """Personal vocabulary that is kept for users, with their consent."""

    folder: Path | None = None
    """Folder that profiles are kept in, a file for each; none: no profiles."""
    max_profiles: Annotated[int, Field(ge=1)] = 100_000
    """Most profiles."""
    max_phrases: Annotated[int, Field(ge=1, le=1_000)] = 500
    """Most hotwords of a profile, and most replacements."""


class LimitsConfig(_Section):
    """What one client may take. Lanes and backlog are bounded by ``engine``."""

    max_connections: Annotated[int, Field(ge=1)] = 4096
    """Open HTTP and WebSocket connections; more are answered with 503. As many of Wyoming's."""
    max_message_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 1_048_576
    """Largest message of a stream (bytes)."""
    backpressure_ms: Annotated[int, Field(ge=100, le=600_000)] = 2_000
    """Unrecognised audio of a session (ms) past which the server stops reading from its client until it caught up."""
    idle_timeout_s: Seconds = 60.0
    """A client that sends nothing, not even a keepalive, for so long (s) is closed."""
    send_buffer: Annotated[int, Field(ge=8, le=65_536)] = 256
    """Events that may wait for a client that does not read; one more closes the session."""
    send_timeout_s: Seconds = 10.0
    """Longest time (s) that one message may take to leave for a client that does not read."""
    max_upload_bytes: Annotated[int, Field(ge=1_024)] = 104_857_600
    """Largest file for ``/v1/audio/transcriptions`` (bytes)."""
    max_audio_seconds: Annotated[float, Field(gt=0)] = 14_400.0
    """Longest audio of one uploaded file (s); live streams have no such limit."""
    free_seconds: Annotated[int, Field(ge=1)] = 600
    """Audio (s) that any container stream may decode to, however few its bytes."""
    max_seconds_per_megabyte: Annotated[int, Field(ge=1)] = 30_000
    """Further audio (s) that a million bytes of a container may decode to: digital silence takes hardly any bytes."""
    drain_timeout_s: Annotated[float, Field(ge=0, le=86_400)] = 10.0
    """After SIGTERM or Ctrl-C, time (s) for sessions to finish by themselves before they are ended, with finals."""
    max_loop_delay_ms: Annotated[int, Field(ge=5, le=60_000)] = 200
    """New sessions are refused while the event loop of their process runs what is due later than this (ms, median of
    two seconds): then it is the sockets, not the model, that the machine does not carry."""
    retry_after_s: Annotated[int, Field(ge=1, le=3_600)] = 2
    """What a refused client is told to wait (s) before it tries again."""


class Config(BaseSettings):
    """The whole tree."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    server: ServerConfig = ServerConfig()
    """Where the server listens and how it logs."""
    auth: AuthConfig = AuthConfig()
    """Who may use the server."""
    model: ModelConfig = ModelConfig()
    """Which model is served."""
    engine: EngineConfig = EngineConfig.model_validate({})
    """How the engine uses the machine."""
    lm: LmConfig = LmConfig()
    """Language models and hotwords of the server."""
    grammar: GrammarConfig = GrammarConfig()
    """Grammars of the server, and what a client's own may take."""
    profiles: ProfilesConfig = ProfilesConfig()
    """Personal vocabulary that is kept for users, with their consent."""
    session: SessionOptions = SessionOptions()
    """Defaults of a session's options; a client's own come first."""
    limits: LimitsConfig = LimitsConfig()
    """What one client may take."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One leaf of the tree."""

    path: tuple[str, ...]
    field: FieldInfo

    @property
    def name(self) -> str:
        """``section.name``."""
        return ".".join(self.path)

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of the command line, the short one first."""
        flag = "--" + "-".join(self.path).replace("_", "-")
        alias = ALIASES.get(self.name)
        return (alias, flag) if alias else (flag,)

    @property
    def environment(self) -> str:
        """Name of the environment variable."""
        return ENV_PREFIX + "__".join(self.path).upper()

    @property
    def default(self) -> object:
        """Value where nothing is set."""
        default = self.field.default
        assert default is not PydanticUndefined, f"{self.name} has no default"
        return default

    @property
    def description(self) -> str:
        """What it means, with its unit."""
        return " ".join((self.field.description or "").split())


def settings(model: type[BaseModel] = Config, prefix: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Every leaf of the tree, in order."""
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            yield from settings(field.annotation, (*prefix, name))
        else:
            yield Setting((*prefix, name), field)


def load_config(file: Path | None = None, flags: Mapping[str, object] | None = None) -> Config:
    """Read every source.

    Args:
        file: TOML; none: the one that WAVELANE_CONFIG names, if any.
        flags: by dotted name of the setting, only those given.

    Raises:
        WavelaneError: INVALID_CONFIG, naming each offending setting, where it was set, and the closest known name.
    """
    if file is None and os.environ.get(ENV_CONFIG):
        file = Path(os.environ[ENV_CONFIG])
    sources: dict[str, dict[str, Any]] = {}
    if file is not None:
        sources[str(file)] = _read_toml(file)
    sources["environment"] = _environment_tree(os.environ)
    sources["command line"] = _tree((name.split("."), value) for name, value in (flags or {}).items())
    faults = [fault for source, tree in sources.items() for fault in _unknown(tree, source)]
    if faults:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, "; ".join(faults))

    class Loaded(Config):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            toml = () if file is None else (TomlConfigSettingsSource(settings_cls, toml_file=file),)
            return (init_settings, env_settings, *toml)

    try:
        loaded = Loaded(**sources["command line"])
    except ValidationError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, _describe(error, sources)) from None
    except SettingsError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"environment: {error}; lists are written as JSON") from None
    if loaded.server.wyoming_port is not None and loaded.auth.keys_file is not None:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            "server.wyoming_port: the Wyoming protocol has no place for an API key, so that everybody who reaches the "
            "port would be served without one of auth.keys_file: leave one of the two out, or run a second server",
        )
    return Config.model_construct(**{name: getattr(loaded, name) for name in Config.model_fields})


def to_toml(config: Config) -> str:
    """The effective configuration as a file that ``--config`` reads; unset settings as comments."""
    lines: list[str] = []
    section: tuple[str, ...] = ()
    for setting in settings():
        if setting.path[:-1] != section:
            section = setting.path[:-1]
            lines += [""] if lines else []
            lines.append(f"[{'.'.join(section)}]")
        value: Any = config
        for part in setting.path:
            value = getattr(value, part)
        key = setting.path[-1]
        lines.append(f"# {key} =" if value is None else f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"


def to_markdown() -> str:
    """The reference of all settings: one table a section."""
    lines: list[str] = []
    section: tuple[str, ...] = ()
    for setting in settings():
        if setting.path[:-1] != section:
            section = setting.path[:-1]
            lines += [""] if lines else []
            lines += [f"### `[{'.'.join(section)}]`", "", "| Setting | Default | Meaning |", "| --- | --- | --- |"]
        name = f"`{setting.path[-1]}`" + (f" (`{setting.flags[0]}`)" if len(setting.flags) > 1 else "")
        default = "none" if setting.default is None else f"`{_toml_value(setting.default)}`"
        lines.append(f"| {name} | {default} | {setting.description.replace('``', '`').replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def _is_model(annotation: Any) -> TypeIs[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return TomlConfigSettingsSource(Config, toml_file=file)() if file.is_file() else _no_file(file)
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"{file} is not valid TOML: {error}") from None


def _no_file(file: Path) -> dict[str, Any]:
    raise WavelaneError(
        ErrorCode.INVALID_CONFIG, f"there is no configuration file {file} (from --config or {ENV_CONFIG})"
    )


def _environment_tree(environment: Mapping[str, str]) -> dict[str, Any]:
    names = sorted(
        name for name in environment if name.upper().startswith(ENV_PREFIX) and name.upper() not in ENV_OTHERS
    )
    return _tree((name[len(ENV_PREFIX) :].lower().split("__"), environment[name]) for name in names)


def _tree(items: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in items:
        at = tree
        for part in path[:-1]:
            inner = at.setdefault(part, {})
            at = inner if isinstance(inner, dict) else at
        at[path[-1]] = value
    return tree


def _unknown(tree: Mapping[str, Any], source: str) -> Iterator[str]:
    """Keys that no setting has, each with the closest known one."""

    def walk(tree: Mapping[str, Any], model: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
        for key, value in tree.items():
            field = model.model_fields.get(key)
            if field is None:
                yield _unknown_key((*path, key), source)
            elif _is_model(field.annotation) and isinstance(value, Mapping):
                yield from walk(value, field.annotation, (*path, key))

    return walk(tree, Config, ())


def _unknown_key(path: tuple[str, ...], source: str) -> str:
    known = {setting.name: setting for setting in settings()}
    name = ".".join(path)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not near:
        near = [setting for setting in known if setting.rsplit(".", 1)[-1] == path[-1]][:1]
    if source == "environment":
        shown = ENV_PREFIX + "__".join(path).upper()
        hint = f"; did you mean {known[near[0]].environment}?" if near else ""
    else:
        shown, hint = name, f"; did you mean {near[0]}?" if near else ""
    return f"unknown setting {shown} ({source}){hint}"


def _describe(error: ValidationError, sources: Mapping[str, Mapping[str, Any]]) -> str:
    """Every fault with the setting and the source that set it."""
    faults: dict[str, str] = {}
    for item in error.errors(include_url=False, include_context=False):
        path: list[str] = []
        model: Any = Config
        for part in map(str, item["loc"]):
            field = model.model_fields.get(part) if _is_model(model) else None
            if field is None:
                break
            path.append(part)
            model = field.annotation
        where = [name for name, tree in sources.items() if _has(tree, path)]
        name = ".".join(path)
        fault = f"{name} ({where[-1] if where else 'default'}): {item['msg']}"
        faults[name] = f"{faults[name]}, or {item['msg']}" if name in faults else fault
    return "; ".join(faults.values())


def _has(tree: Any, path: list[str]) -> bool:
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree:
            return False
        tree = tree[part]
    return True


def _toml_value(value: object) -> str:
    if isinstance(value, BaseModel):
        return "{ " + ", ".join(f"{name} = {_toml_value(part)}" for name, part in value) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml_value(key)} = {_toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    print(to_markdown(), end="")
