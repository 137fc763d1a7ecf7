"""From file, environment and flags to a configuration, with every unknown name and bad value told."""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsError, TomlConfigSettingsSource

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_server.config import ENV_CONFIG, ENV_OTHERS, ENV_PREFIX, Config
from wavelane_server.settings import is_section, settings


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
            elif is_section(field.annotation) and isinstance(value, Mapping):
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
            field = model.model_fields.get(part) if is_section(model) else None
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
