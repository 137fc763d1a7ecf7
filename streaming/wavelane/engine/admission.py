"""Who gets in: a bounded number of lanes and a bounded backlog for each, refused with an error that names the limit."""

from wavelane.engine.config import EngineConfig
from wavelane.engine.slots import Slot, SlotPool
from wavelane.errors import ErrorCode, WavelaneError


def admit(pool: SlotPool) -> Slot:
    """A slot for one more lane. Raises OVERLOADED when there is none."""
    slot = pool.allocate()
    if slot is None:
        raise WavelaneError(
            ErrorCode.OVERLOADED,
            f"All {pool.size} lanes of this server are in use (setting engine.max_sessions = {pool.size}); "
            "try again later or on another server.",
        )
    return slot


def check_backlog(waiting: float, added: float, config: EngineConfig) -> None:
    """Refuse a chunk that would make a lane's backlog too long.

    Args:
        waiting: audio (s) of the lane that has not been recognised yet.
        added: audio (s) of the new chunk. The only chunk of a lane is always taken.
        config: holds the limit.

    Raises:
        WavelaneError: BACKLOG_EXCEEDED.
    """
    if waiting and waiting + added > config.max_backlog_seconds:
        raise WavelaneError(
            ErrorCode.BACKLOG_EXCEEDED,
            f"{waiting + added:.2f} s of this stream's audio wait to be recognised, and the limit is "
            f"{config.max_backlog_seconds:g} s (setting engine.max_backlog_seconds); send audio no faster than results "
            "come back.",
        )
