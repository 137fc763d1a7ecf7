"""Variants of golden archives: another configuration, other members, crafted ones."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

Member = tuple[tarfile.TarInfo, bytes]


def members(path: Path) -> list[Member]:
    """The files of an archive with their content."""
    found = []
    with tarfile.open(path) as tar:
        for info in tar:
            if info.isfile():
                file = tar.extractfile(info)
                assert file
                found.append((info, file.read()))
    return found


def write(path: Path, content: list[Member], mode: str = "w") -> Path:
    """An archive of these members."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for info, data in content:
            tar.addfile(info, io.BytesIO(data))
    return path


def plain(name: str, data: bytes = b"") -> Member:
    """A regular file."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    return info, data


def special(name: str, kind: bytes, target: str = "") -> Member:
    """A link or device."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def replace(path: Path, target: Path, changed: Mapping[str, bytes]) -> Path:
    """A copy with the content of some members changed."""
    content = []
    for info, data in members(path):
        data = changed.get(info.name.removeprefix("./"), data)
        info.size = len(data)
        content.append((info, data))
    return write(target, content)


def reconfigure(path: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """A copy whose configuration went through ``change``."""
    (raw,) = [data for info, data in members(path) if info.name.endswith("model_config.yaml")]
    config = yaml.safe_load(raw)
    change(config)
    return replace(path, target, {"model_config.yaml": yaml.safe_dump(config, allow_unicode=True).encode()})
