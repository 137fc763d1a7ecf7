"""The native format: a folder with ``config.json`` (:class:`ModelConfig`) and ``model.safetensors``."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint.huggingface import CONFIG, open_safetensors, read_json
from wavelane.model.config import ModelConfig
from wavelane.model.weights import Weights
from wavelane.spec import WordTuning

FORMAT = "wavelane"
VERSION = 1
WEIGHTS = "model.safetensors"


def is_native(config: dict[str, Any]) -> bool:
    """Whether a ``config.json`` is of the native format."""
    return config.get("format") == FORMAT


def load_native(folder: Path, name: str | None = None) -> tuple[ModelConfig, Weights]:
    """Read a native folder.

    Args:
        folder: of the checkpoint.
        name: of the model; None is the one it was written with.

    Raises:
        WavelaneError: it is incomplete, corrupt, or of a later version.
    """
    return read_native_config(folder, name), Weights(open_safetensors(folder))


def read_native_config(folder: Path, name: str | None = None) -> ModelConfig:
    """The configuration alone; see :func:`load_native`."""
    data = read_json(folder / CONFIG)
    if data.get("version") != VERSION or not isinstance(data.get("model"), dict):
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{folder / CONFIG} is of format version {data.get('version')}, this release reads version {VERSION}; "
            "convert the original checkpoint again with `wavelane models convert`.",
        )
    return ModelConfig.from_json(data["model"] | ({"name": name} if name else {}))


def save_native(config: ModelConfig, weights: Weights, folder: Path, dtype: torch.dtype | None = None) -> None:
    """Write a native folder.

    Args:
        config: of the model.
        weights: all of them.
        folder: is made when it does not exist.
        dtype: to store in; None keeps each tensor's own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: weights.read(name).to(dtype).contiguous() for name in sorted(weights.names())}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    data = {"format": FORMAT, "version": VERSION, "model": config.to_json()}
    # save_file leaves its file readable by the owner only.
    (folder / WEIGHTS).chmod(0o644)
    (folder / CONFIG).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_words(folder: Path, words: Sequence[WordTuning]) -> None:
    """Put corrections of words into a native folder, in the place of those that it has.

    Raises:
        WavelaneError: INVALID_CONFIG, the folder cannot be written; or as :func:`load_native`.
    """
    read_native_config(folder)
    data = read_json(folder / CONFIG)
    data["model"]["words"] = [asdict(tuning) for tuning in words]
    try:
        (folder / CONFIG).write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WavelaneError(ErrorCode.INVALID_CONFIG, f"cannot write {folder / CONFIG}: {error.strerror}") from None
