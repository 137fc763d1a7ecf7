"""The table of a model card, from what ``evaluate.py --json`` wrote.

    python -m wavelane_training.card wer.json [--before old.json]

Rows are corpora, columns lookaheads; with ``--before`` the figure of the earlier model stands in brackets.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

Key = tuple[str, int]


def rates(report: Mapping[str, Any], backend: str) -> dict[Key, tuple[int, int, float]]:
    """(utterances, words, WER %) by (corpus, lookahead), of one backend."""
    return {
        (row["corpus"], row["lookahead"]): (row["utterances"], row["words"], row["wer"])
        for row in report["scores"]
        if row["backend"] == backend
    }


def table(now: Mapping[Key, tuple[int, int, float]], before: Mapping[Key, tuple[int, int, float]]) -> Iterable[str]:
    """Lines of Markdown; the corpus ``all`` comes last."""
    lookaheads = sorted({lookahead for _, lookahead in now}, reverse=True)
    yield f"| Corpus | Utterances | Words | {' | '.join(f'WER % at lookahead {each}' for each in lookaheads)} |"
    yield "| --- " * (3 + len(lookaheads)) + "|"
    for corpus in sorted({corpus for corpus, _ in now}, key=lambda corpus: (corpus == "all", corpus)):
        cells = []
        for key in ((corpus, lookahead) for lookahead in lookaheads):
            cell = f"{now[key][2]:.1f}" if key in now else ""
            cells.append(f"{cell} ({before[key][2]:.1f})" if cell and key in before else cell)
        utterances, words, _ = now[corpus, lookaheads[0]]
        yield f"| {corpus} | {utterances} | {words} | {' | '.join(cells)} |"


@click.command()
@click.argument("report", type=click.Path(exists=True, path_type=Path))
@click.option("--before", type=click.Path(exists=True, path_type=Path), help="Report of the earlier model.")
@click.option("--backend", default="torch", show_default=True)
def main(report: Path, before: Path | None, backend: str) -> None:
    """Print the table of REPORT."""
    earlier = rates(json.loads(before.read_text()), backend) if before else {}
    print("\n".join(table(rates(json.loads(report.read_text()), backend), earlier)))


if __name__ == "__main__":
    main()
