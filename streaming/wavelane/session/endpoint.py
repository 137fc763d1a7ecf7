"""Endpoint rules: when an utterance ends by itself. Pure functions of positions on the sample clock.

Three rules, as in Kaldi's online endpointing: silence after text, silence without any text, longest utterance.
"""

from wavelane.events import CLOCK_RATE, FinalReason
from wavelane.session.options import EndpointOptions

CUT_GRACE_MS = 5_000
"""How long a cut at the longest utterance waits for the next word to open before it is made anywhere (ms)."""


def samples(milliseconds: int) -> int:
    """Milliseconds on the sample clock."""
    return milliseconds * CLOCK_RATE // 1000


def silence_rule(options: EndpointOptions, silence: int, has_text: bool) -> FinalReason | None:
    """The rule that a silence of ``silence`` samples fulfils, if any."""
    if not options.enabled:
        return None
    if has_text:
        return "silence" if silence >= samples(options.silence_ms) else None
    return "no_text" if silence >= samples(options.no_text_ms) else None


def too_long(options: EndpointOptions, length: int) -> bool:
    """The utterance should be cut where the next word opens."""
    return length >= samples(options.max_utterance_ms)


def far_too_long(options: EndpointOptions, length: int) -> bool:
    """The utterance must be cut now: no word opened within the grace."""
    return length >= samples(options.max_utterance_ms + CUT_GRACE_MS)
