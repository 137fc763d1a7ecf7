"""vosk-server's protocol: every message but ``config`` has exactly one answer.

A client sends 0.2 s of audio and waits for its answer before it sends more. So the answer does not wait for the
recogniser: it is the oldest final that the client does not know yet, else the newest partial. The answer to ``eof``, or
to ``reset``, comes when all before it is recognised, and holds all that the client does not know: it reads no further.

Source: ``websocket/asr_server.py`` and the client samples of alphacep/vosk-server.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

import orjson

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Alternative, Closed, Failed, Final, Flushed, Partial
from wavelane_server.adapters.base import (
    Audio,
    Command,
    Configure,
    End,
    Fail,
    Flush,
    Outgoing,
    Rejection,
    Reply,
)
from wavelane_server.adapters.vosk.messages import alternatives, partial, result
from wavelane_server.adapters.vosk.options import Settings, changed

NOTHING = Alternative(text="", confidence=1.0, words=())


class VoskAdapter:
    """One session's translation.

    Args:
        constrained: the model's search can be held to the client's list of phrases.
    """

    def __init__(self, *, constrained: bool = False) -> None:
        self._constrained = constrained
        self._settings = Settings()
        self._opened = False
        self._ended = False
        self._failed = False
        self._finals: deque[Sequence[Alternative]] = deque()
        """That the client does not know yet, each best first."""
        self._partial: Partial | None = None
        self._owed: deque[int] = deque()
        """For each reset that is not answered yet, the messages behind it."""

    def begin(self) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        return []

    def receive(self, message: str | bytes) -> list[Command]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if self._ended:
            return []  # theirs reads nothing after eof
        try:
            if isinstance(message, bytes):
                return self._audio(message)
            return self._control(message)
        except WavelaneError as error:
            return [Fail(error)]

    def audio(self, message: str | bytes) -> bytes | None:
        """See :class:`wavelane_server.adapters.base.Adapter`. None is audio and nothing else: each has its answer."""
        return None

    def send(self, event: Outgoing) -> list[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`."""
        if isinstance(event, Partial):
            self._partial = event
        elif isinstance(event, Final):
            self._partial = None
            self._finals.append(event.alternatives)
        elif isinstance(event, Flushed):
            return [self._all(), *(self._answer() for _ in range(self._owed.popleft()))]
        elif isinstance(event, Failed):
            self._failed = self._failed or event.fatal
        elif isinstance(event, Closed) and (self._finals if self._failed else self._ended):
            return [self._all()]
        return []

    def reject(self, error: WavelaneError) -> Rejection[str]:
        """See :class:`wavelane_server.adapters.base.Adapter`. There is no message for errors, only the close frame."""
        return Rejection.of(error)

    def _audio(self, data: bytes) -> list[Command]:
        if self._owed:
            self._owed[-1] += 1
            return [Audio(data)]
        return [*self._open(), Reply(self._answer()), Audio(data)]

    def _control(self, text: str) -> list[Command]:
        match _parse(text):
            case {"config": values, **others} if not others:
                settings = changed(self._settings, values)
                if self._opened and settings != self._settings:
                    raise _invalid("the options are fixed by the first audio: send config before it")
                self._settings = settings
                return []
            case {"eof": 1, **others} if not others:
                self._ended = True
                return [*self._open(), End()]
            case {"reset": 1, **others} if not others:
                self._owed.append(0)
                return [*self._open(), Flush()]
        raise _invalid('a text message is {"config" : {...}}, {"reset" : 1} or {"eof" : 1}; audio goes in binary ones')

    def _open(self) -> list[Command]:
        if self._opened:
            return []
        self._opened = True
        return [Configure(self._settings.session(constrained=self._constrained), once=True)]

    def _answer(self) -> str:
        """What is newest to the client."""
        if self._finals:
            return self._result(self._finals.popleft())
        if self._partial is None:
            return partial("", ())
        return partial(self._partial.text, self._partial.words if self._settings.partial_words else ())

    def _all(self) -> str:
        """All that the client does not know, as one utterance; of all but the last one the best hypothesis."""
        said = [hypotheses for hypotheses in self._finals if hypotheses[0].text]
        self._finals.clear()
        if not said:
            return self._result((NOTHING,))
        before = [hypotheses[0] for hypotheses in said[:-1]]
        return self._result([_joined([*before, last]) for last in said[-1]])

    def _result(self, hypotheses: Sequence[Alternative]) -> str:
        words = self._settings.words
        if self._settings.max_alternatives:
            return alternatives(hypotheses, words=words)
        return result(hypotheses[0], words=words)


def _joined(parts: Sequence[Alternative]) -> Alternative:
    """Utterances as one."""
    scores = [part.score for part in parts if part.score is not None]
    return Alternative(
        text=" ".join(part.text for part in parts if part.text),
        confidence=min(part.confidence for part in parts),
        words=tuple(word for part in parts for word in part.words),
        score=sum(scores) if len(scores) == len(parts) else None,
    )


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _invalid(f"a text message must be JSON, and this one is not: {error}") from None


def _invalid(message: str) -> WavelaneError:
    return WavelaneError(ErrorCode.INVALID_MESSAGE, message)
