"""How many lanes fit into a device's memory: the state of all of them is allocated when the engine is made."""

from wavelane.engine.config import EngineConfig
from wavelane.engine.cuda import free_memory
from wavelane.engine.selfcheck import SPARE
from wavelane.engine.step import memory_of_a_lane
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import LoadedModel

STATE_SHARE = 0.75
"""Of the memory that is free beside the model; the rest is for the values inside a step and for graphs."""

_MIB = 2**20


def with_lanes(config: EngineConfig, model: LoadedModel, head: str) -> EngineConfig:
    """The settings with ``max_sessions`` as a number that the device has memory for.

    On a CPU that is what is asked for: the operating system commits the memory of a lane when it is used first.

    Args:
        config: settings; ``max_sessions`` may be 0.
        model: on its device.
        head: name of the decoder.

    Raises:
        WavelaneError: INVALID_CONFIG if the lanes that were asked for do not fit, or not a single one does.
    """
    lanes = config.lanes
    device = next(iter(model.encoder.init_state(1).values())).device
    if device.type == "cuda":
        lanes = lanes_that_fit(config.max_sessions, lanes, memory_of_a_lane(model, head), free_memory(device))
    return config.model_copy(update={"max_sessions": lanes})


def lanes_that_fit(asked: int, wanted: int, bytes_per_lane: int, free: int) -> int:
    """How many lanes to make.

    Args:
        asked: by the settings; 0: as many as fit, but no more than ``wanted``.
        wanted: what 0 means.
        bytes_per_lane: state of one lane (bytes).
        free: memory of the device (bytes).

    Raises:
        WavelaneError: INVALID_CONFIG.
    """
    # The pool has rows of its own beside the lanes: blank, waste, spare.
    room = int(free * STATE_SHARE) // bytes_per_lane - 2 - SPARE
    if max(asked, 1) > room:
        remedy = (
            f"set engine.max_sessions to at most {room}"
            if room > 0
            else "take a smaller model or engine.precision = bf16"
        )
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"The state of {max(asked, 1)} lanes (setting engine.max_sessions) takes "
            f"{max(asked, 1) * bytes_per_lane / _MIB:,.0f} MiB of GPU memory, {bytes_per_lane / _MIB:.2f} MiB each, "
            f"and {STATE_SHARE:.0%} of the {free / _MIB:,.0f} MiB that are free may hold state; {remedy}, or use a GPU "
            "with more memory.",
        )
    return asked or min(wanted, room)
