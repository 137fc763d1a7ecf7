"""What a load run does. Plain values that travel to the worker processes as JSON."""

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from wavelane_client.client import DEFAULT_URL


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One run of the load generator."""

    url: str = DEFAULT_URL
    sessions: int = 8
    """Sessions at the same time."""
    duration: float = 30.0
    """Seconds that are measured, after the ramp."""
    ramp: float = 2.0
    """Seconds over which the sessions start."""
    settle: float = 0.0
    """Seconds after the ramp that are not measured."""
    packet_ms: int = 100
    jitter_ms: int = 20
    """Largest delay of a packet (ms), uniform."""
    session_seconds: float | None = None
    """Length of a session: as many utterances as fill it. None: one utterance."""
    speech_share: float | None = None
    """Part of a session's time that is speech, the rest is noise between the turns of a conversation. None: speech
    that goes on."""
    options: dict[str, Any] = field(default_factory=dict)
    """Of each session (lookahead, vad, ...)."""
    manifest: str | None = None
    audio: tuple[str, ...] = ()
    processes: int = 1
    seed: int = 0

    @property
    def measured_from(self) -> float:
        """Start of the measured window (s after the start of the run)."""
        return self.ramp + self.settle

    @property
    def measured_to(self) -> float:
        """End of the measured window and of the run (s after its start)."""
        return self.measured_from + self.duration

    def share(self, process: int) -> "Plan":
        """The part of one of the processes."""
        sessions = self.sessions // self.processes + (process < self.sessions % self.processes)
        return replace(self, sessions=sessions, seed=self.seed + 1_000_003 * process)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Plan":
        """Inverse of :meth:`to_json`."""
        return cls(**{**values, "audio": tuple(values["audio"])})
