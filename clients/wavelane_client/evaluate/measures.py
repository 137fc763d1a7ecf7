"""What is said of a group of utterances: errors, times of words, confidence, latency, keywords, intents."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from wavelane.measure import percentile, summarise
from wavelane_client.evaluate.row import HeardWord, Row
from wavelane_client.evaluate.score import Counts, align, rate

CLOSE_SECONDS = 0.08
"""Error of a word's time that counts as close: an encoder frame."""
BINS = 10
"""Of the reliability of confidences, of equal width."""
ALL = "all"
"""What the group of all sets is called."""
Key = tuple[str, int | str | None, str]
"""Condition, lookahead and set."""


def by_group(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """Rows by condition, lookahead and set; all sets together come first, where there are several."""
    runs: defaultdict[tuple[str, int | str | None], list[Row]] = defaultdict(list)
    for row in rows:
        runs[row.condition, row.lookahead].append(row)
    groups: dict[Key, list[Row]] = {}
    for (condition, lookahead), several in runs.items():
        groups[condition, lookahead, ALL] = several
        sets = sorted({row.corpus for row in several})
        for corpus in sets if len(sets) > 1 else ():
            groups[condition, lookahead, corpus] = [row for row in several if row.corpus == corpus]
    return groups


def measure(key: Key, rows: Sequence[Row], keywords: Sequence[str] = (), seed: int = 0) -> dict[str, Any]:
    """Everything about a group, as plain values; what does not apply is left out.

    Args:
        key: of the group.
        rows: of it.
        keywords: normalised phrases.
        seed: of the resampling.
    """
    condition, lookahead, corpus = key
    counts = [row.counts for row in rows if row.counts is not None]
    total = Counts.total(counts)
    report: dict[str, Any] = {
        "condition": condition,
        "lookahead": lookahead,
        "corpus": corpus,
        "utterances": len(counts),
        "failed": sum(row.error is not None for row in rows),
        "hours": round(sum(row.seconds for row in rows) / 3600, 4),
        "words": total.length,
    }
    if (words := rate(counts, seed)) is not None:
        characters = rate([row.characters for row in rows if row.characters is not None], seed)
        report["wer"] = words.to_json()
        report["cer"] = None if characters is None else characters.to_json()
        report |= {
            "substitutions": total.substitutions,
            "deletions": total.deletions,
            "insertions": total.insertions,
            "perfect": sum(not one.errors for one in counts),
            "empty": sum(not row.hypothesis for row in rows if row.counts is not None),
        }
    parts = {
        "times": word_times(rows),
        "confidence": reliability([word for row in rows for word in row.words]),
        "latency": latencies(rows),
        "keywords": keyword_spotting(rows, keywords) if keywords else None,
        "intents": intents(rows),
    }
    return report | {name: part for name, part in parts.items() if part is not None}


def confusions(rows: Iterable[Row], most: int = 20) -> list[tuple[str, str, int]]:
    """The most frequent (said, heard, count); an empty string stands for nothing."""
    seen: Counter[tuple[str, str]] = Counter()
    for row in rows:
        if row.reference is None or row.error is not None:
            continue
        said, heard = row.reference.split(), row.hypothesis.split()
        for step in align(said, heard):
            if not step.equal:
                left = "" if step.reference is None else said[step.reference]
                right = "" if step.hypothesis is None else heard[step.hypothesis]
                seen[left, right] += 1
    return [(*pair, count) for pair, count in seen.most_common(most)]


def word_times(rows: Iterable[Row]) -> dict[str, Any] | None:
    """How far the times of right words are from those of the manifest's alignment; positive is late."""
    timed = [word for row in rows for word in row.words if word.said_start is not None and word.said_end is not None]
    if not timed:
        return None
    errors = {
        "start": [word.start - word.said_start for word in timed if word.said_start is not None],
        "end": [word.end - word.said_end for word in timed if word.said_end is not None],
    }
    return {"words": len(timed), **{name: _spread(values) for name, values in errors.items()}}


def reliability(words: Iterable[HeardWord]) -> dict[str, Any] | None:
    """How well confidences are probabilities of being right.

    ``ece`` is the expected calibration error (Naeini et al., AAAI 2015; Guo et al., ICML 2017), ``nce`` the normalised
    cross entropy (Siu et al., Eurospeech 1997): 1 is perfect, 0 is what the share of right words alone would give.
    """
    judged = [(word.confidence, word.right) for word in words if word.confidence is not None and word.right is not None]
    if not judged:
        return None
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in judged:
        bins[min(BINS - 1, int(confidence * BINS))].append((confidence, right))
    shown = [
        {
            "words": len(each),
            "confidence": round(sum(confidence for confidence, _ in each) / len(each), 4),
            "right": round(sum(right for _, right in each) / len(each), 4),
        }
        for each in bins
        if each
    ]
    share = sum(right for _, right in judged) / len(judged)
    cross = -sum(math.log2(max(1e-4, c if right else 1 - c)) for c, right in judged) / len(judged)
    entropy = -sum(p * math.log2(p) for p in (share, 1 - share) if p > 0)
    return {
        "words": len(judged),
        "right": round(share, 4),
        "ece": round(sum(b["words"] * abs(b["confidence"] - b["right"]) for b in shown) / len(judged), 4),
        "nce": round(1 - cross / entropy, 4) if entropy else None,
        "bins": shown,
    }


def latencies(rows: Iterable[Row]) -> dict[str, Any] | None:
    """Latencies of a run in real time: of the first partial, of words, of finals."""
    values: defaultdict[str, list[float]] = defaultdict(list)
    for row in rows:
        for name, value in row.latency.items():
            values[name].append(value)
        values["word"] += [word.latency for word in row.words if word.latency is not None]
        values["right_word"] += [
            word.latency + word.end - word.said_end
            for word in row.words
            if word.latency is not None and word.said_end is not None
        ]
    return {name: summarise(several) for name, several in values.items() if several} or None


def keyword_spotting(rows: Iterable[Row], keywords: Sequence[str]) -> dict[str, Any]:
    """Keywords said, found and invented, of all and of each.

    A keyword that was said is found when all of its words were heard at their place.
    """
    said: Counter[str] = Counter()
    found: Counter[str] = Counter()
    false: Counter[str] = Counter()
    seconds = 0.0
    for row in rows:
        if row.reference is None or row.error is not None:
            continue
        seconds += row.seconds
        left, right = row.reference.split(), row.hypothesis.split()
        steps = align(left, right)
        there = {step.reference: step.hypothesis for step in steps if step.equal}
        true = set(there.values())
        for keyword in keywords:
            parts = keyword.split()
            for at in _places(left, parts):
                said[keyword] += 1
                places = [there.get(index) for index in range(at, at + len(parts))]
                found[keyword] += None not in places and places == list(
                    range(places[0] or 0, (places[0] or 0) + len(parts))
                )
            for at in _places(right, parts):
                false[keyword] += not true.issuperset(range(at, at + len(parts)))
    hours = seconds / 3600

    def figures(several: Sequence[str]) -> dict[str, Any]:
        wanted, right, wrong = (sum(counter[keyword] for keyword in several) for counter in (said, found, false))
        return {
            "said": wanted,
            "found": right,
            "false": wrong,
            "recall": round(right / wanted, 4) if wanted else None,
            "precision": round(right / (right + wrong), 4) if right + wrong else None,
            "false_per_hour": round(wrong / hours, 2) if hours else None,
        }

    each = {keyword: figures([keyword]) for keyword in keywords if said[keyword] or false[keyword]}
    return {**figures(keywords), "each": each}


def intents(rows: Iterable[Row]) -> dict[str, Any] | None:
    """Commands understood: a command counts only where its intent and every slot are right and no slot is invented."""
    commands = [row for row in rows if row.wanted_intent is not None]
    if not commands:
        return None
    right = [row for row in commands if row.intent == row.wanted_intent]
    slots = [(row, name, value) for row in commands for name, value in row.wanted_slots.items()]
    whole = [Counts(hits=1) if understood(row) else Counts(substitutions=1) for row in commands]
    wrong = rate(whole)
    assert wrong is not None
    return {
        "commands": len(commands),
        "failed": sum(row.error is not None for row in commands),
        "intent": round(len(right) / len(commands), 4),
        "slots": round(sum(row.slots.get(name) == value for row, name, value in slots) / max(1, len(slots)), 4),
        "understood": {
            "value": round(1 - wrong.value, 5),
            "low": round(1 - wrong.high, 5),
            "high": round(1 - wrong.low, 5),
        },
    }


def understood(row: Row) -> bool:
    """The intent and all slots of a command are as they should be."""
    return row.intent == row.wanted_intent and dict(row.slots) == dict(row.wanted_slots)


def _places(words: Sequence[str], keyword: Sequence[str]) -> list[int]:
    size = len(keyword)
    return [at for at in range(len(words) - size + 1) if list(words[at : at + size]) == list(keyword)]


def _spread(errors: Sequence[float]) -> dict[str, float | None]:
    sizes = [abs(error) for error in errors]
    return {
        "bias_ms": _milliseconds(percentile(errors, 0.5)),
        "median_ms": _milliseconds(percentile(sizes, 0.5)),
        "p90_ms": _milliseconds(percentile(sizes, 0.9)),
        "close": round(sum(size <= CLOSE_SECONDS for size in sizes) / len(sizes), 4),
    }


def _milliseconds(value: float | None) -> float | None:
    return None if value is None else round(1000 * value, 1)
