import random
from collections import Counter

from grammartexts import HEADER, WORDS, grammar_texts
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.grammar import Grammar, Reading
from wavelane.grammar.interpretation import read
from wavelane.grammar.network import Label, Network

COFFEE = f"""{HEADER}
public <order> = [<polite>] <size> {{size}} [<milk> {{milk}}] (coffee | mocha) {{drink}};
public <cancel> = (stop | never mind) {{intent:abort}} | cancel;
<polite> = i want a;
<size> = small {{cups:1}} | large {{cups:2}};
<milk> = with (soy | oat) milk {{vegan:yes}};
"""


def test_intent_and_slots() -> None:
    grammar = Grammar.parse(COFFEE)
    assert grammar.intents == ("order", "cancel")
    assert grammar.read("I want a small coffee!") == Reading("order", {"cups": "1", "size": "small", "drink": "coffee"})
    assert grammar.read("large with oat milk mocha") == Reading(
        "order", {"cups": "2", "size": "large", "vegan": "yes", "milk": "with oat milk", "drink": "mocha"}
    )
    assert grammar.read("never mind") == Reading("abort", {})
    assert grammar.read("cancel") == Reading("cancel", {})
    for wrong in ("", "small", "small coffee please", "coffee small", "smal coffee"):
        assert grammar.read(wrong) is None


def test_a_slot_said_twice_has_its_last_value() -> None:
    grammar = Grammar.parse(f"{HEADER}public <a> = ((small | large) {{size}} | tea {{drink}})+;")
    assert grammar.read("small tea large") == Reading("a", {"drink": "tea", "size": "large"})


def test_of_several_meanings_the_most_probable_is_taken() -> None:
    rules = "public <a> = /{}/ one {{x:first}} | /{}/ one {{x:second}};"
    assert Grammar.parse(HEADER + rules.format(1, 3)).read("one") == Reading("a", {"x": "second"})
    assert Grammar.parse(HEADER + rules.format(3, 1)).read("one") == Reading("a", {"x": "first"})


def test_garbage_takes_what_nothing_else_does() -> None:
    grammar = Grammar.parse(f"{HEADER}public <a> = <GARBAGE> call <GARBAGE> {{name}} [now {{when:soon}}];")
    assert grammar.read("hey you call peter pan now") == Reading("a", {"name": "peter pan", "when": "soon"})
    assert grammar.read("call") == Reading("a", {"name": ""})
    assert grammar.read("peter") is None


def test_weights_decide_how_often_something_is_said() -> None:
    grammar = Grammar.parse(f"{HEADER}public <a> = /9/ tea | /1/ coffee;")
    rng = random.Random(1)
    said = Counter(grammar.random_sentence(rng) for _ in range(2000))
    assert 1700 < said["tea"] < 1880


def test_sampling_is_repeatable_and_without_doubles() -> None:
    grammar = Grammar.parse(f"{HEADER}public <a> = (one | two | go) (one | two | left)+;")
    sampled = grammar.sentences(50, seed=7)
    assert sampled == grammar.sentences(50, seed=7)
    assert sampled != grammar.sentences(50, seed=8)
    assert len(sampled) == len(set(sampled)) == 50
    assert grammar.sentences(0) == []


def every_way(network: Network, words: list[str]) -> list[tuple[float, list[Label]]]:
    """All ways of saying the words, without going in circles between two of them."""
    ways: list[tuple[float, list[Label]]] = []

    def go(state: int, position: int, weight: float, labels: list[Label], met: frozenset[int]) -> None:
        if state == network.final and position == len(words):
            ways.append((weight, labels))
        for arc in network.arcs[state]:
            if not isinstance(arc.label, str):
                if arc.target not in met:
                    go(arc.target, position, weight + arc.weight, [*labels, arc.label], met | {arc.target})
            elif position < len(words) and arc.label == words[position]:
                go(arc.target, position + 1, weight + arc.weight, [*labels, arc.label], frozenset({arc.target}))

    go(0, 0, 0.0, [], frozenset({0}))
    return ways


@given(grammar_texts, st.integers(0, 2**32))
@settings(deadline=None, max_examples=60)
def test_what_is_generated_has_the_meaning_of_its_most_probable_way(text: str, seed: int) -> None:
    grammar = Grammar.parse(text)
    rng = random.Random(seed)
    for _ in range(5):
        sentence = grammar.random_sentence(rng)
        if len(sentence.split()) <= 8:
            ways = every_way(grammar.network, sentence.split())
            best = max(weight for weight, _ in ways)
            assert grammar.read(sentence) in [read(labels) for weight, labels in ways if weight > best - 1e-9]


@given(grammar_texts, st.lists(st.sampled_from(WORDS), max_size=6))
@settings(deadline=None, max_examples=60)
def test_the_automaton_takes_what_the_network_takes(text: str, words: list[str]) -> None:
    grammar = Grammar.parse(text)
    candidates = [words, *(sentence.split() for sentence in grammar.sentences(20))]
    for candidate in candidates:
        state: int | None = 0
        for word in candidate:
            state = None if state is None else dict(grammar.automaton.following(state)).get(word)
        accepted = state is not None and grammar.automaton.accepts[state]
        assert accepted == (grammar.read(" ".join(candidate)) is not None)


@given(grammar_texts)
@settings(deadline=None, max_examples=60)
def test_all_sentences_of_a_small_grammar_are_listed_once(text: str) -> None:
    grammar = Grammar.parse(text)
    listed = grammar.sentences(300)
    assert len(listed) == len(set(listed))
    assert all(grammar.read(sentence) for sentence in listed)
    if not grammar.automaton.endless and len(listed) < 300:
        rng = random.Random(0)
        assert {grammar.random_sentence(rng) for _ in range(50)} <= set(listed)
