"""Random grammars for property tests."""

from hypothesis import strategies as st

HEADER = "#JSGF V1.0 UTF-8 en;\ngrammar random;\n"
WORDS = ("go", "left", "right", "small", "large", "coffee", "tea", "one", "two", "please")

_leaf = st.sampled_from(WORDS)
_slot = st.sampled_from(("size", "drink", "way"))


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    weight = st.sampled_from(("", "/2/ ", "/0.5/ "))
    several = st.lists(st.tuples(weight, inner).map("".join), min_size=2, max_size=3)
    return st.one_of(
        st.lists(inner, min_size=2, max_size=3).map(" ".join),
        several.map(lambda parts: f"({' | '.join(parts)})"),
        inner.map(lambda part: f"[{part}]"),
        st.tuples(inner, st.sampled_from("*+")).map(lambda pair: f"({pair[0]}){pair[1]}"),
        st.tuples(inner, _slot).map(lambda pair: f"({pair[0]}) {{{pair[1]}}}"),
        st.tuples(inner, _slot, _leaf).map(lambda three: f"({three[0]}) {{{three[1]}:{three[2]}}}"),
    )


expansions = st.recursive(_leaf, _combined, max_leaves=8)

grammar_texts = st.lists(st.tuples(_leaf, expansions), min_size=1, max_size=3).map(
    lambda rules: (
        HEADER
        + "".join(
            f"public <{'abc'[index]}> = {word} <part{index}>;\n<part{index}> = {expansion};\n"
            for index, (word, expansion) in enumerate(rules)
        )
    )
)
"""Grammars in which every sentence has at least one word."""
