"""Measures one session from the client's side. Without I/O: times come from the caller."""

from bisect import bisect_left
from dataclasses import asdict, dataclass, field
from typing import Any

from wavelane.errors import ErrorCode
from wavelane.events import Closed, Final, Partial
from wavelane_client.messages import ServerEvent

REFUSALS = (ErrorCode.OVERLOADED, ErrorCode.SHUTTING_DOWN)


@dataclass(slots=True)
class SessionRecord:
    """What one session gave. Times are seconds on the machine's monotonic clock, durations in seconds."""

    at: float = 0.0
    """When it ended."""
    complete: bool = False
    """Ran to ``closed``; False when it was cut at the end of the run, refused or broken."""
    audio_seconds: float = 0.0
    messages: int = 0
    """Messages received."""
    ready: float | None = None
    """From the start of the connection to ``ready``."""
    first_partial: float | None = None
    """From the first packet sent to the first partial or final with text."""
    partial_lags: list[tuple[float, float]] = field(default_factory=list)
    """(arrival, lag) of every partial: lag is the time since the packet with the last sample it covers was sent."""
    final: float | None = None
    """From the last packet, which ``end`` follows at once, to the last final; to ``closed`` where the server had
    finalised the last utterance before it."""
    awaited: bool = False
    """The last final came after the end: it was made by it, and not by a pause before."""
    text: str = ""
    reference: str | None = None
    error: str | None = None
    """Code of the error that ended it."""
    error_message: str | None = None
    refused: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "SessionRecord":
        """Inverse of :meth:`to_json`."""
        return cls(**{**values, "partial_lags": [(at, lag) for at, lag in values["partial_lags"]]})


class Meter:
    """Follows one session."""

    def __init__(self, reference: str | None) -> None:
        self.record = SessionRecord(reference=reference)
        self._samples: list[int] = []
        """Samples sent up to and including each packet, and when each was sent."""
        self._sent: list[float] = []
        self._ended: float | None = None
        self._finals: list[Final] = []
        self._last_final: float | None = None

    def sent(self, samples: int, now: float) -> None:
        """A packet of so many samples is handed over."""
        self._samples.append(samples + (self._samples[-1] if self._samples else 0))
        self._sent.append(now)

    def sent_at(self, sample: int) -> float | None:
        """When the packet was handed over that ends at this sample or holds it; None when it is still to come."""
        index = bisect_left(self._samples, sample)
        return self._sent[index] if index < len(self._sent) else None

    def ended(self, now: float) -> None:
        """The last packet is handed over and ``end`` follows."""
        self._ended = now

    def event(self, event: ServerEvent, now: float) -> None:
        """An event has arrived."""
        record = self.record
        record.messages += 1
        match event:
            case Partial():
                self._text(event.text, now)
                sent = self.sent_at(event.processed)
                if sent is not None:
                    record.partial_lags.append((now, now - sent))
            case Final():
                self._text(event.text, now)
                self._finals.append(event)
                self._last_final = now
            case Closed():
                record.complete = True
                if self._ended is not None:
                    after_end = self._last_final is not None and self._last_final >= self._ended
                    record.awaited = after_end
                    record.final = (self._last_final if after_end and self._last_final else now) - self._ended
            case _:
                pass

    def failed(self, code: ErrorCode, message: str) -> None:
        """The session was refused or broke."""
        self.record.refused = code in REFUSALS
        self.record.error = code.value
        self.record.error_message = message

    def finish(self, now: float, samples_per_second: int) -> SessionRecord:
        """The record, complete or not."""
        record = self.record
        record.at = now
        record.audio_seconds = (self._samples[-1] if self._samples else 0) / samples_per_second
        record.text = " ".join(final.text for final in self._finals if final.text)
        return record

    def _text(self, text: str, now: float) -> None:
        if text and self.record.first_partial is None and self._sent:
            self.record.first_partial = now - self._sent[0]
