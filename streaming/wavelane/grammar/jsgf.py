"""Reads JSGF: the JSpeech Grammar Format (W3C note of 5 June 2000), without imports.

Taken from it: the header, rules, ``public``, alternatives with weights, sequences, groups, optional groups, ``*`` and
``+``, quoted tokens, tags, comments, ``<NULL>`` and ``<VOID>``. Added, from SRGS: ``<GARBAGE>``, any words or none.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar.nodes import (
    NEVER,
    NOTHING,
    Alternatives,
    Garbage,
    Node,
    Place,
    Reference,
    Repeat,
    Rule,
    Sequence,
    Tag,
    Tagged,
    Word,
)
from wavelane.grammar.words import split_words

DEEPEST = 64
"""Groups within groups, and operators and tags behind one part."""

LONGEST_WORD = 100
"""Letters of a word."""

_TOKENS = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<weight>/\s*[0-9.eE+-]+\s*/)
  | (?P<rule><[^<>\s]+>)
  | (?P<tag>\{(?:[^{}\\]|\\.)*\})
  | (?P<quoted>"(?:[^"\\]|\\.)*")
  | (?P<mark>[;=|*+()\[\]])
  | (?P<word>[^\s;=|*+<>()\[\]{}/"\\]+)
    """,
    re.VERBOSE | re.DOTALL,
)
# Nothing that was taken is given back (++): a client's text of spaces would take time that grows with its square.
_HEADER = re.compile(r"\ufeff?\s*+#JSGF[ \t]++V[0-9.]++[^;\n]*+;")
_TAG = re.compile(r"\s*+(?P<name>[A-Za-z_][\w.-]*+)\s*+(?::\s*+(?P<value>.*\S))?\s*+\Z", re.DOTALL)


def grammar_error(message: str, place: Place | None = None) -> WavelaneError:
    """A refusal of a grammar, naming the place."""
    return WavelaneError(ErrorCode.INVALID_CONFIG, f"grammar: {place}: {message}" if place else f"grammar: {message}")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    place: Place


def parse_jsgf(text: str) -> tuple[str, list[Rule]]:
    """The name of a grammar and its rules, in order.

    Raises:
        WavelaneError: INVALID_CONFIG, with line and column.
    """
    return _Parser(text).grammar()


def _tokens(text: str, start: int) -> Iterator[_Token]:
    at, line, opened = start, text.count("\n", 0, start) + 1, text.rfind("\n", 0, start) + 1
    while at < len(text):
        place = Place(line, at - opened + 1)
        found = _TOKENS.match(text, at)
        if found is None:
            raise grammar_error(_unreadable(text, at), place)
        kind = found.lastgroup
        assert kind is not None
        if kind != "space":
            yield _Token(kind, found[0], place)
        if breaks := found[0].count("\n"):
            line += breaks
            opened = at + found[0].rindex("\n") + 1
        at = found.end()
    yield _Token("end", "the end of the grammar", Place(line, at - opened + 1))


def _unreadable(text: str, at: int) -> str:
    character = text[at]
    unclosed = {
        "{": "a tag that no } closes (write \\{ and \\} for braces inside)",
        '"': 'a quoted word that no " closes',
        "<": "< does not open the name of a rule here: names have no blanks and end with >",
        "/": "a weight is written /2.5/, a comment // or /* */",
    }
    return unclosed.get(character, f"{character!r} has no meaning here; quote it if it is part of a word")


class _Parser:
    def __init__(self, text: str) -> None:
        header = _HEADER.match(text)
        if header is None:
            raise grammar_error("a grammar begins with the header: #JSGF V1.0;", Place(1, 1))
        self._tokens = _tokens(text, header.end())
        self._next = next(self._tokens)
        self._name = ""
        self._depth = 0

    def grammar(self) -> tuple[str, list[Rule]]:
        self._name = self._named()
        rules: dict[str, Rule] = {}
        while self._next.kind != "end":
            rule = self._rule()
            if (before := rules.get(rule.name)) is not None:
                raise grammar_error(f"<{rule.name}> is defined already, on line {before.place.line}", rule.place)
            rules[rule.name] = rule
        if not any(rule.public for rule in rules.values()):
            raise grammar_error("no rule is public; write public before the rules that are whole commands")
        return self._name, list(rules.values())

    def _named(self) -> str:
        token = self._take()
        if token.kind != "word" or token.text != "grammar":
            raise grammar_error(f"after the header comes: grammar name; not {token.text!r}", token.place)
        name = self._take()
        if name.kind != "word":
            raise grammar_error(f"the name of the grammar is missing before {name.text!r}", name.place)
        self._expect(";", "after the name of the grammar")
        return name.text

    def _rule(self) -> Rule:
        token = self._take()
        if token.kind == "word" and token.text == "import":
            raise grammar_error("imports are not supported; write the rules into this grammar", token.place)
        public = token.kind == "word" and token.text == "public"
        if public:
            token = self._take()
        if token.kind != "rule":
            raise grammar_error(f"a rule begins with <name> or public <name>, not {token.text!r}", token.place)
        name = token.text[1:-1]
        if name in ("NULL", "VOID", "GARBAGE"):
            raise grammar_error(f"<{name}> has a fixed meaning and cannot be defined", token.place)
        self._expect("=", f"after <{name}>")
        node = self._alternatives()
        self._expect(";", f"at the end of <{name}>, or an operator between its parts")
        return Rule(name, public, node, token.place)

    def _alternatives(self) -> Node:
        choices = [self._weighted()]
        while self._is("|"):
            self._take()
            choices.append(self._weighted())
        total = sum(weight for weight, _ in choices)
        if len(choices) == 1:
            return choices[0][1]
        return Alternatives(tuple((weight / total, node) for weight, node in choices))

    def _weighted(self) -> tuple[float, Node]:
        weight = 1.0
        if self._next.kind == "weight":
            token = self._take()
            try:
                weight = float(token.text.strip("/").strip())
            except ValueError:
                raise grammar_error(f"{token.text} is not a number between slashes", token.place) from None
            if not 1e-9 <= weight <= 1e9:
                raise grammar_error(f"the weight {token.text} is not between 1e-9 and 1e9", token.place)
        items = []
        while not self._ends():
            items.append(self._item())
        if not items:
            raise grammar_error(
                f"something to say is missing before {self._next.text!r}; write <NULL> for nothing", self._next.place
            )
        return weight, items[0] if len(items) == 1 else Sequence(tuple(items))

    def _ends(self) -> bool:
        return self._next.kind == "end" or (self._next.kind == "mark" and self._next.text in "|)];=")

    def _item(self) -> Node:
        node = self._atom()
        behind = 0
        while True:
            behind += 1
            if behind > DEEPEST + 1:
                raise grammar_error(f"more than {DEEPEST} operators and tags are nested here", self._next.place)
            if self._is("*") or self._is("+"):
                node = Repeat(node, self._take().text)
            elif self._next.kind == "tag":
                node = Tagged(node, _tag(self._take()))
            else:
                return node

    def _atom(self) -> Node:
        token = self._take()
        match token.kind:
            case "word" | "quoted":
                return self._spoken(token)
            case "rule":
                return self._reference(token)
            case "mark" if token.text in "([":
                return self._group(token)
        what = {"weight": "a weight", "tag": "a tag"}.get(token.kind, repr(token.text))
        rule = {"weight": "stands before an alternative", "tag": "stands behind what it tags"}.get(token.kind)
        raise grammar_error(f"{what} {rule or 'cannot stand here'}", token.place)

    def _spoken(self, token: _Token) -> Node:
        text = token.text if token.kind == "word" else re.sub(r"\\(.)", r"\1", token.text[1:-1])
        words = split_words(text)
        if not words:
            raise grammar_error(f"{token.text!r} has neither letters nor digits: it cannot be said", token.place)
        if any(len(word) > LONGEST_WORD for word in words):
            raise grammar_error(f"a word has more than {LONGEST_WORD} letters", token.place)
        return Word(words[0]) if len(words) == 1 else Sequence(tuple(map(Word, words)))

    def _reference(self, token: _Token) -> Node:
        name = token.text[1:-1].removeprefix(self._name + ".")
        special: dict[str, Node] = {"NULL": NOTHING, "VOID": NEVER, "GARBAGE": Garbage()}
        return special.get(name) or Reference(name, token.place)

    def _group(self, opened: _Token) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            raise grammar_error(f"groups are nested more than {DEEPEST} deep", opened.place)
        node = self._alternatives()
        self._depth -= 1
        closing = ")" if opened.text == "(" else "]"
        if not self._is(closing):
            raise grammar_error(f"no {closing} closes this {opened.text}", opened.place)
        self._take()
        return node if opened.text == "(" else Repeat(node, "?")

    def _is(self, mark: str) -> bool:
        return self._next.kind == "mark" and self._next.text == mark

    def _take(self) -> _Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _expect(self, mark: str, where: str) -> None:
        token = self._take()
        if token.kind != "mark" or token.text != mark:
            raise grammar_error(f"{mark} is missing {where}, before {token.text!r}", token.place)


def _tag(token: _Token) -> Tag:
    body = re.sub(r"\\(.)", r"\1", token.text[1:-1])
    found = _TAG.match(body)
    if found is None:
        raise grammar_error(
            f"the tag {token.text} is neither {{slot}}, {{slot:value}} nor {{intent:name}}; slots are named with "
            "letters, digits, _, . and -",
            token.place,
        )
    if found["name"] == "intent" and found["value"] is None:
        raise grammar_error("the tag {intent} needs a name: {intent:name}", token.place)
    return Tag(found["name"], found["value"])
