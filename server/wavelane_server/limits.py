"""The server's limits as its parts take them."""

from wavelane.audio.limits import DecoderLimits
from wavelane_server.config import LimitsConfig

TRANSPORT_SLACK = 16
"""A transport's own bound on a message, as a multiple of ours: up to it our error, which tells what to do, is sent."""


def decoder_limits(limits: LimitsConfig) -> DecoderLimits:
    """Bounds on what a container may decode to."""
    return DecoderLimits(free_seconds=limits.free_seconds, max_seconds_per_megabyte=limits.max_seconds_per_megabyte)


def transport_bytes(limits: LimitsConfig) -> int:
    """Largest message (bytes) that a transport reads at all; a larger one is refused by the transport itself."""
    return limits.max_message_bytes * TRANSPORT_SLACK
