"""What a rule of a grammar is made of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands in the text of a grammar; both count from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"


@dataclass(frozen=True, slots=True)
class Tag:
    """What is known when the tagged part was said: a slot, or the intent (a slot named ``intent``)."""

    name: str
    value: str | None
    """None: the words said."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word, as :func:`wavelane.grammar.words.split_words` writes it."""

    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other; empty: nothing is said."""

    items: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Alternatives:
    """One of several, with the probability of each; none: what can never be said."""

    choices: "tuple[tuple[float, Node], ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """The item once or not at all (``?``), any number of times (``*``), or at least once (``+``)."""

    item: "Node"
    kind: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item with a tag."""

    item: "Node"
    tag: Tag


@dataclass(frozen=True, slots=True)
class Reference:
    """Another rule."""

    name: str
    place: Place


@dataclass(frozen=True, slots=True)
class Garbage:
    """Any words, or none."""


Node = Word | Sequence | Alternatives | Repeat | Tagged | Reference | Garbage

NOTHING = Sequence(())
NEVER = Alternatives(())


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule."""

    name: str
    public: bool
    node: Node
    place: Place
