"""Loading checkpoints: NeMo archives, Hugging Face folders, native folders and pipelines, one entry for all."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel, ModelSpec
from wavelane.model.build import build
from wavelane.model.checkpoint.archive import ArchiveLimits
from wavelane.model.checkpoint.huggingface import CONFIG, load_huggingface, read_huggingface_config, read_json
from wavelane.model.checkpoint.native import is_native, load_native, read_native_config, save_native
from wavelane.model.checkpoint.nemo import load_nemo, read_nemo_config
from wavelane.model.config import ModelConfig, unsupported
from wavelane.model.emformer import load_pipeline
from wavelane.model.pipelines import PREFIX
from wavelane.model.weights import Weights

__all__ = ["ArchiveLimits", "convert_model", "inspect_model", "load_model", "read_config"]


def load_model(
    path: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    name: str | None = None,
    limits: ArchiveLimits | None = None,
) -> LoadedModel:
    """Load a checkpoint for serving.

    Args:
        path: a ``.nemo`` archive, a folder in the Hugging Face or the native format, or the name of a pipeline
            (:mod:`wavelane.model.pipelines`).
        device: to run on.
        dtype: of encoder and decoders, float32 or bfloat16.
        name: of the model; None takes it from the file or folder.
        limits: on what an archive may hold.

    Raises:
        WavelaneError: there is nothing at ``path``, or it is unsafe, corrupt or no streaming FastConformer; for a
            pipeline as :func:`wavelane.model.emformer.load_pipeline` says.
    """
    if str(path).startswith(PREFIX):
        return load_pipeline(str(path), device=device, dtype=dtype, name=name)
    config, weights = _read(Path(path), name, limits)
    return build(config, weights, device=device, dtype=dtype)


def inspect_model(path: str | Path, *, name: str | None = None, limits: ArchiveLimits | None = None) -> ModelSpec:
    """What a checkpoint is, without its weights; ``parameters`` is 0.

    Raises:
        WavelaneError: as :func:`load_model`, as far as the configuration tells.
    """
    return read_config(path, name=name, limits=limits).spec()


def read_config(path: str | Path, *, name: str | None = None, limits: ArchiveLimits | None = None) -> ModelConfig:
    """The configuration of a checkpoint, without its weights.

    Raises:
        WavelaneError: as :func:`load_model`, as far as the configuration tells.
    """
    path = Path(path)
    with _malformed(path):
        if not path.is_dir():
            return read_nemo_config(_existing(path), name or _stem(path), limits)
        if is_native(read_json(path / CONFIG)):
            return read_native_config(path, name)
        return read_huggingface_config(path, name or _stem(path))


def convert_model(
    source: str | Path,
    folder: str | Path,
    *,
    dtype: torch.dtype | None = None,
    name: str | None = None,
    default_lookahead: int | None = None,
    limits: ArchiveLimits | None = None,
) -> ModelSpec:
    """Write a checkpoint in the native format.

    Args:
        source: any checkpoint that :func:`load_model` reads.
        folder: to write to; made when it does not exist.
        dtype: to store weights in; None keeps them as they are, so that the copy is exact.
        name: of the model; None takes it from ``source``.
        default_lookahead: one of the checkpoint's; None keeps its default.
        limits: on what an archive may hold.

    Raises:
        WavelaneError: as :func:`load_model`.
    """
    config, weights = _read(Path(source), name, limits)
    if default_lookahead is not None:
        config = replace(config, default_lookahead=default_lookahead)
    spec = build(config, weights, device="cpu", dtype=torch.float32).spec
    save_native(config, weights, Path(folder), dtype)
    return spec


def _read(path: Path, name: str | None, limits: ArchiveLimits | None) -> tuple[ModelConfig, Weights]:
    if str(path).startswith(PREFIX):
        raise unsupported(path.name, "it is a pipeline of torchaudio", "a streaming FastConformer")
    with _malformed(path):
        if not path.is_dir():
            return load_nemo(_existing(path), name or _stem(path), limits)
        if is_native(read_json(path / CONFIG)):
            return load_native(path, name)
        return load_huggingface(path, name or _stem(path))


@contextmanager
def _malformed(path: Path) -> Iterator[None]:
    """What is said of values of the wrong kind in places where no reader looks for them one by one."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, LookupError, OverflowError) as error:
        raise unsupported(
            _stem(path), f"its configuration is malformed ({error})", "one as its tool writes it"
        ) from error


def _existing(path: Path) -> Path:
    if not path.exists():
        raise WavelaneError(
            ErrorCode.MODEL_NOT_FOUND, f"There is no model at {path}; give a .nemo archive or a model folder."
        )
    return path


def _stem(path: Path) -> str:
    """Name of a model from that of its file or folder."""
    return path.resolve().name.removesuffix(".nemo")
