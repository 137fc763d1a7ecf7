"""Results of one channel of ``/v1/listen``: what is final, what is interim, and where utterances end."""

from collections.abc import Mapping, Sequence
from typing import Any

from wavelane.events import CLOCK_RATE, Final, Partial, Word
from wavelane_server.adapters.deepgram.options import Options
from wavelane_server.adapters.deepgram.request import seconds
from wavelane_server.adapters.deepgram.words import LEAST_GAP, Rest, alternative, mean_confidence, of_final


class Channel:
    """One channel. Spans of results tile its audio: a result begins where the last final one ended.

    Args:
        index: of the channel.
        options: of the stream.
        metadata: added to every result; may be filled later.
    """

    def __init__(self, index: int, options: Options, metadata: Mapping[str, Any]) -> None:
        self.endpoint = 0
        """Sample clock where a rule ended the utterance whose final is due."""
        self.punctuated = options.punctuated
        """Words are shown as the transcript writes them, too."""
        self._options = options
        self._metadata = metadata
        self._place = [index, options.channels]
        self._gap = None if options.utterance_end_ms is None else options.utterance_end_ms * CLOCK_RATE // 1000
        self._finalised = 0
        self._flushed = False
        self._rest = Rest()
        self._open: tuple[str, Sequence[Word]] = ("", ())
        self._last_word: int | None = None  # end of the newest final word, until the utterance's end is told

    def started(self, at: int) -> dict[str, Any]:
        """Speech began."""
        return {"type": "SpeechStarted", "channel": self._place, "timestamp": seconds(at)}

    def partial(self, event: Partial) -> list[dict[str, Any]]:
        """The hypothesis of the open utterance."""
        self._open = text, words = self._rest.of(event.text, event.words)
        messages = self._ended(words[0].start) if words else []
        if self._options.interim:
            shown = alternative(text, mean_confidence(words), words, punctuated=self.punctuated)
            messages.append(self._results([shown], self._finalised, max(event.processed, self._finalised)))
        return messages

    def final(self, event: Final) -> list[dict[str, Any]]:
        """The utterance ended."""
        best = event.alternatives[0]
        text, words = self._rest.of(best.text, best.words)
        shown = [of_final(each, punctuated=self.punctuated) for each in event.alternatives]
        if text != best.text:
            shown = [alternative(text, mean_confidence(words), words, punctuated=self.punctuated)]
        self._rest.close()
        flushed = event.reason == "flush"
        self._flushed |= flushed
        silent = event.reason in ("silence", "no_text") and self._options.speech_final
        messages = self._ended(words[0].start) if words else []
        result = self._final(
            shown,
            words,
            max(self.endpoint, event.end),
            speech_final=silent or event.reason in ("flush", "end"),
            from_finalize=flushed,
        )
        return [*messages, result]

    def flushed(self, at: int) -> list[dict[str, Any]]:
        """All up to ``at`` is final; the client waits to hear so, also where there was nothing."""
        empty = [alternative("", 0.0, (), punctuated=False)]
        answered, self._flushed = self._flushed, False
        messages = self._ended(at)
        if not answered:
            messages.append(self._final(empty, (), at, speech_final=True, from_finalize=True))
        self._finalised = max(at, self._finalised)
        return messages

    def progress(self, at: int) -> list[dict[str, Any]]:
        """Time goes by: after a gap, the end of the utterance is told, its words being final."""
        if self._gap is None:
            return []
        messages = []
        text, words = self._open
        if words:
            if at - words[-1].end < max(self._gap, LEAST_GAP):
                return []
            # Noise hides the silence: what was said is over all the same.
            self._rest.tell(words)
            shown = [alternative(text, mean_confidence(words), words, punctuated=self.punctuated)]
            messages.append(self._final(shown, words, words[-1].end, speech_final=False))
        return [*messages, *self._ended(at)]

    def _ended(self, at: int) -> list[dict[str, Any]]:
        """The end of the newest utterance, if nothing is said up to ``at`` and that is long enough."""
        last = self._last_word
        if self._gap is None or last is None or at - last < self._gap:
            return []
        self._last_word = None
        return [{"type": "UtteranceEnd", "channel": self._place, "last_word_end": seconds(last)}]

    def _final(
        self,
        alternatives: list[dict[str, Any]],
        words: Sequence[Word],
        end: int,
        *,
        speech_final: bool,
        from_finalize: bool = False,
    ) -> dict[str, Any]:
        self._open = ("", ())
        start = min(self._finalised, words[0].start) if words else self._finalised
        self._finalised = max(self._finalised, end)
        if words:
            self._last_word = words[-1].end
        return self._results(
            alternatives,
            start,
            self._finalised,
            is_final=True,
            speech_final=speech_final,
            from_finalize=from_finalize,
        )

    def _results(
        self,
        alternatives: list[dict[str, Any]],
        start: int,
        end: int,
        *,
        is_final: bool = False,
        speech_final: bool = False,
        from_finalize: bool = False,
    ) -> dict[str, Any]:
        return {
            "type": "Results",
            "channel_index": self._place,
            "duration": seconds(end - start),
            "start": seconds(start),
            "is_final": is_final,
            "speech_final": speech_final,
            "channel": {"alternatives": alternatives},
            "metadata": self._metadata,
            "from_finalize": from_finalize,
        }
