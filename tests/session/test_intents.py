"""Finals of sessions with a grammar: what was understood, with a search that is held to it and without."""

from dataclasses import replace

import pytest

from support.toy import SPEC
from wavelane.errors import WavelaneError
from wavelane.events import Event, Final
from wavelane.grammar import Grammar
from wavelane.session.options import SessionOptions, decoding_of
from wavelane.session.recognition import Mark, Recognition
from wavelane.session.session import Session
from wavelane.work import Hypothesis, StepResult, Token

VOCABULARY = ("\u2581turn", "\u2581left", "\u2581right", "\u2581write", "\u2581loft", "\u2581please")
FREE = replace(SPEC, vocabulary=VOCABULARY)
HELD = replace(FREE, constrained=True, max_beam=8)
TURN = "#JSGF V1.0; grammar turns; public <turn> = turn (left {way:L} | right {way:R}) [please];"
OTHER = "#JSGF V1.0; grammar other; public <other> = turn left;"


def token(word: str, frame: int, confidence: float = 1.0) -> Token:
    return Token(id=VOCABULARY.index(f"\u2581{word}"), frame=frame, confidence=confidence)


def final_of(spec: object, ways: list[list[str]], score: float = -0.5, alternatives: int = 1) -> Final:
    """The final of one stream whose search ended with these hypotheses."""
    out: list[Event] = []
    options = SessionOptions(alternatives=alternatives)
    recognition = Recognition(0, spec, options, gated=True, out=out)  # type: ignore[arg-type]
    recognition.grammars.append(Grammar.parse(TURN))
    recognition.mark(Mark.OPEN, 0)
    recognition.mark(Mark.SPEECH, 0)
    recognition.sent(12_800)
    found = [tuple(token(word, frame) for frame, word in enumerate(way)) for way in ways]
    recognition.receive(
        StepResult(
            lane=0,
            sequence=0,
            tokens=found[0],
            frames=10,
            last=True,
            alternatives=tuple(Hypothesis(tokens=way, score=score - i) for i, way in enumerate(found)),
        )
    )
    recognition.mark(Mark.END, 12_800)
    (final,) = [event for event in out if isinstance(event, Final)]
    return final


def test_a_search_that_is_held_to_the_grammar() -> None:
    final = final_of(HELD, [["turn", "right", "please"]])
    assert final.intent is not None
    assert (final.intent.name, dict(final.intent.slots)) == ("turn", {"way": "R"})
    assert final.intent.sentence == "turn right please"
    assert final.intent.score == pytest.approx(0.6065, abs=1e-4)  # exp(-0.5)


def test_a_search_that_found_nothing() -> None:
    final = final_of(HELD, [[]])
    assert (final.text, final.intent) == ("", None)


def test_the_nearest_sentence_where_the_search_is_free() -> None:
    final = final_of(FREE, [["turn", "loft"]])
    assert final.text == "turn loft"
    assert final.intent is not None
    assert dict(final.intent.slots) == {"way": "L"}
    assert 0.6 < final.intent.score < 1.0
    assert final.intent.sentence == "turn left"


def test_the_hypothesis_that_is_a_sentence_wins() -> None:
    final = final_of(FREE, [["turn", "write"], ["turn", "right"]], alternatives=2)
    assert final.text == "turn write"
    assert final.intent is not None
    assert (final.intent.score, dict(final.intent.slots)) == (1.0, {"way": "R"})


def test_other_words_mean_nothing() -> None:
    assert final_of(FREE, [["please", "please"]]).intent is None


def test_how_streams_are_searched() -> None:
    grammar, options = Grammar.parse(TURN), SessionOptions()
    held = decoding_of(options, HELD, grammar, gated=True)
    assert held is not None
    assert held.grammar == TURN
    unheld = decoding_of(options, HELD, grammar, gated=False)
    assert unheld is not None
    assert unheld.settle < held.settle
    free = decoding_of(SessionOptions(lm="off"), FREE, grammar)
    assert free is None or free.grammar is None


def test_a_grammar_that_cannot_be_spelled_or_found_leaves_the_session_as_it_was() -> None:
    session = Session(SessionOptions(grammar=TURN), HELD)
    for grammar in ("#JSGF V1.0; grammar g; public <a> = zebra;", "nowhere"):
        with pytest.raises(WavelaneError, match="grammar"):
            session.receive_options({"grammar": grammar})
        assert session.options.grammar == TURN
    assert session.receive_options({"grammar": OTHER}).grammar == OTHER


def test_a_grammar_too_large_to_look_for_the_nearest_sentence() -> None:
    letters = "bcdfgklmnprstvwz"
    words = " | ".join(f"{a}a{b}i{c}o{a}a{b}i{c}o" for a in letters for b in letters for c in letters[:4])
    large = f"#JSGF V1.0; grammar g; public <a> = {words};"
    with pytest.raises(WavelaneError, match="fewer alternatives"):
        Session(SessionOptions(grammar=large), FREE)
