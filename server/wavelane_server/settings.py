"""The leaves of the configuration tree, and how they are written: as flags, in the environment, in a file, in words."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from typing_extensions import TypeIs

from wavelane_server.config import ENV_PREFIX, Config

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
        if is_section(field.annotation):
            yield from settings(field.annotation, (*prefix, name))
        else:
            yield Setting((*prefix, name), field)


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


def is_section(annotation: Any) -> TypeIs[type[BaseModel]]:
    """Whether a field holds more settings and is none itself."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


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
