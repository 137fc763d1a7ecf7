"""Comparing what was heard, where a small model guesses."""

from collections.abc import Sequence
from difflib import SequenceMatcher


def much_alike(heard: str | Sequence[str], expected: str | Sequence[str], least: float = 0.9) -> bool:
    """Whether two texts share most of their letters.

    For recordings whose words are guesses of the shipped model: packets of another size, or another order of additions,
    may turn a guess into its neighbour.
    """
    ours, theirs = (text if isinstance(text, str) else " ".join(text) for text in (heard, expected))
    return SequenceMatcher(None, ours, theirs, autojunk=False).ratio() >= least
