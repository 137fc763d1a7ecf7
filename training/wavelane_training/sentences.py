"""Text to sentences to speak: lower case, words only, numbers as they are said.

    python -m wavelane_training.sentences OUT.txt [--grammar training/grammars/coffee.jsgf=6000]
        [--corpus plain:my.txt=20000]

Corpora are those that ``corpora.py`` reads; a sentence is what stands between full stops or line ends. Numbers are
read aloud: ``£3`` and ``10:30`` too, years as years, long numbers and those with a leading zero digit by digit.
"""

import random
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from num2words import num2words

from wavelane.grammar import Grammar
from wavelane_training.corpora import READERS

_SYMBOLS = {"&": " and ", "%": " percent ", "@": " at ", "+": " plus ", "=": " equals "}
_MONEY = re.compile(r"([$£€])\s?(\d+)(?:\.(\d\d))?\b")
_CURRENCIES = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent")}
_PENCE = {"penny": "pence"}
_TIME = re.compile(r"\b(\d{1,2}):(\d\d)\b")
_ORDINAL = re.compile(r"\b(\d{1,3})(?:st|nd|rd|th)\b")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}\b)")
_END = re.compile(r"(?<=[.?!;])\s+|\n+")


def spoken(text: str) -> str:
    """Written text as it is said, in the letters of the model: ``a`` to ``z``, apostrophes and spaces."""
    text = text.lower().replace("’", "'")
    text = _THOUSANDS.sub("", text)
    text = _MONEY.sub(_money, text)
    text = _TIME.sub(_time, text)
    text = _ORDINAL.sub(lambda match: num2words(int(match[1]), to="ordinal"), text)
    text = re.sub(r"\d+", lambda match: f" {_number(match[0])} ", text)
    for symbol, word in _SYMBOLS.items():
        text = text.replace(symbol, word)
    text = re.sub(r"[^a-z' ]", " ", text)
    return " ".join(word for word in (word.strip("'") for word in text.split()) if word)


def _number(digits: str) -> str:
    if len(digits) == 4 and digits[0] in "12":
        return str(num2words(int(digits), to="year"))
    if len(digits) > 4 or (len(digits) > 1 and digits[0] == "0"):
        return " ".join(num2words(int(digit)) for digit in digits)
    return str(num2words(int(digits)))


def _money(match: re.Match[str]) -> str:
    unit, part = _CURRENCIES[match[1]]
    parts = [_amount(int(match[2]), unit)] if int(match[2]) or not match[3] else []
    if match[3] and int(match[3]):
        parts.append(_amount(int(match[3]), part))
    return " and ".join(parts)


def _amount(count: int, unit: str) -> str:
    return f"{num2words(count)} {unit if count == 1 else _PENCE.get(unit, unit + 's')}"


def _time(match: re.Match[str]) -> str:
    hour, minute = int(match[1]), int(match[2])
    if not minute:
        return f"{num2words(hour)} o'clock"
    return f"{num2words(hour)} {'oh ' if minute < 10 else ''}{num2words(minute)}"


def sentences_of(text: str, shortest: int, longest: int) -> Iterator[str]:
    """The sentences of a text that have from ``shortest`` to ``longest`` words."""
    for part in _END.split(text):
        sentence = spoken(part)
        if shortest <= sentence.count(" ") + 1 <= longest and sentence:
            yield sentence


def drawn(grammar: Grammar, count: int, seed: int) -> list[str]:
    """Different sentences of a grammar, drawn by its weights; fewer than ``count`` where it has not so many."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    for _ in range(4 * count):
        found[spoken(grammar.random_sentence(rng))] = None
        if len(found) == count:
            break
    return list(found)


def _counted(values: Iterable[str]) -> Iterator[tuple[Path, int | None]]:
    for value in values:
        name, _, count = value.rpartition("=") if "=" in value else (value, "", "")
        yield Path(name), int(count) if count else None


def _kinds(values: Iterable[str]) -> Iterator[tuple[str, Path, int | None]]:
    for value in values:
        kind, colon, rest = value.partition(":")
        if not colon or kind not in READERS:
            raise click.BadParameter(f"{value!r} does not begin with one of {', '.join(READERS)} and a colon")
        for path, count in _counted([rest]):
            yield kind, path, count


@click.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--grammar", "grammars", multiple=True, metavar="FILE[=COUNT]", help="JSGF; 2000 sentences by default.")
@click.option(
    "--corpus", "corpora", multiple=True, metavar="KIND:PATH[=COUNT]", help=f"KIND is one of {', '.join(READERS)}."
)
@click.option("--words", nargs=2, type=int, default=(2, 26), show_default=True, help="Fewest and most in a sentence.")
@click.option("--seed", default=1, show_default=True)
def main(output: Path, grammars: tuple[str, ...], corpora: tuple[str, ...], words: tuple[int, int], seed: int) -> None:
    """Write the sentences of grammars and corpora to OUTPUT, each once, in random order."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    for path, count in _counted(grammars):
        found |= dict.fromkeys(drawn(Grammar.parse(path.read_text(encoding="utf-8")), count or 2_000, seed))
    for kind, path, count in _kinds(corpora):
        lines_of = (line for text in READERS[kind](path) for line in sentences_of(text, *words))
        some = list(dict.fromkeys(lines_of))
        rng.shuffle(some)
        found |= dict.fromkeys(some[:count])
    lines = list(found)
    rng.shuffle(lines)
    output.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    print(f"{len(lines)} sentences")


if __name__ == "__main__":
    main()
