"""What one session heard, and when its words were there. Without I/O: times come from the caller."""

from collections import defaultdict
from collections.abc import Sequence

from wavelane.events import CLOCK_RATE, Final, Partial
from wavelane_client.evaluate.row import Heard, HeardWord
from wavelane_client.load.meter import Meter
from wavelane_client.messages import Ready, ServerEvent


class Listener:
    """Follows one session from its configuration to its end.

    Args:
        live: the audio is sent as it would be spoken, so that latencies mean something.
    """

    def __init__(self, *, live: bool) -> None:
        self.meter = Meter(None)
        self.ready: Ready | None = None
        self._live = live
        self._finals: list[tuple[Final, float]] = []
        self._shown: defaultdict[tuple[int, int], list[tuple[float, Sequence[str]]]] = defaultdict(list)
        """(arrival, words) of the partials of each channel and utterance."""

    def event(self, event: ServerEvent, now: float) -> None:
        """An event has arrived."""
        self.meter.event(event, now)
        match event:
            case Ready():
                self.ready = event
            case Partial() if self._live:
                words = [word.text for word in event.words]
                self._shown[event.channel, event.utterance].append((now, words))
            case Final():
                self._finals.append((event, now))

    def heard(self, now: float) -> Heard:
        """Everything, at the end of the session."""
        record = self.meter.finish(now, CLOCK_RATE)
        words = [word for final, at in self._finals for word in self._words(final, at)]
        latency = {"first_partial": record.first_partial, "final": record.final}
        latency["partial_lag"] = max((lag for _, lag in record.partial_lags), default=None)
        intents = [final.intent for final, _ in self._finals if final.intent is not None]
        # A command that was heard in several utterances is what the surest of them means.
        intent = max(intents, key=lambda intent: intent.score, default=None)
        return Heard(
            text=record.text,
            words=tuple(words),
            intent=None if intent is None else intent.name,
            slots={} if intent is None else dict(intent.slots),
            latency={name: value for name, value in latency.items() if value is not None} if self._live else {},
        )

    def _words(self, final: Final, at: float) -> list[HeardWord]:
        """Words of a final; each came with the oldest partial that shows it and after which it stayed."""
        if not self._live:
            return [HeardWord.of(word) for word in final.words]
        shown = self._shown.pop((final.channel, final.utterance), [])
        words = []
        for index, word in enumerate(final.words):
            arrived = at
            for earlier, texts in reversed(shown):
                if len(texts) <= index or texts[index] != word.text:
                    break
                arrived = earlier
            sent = self.meter.sent_at(word.end)
            words.append(HeardWord.of(word, None if sent is None else arrived - sent))
        return words
