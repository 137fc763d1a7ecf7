"""Lookahead as a dial: under load, sessions that allow it wait for more of the future, which takes fewer steps.

The dial is one whole number for the whole engine. At 0 every such session has its shortest lookahead. Each notch moves
a quarter of the sessions on by one of the model's lookaheads, so that no more are moved than the load asks for, and the
load never jumps. Pure functions: what a session gets depends on the dial, its bounds and its rank alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

NOTCHES = 4
"""Notches from one lookahead to the next; session ranks are 0 to 3."""

HIGH = 0.85
"""The dial goes up when the load is above this share of what the machine carries,"""

LOW = 0.70
"""and down when it would be below this one afterwards, so that a turn back does not call for the notches again."""

AIM = 0.80
"""Where the load is wanted after going up."""

UP_DWELL_S = 1.0
"""Least time (s) between two turns up: a turn shows in the load only when the chunks in progress are done."""

DOWN_DWELL_S = 5.0
"""Least time (s) from a turn to a turn down."""

LATE_DWELL_S = 3.0
"""Least time (s) from a turn to one up because results are late: those of before must have left the picture."""

LATE_HOLD_S = 30.0
"""Least time (s) from a turn up because results were late to a turn down: the load does not tell when to go back."""

MOST_HOLD_S = 480.0
"""Each time that going back was soon followed by a turn up, it is waited twice as long as before, but no longer."""


@dataclass(frozen=True, slots=True)
class Dial:
    """Where the dial is."""

    position: int = 0
    turned: float = float("-inf")
    """When it was turned last."""
    held: float = float("-inf")
    """Until when it is not turned down."""
    hold: float = DOWN_DWELL_S
    """For how long (s) it was held last."""
    back: bool = False
    """It was turned down last."""


def assigned(lookaheads: Sequence[int], bounds: tuple[int, int], rank: int, position: int) -> int:
    """The lookahead of a session.

    Args:
        lookaheads: of the model, ascending.
        bounds: the shortest and the longest that the session allows.
        rank: any whole number that stays the same for the session.
        position: of the dial.
    """
    allowed = [lookahead for lookahead in lookaheads if bounds[0] <= lookahead <= bounds[1]]
    if not allowed:
        return bounds[0]
    return allowed[min((position + rank % NOTCHES) // NOTCHES, len(allowed) - 1)]


def last_position(lookaheads: Sequence[int]) -> int:
    """Where every session has its longest lookahead."""
    return NOTCHES * (len(lookaheads) - 1)


def turn(dial: Dial, load: Callable[[int], float], last: int, now: float, late: bool = False) -> Dial:
    """The dial, turned if it pays.

    Args:
        dial: as it is.
        load: what the load is or would be with the dial at a position, as a share of what the machine carries.
        last: the last position.
        now: time (s).
        late: results have been late for seconds. Whatever the cause, fewer steps and fewer messages help.
    """
    if late and dial.position < last and now - dial.turned >= LATE_DWELL_S:
        return _up(dial, min(dial.position + NOTCHES, last), now, LATE_HOLD_S)
    here = load(dial.position)
    if here > HIGH:
        if now - dial.turned < UP_DWELL_S:
            return dial
        ahead = range(dial.position + 1, last + 1)
        enough = next((position for position in ahead if load(position) <= AIM), None)
        if enough is None:
            # Not even the longest is enough: the one that helps most, if any helps.
            enough = min(range(dial.position, last + 1), key=lambda position: (load(position), position))
        return dial if enough == dial.position else _up(dial, enough, now, DOWN_DWELL_S)
    if late or now < dial.held or now - dial.turned < DOWN_DWELL_S:
        return dial
    back = range(max(dial.position - NOTCHES, 0), dial.position)
    enough = next((position for position in back if load(position) < LOW), None)
    return dial if enough is None else Dial(enough, now, dial.held, dial.hold, back=True)


def _up(dial: Dial, position: int, now: float, least: float) -> Dial:
    """Turned up, and held there for ``least`` seconds or longer."""
    hold = least
    if dial.back and now - dial.turned < dial.hold:  # it was turned back too early
        hold = max(least, min(2 * dial.hold, MOST_HOLD_S))
    elif now < dial.held:
        hold = max(least, dial.hold)
    return Dial(position, now, max(dial.held, now + hold), hold)
