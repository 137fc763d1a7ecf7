"""Estimating, reading, writing, mixing and compiling n-gram models."""

import gzip
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from wavelane.errors import WavelaneError
from wavelane.lm.arpa import read_arpa, write_arpa
from wavelane.lm.compile import compile_pieces, compile_words, units_of
from wavelane.lm.estimate import estimate
from wavelane.lm.mix import mix
from wavelane.lm.ngram import BOS, EOS, UNK, NgramModel
from wavelane.lm.store import read_compact, read_lm, write_compact

TEXT = [line.split() for line in ("a b c a b", "b c a", "a a b c c", "c", "b c a b b a c", "d a b", "a b d c") * 2]
SENTENCES = st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=20).filter(any)

ARPA = r"""

\data\
ngram 1=5
ngram 2=3
ngram 3=1

\1-grams:
-99	<s>	-0.30103
-1.0	</s>
-2.0	<unk>
-0.5	a	-0.2
-0.7	b	-0.1

\2-grams:
-0.25	<s> a	-0.05
-0.4	a b
-0.3	b </s>

\3-grams:
-0.125	<s> a b

\end\
"""


def slow_kneser_ney(text: list[list[str]], order: int, history: list[str], word: str) -> float:
    """Modified Kneser-Ney (Chen and Goodman) as it is written down, word by word."""
    rows = [[BOS, *sentence, EOS] for sentence in text]
    vocabulary = {word for row in rows for word in row if word != BOS} | {UNK}
    raw: dict[int, Counter[tuple[str, ...]]] = {
        k: Counter(tuple(row[i : i + k]) for row in rows for i in range(len(row) - k + 1)) for k in range(1, order + 1)
    }
    counts = dict(raw)
    for k in range(1, order):
        before = Counter(gram[1:] for gram in raw[k + 1])
        counts[k] = Counter({gram: raw[k][gram] if gram[0] == BOS else before[gram] for gram in raw[k]})
    counts[1].pop((BOS,), None)

    def discount(k: int, count: int) -> float:
        have = Counter(counts[k].values())
        n1, n2, n3, n4 = (have[i] for i in (1, 2, 3, 4))
        if not (n1 and n2 and n3):
            return (0, 0.5, 1.0, 1.5)[min(count, 3)]
        y = n1 / (n1 + 2 * n2)
        table = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
        if any(not 0 < table[i] <= i for i in (1, 2, 3)):
            table = [0, 0.5, 1.0, 1.5]
        return table[min(count, 3)]

    def probability(k: int, context: tuple[str, ...]) -> float:
        if k == 0:
            return 1 / len(vocabulary)
        continued = {gram: count for gram, count in counts[k].items() if gram[:-1] == context}
        total = sum(continued.values())
        if not total:
            return probability(k - 1, context[1:])
        count = counts[k][(*context, word)]
        left = sum(min(discount(k, c), c) for c in continued.values()) / total
        return (count - min(discount(k, count), count)) / total + left * probability(k - 1, context[1:])

    context = tuple([BOS, *history][-(order - 1) :]) if order > 1 else ()
    return probability(len(context) + 1, context)


@settings(max_examples=20, deadline=None)
@given(SENTENCES, st.integers(1, 4))
def test_the_estimate_is_what_the_definition_says(text: list[list[str]], order: int) -> None:
    model = estimate(text, order)
    for sentence in text[:3]:
        (scores,) = model.sentence_scores([sentence])
        for at, word in enumerate([*sentence, EOS]):
            assert scores[at] == pytest.approx(math.log(slow_kneser_ney(text, order, sentence[:at], word)), abs=1e-4)


def total(model: NgramModel, context: int) -> float:
    words = np.arange(len(model.words))
    return float(np.exp(model.score(np.full(len(words), context), words)).sum())


@settings(max_examples=20, deadline=None)
@given(SENTENCES, SENTENCES, st.sampled_from([(), (0, 0, 1), (0, 1, 2)]), st.floats(0.1, 0.9))
def test_probabilities_sum_to_one_after_every_context(
    text: list[list[str]], other: list[list[str]], prune: tuple[int, ...], weight: float
) -> None:
    one = estimate(text, 3, prune=prune)
    both = mix(one, estimate([[word + "x" for word in s] + s for s in other], 2), weight)
    for model in (one, both):
        for context in range(-1, len(model.word)):
            assert total(model, context) == pytest.approx(1, abs=1e-3)


def test_a_mixture_lies_between_its_parts() -> None:
    one, other = estimate(TEXT[:7], 3), estimate([["a", "d"], ["d", "d", "b"]], 2)
    both = mix(one, other, 0.25)
    for sentence in (["a", "b"], ["d", "d"], ["c", "d", "a"]):
        parts = [np.exp(model.sentence_scores([sentence])[0]) for model in (one, other)]
        known = [word in other.ids for word in [*sentence, EOS]]
        expected = 0.25 * parts[0] + 0.75 * np.where(known, parts[1], 0)
        # The n-grams of either model have the exact mean; what both back off for is close to it.
        assert np.exp(both.sentence_scores([sentence])[0]) == pytest.approx(expected, rel=0.35)
    with pytest.raises(WavelaneError, match="between 0 and 1"):
        mix(one, other, 1.0)


def test_known_text_is_less_perplexing() -> None:
    model = estimate(TEXT, 3)
    seen, mixed = model.perplexity(TEXT), model.perplexity([["d", "c", "zebra"]])
    assert seen.perplexity < mixed.perplexity
    assert (mixed.words, mixed.unknown) == (3, 1)
    assert mixed.known_perplexity < mixed.perplexity


def test_the_vocabulary_can_be_given() -> None:
    model = estimate(TEXT, 2, vocabulary=["a", "b", "unseen"])
    assert set(model.words) == {"a", "b", "unseen", BOS, EOS, UNK}
    (scores,) = model.sentence_scores([["c"]])
    assert scores[0] > math.log(0.05), "unknown words were seen often"


@pytest.mark.parametrize(
    ("text", "order", "prune", "complaint"),
    [
        ([[]], 3, (), "no words"),
        (TEXT, 0, (), "from 1 to 10"),
        (TEXT, 3, (1,), "must begin with 0"),
        (TEXT, 3, (0, 2, 1), "never decrease"),
        ([["a", "<s>"]], 2, (), "the word <s>"),
    ],
)
def test_what_no_model_can_be_made_of_is_refused(
    text: list[list[str]], order: int, prune: tuple[int, ...], complaint: str
) -> None:
    with pytest.raises(WavelaneError, match=complaint):
        estimate(text, order, prune=prune)


def test_an_arpa_file_says_what_its_text_says(tmp_path: Path) -> None:
    plain, zipped = tmp_path / "a.arpa", tmp_path / "a.arpa.gz"
    plain.write_text(ARPA)
    zipped.write_bytes(gzip.compress(ARPA.encode()))
    for path in (plain, zipped):
        model = read_arpa(path)
        assert (model.counts, model.order) == ((5, 3, 1), 3)
        (scores,) = model.sentence_scores([["a", "b"]])
        assert scores / math.log(10) == pytest.approx([-0.25, -0.125, -0.3])
        (scores,) = model.sentence_scores([["b", "z", "a"]])
        assert scores / math.log(10) == pytest.approx([-0.30103 - 0.7, -0.1 - 2.0, -0.5, -0.2 - 1.0])


def test_a_written_model_is_the_same_model(tmp_path: Path) -> None:
    model = estimate(TEXT, 3)
    write_arpa(model, tmp_path / "b.arpa.gz")
    write_compact(model, tmp_path / "b.safetensors")
    write_compact(model, tmp_path / "half.safetensors", half=True)
    expected = np.concatenate(model.sentence_scores(TEXT))
    for name, error in (("b.arpa.gz", 1e-4), ("b.safetensors", 0), ("half.safetensors", 2e-2)):
        again = read_lm(tmp_path / name, cache=False)
        assert np.concatenate(again.sentence_scores(TEXT)) == pytest.approx(expected, abs=error)


def test_an_arpa_file_is_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "a.arpa"
    path.write_text(ARPA)
    first = read_lm(path)
    (kept,) = (tmp_path / "cache").rglob("*.safetensors")
    monkeypatch.setattr("wavelane.lm.store.read_arpa", None)
    assert np.array_equal(read_lm(path).log_prob, first.log_prob)
    kept.unlink()
    with pytest.raises(TypeError):
        read_lm(path)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("\\data\\", "", r"no \\data\\"),
        ("ngram 2=3", "ngram 2=4", "has 3 2-grams"),
        ("ngram 3=1", "ngram 4=1", "not what follows"),
        ("a b\n-0.3", "a q\n-0.3", "'q', which is no unigram"),
        ("<s> a b", "b a b", "without its first 2 words"),
        ("-0.3\tb </s>", "-0.4\ta b", "there twice"),
        ("-0.7\tb", "-0.7\ta", "there twice"),
        ("-0.7\tb", "0.7\tb", "above 1"),
        ("-0.7\tb", "x\tb", "could not convert"),
        ("-0.4\ta b", "-0.4\ta", "no n-gram of 2 words"),
        ("\\end\\", "", "ends within"),
    ],
)
def test_a_malformed_arpa_file_is_refused_in_words(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "bad.arpa"
    assert old in ARPA
    path.write_text(ARPA.replace(old, new, 1))
    with pytest.raises(WavelaneError, match=complaint):
        read_lm(path, cache=False)


def test_files_that_are_no_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WavelaneError, match="cannot be read: No such file"):
        read_lm(tmp_path / "none.arpa")
    binary = tmp_path / "kenlm.bin"
    binary.write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + bytes(64))
    with pytest.raises(WavelaneError, match="numbers of another kind of machine"):
        read_lm(binary)
    broken = tmp_path / "broken.arpa.gz"
    broken.write_bytes(gzip.compress(ARPA.encode())[:40])
    with pytest.raises(WavelaneError, match="no ARPA file"):
        read_lm(broken, cache=False)


def test_a_compact_file_that_was_tampered_with_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    write_compact(estimate(TEXT, 3), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        broken = bytearray(whole)
        broken[rng.integers(8, len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        try:
            graph, _ = compile_words(read_compact(path))
        except WavelaneError:
            refused += 1
        else:
            graph.check()
    assert refused


@settings(max_examples=20, deadline=None)
@given(SENTENCES, st.lists(st.sampled_from(["a", "b", "c", "d", "z"]), max_size=6), st.integers(1, 4))
def test_the_graph_scores_as_the_model(text: list[list[str]], said: list[str], order: int) -> None:
    model = estimate(text, order)
    graph, lexicon = compile_words(model)
    graph.check()
    assert graph.score([lexicon.find(word) for word in said]) == pytest.approx(
        float(model.sentence_scores([said])[0].sum()), abs=1e-3
    )


PIECES = ("<unk>", "▁a", "b", "▁c")


def test_models_over_pieces_are_told_from_those_over_words() -> None:
    pieces = estimate([["▁a", "b"], ["▁c", "b"]], 2)
    assert units_of(pieces, PIECES) == "piece"
    assert units_of(estimate(TEXT, 2), PIECES) == "word"
    graph = compile_pieces(pieces, PIECES)
    assert graph.score([1, 2]) == pytest.approx(float(pieces.sentence_scores([["▁a", "b"]])[0].sum()), abs=1e-4)
    with pytest.raises(WavelaneError, match="'▁x' among them, are not pieces of this recogniser"):
        units_of(estimate([["▁a", "▁x"]], 2), PIECES)


def test_models_that_nemo_trained_over_pieces_are_read() -> None:
    written = estimate([[chr(101), chr(102)], [chr(103)]], 2)
    assert units_of(written, PIECES) == "piece"
    graph = compile_pieces(written, PIECES)
    assert graph.score([1, 2]) == pytest.approx(
        float(written.sentence_scores([[chr(101), chr(102)]])[0].sum()), abs=1e-4
    )


@pytest.mark.parametrize(("counts", "children"), [("[]", [1, 1, 0]), ("[3, 2]", [4_000_000_000, 4_000_000_000, 2])])
def test_a_compact_file_that_promises_what_it_has_not(tmp_path: Path, counts: str, children: list[int]) -> None:
    tensors = {
        "words": np.frombuffer(b"<s>\n</s>\n<unk>", np.uint8),
        "word": np.array([0, 1], np.uint16),
        "children": np.array(children, np.uint32),
        "log_prob": np.zeros(5, np.float32),
        "backoff": np.zeros(3, np.float32),
    }
    save_file(tensors, tmp_path / "lm", metadata={"format": "wavelane-ngram-1", "counts": counts})
    with pytest.raises(WavelaneError, match="is corrupt"):
        read_compact(tmp_path / "lm")
