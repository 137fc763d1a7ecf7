"""What computes the steps: torch on CUDA and wherever else, the native library on the CPUs it knows."""

import logging
from collections.abc import Callable
from typing import Literal

from wavelane.engine.config import EngineConfig
from wavelane.engine.metrics import GraphStats
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.runner import Runner
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel
from wavelane.native.model import unsupported

_log = logging.getLogger(__name__)

Backend = Literal["native", "torch"]


def choose_backend(model: LoadedModel, config: EngineConfig) -> Backend:
    """The backend that a model runs on with these settings.

    Raises:
        WavelaneError: INVALID_CONFIG if the settings ask for what cannot be.
    """
    on_cuda = config.torch_device().type == "cuda"
    reason = "it is for CPUs" if on_cuda else unsupported(model)
    if config.backend != "torch" and reason is None:
        return "native"
    if config.backend == "native":
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"The native library (setting engine.backend) cannot run {model.spec.name}: {reason}. Set engine.backend "
            "to auto or torch.",
        )
    if config.precision == "int8":
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            "engine.precision = int8 needs the native library, which is not used "
            f"({'engine.backend = torch' if config.backend == 'torch' else reason}); choose auto, bf16 or fp32.",
        )
    if not on_cuda and config.backend == "auto":
        _log.warning("steps run on torch, several times slower than the native library: %s", reason)
    return "torch"


def native_precision(config: EngineConfig) -> str:
    """The precision that ``auto`` means for the native library."""
    return "int8" if config.precision == "auto" else config.precision


def make_runner(
    model: LoadedModel,
    head: str,
    config: EngineConfig,
    backend: Backend,
    tell: Callable[[GraphStats], None],
) -> Runner | NativeRunner:
    """The runner of a backend.

    Args:
        model: as :meth:`EngineConfig.torch_dtype` wants it.
        head: name of the decoder.
        config: with the number of lanes settled.
        backend: as chosen by :func:`choose_backend`.
        tell: called when CUDA graphs were captured.
    """
    if backend == "native":
        workers, _ = config.parallelism(model.spec.parameters, native=True)
        precision, rows = native_precision(config), config.largest_batch
        return NativeRunner(model, head, config.max_sessions, precision, workers, rows)
    return Runner(
        model,
        head,
        config.max_sessions,
        graphs=config.cuda_graphs,
        max_graphs=config.max_graphs,
        tell=tell,
    )
