"""Binaries that KenLM itself wrote give the numbers of the ARPA files that they were made from."""

from pathlib import Path

import numpy as np
import pytest

from wavelane.errors import WavelaneError
from wavelane.lm.arpa import read_arpa
from wavelane.lm.compile import compile_words
from wavelane.lm.store import read_lm

DATA = Path(__file__).parents[1] / "data" / "lm"


@pytest.mark.parametrize("name", ["orders", "gap"])
def test_a_trie_gives_the_scores_of_its_arpa_file(name: str) -> None:
    trie, arpa = read_lm(DATA / f"{name}.trie.bin"), read_arpa(DATA / f"{name}.arpa")
    assert set(trie.words) == set(arpa.words)
    assert trie.order == arpa.order
    rng = np.random.default_rng(0)
    # What an unknown word weighs that the file does not name is for each reader to say.
    known = [word for word in arpa.words if name == "orders" or word != "<unk>"]
    sentences = [rng.choice(known, 12).tolist() for _ in range(50)]
    for ours, theirs in zip(trie.sentence_scores(sentences), arpa.sentence_scores(sentences), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    first, last = trie.span(2)
    told = [[trie.words[trie.parent[node]], trie.words[trie.word[node]]] for node in range(first, last)]
    assert ["<s>", "a" if name == "gap" else "can"] in told
    compile_words(trie)[0].check()


@pytest.mark.parametrize(
    ("name", "complaint"), [("orders.probing", "with hash tables"), ("orders.quantised", "with a quantised trie")]
)
def test_other_kinds_are_refused_with_what_to_do(name: str, complaint: str) -> None:
    with pytest.raises(WavelaneError, match=f"{complaint}.*`build_binary trie`"):
        read_lm(DATA / f"{name}.bin")


def test_a_binary_that_was_tampered_with_is_a_model_or_an_error(tmp_path: Path) -> None:
    whole = (DATA / "orders.trie.bin").read_bytes()
    path = tmp_path / "x.bin"
    rng = np.random.default_rng(0)
    refused = 0
    for trial in range(120):
        broken = bytearray(whole)
        # The header and the borders between its parts matter most.
        broken[int(rng.integers(52, 200 if trial % 2 else len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken if trial % 3 else broken[: int(rng.integers(60, len(whole)))])
        try:
            compile_words(read_lm(path))[0].check()
        except WavelaneError:
            refused += 1
    assert refused > 60
