"""What the users of a stream are told when it ends before its time. Details go to the server's log, not to them."""

from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError


def not_finite() -> WavelaneError:
    """The encoder's output of a row is NaN or infinite."""
    return WavelaneError(
        ErrorCode.INTERNAL,
        "The model's output for this stream is not finite, so the stream was ended; other streams are not affected. "
        "Start a new session; if it happens again, check the audio's encoding and try engine.precision = fp32.",
    )


def step_failed(slot: Slot, error: BaseException) -> WavelaneError:
    """The step of a row raised, also alone in its batch."""
    return WavelaneError(
        ErrorCode.INTERNAL,
        f"Recognising this stream failed with {type(error).__name__} (lane {slot.index}; details are in the server's "
        "log); other streams are not affected. Start a new session.",
    )


def engine_died(fault: BaseException) -> WavelaneError:
    """A thread of the engine ended by a fault."""
    return WavelaneError(
        ErrorCode.INTERNAL,
        f"The engine of this server died of {type(fault).__name__} (details are in the server's log); the server has "
        "to be restarted. Connect to another one.",
    )


def shutting_down() -> WavelaneError:
    """The engine was stopped."""
    return WavelaneError(ErrorCode.SHUTTING_DOWN, "This server is shutting down; connect to another one or try later.")
