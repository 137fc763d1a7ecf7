"""ARPA files: the text format that every n-gram toolkit reads and writes.

The format is described in the SRI Language Modeling Toolkit's ngram-format(5): sections of n-grams by order, each line
a base-10 log probability, the words, and (except in the last section) a base-10 back-off weight.
"""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.ngram import LOG10, MOST_ORDER, NEVER, NgramModel, Rows, assemble

_GZIP = b"\x1f\x8b"


def read_arpa(path: Path) -> NgramModel:
    """Read an ARPA file, gzipped or not.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED, saying what is wrong in which section.
    """
    try:
        with _open(path) as file:
            return _parse(file)
    except (ValueError, IndexError, EOFError, OSError, zlib.error, OverflowError) as error:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED, f"The language model {path} is no ARPA file that can be read: {error}."
        ) from error


def write_arpa(model: NgramModel, path: Path) -> None:
    """Write an ARPA file; gzipped where the name ends in ``.gz``."""
    write = gzip.open if path.suffix == ".gz" else open
    with write(path, "wt", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {order}={count}\n" for order, count in enumerate(model.counts, 1))
        for order in range(1, model.order + 1):
            file.write(f"\n\\{order}-grams:\n")
            file.writelines(_lines(model, order))
        file.write("\n\\end\\\n")


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
    return io.TextIOWrapper(gzip.open(path) if zipped else path.open("rb"), encoding="utf-8")


def _parse(file: IO[str]) -> NgramModel:
    counts = _header(file)
    ids: dict[str, int] = {}
    orders: list[Rows] = []
    for order, count in enumerate(counts, 1):
        lines = _section(file, order, count)
        fields = [line.split() for line in lines]
        if odd := [row for row in fields if not order + 1 <= len(row) <= order + 2]:
            raise ValueError(f"in the {order}-grams, {' '.join(odd[0])!r} is no n-gram of {order} words")
        if order == 1:
            ids = {row[1]: index for index, row in enumerate(fields)}
            if len(ids) != len(fields):
                raise ValueError("a unigram is there twice")
        try:
            columns = [[ids[row[place]] for row in fields] for place in range(1, order + 1)]
        except KeyError as error:
            raise ValueError(f"the {order}-grams have {error}, which is no unigram") from None
        grams = np.array(columns, np.int64).T
        log_prob = np.array([float(row[0]) for row in fields]) * LOG10
        backoff = np.array([float(row[-1]) if len(row) > order + 1 else 0.0 for row in fields]) * LOG10
        if not (np.isfinite(backoff).all() and (log_prob <= 1e-3).all()):
            raise ValueError(f"the {order}-grams have a probability above 1, or a back-off weight that is not finite")
        orders.append((grams.reshape(-1, order), np.maximum(log_prob, NEVER), np.maximum(backoff, NEVER)))
    if not orders or not ids:
        raise ValueError("it has no unigrams")
    return assemble(list(ids), orders)


def _header(file: IO[str]) -> list[int]:
    for line in file:
        if line.strip() == "\\data\\":
            break
    else:
        raise ValueError(r"it has no \data\ line")
    counts: list[int] = []
    for line in file:
        text = line.strip()
        if text == r"\1-grams:":
            return counts
        if text:
            name, _, count = text.partition("=")
            if name.split() != ["ngram", str(len(counts) + 1)] or len(counts) == MOST_ORDER:
                raise ValueError(f"{text!r} is not what follows in its header")
            counts.append(int(count))
    raise ValueError("it ends within its header")


def _section(file: IO[str], order: int, count: int) -> list[str]:
    """The lines of one section, and the heading of the next one."""
    lines: list[str] = []
    for line in file:
        if line[0] == "\\" and line.rstrip() in (rf"\{order + 1}-grams:", "\\end\\"):
            break
        if line != "\n" and line.strip():
            lines.append(line)
    else:
        raise ValueError(f"it ends within its {order}-grams")
    if len(lines) != count:
        raise ValueError(f"it has {len(lines)} {order}-grams, and its header says {count}")
    return lines


def _lines(model: NgramModel, order: int) -> Iterator[str]:
    first, last = model.span(order)
    texts = np.array(model.words, object)
    columns = [model.word[first:last]]
    node = model.parent[first:last]
    for _ in range(order - 1):
        columns.insert(0, model.word[node])
        node = model.parent[node]
    grams = texts[columns[0]]
    for column in columns[1:]:
        grams = grams + " " + texts[column]
    logs = (np.maximum(model.log_prob[first:last], NEVER) / LOG10).tolist()
    backoffs = (model.backoff[first:last] / LOG10).tolist()
    if order == model.order:
        return (f"{log:.6g}\t{gram}\n" for log, gram in zip(logs, grams, strict=True))
    return (f"{log:.6g}\t{gram}\t{bow:.6g}\n" for log, gram, bow in zip(logs, grams, backoffs, strict=True))
