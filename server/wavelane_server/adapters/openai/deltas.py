"""Text that only grows: what a client that adds up deltas has at the end is the transcript."""

from dataclasses import dataclass, field

from wavelane.events import Final, Partial


@dataclass(slots=True)
class Deltas:
    """The text of one or several utterances, handed out as far as it will not change."""

    finals: list[Final] = field(default_factory=list)
    """With text, in order."""
    _sent: int = 0

    @property
    def text(self) -> str:
        """All finals."""
        return " ".join(final.text for final in self.finals)

    def partial(self, event: Partial) -> str:
        """What an utterance in progress adds; may be empty."""
        return self._grown(event.text[: event.stable])

    def final(self, event: Final) -> str:
        """What the end of an utterance adds; may be empty."""
        delta = self._grown(event.text)
        if event.text:
            self.finals.append(event)
        return delta

    def _grown(self, known: str) -> str:
        if not known:
            return ""
        whole = f"{self.text} {known}" if self.finals else known
        delta = whole[self._sent :]
        self._sent = max(self._sent, len(whole))
        return delta
