"""sherpa-onnx's streaming protocol, as its C++ server speaks it.

There is nothing to configure: binary messages are float32 samples at 16 kHz, mono, and the text ``Done`` ends them.
Each result is the whole text of a segment so far; the next segment has the next number. ``Done!`` follows the last one.
The Python example server sends two of the members, ``text`` and ``segment``, which mean the same, and no ``Done!``; its
clients stop at the close.

Sources: ``sherpa-onnx/csrc/online-websocket-server-impl.cc`` and ``online-recognizer.cc``,
``python-api-examples/streaming_server.py`` and the clients beside it, of k2-fsa/sherpa-onnx.
"""

import math
from collections.abc import Mapping, Sequence

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import CLOCK_RATE, Closed, Failed, Final, Partial, Word
from wavelane_server.adapters.base import Audio, Command, Configure, End, Fail, Outgoing, Rejection

OPTIONS: Mapping[str, object] = {"encoding": "float32", "sample_rate": 16_000, "channels": 1, "words": True}
"""Of every session: the protocol has none of its own."""

LEAST_PROBABILITY = 1e-6
"""So that its logarithm is a number."""


class SherpaAdapter:
    """One session's translation."""

    def __init__(self) -> None:
        self._segment = 0
        self._ended = False
        self._told_end = False
        self._failed = False

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return [Configure(OPTIONS, once=True)]

    def receive(self, message: str | bytes) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if self._ended:
            return []  # theirs reads nothing after Done
        if isinstance(message, bytes):
            return [Audio(message)]
        if message == "Done":
            self._ended = True
            return [End()]
        reason = "the only text message is Done, which ends the audio; audio goes in binary messages of float32 samples"
        return [Fail(WavelaneError(ErrorCode.INVALID_MESSAGE, reason))]

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return message if isinstance(message, bytes) else None

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if isinstance(event, Partial):
            return [self._result(event.text, event.words, event.start)]
        if isinstance(event, Final):
            self._told_end = event.reason == "end"
            told = self._result(event.text, event.words, event.start, final=True, eof=self._told_end)
            if event.text:
                self._segment += 1
            return [told]
        if isinstance(event, Failed):
            self._failed = self._failed or event.fatal
        elif isinstance(event, Closed) and self._ended and not self._failed:
            last = [] if self._told_end else [self._result("", (), event.received, final=True, eof=True)]
            return [*last, "Done!"]
        return []

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`. There is no message for errors, only the close frame."""
        return Rejection.of(error)

    def _result(self, text: str, words: Sequence[Word], start: int, *, final: bool = False, eof: bool = False) -> str:
        """A segment. Its tokens are words, with the space before them as pieces of a word have it.

        ``timestamps`` count from ``start_time`` (s); ``ys_probs`` are natural logarithms. ``words`` are numbers of a
        decoding graph, which there is none of here.
        """
        begin = words[0].start if words else start
        members = {
            "text": text,
            "tokens": [f" {word.text}" for word in words],
            "timestamps": [round((word.start - begin) / CLOCK_RATE, 2) for word in words],
            "ys_probs": [round(math.log(max(word.confidence, LEAST_PROBABILITY)), 6) for word in words],
            "lm_probs": [],
            "context_scores": [],
            "segment": self._segment,
            "words": [],
            "start_time": round(begin / CLOCK_RATE, 2),
            "is_final": final,
            "is_eof": eof,
        }
        return orjson.dumps(members).decode()
