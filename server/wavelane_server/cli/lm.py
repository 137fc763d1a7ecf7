"""``wavelane lm``: build, mix, convert and measure n-gram language models."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wavelane.errors import ErrorCode, WavelaneError

if TYPE_CHECKING:
    from wavelane.lm.ngram import NgramModel
    from wavelane.lm.spelling import Speller
    from wavelane.lm.text import Sentences

_file = click.Path(path_type=Path, dir_okay=False)
_existing = click.Path(path_type=Path, exists=True, dir_okay=False)
_model = click.option(
    "--model", default="embedded", show_default=True, help="Recogniser whose letters and pieces the text is written in."
)


@click.group()
def command() -> None:
    """Build, mix, convert and measure n-gram language models.

    A server offers them to its sessions with --lm-paths '["name=path"]'. Files are ARPA (.arpa, .arpa.gz), KenLM's
    tries (build_binary trie) or compact (.safetensors), which loads at once.
    """


@command.command()
@click.option(
    "--text", "texts", type=_existing, multiple=True, required=True, help="Sentences, one a line; repeatable."
)
@click.option("--order", type=click.IntRange(1, 10), help="Longest n-gram. [default: 4, of pieces 6]")
@click.option(
    "--units", type=click.Choice(["word", "piece"]), default="word", show_default=True, help="What is counted."
)
@click.option(
    "--prune",
    default="0",
    show_default=True,
    help="Leave out n-grams that were seen no more often than this: a number for each order from 1, the last for all "
    "longer ones, as in 0,0,1.",
)
@_model
@click.option("--mix", type=_existing, help="Language model to mix in, such as a general one beside a domain's text.")
@click.option(
    "--mix-weight", type=click.FloatRange(0, 1, True, True), default=0.5, show_default=True, help="Its share."
)
@click.option("--half", is_flag=True, help="Half of the size in the compact format: weights of 16 bits.")
@click.option("--out", type=_file, required=True, help="File to write: .arpa, .arpa.gz or .safetensors.")
def build(
    texts: tuple[Path, ...],
    order: int | None,
    units: str,
    prune: str,
    model: str,
    mix: Path | None,
    mix_weight: float,
    half: bool,
    out: Path,
) -> None:
    """Estimate a model from text, by interpolated modified Kneser-Ney."""
    from wavelane.lm.estimate import estimate
    from wavelane.lm.mix import mix as mixed
    from wavelane.lm.store import read_lm

    thresholds = _thresholds(prune)
    spelling, pieces = recogniser(model)
    sentences = _read(texts, spelling)
    rows = sentences.words
    if units == "piece":
        rows = [[pieces[index] for index in spelling.spell(" ".join(row)) or ()] for row in rows]
    lm = estimate(rows, order or (4 if units == "word" else 6), prune=thresholds)
    if mix is not None:
        lm = mixed(read_lm(mix), lm, mix_weight)
    _write(lm, out, half)


@command.command()
@click.argument("one", type=_existing)
@click.argument("other", type=_existing)
@click.option("--weight", type=click.FloatRange(0, 1, True, True), default=0.5, show_default=True, help="Share of ONE.")
@click.option("--half", is_flag=True, help="Half of the size in the compact format: weights of 16 bits.")
@click.option("--out", type=_file, required=True, help="File to write.")
def mix(one: Path, other: Path, weight: float, half: bool, out: Path) -> None:
    """Interpolate ONE and OTHER into one model."""
    from wavelane.lm.mix import mix as mixed
    from wavelane.lm.store import read_lm

    _write(mixed(read_lm(one), read_lm(other), weight), out, half)


@command.command()
@click.argument("source", type=_existing)
@click.argument("out", type=_file)
@click.option("--half", is_flag=True, help="Half of the size in the compact format: weights of 16 bits.")
def convert(source: Path, out: Path, half: bool) -> None:
    """Write SOURCE to OUT in another format; OUT's name says which."""
    from wavelane.lm.store import read_lm

    _write(read_lm(source, cache=False), out, half)


@command.command()
@click.argument("lm", type=_existing)
@click.argument("texts", type=_existing, nargs=-1, required=True)
@_model
def perplexity(lm: Path, texts: tuple[Path, ...], model: str) -> None:
    """Say how well LM predicts TEXTS."""
    from wavelane.lm.compile import units_of
    from wavelane.lm.store import read_lm

    ngrams = read_lm(lm)
    spelling, pieces = recogniser(model)
    rows = _read(texts, spelling).words
    if units_of(ngrams, pieces) == "piece":
        rows = [[pieces[index] for index in spelling.spell(" ".join(row)) or ()] for row in rows]
    result = ngrams.perplexity(rows)
    click.echo(f"{result.sentences:,} sentences, {result.words:,} words, {result.unknown:,} of them unknown")
    click.echo(f"perplexity {result.perplexity:.1f}, without unknown words {result.known_perplexity:.1f}")


def recogniser(model: str) -> "tuple[Speller, tuple[str, ...]]":
    """The speller and the pieces of a model.

    Raises:
        WavelaneError: there is none, or it has no tokenizer.
    """
    from wavelane.lm.spelling import speller
    from wavelane.model.checkpoint import inspect_model
    from wavelane_server.config import ModelConfig
    from wavelane_server.models import locate

    located = locate(ModelConfig(path=model))
    pieces = inspect_model(located.path, name=located.name).vocabulary
    if not pieces:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED, f"{model} has no tokenizer, so that it cannot be told how it spells"
        )
    return speller(pieces), pieces


def _read(texts: tuple[Path, ...], spelling: "Speller") -> "Sentences":
    from wavelane.lm.text import read_sentences

    sentences = read_sentences(texts, spelling)
    if sentences.skipped:
        click.echo(
            f"left out {sentences.skipped:,} sentences with words that the model cannot write, such as "
            f"{sentences.example!r}: write numbers as they are said",
            err=True,
        )
    return sentences


def _thresholds(prune: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in prune.split(","))
    except ValueError:
        raise click.BadParameter(f"--prune takes whole numbers and commas, not {prune!r}") from None


def _write(model: "NgramModel", out: Path, half: bool) -> None:
    from wavelane.lm.arpa import write_arpa
    from wavelane.lm.store import write_compact

    name = out.name.lower()
    compact = name.endswith(".safetensors")
    if half and not compact:
        raise click.BadParameter("--half is for the compact format: let --out end in .safetensors")
    if not compact and not name.endswith((".arpa", ".arpa.gz")):
        raise click.BadParameter(f"{out} says no format: let it end in .arpa, .arpa.gz or .safetensors")
    try:
        if compact:
            write_compact(model, out, half=half)
        else:
            write_arpa(model, out)
    except OSError as error:
        click.echo(f"error: {out} cannot be written: {error.strerror}", err=True)
        sys.exit(1)
    counts = ", ".join(f"{count:,} {order}-grams" for order, count in enumerate(model.counts, 1))
    click.echo(f"{out}: {counts}, {out.stat().st_size / 1e6:.1f} MB")
