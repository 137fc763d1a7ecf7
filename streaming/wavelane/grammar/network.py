"""Rules to a network: a non-deterministic finite automaton over words, with tags (Thompson's construction)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wavelane.errors import WavelaneError
from wavelane.grammar.jsgf import grammar_error
from wavelane.grammar.nodes import Alternatives, Garbage, Node, Reference, Repeat, Rule, Sequence, Tag, Tagged, Word

ANY = "<GARBAGE>"
"""Label of an arc that takes any word; no word has angle brackets."""

_DEEPEST = 150
"""Rules, groups and operators within each other."""
_STEPS = 20
"""Parts of rules that are written out for each state that there may be: rules of nothing but rules have no states."""

_AGAIN = math.log(0.5)
"""Of an optional part being said, and of a repetition going on."""


@dataclass(frozen=True, slots=True)
class Open:
    """The words of a tag begin."""

    tag: Tag


@dataclass(frozen=True, slots=True)
class Close:
    """The words of a tag end."""

    tag: Tag


Label = str | Open | Close | None
"""A word, a border of a tag, or nothing."""


@dataclass(frozen=True, slots=True)
class Arc:
    """A step from one state to another."""

    label: Label
    target: int
    weight: float
    """Natural logarithm of the probability among what leaves the state."""


@dataclass(slots=True)
class Network:
    """States with the arcs that leave them; state 0 is the first one."""

    arcs: list[list[Arc]] = field(default_factory=list)
    final: int = 0

    @property
    def size(self) -> int:
        """Number of states."""
        return len(self.arcs)

    def odds(self, state: int) -> list[float]:
        """Probabilities of what leaves a state, without ``<GARBAGE>``."""
        return [math.exp(arc.weight) for arc in self.arcs[state] if arc.label != ANY]


def build_network(rules: Mapping[str, Rule], most_states: int) -> Network:
    """The public rules, each the intent of its name, as one network.

    Raises:
        WavelaneError: INVALID_CONFIG for a rule that is missing or recursive, or a grammar that is too large.
    """
    return _Builder(rules, most_states).build()


class _Builder:
    def __init__(self, rules: Mapping[str, Rule], most_states: int) -> None:
        self._rules = rules
        self._most = most_states
        self._steps_left = _STEPS * most_states
        self._depth = 0
        self._network = Network()
        self._inside: list[str] = []
        self._checked: set[str] = set()

    def build(self) -> Network:
        public = [rule for rule in self._rules.values() if rule.public]
        start = self._state()
        node = Alternatives(tuple((1 / len(public), Tagged(_self(rule), Tag("intent", rule.name))) for rule in public))
        self._network.final = self._add(node, start)
        for rule in self._rules.values():
            # What no public rule leads to is checked too: a missing rule is a mistake wherever it stands.
            self._inside.append(rule.name)
            self._check(rule)
            self._inside.pop()
        return _trimmed(self._network)

    def _state(self) -> int:
        if self._network.size >= self._most:
            raise self._too_large()
        self._network.arcs.append([])
        return self._network.size - 1

    def _too_large(self) -> WavelaneError:
        return grammar_error(
            f"it unfolds to more than {self._most} states (setting grammar.max_states); rules count wherever they are "
            "used"
        )

    def _arc(self, source: int, label: Label, weight: float = 0.0, target: int | None = None) -> int:
        target = self._state() if target is None else target
        self._network.arcs[source].append(Arc(label, target, weight))
        return target

    def _add(self, node: Node, at: int) -> int:
        """Append a node behind a state; returns the state behind it."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise self._too_large()
        self._depth += 1
        if self._depth > _DEEPEST:
            raise grammar_error(f"rules, groups and operators are nested more than {_DEEPEST} deep")
        at = self._append(node, at)
        self._depth -= 1
        return at

    def _append(self, node: Node, at: int) -> int:
        match node:
            case Word(text):
                return self._arc(at, text)
            case Sequence(items):
                for item in items:
                    at = self._add(item, at)
                return at
            case Alternatives(choices):
                end = self._state()
                for weight, choice in choices:
                    self._arc(self._add(choice, self._arc(at, None, math.log(weight))), None, target=end)
                return end
            case Repeat(item, kind):
                return self._repeat(item, kind, at)
            case Tagged(item, tag):
                return self._arc(self._add(item, self._arc(at, Open(tag))), Close(tag))
            case Garbage():
                inner = self._arc(at, None)
                self._arc(inner, ANY, _AGAIN, inner)
                return self._arc(inner, None, _AGAIN)
            case Reference():
                rule = self._enter(node)
                at = self._add(rule.node, at)
                self._inside.pop()
                return at

    def _repeat(self, item: Node, kind: str, at: int) -> int:
        end = self._state()
        if kind == "?":
            self._arc(self._add(item, self._arc(at, None, _AGAIN)), None, target=end)
            self._arc(at, None, _AGAIN, end)
            return end
        loop = self._arc(at, None)
        behind = self._add(item, self._arc(loop, None, _AGAIN if kind == "*" else 0.0))
        if kind == "*":
            self._arc(behind, None, target=loop)
            self._arc(loop, None, _AGAIN, end)
        else:
            self._arc(behind, None, _AGAIN, loop)
            self._arc(behind, None, _AGAIN, end)
        return end

    def _enter(self, reference: Reference) -> Rule:
        rule = self._rules.get(reference.name)
        if rule is None:
            known = ", ".join(f"<{name}>" for name in list(self._rules)[:8])
            raise grammar_error(f"there is no rule <{reference.name}>; defined are {known}", reference.place)
        if rule.name in self._inside:
            path = " → ".join(f"<{name}>" for name in [*self._inside, rule.name])
            raise grammar_error(f"recursion is not supported ({path}); use * or + for what repeats", reference.place)
        self._inside.append(rule.name)
        return rule

    def _check(self, rule: Rule) -> None:
        """Every rule that it leads to is there, and none leads to itself."""
        if rule.name in self._checked:
            return
        if len(self._inside) > _DEEPEST:
            raise grammar_error(f"rules are nested more than {_DEEPEST} deep", rule.place)
        for reference in _references(rule.node):
            self._check(self._enter(reference))
            self._inside.pop()
        self._checked.add(rule.name)


def _self(rule: Rule) -> Reference:
    return Reference(rule.name, rule.place)


def _references(node: Node) -> Iterator[Reference]:
    """The rules that a node names, in order."""
    waiting = [node]
    while waiting:
        match waiting.pop():
            case Reference() as reference:
                yield reference
            case Sequence(items):
                waiting.extend(reversed(items))
            case Alternatives(choices):
                waiting.extend(choice for _, choice in reversed(choices))
            case Repeat(item, _) | Tagged(item, _):
                waiting.append(item)
            case _:
                pass


def _trimmed(network: Network) -> Network:
    """Without the arcs from which the end cannot be reached; what is left is weighted anew."""
    sources: list[list[int]] = [[] for _ in network.arcs]
    for source, arcs in enumerate(network.arcs):
        for arc in arcs:
            sources[arc.target].append(source)
    alive, reached = [network.final], {network.final}
    while alive:
        for source in sources[alive.pop()]:
            if source not in reached:
                reached.add(source)
                alive.append(source)
    if 0 not in reached:
        raise grammar_error("nothing can be said: every public rule needs what is <VOID>")
    for state, arcs in enumerate(network.arcs):
        kept = [arc for arc in arcs if arc.target in reached]
        if len(kept) < len(arcs):
            total = math.log(sum(math.exp(arc.weight) for arc in kept)) if kept else 0.0
            network.arcs[state] = [Arc(arc.label, arc.target, arc.weight - total) for arc in kept]
    return network
