"""Conversation items of a Realtime session: what was said between two commits, and the events that tell of it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import log
from typing import Any

from wavelane.events import CLOCK_RATE, Endpoint, Final, Flushed, Partial, SpeechStarted, Word
from wavelane_server.adapters.base import Progress, milliseconds
from wavelane_server.adapters.onsets import Onsets
from wavelane_server.adapters.openai.deltas import Deltas

Say = Callable[..., None]
"""Takes the type of an event for the client, and its members."""

_TRANSCRIPTION = "conversation.item.input_audio_transcription"
_LEAST_CONFIDENCE = 1e-6


@dataclass(slots=True)
class _Item:
    id: str
    start: int
    """Sample clock."""
    announced: bool = False
    """The client knows that speech has started."""
    deltas: Deltas = field(default_factory=Deltas)


class Items:
    """Turns our events into those of items.

    Each utterance that the detector ends is an item. Under manual turns, all utterances up to the client's commit are
    one.

    Args:
        say: takes events for the client.
        name: what the items' ids are made of.
    """

    def __init__(self, say: Say, name: str) -> None:
        self.manual = False
        """Only the client ends items."""
        self.logprobs = False
        self.beta = False
        """Events as before the API was generally available."""
        self.idle_timeout_ms: int | None = None
        """Silence that becomes an item (ms)."""
        self.padding = 0
        """Audio before an onset that counts as its item's (ms)."""
        self._say = say
        self._name = name
        self._count = 0
        self._item: _Item | None = None
        self._previous: str | None = None
        self._onsets = Onsets()
        self._flushes: deque[bool] = deque()
        self._endpoint_at = 0
        self._ended_at = 0
        self._fault = "the session failed"

    def flushed_for(self, *, commit: bool) -> None:
        """The next flush is for a commit, or for a client that wants the buffer cleared."""
        self._flushes.append(commit)

    def failed(self, message: str) -> None:
        """Why finals to come are of a failure."""
        self._fault = message

    def started(self, event: SpeechStarted) -> None:
        """The detector heard speech begin."""
        if self.manual:
            return
        if self._item is not None:
            self._onsets.wait(event.at)
        else:
            self._announce(self._open(event.at))

    def partial(self, event: Partial) -> None:
        """The utterance in progress."""
        item = self._open(event.start)
        if delta := item.deltas.partial(event):
            self._announce(item)
            self._delta(item, delta)

    def endpoint(self, event: Endpoint) -> None:
        """An utterance ended by itself; its final follows."""
        self._endpoint_at = event.at

    def final(self, event: Final) -> None:
        """An utterance is complete."""
        item = self._open(event.start)
        delta = item.deltas.final(event)
        if event.reason in ("silence", "no_text", "max_utterance") and not self.manual:
            if delta or item.announced:
                self._close(item, self._endpoint_at, delta)
            else:
                # Silence, which a server without a detector tells of as an utterance without words.
                self._item = None
            return
        if delta:
            self._announce(item)
            self._delta(item, delta)
        if event.reason in ("end", "failure"):
            self._close(item, max(event.end, item.start), failed=event.reason == "failure")

    def flushed(self, event: Flushed) -> None:
        """Everything up to a commit, or to the clearing of the buffer, is known."""
        if not self._flushes.popleft():
            self._item = None
            self._ended_at = event.at
            self._say("input_audio_buffer.cleared")
            self._go_on(event.at)
        else:
            self._close(self._open(self._ended_at), event.at)

    def progress(self, event: Progress) -> None:
        """Time goes by: a long silence becomes an item."""
        timeout = self.idle_timeout_ms
        if timeout is None or self._item is not None or milliseconds(event.at - self._ended_at) < timeout:
            return
        item = self._open(self._ended_at)
        start, end = milliseconds(item.start), milliseconds(event.at)
        self._say("input_audio_buffer.timeout_triggered", item_id=item.id, audio_start_ms=start, audio_end_ms=end)
        self._close(item, event.at)

    def _open(self, at: int) -> _Item:
        if self._item is None:
            self._count += 1
            # An item without turns begins where the one before it was committed.
            start = self._ended_at if self.manual else max(self._ended_at, at - self.padding * CLOCK_RATE // 1000)
            self._item = _Item(f"item_{self._name}{self._count:05d}", start)
        return self._item

    def _announce(self, item: _Item) -> None:
        if not (item.announced or self.manual):
            item.announced = True
            start = milliseconds(item.start)
            self._say("input_audio_buffer.speech_started", item_id=item.id, audio_start_ms=start)

    def _delta(self, item: _Item, delta: str) -> None:
        self._say(f"{_TRANSCRIPTION}.delta", item_id=item.id, content_index=0, delta=delta)

    def _close(self, item: _Item, at: int, delta: str = "", *, failed: bool = False) -> None:
        """An item is complete: it was committed, and its transcript is known."""
        if delta:
            self._announce(item)
        if item.announced:
            self._say("input_audio_buffer.speech_stopped", item_id=item.id, audio_end_ms=milliseconds(at))
        previous = self._previous
        self._say("input_audio_buffer.committed", item_id=item.id, previous_item_id=previous)
        shown = self._shown(item, None)
        added = "conversation.item.created" if self.beta else "conversation.item.added"
        self._say(added, previous_item_id=previous, item=shown)
        if delta:
            self._delta(item, delta)
        transcript = item.deltas.text
        if failed and not transcript:
            error = {"type": "server_error", "code": "transcription_failed", "message": self._fault, "param": None}
            self._say(f"{_TRANSCRIPTION}.failed", item_id=item.id, content_index=0, error=error)
        else:
            members: dict[str, Any] = {
                "transcript": transcript,
                "usage": {"type": "duration", "seconds": round((at - item.start) / CLOCK_RATE, 3)},
            }
            if self.logprobs:
                members["logprobs"] = logprobs([word for final in item.deltas.finals for word in final.words])
            self._say(f"{_TRANSCRIPTION}.completed", item_id=item.id, content_index=0, **members)
        if not self.beta:
            self._say("conversation.item.done", previous_item_id=previous, item=self._shown(item, transcript))
        self._previous = item.id
        self._item = None
        self._ended_at = at
        self._go_on(at)

    def _go_on(self, at: int) -> None:
        """Speech that began after ``at`` is the next item's."""
        if (onset := self._onsets.after(at)) is not None:
            self._announce(self._open(onset))

    @staticmethod
    def _shown(item: _Item, transcript: str | None) -> dict[str, Any]:
        return {
            "id": item.id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": transcript}],
        }


def logprobs(words: list[Word]) -> list[dict[str, Any]]:
    """Words as the API's tokens, each with the natural logarithm of its confidence; joined, they are the text."""
    tokens = [f" {word.text}" if index else word.text for index, word in enumerate(words)]
    return [
        {
            "token": token,
            "logprob": round(log(max(word.confidence, _LEAST_CONFIDENCE)), 6),
            "bytes": list(token.encode()),
        }
        for token, word in zip(tokens, words, strict=True)
    ]
