"""Two runs on the same recordings: which is better, how sure that is, and on which utterances they differ."""

from collections.abc import Mapping, Sequence
from typing import Any

from wavelane.errors import ErrorCode, WavelaneError
from wavelane_client.evaluate.measures import by_group
from wavelane_client.evaluate.report import Report
from wavelane_client.evaluate.row import Row
from wavelane_client.evaluate.score import Counts, compare

MOST_CHANGES = 10
"""Utterances shown of those that got better, and of those that got worse."""


def compare_runs(rows: Sequence[Row], normaliser: str, other: Report, seed: int = 0) -> dict[str, Any]:
    """Compare this run with another one, recording by recording, under the same condition.

    Runs of the same lookahead are compared; where the other one has a single lookahead, all are compared with it.

    Args:
        rows: of this run.
        normaliser: of this run.
        other: the other run.
        seed: of the resampling.

    Raises:
        WavelaneError: INVALID_CONFIG, they have nothing in common, or are normalised in other ways.
    """
    if normaliser != other.normaliser:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"{other.name} was normalised by {other.normaliser!r} and this run by {normaliser!r}: give both the same",
        )
    single = len({row.lookahead for row in other.rows}) == 1
    theirs = {_key(row, single): row for row in other.rows if row.counts is not None}
    groups, pairs = [], []
    for (condition, lookahead, corpus), group in by_group(rows).items():
        common = [(row, theirs[key]) for row in group if row.counts and (key := _key(row, single)) in theirs]
        common = [(row, twin) for row, twin in common if row.reference == twin.reference]
        difference = compare(_counts([row for row, _ in common]), _counts([row for _, row in common]), seed)
        if difference is None:
            continue
        groups.append(
            {
                "condition": condition,
                "lookahead": lookahead,
                "corpus": corpus,
                "utterances": len(common),
                "wer": _wer([row for row, _ in common]),
                "other_wer": _wer([row for _, row in common]),
                **difference.to_json(),
            }
        )
        pairs += common if corpus == "all" else []
    if not groups:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG,
            f"{other.name} has no recording in common with this run (same name, condition, lookahead and reference)",
        )
    changes = [(_errors(row) - _errors(twin), row, twin) for row, twin in pairs]
    return {
        "name": other.name,
        "groups": groups,
        "better": _most([(-more, row, twin) for more, row, twin in changes]),
        "worse": _most(changes),
    }


def _most(changes: Sequence[tuple[int, Row, Row]]) -> list[Mapping[str, Any]]:
    """Those with the largest change above zero."""
    chosen = sorted((change for change in changes if change[0] > 0), key=lambda change: (-change[0], change[1].name))
    return [_change(row, twin) for _, row, twin in chosen[:MOST_CHANGES]]


def _key(row: Row, single: bool) -> tuple[str, str, int | str | None]:
    return row.name, row.condition, None if single else row.lookahead


def _counts(rows: Sequence[Row]) -> list[Counts]:
    return [row.counts for row in rows if row.counts is not None]


def _errors(row: Row) -> int:
    return 0 if row.counts is None else row.counts.errors


def _wer(rows: Sequence[Row]) -> float:
    total = Counts.total(_counts(rows))
    return round(total.errors / max(1, total.length), 5)


def _change(row: Row, other: Row) -> Mapping[str, Any]:
    return {
        "name": row.name,
        "corpus": row.corpus,
        "condition": row.condition,
        "lookahead": row.lookahead,
        "errors": _errors(row),
        "other_errors": _errors(other),
        "reference": row.reference,
        "hypothesis": row.hypothesis,
        "other_hypothesis": other.hypothesis,
    }
