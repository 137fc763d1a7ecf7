"""An evaluation as a page: one file that needs nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from rich.table import Table

from wavelane_client.evaluate.row import Row
from wavelane_client.evaluate.score import align
from wavelane_client.evaluate.view import (
    comparison_table,
    intents_table,
    keywords_table,
    latency_table,
    percent,
    times_table,
    worst_rows,
)

WORST = 40
"""Utterances shown."""
_TEXT_COLUMNS = 3


def make_page(report: Mapping[str, Any], rows: Sequence[Row]) -> str:
    """The page of a report.

    Args:
        report: as :func:`.report.make_report` gives it.
        rows: that it was made of.
    """
    tables = [make(report) for make in (times_table, latency_table, keywords_table, intents_table)]
    parts = [_introduction(report), _errors(report), *_comparison(report)]
    parts += [_section(str(table.title), _table(table)) for table in tables if table is not None]
    parts += [_confusions(report), _worst(rows)]
    template = Template((files(__package__) / "page.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(f"Recognition of {report['name']}"), body="\n".join(filter(None, parts)))


def _introduction(report: Mapping[str, Any]) -> str:
    machine = report["machine"]
    lines = [
        f"{machine['date']}, {machine['processor']}",
        f"Texts are normalised: {report['normaliser_is']}. Intervals hold 95 % of a bootstrap over utterances.",
    ]
    if options := report.get("settings", {}).get("options"):
        lines.append(f"Options of the sessions: {options}")
    if report.get("model"):
        lines.append(f"Model: {report['model']['name']}, {report['model']['head']}")
    if report.get("beside"):
        lines.append(f"Sessions beside it: {report['beside']['sessions']}")
    return "".join(f'<p class="note">{escape(line)}</p>' for line in lines)


def _errors(report: Mapping[str, Any]) -> str:
    groups = [group for group in report["groups"] if "wer" in group]
    if not groups:
        return ""
    longest = max(group["wer"]["high"] for group in groups) or 1.0
    headings = ("condition", "lookahead", "set", "", "WER %", "95 %", "CER %", "words", "sub", "del", "ins", "failed")
    lines = []
    for group in groups:
        wer = group["wer"]
        low, high, value = (100 * wer[name] / longest for name in ("low", "high", "value"))
        bar = (
            f'<span class="bar"><i style="width:{value:.1f}%"></i>'
            f'<b style="left:{low:.1f}%;width:{high - low:.1f}%"></b></span>'
        )
        texts = [group["condition"], "–" if group["lookahead"] is None else group["lookahead"], group["corpus"]]
        numbers = [
            percent(wer["value"]),
            f"{percent(wer['low'])}–{percent(wer['high'])}",
            percent(group["cer"]["value"]),
        ]
        numbers += [group[name] for name in ("words", "substitutions", "deletions", "insertions", "failed")]
        cells = "".join(f'<td class="text">{escape(str(text))}</td>' for text in texts)
        cells += f"<td>{bar}</td>" + "".join(f"<td>{number}</td>" for number in numbers)
        lines.append(f"<tr{_class('all', group['corpus'] == 'all')}>{cells}</tr>")
    return _section("Word errors", _rows(headings, lines))


def _comparison(report: Mapping[str, Any]) -> list[str]:
    table = comparison_table(report)
    if table is None:
        return []
    comparison = report["against"]
    parts = [_section(str(table.title), _table(table))]
    for kind in ("better", "worse"):
        if comparison[kind]:
            shown = (
                _utterance(change, [("before", change["other_hypothesis"]), ("now", change["hypothesis"])])
                for change in comparison[kind]
            )
            parts.append(_section(f"Got {kind}", "".join(shown), kind))
    return parts


def _worst(rows: Sequence[Row]) -> str:
    shown = [
        _utterance(
            {"name": row.name, "condition": row.condition, "lookahead": row.lookahead, "reference": row.reference},
            [("heard", row.hypothesis)],
        )
        for row in worst_rows(rows, WORST)
    ]
    return _section(f"The {len(shown)} utterances with the most errors", "".join(shown)) if shown else ""


def _confusions(report: Mapping[str, Any]) -> str:
    items = [
        f"<li>{escape(said) or '<span class=soft>nothing</span>'} → "
        f"{escape(heard) or '<span class=soft>nothing</span>'} <span class=soft>×{count}</span></li>"
        for said, heard, count in report["confusions"]
    ]
    return _section("Most frequent confusions", f'<ul class="flow">{"".join(items)}</ul>') if items else ""


def _utterance(row: Mapping[str, Any], versions: Sequence[tuple[str, str]]) -> str:
    said = (row["reference"] or "").split()
    lines = [
        f'<p class="soft">{escape(_where(row))}</p>',
        f'<p><span class="soft">said</span> {escape(" ".join(said))}</p>',
    ]
    lines += [f'<p><span class="soft">{label}</span> {_marked(said, text.split())}</p>' for label, text in versions]
    return f"<article>{''.join(lines)}</article>"


def _marked(said: Sequence[str], heard: Sequence[str]) -> str:
    """What was heard, with what is missing (deleted) and what is wrong (inserted) marked."""
    parts = []
    for step in align(said, heard):
        if step.equal and step.hypothesis is not None:
            parts.append(escape(heard[step.hypothesis]))
            continue
        if step.reference is not None:
            parts.append(f"<del>{escape(said[step.reference])}</del>")
        if step.hypothesis is not None:
            parts.append(f"<ins>{escape(heard[step.hypothesis])}</ins>")
    return " ".join(parts)


def _table(table: Table) -> str:
    """A table made for the terminal."""
    cells = [list(column.cells) for column in table.columns]
    lines = []
    for number in range(table.row_count):
        row = [str(column[number]) for column in cells]
        shown = "".join(
            f"<td{_class('text', index < _TEXT_COLUMNS)}>{escape(cell)}</td>" for index, cell in enumerate(row)
        )
        style = {"green": "better", "red": "worse"}.get(str(table.rows[number].style), "")
        lines.append(f"<tr{_class(style, bool(style))}>{shown}</tr>")
    return _rows([str(column.header) for column in table.columns], lines)


def _rows(headings: Sequence[str], lines: Iterable[str]) -> str:
    head = "".join(
        f"<th{_class('text', index < _TEXT_COLUMNS)}>{escape(heading)}</th>" for index, heading in enumerate(headings)
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{"".join(lines)}</table></div>'


def _section(title: str, body: str, kind: str = "") -> str:
    return f"<h2{_class(kind, bool(kind))}>{escape(title)}</h2>\n{body}"


def _class(name: str, applies: bool) -> str:
    return f' class="{name}"' if applies else ""


def _where(row: Mapping[str, Any]) -> str:
    lookahead = [] if row["lookahead"] is None else [f"lookahead {row['lookahead']}"]
    return " · ".join([row["name"], row["condition"], *lookahead])
