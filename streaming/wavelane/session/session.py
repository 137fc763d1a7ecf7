"""The sans-I/O session: bytes and results in, chunks and events out. (Being written; the interface is fixed.)"""

from wavelane.errors import WavelaneError
from wavelane.events import Event
from wavelane.session.options import SessionOptions
from wavelane.spec import ModelSpec
from wavelane.work import Chunk, StepResult


class Session:
    """One client's recognition, without clock, thread or socket."""

    def __init__(self, options: SessionOptions, spec: ModelSpec) -> None:
        raise NotImplementedError

    options: SessionOptions
    """Effective options: every None resolved."""

    @property
    def lanes(self) -> int:
        """Engine lanes (slots) that the session needs: one, or one per channel recognised separately."""
        raise NotImplementedError

    @property
    def backlog_ms(self) -> int:
        """Audio received but not yet recognised (ms), the slowest lane's."""
        raise NotImplementedError

    @property
    def closed(self) -> bool:
        """All is said: ``Closed`` was emitted."""
        raise NotImplementedError

    def receive_audio(self, data: bytes) -> None:
        """Take audio bytes; any split of the same bytes gives the same events."""
        raise NotImplementedError

    def receive_flush(self) -> None:
        """Finalise what was heard and stay open; answered by ``Flushed``."""
        raise NotImplementedError

    def receive_end(self) -> None:
        """No more audio: finalise and close."""
        raise NotImplementedError

    def receive_options(self, values: object) -> SessionOptions:
        """Change options mid-stream; returns the effective options. Raises INVALID_CONFIG and changes nothing."""
        raise NotImplementedError

    def receive_error(self, error: WavelaneError) -> None:
        """The engine or transport gave up: what is known becomes finals, then ``Failed`` and ``Closed``."""
        raise NotImplementedError

    def receive_result(self, result: StepResult) -> None:
        """Take the engine's answer to a chunk, in order for each lane."""
        raise NotImplementedError

    def next_chunk(self) -> Chunk | None:
        """Work for the engine, or None."""
        raise NotImplementedError

    def events(self) -> list[Event]:
        """Events since the last call."""
        raise NotImplementedError
