import math
import random
import time

import pytest
from grammartexts import HEADER, grammar_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.grammar import Grammar
from wavelane.grammar.matching import Matcher
from wavelane.grammar.sounds import COSTS, sounds_of

NAVIGATION = f"""{HEADER}
public <navigate> = (drive | take me | navigate) to <place> {{place}} [please];
public <zoom> = zoom (in {{way:closer}} | out {{way:farther}});
<place> = the airport | the main station | garden street | baker street;
"""


def heard(text: str, confidence: float = 1.0) -> list[tuple[str, float]]:
    return [(word, confidence) for word in text.split()]


@pytest.mark.parametrize(
    ("said", "intent", "slots", "sentence"),
    [
        ("take me to the air port", "navigate", {"place": "the airport"}, "take me to the airport"),
        ("take me too the mane station", "navigate", {"place": "the main station"}, "take me to the main station"),
        ("um drive to backer street", "navigate", {"place": "baker street"}, "drive to baker street"),
        ("drive garden street", "navigate", {"place": "garden street"}, "drive to garden street"),
        ("soom in", "zoom", {"way": "closer"}, "zoom in"),
    ],
)
def test_the_nearest_sentence_is_understood(said: str, intent: str, slots: dict[str, str], sentence: str) -> None:
    understood = Grammar.parse(NAVIGATION).understand(heard(said))
    assert understood is not None
    assert (understood.reading.intent, understood.reading.slots, understood.sentence) == (intent, slots, sentence)
    assert 0.6 <= understood.score < 1.0


def test_what_is_said_word_for_word_has_score_one() -> None:
    understood = Grammar.parse(NAVIGATION).understand(heard("Zoom out!", 0.1))
    assert understood is not None
    assert understood.score == 1.0
    assert understood.reading.slots == {"way": "farther"}


@pytest.mark.parametrize("said", ["", "what a lovely day it is", "she sells sea shells on the shore", "..."])
def test_other_speech_is_not_understood(said: str) -> None:
    assert Grammar.parse(NAVIGATION).understand(heard(said)) is None


def test_words_heard_without_confidence_weigh_less() -> None:
    grammar = Grammar.parse(NAVIGATION)
    sure = grammar.understand([*heard("zoom in"), ("banana", 1.0)], least=0)
    unsure = grammar.understand([*heard("zoom in"), ("banana", 0.0)], least=0)
    assert sure is not None
    assert unsure is not None
    assert unsure.score > sure.score


def test_words_that_sound_alike_are_near() -> None:
    assert sounds_of("knight") == sounds_of("night")
    assert sounds_of("phone") == sounds_of("fone")
    assert sounds_of("2") == sounds_of("two")
    assert sounds_of("日本") == sounds_of("русский") != ()
    assert (COSTS == COSTS.T).all()


def test_garbage_takes_the_rest() -> None:
    grammar = Grammar.parse(f"{HEADER}public <call> = <GARBAGE> call (peter | mary) {{name}} <GARBAGE>;")
    understood = grammar.understand(heard("well could you now coll marry before it is too late"))
    assert understood is not None
    assert understood.reading.slots == {"name": "mary"}
    assert understood.sentence == "call mary"


@given(grammar_texts, st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_damage_lowers_the_score_but_still_finds_a_sentence(text: str, seed: int) -> None:
    grammar, rng = Grammar.parse(text), random.Random(seed)
    sentence = grammar.random_sentence(rng).split()
    whole = grammar.understand(heard(" ".join(sentence)))
    assert whole is not None
    assert whole.score == 1.0
    damaged = list(sentence)
    at = rng.randrange(len(damaged))
    damaged[at : at + 1] = rng.choice(([], ["zebra"], [damaged[at], "zebra"]))
    understood = grammar.understand(heard(" ".join(damaged)), least=0.0)
    if understood is not None:
        assert grammar.read(understood.sentence) == understood.reading
        assert understood.score <= 1.0
        if grammar.read(" ".join(damaged)) is None:
            assert understood.score < 1.0


@given(grammar_texts, st.lists(st.sampled_from(["go", "lift", "tee", "on", "smal", "koffee"]), min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_no_listed_sentence_is_nearer_than_the_nearest(text: str, words: list[str]) -> None:
    grammar = Grammar.parse(text)
    nearest = Matcher(grammar.automaton).nearest(heard(" ".join(words)))
    cost = math.inf if nearest is None else nearest.cost
    # The plain distance to each sentence by itself: an automaton of that sentence alone.
    for sentence in grammar.sentences(12):
        alone = Grammar.parse(f"{HEADER}public <a> = {sentence};")
        other = Matcher(alone.automaton).nearest(heard(" ".join(words)))
        assert other is None or cost <= other.cost + 1e-3
    assert nearest is None or grammar.read(" ".join(nearest.words)) is not None


def test_a_long_sentence_costs_no_more_than_its_size() -> None:
    grammar = Grammar.parse(f"{HEADER}public <a> = {'hello ' * 2000};")
    assert grammar.sounds == 8000
    begin = time.perf_counter()
    assert grammar.understand(heard("world " * 20)) is None
    assert time.perf_counter() - begin < 5  # 0.05 s; it was 10 s when every sound to the end was left out


def test_sounds_are_those_of_the_matcher() -> None:
    grammar = Grammar.parse(NAVIGATION)
    assert grammar.sounds == len(Matcher(grammar.automaton)._source)
