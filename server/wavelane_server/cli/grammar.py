"""``wavelane grammar``: try a grammar before it is used."""

import random
import sys
from pathlib import Path

import click

from wavelane.errors import WavelaneError
from wavelane.grammar import UNLIMITED, Grammar


@click.group("grammar")
def command() -> None:
    """Check JSGF grammars, print sentences of them, and see what a text means."""


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def check(file: Path) -> None:
    """Say how large the grammar in FILE is, or what is wrong with it."""
    grammar = _read(file)
    automaton = grammar.automaton
    click.echo(f"{grammar.name}: {', '.join(grammar.intents)}")
    click.echo(
        f"{len(grammar.words)} words, {grammar.network.size} states, {automaton.size} when what is alike is merged"
    )
    if automaton.endless:
        click.echo("something repeats: there is no longest sentence")


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("-n", "--count", default=10, show_default=True, help="Of sentences; all, if there are no more.")
@click.option("--seed", default=0, show_default=True, help="Of the draw.")
@click.option("--repeat", is_flag=True, help="Draw by weight, so that what is said often comes often.")
def sentences(file: Path, count: int, seed: int, repeat: bool) -> None:
    """Print sentences of the grammar in FILE, drawn by weight."""
    grammar = _read(file)
    rng = random.Random(seed)
    drawn = (grammar.random_sentence(rng) for _ in range(count)) if repeat else grammar.sentences(count, seed)
    for sentence in drawn:
        click.echo(sentence)


@command.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("text")
def understand(file: Path, text: str) -> None:
    """Say what TEXT means by the grammar in FILE; exit with 1 if nothing of it is near."""
    understood = _read(file).understand([(word, 1.0) for word in text.split()])
    if understood is None:
        click.echo("not understood")
        sys.exit(1)
    click.echo(f"{understood.sentence} ({understood.score:.2f})")
    click.echo(understood.reading.intent)
    for name, value in understood.reading.slots.items():
        click.echo(f"  {name}: {value}")


def _read(file: Path) -> Grammar:
    try:
        return Grammar.parse(file.read_text(encoding="utf-8"), UNLIMITED)
    except (WavelaneError, UnicodeDecodeError) as error:
        click.echo(f"error: {file}: {error}", err=True)
        sys.exit(2)
