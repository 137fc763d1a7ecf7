"""Binaries of KenLM (Heafield, WMT 2011) that hold a trie, as ``build_binary trie`` and NeMo's scripts write them.

A trie is read whole: its bit-packed records are n-grams from their last word backwards, each with a log probability, a
back-off weight and where the records that go on with it begin. The other kinds are refused: hash tables (what
``build_binary`` makes by default) hold no n-grams, only numbers that n-grams were hashed to.
"""

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.ngram import LOG10, MOST_ORDER, NEVER, NgramModel, Rows, assemble

MAGIC = b"mmap lm http://kheafield.com/code format version"
_VERSION = b" 5\n"
_SANITY = 88
"""Bytes of the magic, padded to 56, and of numbers that show how the writer's machine stores them."""
_NUMBERS = struct.pack("<fffIIIQ", 0.0, 1.0, -0.5, 1, 0xFFFFFFFF, 0, 1)
_FIXED = struct.Struct("<BxxxfiBxxxI")
"""Order, a setting of the hash tables, the kind, whether words follow, and a version of the kind."""
_TRIE = 2
_KINDS = (
    "hash tables",
    "hash tables with rest costs",
    "a trie",
    "a quantised trie",
    "a trie with compressed pointers",
    "a quantised trie with compressed pointers",
)
_UNIGRAM = np.dtype([("log_prob", "<f4"), ("backoff", "<f4"), ("next", "<u8")])
_PROB_BITS, _BACKOFF_BITS = 31, 32
_SIGN = np.uint32(1 << 31)


def read_kenlm(path: Path) -> NgramModel:
    """Read a binary of KenLM.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED: it holds no trie, a compressed one or no words, with what to do; or it is
            corrupt.
    """
    try:
        return _parse(path.read_bytes())
    except _KindError as error:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"The language model {path} is a binary of KenLM with {error}, of which no graph can be made: give the "
            "ARPA file that it was made from, or what `build_binary trie` makes of that (without -q and -a).",
        ) from None
    except (ValueError, IndexError, struct.error, OverflowError, MemoryError) as error:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED, f"The language model {path} is a corrupt binary of KenLM: {error}."
        ) from None


class _KindError(Exception):
    """It is whole, and of a kind that cannot be read."""


def _parse(data: bytes) -> NgramModel:
    if data[len(MAGIC) : len(MAGIC) + len(_VERSION)] != _VERSION:
        raise _KindError("another version of its format")
    if data[_SANITY - len(_NUMBERS) : _SANITY] != _NUMBERS:
        raise _KindError("the numbers of another kind of machine")
    order, _, kind, has_words, _ = _FIXED.unpack_from(data, _SANITY)
    if not (0 <= kind < len(_KINDS) and 0 < order <= MOST_ORDER):
        raise ValueError(f"its header says kind {kind} and order {order}")
    if kind != _TRIE:
        raise _KindError(_KINDS[kind])
    if not has_words:
        raise _KindError("no words")
    counts = struct.unpack_from(f"<{order}Q", data, _SANITY + _FIXED.size)
    if sum(counts) > 8 * len(data):
        raise ValueError(f"its header says {sum(counts):,} n-grams, for which it is too short")
    header = _align(_SANITY + _FIXED.size + 8 * order)
    # Hashes of the words, in the order of their ids.
    position = header + 8 + 8 * counts[0]
    unigrams = np.frombuffer(data, _UNIGRAM, counts[0] + 1, position)
    position += (counts[0] + 2) * _UNIGRAM.itemsize
    word_bits = counts[0].bit_length()
    grams = np.arange(counts[0])[:, None]
    orders: list[Rows] = [_rows(grams, unigrams["log_prob"][:-1], unigrams["backoff"][:-1])]
    following = unigrams["next"].astype(np.int64)
    for level in range(2, order + 1):
        count, longest = counts[level - 1], level == order
        next_bits = 0 if longest else counts[level].bit_length()
        value_bits = _PROB_BITS + (0 if longest else _BACKOFF_BITS)
        records = _Records(data, position, word_bits + value_bits + next_bits, count + 1)
        children = np.diff(following)
        if following[0] != 0 or (children < 0).any() or following[-1] != count:
            raise ValueError(f"its {level}-grams do not follow from the {level - 1}-grams")
        words = records.read(0, word_bits)[:count]
        if (words >= counts[0]).any():
            raise ValueError(f"its {level}-grams have words that it has not")
        # A record's own word comes first: the trie goes from the last word backwards.
        grams = np.concatenate([words[:, None], grams[np.repeat(np.arange(len(grams)), children)]], axis=1)
        log_prob = (records.read(word_bits, _PROB_BITS)[:count].astype(np.uint32) | _SIGN).view(np.float32)
        backoff = np.zeros(count, np.float32)
        if not longest:
            at = word_bits + _PROB_BITS
            backoff = records.read(at, _BACKOFF_BITS)[:count].astype(np.uint32).view(np.float32)
            following = records.read(at + _BACKOFF_BITS, next_bits)
        orders.append(_rows(grams, log_prob, backoff))
        position += records.size
    return assemble(_words(data[position:], counts[0]), orders)


def _align(size: int) -> int:
    return -(-size // 8) * 8


def _rows(grams: NDArray[np.int64], log_prob: NDArray[np.float32], backoff: NDArray[np.float32]) -> Rows:
    if not (np.isfinite(log_prob).all() and np.isfinite(backoff).all() and (log_prob <= 1e-3).all()):
        raise ValueError("it has a probability above 1, or a weight that is not finite")
    logs, weights = log_prob.astype(np.float64) * LOG10, backoff.astype(np.float64) * LOG10
    return grams, np.maximum(logs, NEVER), np.maximum(weights, NEVER)


def _words(data: bytes, count: int) -> list[str]:
    words = data.decode("utf-8").split("\0")
    if len(words) != count + 1 or words[-1] or words[0] != "<unk>":
        raise ValueError(f"it has not the {count:,} words that its header says")
    return words[:-1]


class _Records:
    """Records of so many bits each, one behind the other, the lowest bits first.

    Args:
        data: of the file.
        position: of the first record.
        bits: of a record.
        count: of records, the one behind the last included, which only has where the next would begin.
    """

    def __init__(self, data: bytes, position: int, bits: int, count: int) -> None:
        self._bits, self._count = bits, count
        self.size = (count * bits + 7) // 8 + 8
        """Bytes, with those that let any record be read as one number of 64 bits."""
        if position + self.size > len(data):
            raise ValueError("it ends within its n-grams")
        # Numbers of 64 bits from every byte on.
        self._wide = np.ndarray((self.size - 7,), "<u8", data, position, (1,))

    def read(self, offset: int, bits: int) -> NDArray[np.int64]:
        """A field of every record."""
        at = np.arange(self._count, dtype=np.uint64) * np.uint64(self._bits) + np.uint64(offset)
        shifted = self._wide[at >> np.uint64(3)] >> (at & np.uint64(7))
        return np.asarray((shifted & np.uint64((1 << bits) - 1)).astype(np.int64))
