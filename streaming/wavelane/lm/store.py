"""Language models as files: ARPA and KenLM's tries from anywhere, and a compact format that loads much faster.

The compact format is a safetensors file: words, and for each n-gram its last word, its log probability and its back-off
weight, in the order of :class:`wavelane.lm.ngram.NgramModel`; parents are kept as how many children each n-gram has.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.arpa import read_arpa
from wavelane.lm.kenlm import MAGIC, read_kenlm
from wavelane.lm.ngram import NgramModel

FORMAT = "wavelane-ngram-1"
_CONVERSION = 1
"""Changes whenever the same ARPA file would be converted into something else."""


@dataclass(frozen=True, slots=True)
class LmInfo:
    """What a file may say besides the n-grams."""

    license: str = ""
    source: str = ""


def read_lm(path: Path, *, cache: bool = True) -> NgramModel:
    """Read a language model of any format.

    Args:
        path: a compact file, ARPA, gzipped or not, or a binary of KenLM that holds a trie.
        cache: keep the compact form of ARPA files, in ``$XDG_CACHE_HOME/wavelane/lm``, by what they hold.

    Raises:
        WavelaneError: MODEL_NOT_FOUND, or MODEL_UNSUPPORTED, saying what to do.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
            if head.startswith(MAGIC):
                return read_kenlm(path)
            if _is_compact(head):
                return read_compact(path)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest() if cache else ""
    except OSError as error:
        raise WavelaneError(
            ErrorCode.MODEL_NOT_FOUND, f"The language model {path} cannot be read: {error.strerror}."
        ) from None
    if not cache:
        return read_arpa(path)
    kept = _cache_folder() / f"{digest}-{_CONVERSION}.safetensors"
    if kept.exists():
        return read_compact(kept)
    model = read_arpa(path)
    _keep(model, kept)
    return model


def write_compact(model: NgramModel, path: Path, *, half: bool = False, info: LmInfo | None = None) -> None:
    """Write the compact format.

    Args:
        model: the model.
        path: to write to.
        half: weights in float16: half of the size, and an error of up to 1/128 in logarithms below -8.
        info: licence and source, kept in the file.
    """
    children = np.bincount(model.parent[model.counts[0] :], minlength=sum(model.counts[:-1]))
    small = np.uint16 if len(model.words) <= 1 << 16 else np.uint32
    real = np.float16 if half else np.float32
    tensors = {
        "words": np.frombuffer("\n".join(model.words).encode(), np.uint8),
        "word": model.word[model.counts[0] :].astype(small),
        "children": children.astype(np.uint16 if children.max(initial=0) < 1 << 16 else np.uint32),
        "log_prob": model.log_prob.astype(real),
        # The longest n-grams have no back-off weight.
        "backoff": model.backoff[: sum(model.counts[:-1])].astype(real),
    }
    metadata = {"format": FORMAT, "counts": json.dumps(model.counts)}
    if info is not None:
        metadata |= {"license": info.license, "source": info.source}
    save_file(tensors, path, metadata=metadata)
    path.chmod(0o644)


def read_compact(path: Path) -> NgramModel:
    """Read the compact format.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED: it is of another format, or its arrays contradict each other.
    """
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(f"its format is {metadata.get('format')!r}, not {FORMAT}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        return _from_tensors(json.loads(metadata["counts"]), tensors)
    except (ValueError, LookupError, TypeError, SafetensorError) as error:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"The language model {path} is corrupt or of another release ({error}): convert it again with "
            "`wavelane lm convert`.",
        ) from None


def _from_tensors(counts: list[int], tensors: dict[str, Any]) -> NgramModel:
    words = tuple(tensors["words"].tobytes().decode().split("\n"))
    total, contexts, unigrams = sum(counts), sum(counts[:-1]), counts[0]
    children = tensors["children"].astype(np.int64)
    log_prob, backoff = tensors["log_prob"].astype(np.float32), tensors["backoff"].astype(np.float32)
    lasts = tensors["word"].astype(np.int64)
    lengths = {"words": (len(words), unigrams), "log_prob": (len(log_prob), total), "backoff": (len(backoff), contexts)}
    lengths |= {"children": (len(children), contexts), "word": (len(lasts), total - unigrams)}
    for name, (length, wanted) in lengths.items():
        if length != wanted:
            raise ValueError(f"{name} has {length} entries, not {wanted}")
    # Before so many parents are made: the file says what memory they take.
    if int(children.sum()) != total - unigrams:
        raise ValueError("its n-grams do not hang together")
    parent = np.concatenate([np.full(unigrams, -1), np.repeat(np.arange(contexts), children)])
    if min(counts) < 1 or len(parent) != total or (total > unigrams and lasts.max() >= unigrams):
        raise ValueError("its n-grams do not hang together")
    bounds = np.cumsum([0, *counts])
    for order in range(2, len(counts) + 1):
        held = parent[bounds[order - 1] : bounds[order]]
        if held.min() < bounds[order - 2] or held.max() >= bounds[order - 1]:
            raise ValueError(f"its {order}-grams do not follow from the {order - 1}-grams")
    word = np.concatenate([np.arange(unigrams), lasts])
    if (np.diff((parent + 1) * unigrams + word) <= 0).any():
        raise ValueError("its n-grams are not sorted")
    if not (np.isfinite(log_prob).all() and np.isfinite(backoff).all()):
        raise ValueError("a weight is not finite")
    return NgramModel(
        words=words,
        counts=tuple(counts),
        parent=parent.astype(np.int32),
        word=word.astype(np.int32),
        log_prob=log_prob,
        backoff=np.concatenate([backoff, np.zeros(total - contexts, np.float32)]),
    )


def _is_compact(head: bytes) -> bool:
    """A safetensors file begins with the length of its JSON header."""
    return len(head) > 9 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 24


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wavelane" / "lm"


def _keep(model: NgramModel, path: Path) -> None:
    """Into the cache, whole or not at all. A cache that cannot be written to is none."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            written = Path(folder) / path.name
            write_compact(model, written)
            written.replace(path)
    except OSError:
        return
