import random
from pathlib import Path

import pytest

from wavelane.grammar import Grammar

FOLDER = Path(__file__).parents[2] / "clients" / "examples" / "grammars"
NAMES = sorted(path.stem for path in FOLDER.glob("*.jsgf"))


def example(name: str) -> Grammar:
    return Grammar.parse((FOLDER / f"{name}.jsgf").read_text())


def test_there_are_examples() -> None:
    assert NAMES == ["coffee", "navigation", "shop"]


@pytest.mark.parametrize("name", NAMES)
def test_examples_say_things_that_they_understand(name: str) -> None:
    grammar = example(name)
    rng = random.Random(0)
    intents = set()
    for _ in range(300):
        reading = grammar.read(grammar.random_sentence(rng))
        assert reading is not None
        intents.add(reading.intent)
    assert intents == set(grammar.intents)
    assert len(grammar.sentences(500)) == 500


@pytest.mark.parametrize(
    ("name", "said", "intent", "slots"),
    [
        (
            "coffee",
            "Can I get a small, double shot dark roast mocha with a bit of oat milk and brown sugar?",
            "orderDrink",
            {
                "size": "small",
                "numberOfShots": "double shot",
                "roast": "dark roast",
                "coffeeDrink": "mocha",
                "milkAmount": "a bit of oat milk",
                "sugarAmount": "brown sugar",
            },
        ),
        ("coffee", "make me an americano", "orderDrink", {"coffeeDrink": "americano"}),
        (
            "navigation",
            "take me to forty two garden street",
            "navigate",
            {"number": "forty two", "street": "garden street"},
        ),
        (
            "navigation",
            "find the nearest gas station along the route",
            "find",
            {"which": "nearest", "kind": "gas station", "where": "route"},
        ),
        ("navigation", "avoid toll roads please", "route", {"preference": "avoid", "road": "toll roads"}),
        (
            "shop",
            "show me black leather boots for women in size thirty eight under eighty dollars",
            "search",
            {
                "colour": "black",
                "material": "leather",
                "product": "boots",
                "for": "for women",
                "size": "thirty eight",
                "most": "eighty",
            },
        ),
        ("shop", "track my parcel number one zero nine", "track", {"order": "one zero nine"}),
    ],
)
def test_what_examples_understand(name: str, said: str, intent: str, slots: dict[str, str]) -> None:
    reading = example(name).read(said)
    assert reading is not None
    assert (reading.intent, reading.slots) == (intent, slots)
