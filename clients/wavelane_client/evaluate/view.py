"""An evaluation on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from wavelane_client.evaluate.row import Row

_WIDTH = 170
"""Columns of output that is not a terminal."""


def print_report(console: Console, report: Mapping[str, Any], rows: Sequence[Row], worst: int) -> None:
    """Print all that was measured, and the worst utterances."""
    if not console.is_terminal:
        console.width = max(console.width, _WIDTH)
    console.print(errors_table(report))
    for make in (times_table, latency_table, keywords_table, intents_table, comparison_table):
        table = make(report)
        if table is not None:
            console.print(table)
    if worst and (shown := worst_rows(rows, worst)):
        console.print(f"Worst {len(shown)}:", highlight=False)
        for row in shown:
            where = row.condition if row.lookahead is None else f"{row.condition}, lookahead {row.lookahead}"
            console.print(f"  {row.name} ({where})", markup=False, highlight=False)
            console.print(f"    said   {row.reference}", markup=False, highlight=False)
            console.print(f"    heard  {row.hypothesis}", markup=False, highlight=False)
    failed = [row for row in rows if row.error is not None]
    for row in failed[:5]:
        console.print(f"failed: {row.name}: {row.error}", markup=False, highlight=False)
    if failed:
        console.print(f"{len(failed)} of {len(rows)} failed; they are in no figure above", highlight=False)
    if report.get("beside"):
        console.print(f"beside it: {report['beside']}", markup=False, highlight=False)


def errors_table(report: Mapping[str, Any]) -> Table:
    """Error rates by condition, lookahead and set."""
    table = _table(
        f"{report['name']}; normalised: {report['normaliser_is']}",
        ("condition", "lookahead", "set"),
        ("utterances", "words", "WER %", "95 %", "CER %", "sub", "del", "ins", "perfect", "empty", "failed"),
    )
    for group in report["groups"]:
        if "wer" not in group:
            continue
        wer, cer = group["wer"], group["cer"]
        table.add_row(
            *_key(group),
            str(group["utterances"]),
            str(group["words"]),
            percent(wer["value"]),
            f"{percent(wer['low'])}–{percent(wer['high'])}",
            "–" if cer is None else percent(cer["value"]),
            *(str(group[name]) for name in ("substitutions", "deletions", "insertions", "perfect", "empty", "failed")),
            style="bold" if group["corpus"] == "all" else "",
        )
    return table


def times_table(report: Mapping[str, Any]) -> Table | None:
    """Times and confidences of words, where the manifest has times."""
    groups = [group for group in report["groups"] if "confidence" in group or "times" in group]
    if not groups:
        return None
    table = _table(
        "Words: error of their times against the manifest's (ms, late is positive), and confidence",
        ("condition", "lookahead", "set"),
        ("timed", "start: bias", "median", "p90", "≤80 ms", "end: bias", "median", "p90", "≤80 ms", "ECE", "NCE"),
    )
    for group in groups:
        times, confidence = group.get("times"), group.get("confidence")
        cells = ["–"] * 9
        if times is not None:
            cells = [str(times["words"])]
            for side in ("start", "end"):
                cells += [f"{times[side][name]:.0f}" for name in ("bias_ms", "median_ms", "p90_ms")]
                cells.append(f"{percent(times[side]['close'])} %")
        nce = None if confidence is None else confidence["nce"]
        ece = "–" if confidence is None else f"{confidence['ece']:.3f}"
        table.add_row(*_key(group), *cells, ece, "–" if nce is None else f"{nce:.3f}")
    return table


LATENCIES = {
    "first_partial": "first packet to first partial",
    "partial_lag": "packet to the partial that covers it (worst of a recording)",
    "word": "end of a word, as recognised, until it is shown and stays",
    "right_word": "end of a word, by the manifest's alignment, until it is shown and stays",
    "final": "last packet to final",
}
"""What each latency is called."""


def latency_table(report: Mapping[str, Any]) -> Table | None:
    """Latencies of a run in real time."""
    groups = [group for group in report["groups"] if "latency" in group and group["corpus"] == "all"]
    if not groups:
        return None
    table = _table("Latency (ms)", ("condition", "lookahead", "from – to"), ("count", "p50", "p95", "p99"))
    for group in groups:
        for name, label in LATENCIES.items():
            if name in group["latency"]:
                figures = group["latency"][name]
                shown = (f"{figures[q]:.0f}" for q in ("p50_ms", "p95_ms", "p99_ms"))
                table.add_row(*_key(group)[:2], label, str(figures["count"]), *shown)
    return table


def keywords_table(report: Mapping[str, Any]) -> Table | None:
    """Recall and precision of keywords."""
    groups = [group for group in report["groups"] if "keywords" in group and group["corpus"] == "all"]
    if not groups:
        return None
    table = _table(
        "Keywords",
        ("condition", "lookahead", "keyword"),
        ("said", "found", "false", "recall %", "precision %", "false an hour"),
    )
    for group in groups:
        each = group["keywords"]["each"]
        for keyword, figures in (("all", group["keywords"]), *each.items()):
            shown = ("–" if figures[name] is None else percent(figures[name]) for name in ("recall", "precision"))
            hourly = figures["false_per_hour"]
            table.add_row(
                *_key(group)[:2],
                keyword,
                *(str(figures[name]) for name in ("said", "found", "false")),
                *shown,
                "–" if hourly is None else f"{hourly:.1f}",
            )
    return table


def intents_table(report: Mapping[str, Any]) -> Table | None:
    """Commands understood."""
    groups = [group for group in report["groups"] if "intents" in group]
    if not groups:
        return None
    table = _table(
        "Commands",
        ("condition", "lookahead", "set"),
        ("commands", "understood %", "95 %", "intent %", "slots %"),
    )
    for group in groups:
        figures = group["intents"]
        whole = figures["understood"]
        table.add_row(
            *_key(group),
            str(figures["commands"]),
            percent(whole["value"]),
            f"{percent(whole['low'])}–{percent(whole['high'])}",
            percent(figures["intent"]),
            percent(figures["slots"]),
        )
    return table


def comparison_table(report: Mapping[str, Any]) -> Table | None:
    """This run against another one."""
    comparison = report.get("against")
    if comparison is None:
        return None
    table = _table(
        f"{report['name']} against {comparison['name']}, the same recordings",
        ("condition", "lookahead", "set"),
        ("utterances", "WER %", "other %", "change", "95 %", "p(better)"),
    )
    for group in comparison["groups"]:
        change = group["change"]
        table.add_row(
            *_key(group),
            str(group["utterances"]),
            percent(group["wer"]),
            percent(group["other_wer"]),
            f"{100 * change['value']:+.1f}",
            f"{100 * change['low']:+.1f} to {100 * change['high']:+.1f}",
            f"{group['better']:.3f}",
            style=("green" if change["value"] < 0 else "red") if group["sure"] else "",
        )
    return table


def worst_rows(rows: Sequence[Row], most: int) -> list[Row]:
    """Those with the most errors."""
    wrong = [row for row in rows if row.counts is not None and row.counts.errors]
    return sorted(wrong, key=lambda row: (-(row.counts.errors if row.counts else 0), row.name))[:most]


def percent(share: float) -> str:
    """A share for reading."""
    return f"{100 * share:.1f}"


def _key(group: Mapping[str, Any]) -> tuple[str, str, str]:
    lookahead = group["lookahead"]
    return str(group["condition"]), "–" if lookahead is None else str(lookahead), str(group["corpus"])


def _table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    for heading in texts:
        table.add_column(heading, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
