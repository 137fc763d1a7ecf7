"""What decides about utterances follows the order of the audio, never the order of arrival."""

import pytest

from support.toy import SPEC
from wavelane.events import Event, Final
from wavelane.session.endpoint import CUT_GRACE_MS
from wavelane.session.options import EndpointOptions, SessionOptions
from wavelane.session.recognition import Mark, Recognition
from wavelane.work import StepResult, Token

LIMIT = (1_000 + CUT_GRACE_MS) * 16


@pytest.mark.parametrize("late", [False, True])
def test_silence_known_early_does_not_cut_an_utterance_earlier(late: bool) -> None:
    out: list[Event] = []
    options = SessionOptions(endpoint=EndpointOptions(max_utterance_ms=1_000))
    recognition = Recognition(0, SPEC, options, gated=True, out=out)

    def result(sequence: int, *tokens: Token) -> None:
        recognition.receive(StepResult(lane=0, sequence=sequence, tokens=tokens, frames=1, last=False))

    recognition.mark(Mark.OPEN, 0)
    recognition.mark(Mark.SPEECH, 0)
    recognition.sent(1_280)
    if not late:
        result(0, Token(id=1, frame=0, confidence=1.0))
    recognition.silent_to(LIMIT + 1_600)  # known at once where nothing is with the engine
    recognition.mark(Mark.OPEN, LIMIT - 3_200)  # speech goes on, and its pre-roll begins in that silence
    recognition.sent(LIMIT - 1_600)
    if late:
        result(0, Token(id=1, frame=0, confidence=1.0))
    result(1)
    assert not [event for event in out if isinstance(event, Final)]
    recognition.sent(LIMIT)
    result(2)
    (final,) = [event for event in out if isinstance(event, Final)]
    assert final.reason == "max_utterance"
