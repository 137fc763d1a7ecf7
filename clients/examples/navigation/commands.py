"""What may be said in the car: the grammar of its commands, and as hotwords the names of the map around."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from examples.navigation.gazetteer import Place
from wavelane_client import ErrorCode, WavelaneError, connect

KINDS = {
    "petrol station": "fuel",
    "charging station": "charging_station",
    "pharmacy": "pharmacy",
    "restaurant": "restaurant",
    "car park": "parking",
    "supermarket": "supermarket",
    "hotel": "hotel",
    "hospital": "hospital",
    "museum": "museum",
}
"""What is said for a kind of place."""
SUPPRESSION = "moderate"
"""Of noise; commands in the noise of a car are understood better so (see README.md)."""
_RULES = (Path(__file__).parent / "commands.jsgf").read_text(encoding="utf-8")


def grammar(places: Sequence[Place]) -> str:
    """The grammar (JSGF) of the commands with these places, nearest first."""
    kinds = {place.kind for place in places}
    return _RULES + "".join(
        (
            _rule("place", (place.spoken for place in places)),
            _rule("street", (place.spoken for place in places if place.kind == "street")),
            _rule("phone", (place.spoken for place in places if place.phone)),
            _rule("kind", (words for words, kind in KINDS.items() if kind in kinds)),
        )
    )


def session_options(places: Sequence[Place], extras: Collection[str] = ()) -> dict[str, Any]:
    """Options that hold a session to the commands.

    Args:
        places: of the map around, nearest first.
        extras: what the server takes besides, as :func:`taken_extras` says.
    """
    besides = {"hotwords": [place.spoken for place in places], "audio": {"noise_suppression": SUPPRESSION}}
    return {"grammar": grammar(places), **{name: besides[name] for name in extras}}


async def taken_extras(url: str, places: Sequence[Place]) -> list[str]:
    """The options that a server takes beside the grammar.

    A model with a CTC head hears nothing but the grammar, names included, and refuses hotwords beside it; others hear
    freely, and need them. Noise suppression is an extra of the server's installation.

    Raises:
        WavelaneError: no server, or it refuses the grammar.
    """
    taken: list[str] = []
    async with connect(url, **session_options(places)):
        pass
    for extra in ("hotwords", "audio"):
        try:
            async with connect(url, **session_options(places, [*taken, extra])):
                taken.append(extra)
        except WavelaneError as error:
            if error.code != ErrorCode.INVALID_CONFIG:
                raise
    return taken


def _rule(name: str, phrases: Iterable[str]) -> str:
    return f"<{name}> = {' | '.join(phrases) or '<VOID>'};\n"
