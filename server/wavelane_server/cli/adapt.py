"""``wavelane adapt``: teach a recogniser a domain by text alone."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

_existing = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("adapt")
@click.option("--text", "texts", type=_existing, multiple=True, help="Sentences of the domain, one a line; repeatable.")
@click.option("--grammar", "grammars", type=_existing, multiple=True, help="JSGF grammar of what is said; repeatable.")
@click.option("--base", default="embedded", show_default=True, help="Model to begin with, as `wavelane serve --model`.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
@click.option("--name", help="What it is served as. [default: the folder's name]")
@click.option("--general", type=_existing, help="Language model of all else. [default: the base's own, if it has one]")
@click.option(
    "--domain-share",
    type=click.FloatRange(0, 1, True, True),
    default=0.8,
    show_default=True,
    help="Of the domain's language model in the mixture with the general one.",
)
@click.option("--order", type=click.IntRange(2, 10), default=5, show_default=True, help="Longest n-gram (pieces).")
@click.option("--sentences", type=click.IntRange(1), default=20_000, show_default=True, help="Drawn from each grammar.")
@click.option("--weight", type=click.FloatRange(0, 10, True), help="Of the LM.  [default: the base's own]")
@click.option("--word-bonus", type=click.FloatRange(-10, 10), help="Of each word.  [default: the base's own]")
@click.option("--blank-penalty", type=click.FloatRange(0, 10), help="Of each blank.  [default: the base's own]")
@click.option("--hotwords", type=_existing, help="Phrases to favour, one a line. [default: the domain's rare words]")
@click.option(
    "--rare-words", type=click.IntRange(0), default=500, show_default=True, help="How many of those, at most."
)
@click.option(
    "--rare-boost", type=click.FloatRange(0, 20, True), default=1.0, show_default=True, help="Boost of those."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of what is drawn.")
@click.option("--train", is_flag=True, help="Let the weights learn the domain too, by synthetic speech.")
@click.option("--train-minutes", type=click.FloatRange(0, min_open=True), default=10.0, show_default=True)
@click.option(
    "--train-sentences", type=click.IntRange(20), default=2_000, show_default=True, help="That are spoken, at most."
)
@click.option("--train-rate", type=click.FloatRange(0, 0.1, True), default=2e-4, show_default=True)
@click.option(
    "--frozen-layers", type=click.IntRange(0), help="From below, that stay as they are. [default: half of them]"
)
@click.option(
    "--guard-sentences",
    type=click.IntRange(20, 400),
    default=400,
    show_default=True,
    help="Of general English that are spoken too, not to get worse at.",
)
@click.option(
    "--forgetting",
    type=click.FloatRange(0),
    default=0.01,
    show_default=True,
    help="How much larger the loss on those may become, as a part of it: more where only the domain will be spoken.",
)
@click.option("--guard", "guards", type=_existing, multiple=True, help="Manifest of real speech not to get worse at.")
@click.option("--measure", type=_existing, multiple=True, help="Manifest of real speech: errors before and after.")
@click.option(
    "--beam", type=click.IntRange(1, 64), default=8, show_default=True, help="Of what is measured; 1: greedy."
)
def command(
    measure: tuple[Path, ...],
    beam: int,
    out: Path,
    train: bool,
    train_minutes: float,
    train_sentences: int,
    train_rate: float,
    frozen_layers: int | None,
    guard_sentences: int,
    forgetting: float,
    guards: tuple[Path, ...],
    **recipe: Any,
) -> None:
    """Make a model of a domain in the folder OUT, which `wavelane serve --model OUT` serves.

    It has the weights of the base, a language model over its pieces made of the domain's sentences (and of a general
    one), which is on by default, and hotwords. With --train its weights learn the domain too: its sentences are spoken
    by the synthesisers that are installed, and it ends when they are understood no better, or other speech worse.
    """
    from wavelane_server.adaptation import Recipe, adapt

    tuning = None
    if train:
        from wavelane_training.finetune import FineTuning

        tuning = FineTuning(
            minutes=train_minutes,
            sentences=train_sentences,
            rate=train_rate,
            frozen_layers=frozen_layers,
            guard_sentences=guard_sentences,
            guards=guards,
            forgetting=forgetting,
            seed=recipe["seed"],
        )
    adapted = adapt(Recipe(**recipe, tuning=tuning), out, click.echo)
    if adapted.skipped:
        click.echo(
            f"left out {adapted.skipped:,} sentences with words that the base cannot write, such as "
            f"{adapted.example!r}: write numbers as they are said",
            err=True,
        )
    click.echo(
        f"{out}: {adapted.sentences:,} sentences, {sum(adapted.ngrams):,} n-grams"
        f"{', mixed with the general language model' if adapted.mixed else ''}, {adapted.hotwords:,} hotwords"
    )
    if adapted.tuned is not None:
        tuned = adapted.tuned
        click.echo(
            f"loss on sentences that it has not heard: {tuned.before} before, {tuned.after} after {tuned.steps} steps"
            if tuned.steps
            else "the weights are the base's: none were better at the domain and as good at other speech"
        )
    for manifest in measure:
        decoding = ["--option", "decoding.method=beam", "--option", f"decoding.beam={beam}"] if beam > 1 else []
        for title, model, options in (
            ("Before", recipe["base"], []),
            ("After", str(out), decoding),
        ):
            click.echo(f"\n{title}: {manifest}")
            _evaluate(manifest, model, options)


def _evaluate(manifest: Path, model: str, options: list[str]) -> None:
    """``wavelane eval`` in a process of its own, which starts a server and ends it."""
    flags = f"--model {shlex.quote(model)}"
    done = subprocess.run(
        [sys.executable, "-m", "wavelane_server", "eval", str(manifest), "--serve", flags, "--worst", "0", *options]
    )
    if done.returncode:
        sys.exit(done.returncode)
