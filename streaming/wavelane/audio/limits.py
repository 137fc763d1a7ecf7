"""Bounds on what compressed audio may become."""

from dataclasses import dataclass

from wavelane.errors import ErrorCode, WavelaneError


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderLimits:
    """Limits of one stream's decoder; settings of the server."""

    min_sample_rate: int = 8_000
    """Lowest sample rate of a container (Hz)."""
    max_sample_rate: int = 96_000
    """Highest sample rate of a container (Hz)."""
    max_channels: int = 8
    """Most channels of a container."""
    free_seconds: int = 600
    """Audio that any stream may decode to, however few its bytes (s)."""
    max_seconds_per_megabyte: int = 30_000
    """Further audio that a million bytes may decode to (s). A microphone may be muted for hours: digital silence takes
    3 bytes for 20 ms of Opus (6,700 s per megabyte), 4 for 64 ms of AAC (16,000), 1 for 20 ms where Opus stops to
    transmit (20,000)."""
    max_header_bytes: int = 1 << 20
    """Longest part of a container, other than audio, that must be kept to understand it (bytes)."""
    max_packet_bytes: int = 4 << 20
    """Longest coded packet (bytes)."""
    max_held_bytes: int = 64 << 20
    """Longest file of a kind that decodes only when it is complete, like MP4 (bytes)."""


def corrupt(container: str, what: str) -> WavelaneError:
    """The error for bytes that are not what they claim to be."""
    return WavelaneError(
        ErrorCode.INVALID_AUDIO, f"the {container} data is corrupt or unsupported: {what}; encode the audio anew"
    )


def truncated(container: str) -> WavelaneError:
    """The error for a container that ends too early."""
    return WavelaneError(
        ErrorCode.INVALID_AUDIO, f"the {container} data ends too early; what came before the cut was decoded"
    )


def check_format(container: str, rate: int, channels: int, limits: DecoderLimits) -> None:
    """Refuse a rate or a number of channels out of bounds.

    Raises:
        WavelaneError: INVALID_AUDIO.
    """
    if not limits.min_sample_rate <= rate <= limits.max_sample_rate:
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO,
            f"the {container} data has {rate} samples a second; {limits.min_sample_rate} to {limits.max_sample_rate} "
            "are taken (min_sample_rate, max_sample_rate)",
        )
    if not 1 <= channels <= limits.max_channels:
        raise WavelaneError(
            ErrorCode.INVALID_AUDIO,
            f"the {container} data has {channels} channels; 1 to {limits.max_channels} are taken (max_channels)",
        )


class Expansion:
    """Watches how much audio the bytes of a stream become: a few bytes of FLAC can claim hours.

    Args:
        limits: ``free_seconds`` and ``max_seconds_per_megabyte``.
    """

    def __init__(self, limits: DecoderLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self.samples = 0
        """Samples of each channel so far."""

    def account(self, coded: int, samples: int, rate: int) -> None:
        """Count a packet of ``coded`` bytes that became ``samples`` samples of each channel at ``rate`` Hz.

        Raises:
            WavelaneError: INVALID_AUDIO when the samples are more than the bytes can honestly hold.
        """
        self._bytes += coded
        self.samples += samples
        seconds = self.samples / rate
        limits = self._limits
        if seconds > limits.free_seconds + limits.max_seconds_per_megabyte * self._bytes / 1e6:
            raise WavelaneError(
                ErrorCode.INVALID_AUDIO,
                f"{self._bytes} coded bytes become more than {seconds:.0f} s of audio, above the limit of "
                f"{limits.free_seconds} s and {limits.max_seconds_per_megabyte} s per megabyte (free_seconds, "
                "max_seconds_per_megabyte); send audio with less padding or as linear16",
            )
