"""Who gets in: as many lanes as there are and as the machine carries, and a bounded backlog for each.

Refusals are errors that name the limit and its setting.
"""

from wavelane.engine.config import EngineConfig
from wavelane.engine.governor import Condition, Governor
from wavelane.engine.slots import Slot, SlotPool
from wavelane.errors import ErrorCode, WavelaneError


def admit(pool: SlotPool, governor: Governor, lookahead: int | None, now: float) -> Slot:
    """A slot for one more lane.

    Args:
        pool: the hard limit.
        governor: knows the load.
        lookahead: the longest that the lane allows; None: the model's default.
        now: time (s).

    Raises:
        WavelaneError: OVERLOADED when there is no slot, or the machine has enough to do.
    """
    if pool.live < pool.size and not governor.admit(lookahead, now):
        raise overloaded(governor.condition(now))
    slot = pool.allocate()
    if slot is None:
        raise WavelaneError(
            ErrorCode.OVERLOADED,
            f"All {pool.size} lanes of this server are in use (setting engine.max_sessions = {pool.size}); "
            "try again later or on another server.",
        )
    return slot


def overloaded(condition: Condition) -> WavelaneError:
    """The refusal of a session that the machine would not carry in time."""
    return WavelaneError(
        ErrorCode.OVERLOADED,
        f"This server carries {condition.capacity:.0f} streams of continuous speech in time and has "
        f"{condition.load:.0%} of that to do (setting engine.capacity); try again later or on another server.",
    )


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
