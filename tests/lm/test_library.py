import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest

from wavelane.errors import WavelaneError
from wavelane.lm.arpa import write_arpa
from wavelane.lm.compile import centred_prior
from wavelane.lm.estimate import estimate
from wavelane.lm.folder import LmSource, read_folder, read_hotwords, write_folder
from wavelane.lm.library import FusionLibrary
from wavelane.lm.spelling import Speller
from wavelane.lm.store import read_lm, write_compact
from wavelane.model.checkpoint import inspect_model
from wavelane.model.embedded import embedded_path
from wavelane.work import FusionRequest

PIECES = ("<unk>", "▁a", "b", "▁c", "a", "▁")


def sources(folder: Path) -> dict[str, LmSource]:
    write_arpa(estimate([["ab", "c"], ["c"]], 2), folder / "words.arpa")
    write_compact(estimate([["▁a", "b", "▁c"]], 2), folder / "pieces.safetensors")
    return {
        "words": LmSource(path=folder / "words.arpa", weight=0.5, word_bonus=1.0, blank_penalty=3.0),
        "pieces": LmSource(path=folder / "pieces.safetensors", weight=0.25),
    }


@pytest.fixture(autouse=True)
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_request_becomes_graphs_with_their_scales(tmp_path: Path) -> None:
    library = FusionLibrary(PIECES, sources(tmp_path), (("a", 3.0),))
    assert (library.names, library.boosted) == (("words", "pieces"), 1)
    fusion = library.fusion(FusionRequest(lm="words", lm_weight=0.25, hotwords=(("ab c", 1.0),)))
    assert [(part.kind, part.scale) for part in fusion.parts] == [("word", 0.25), ("piece", 1.0), ("piece", 1.0)]
    assert fusion.word_bonus == 0.5
    assert fusion.blank_penalty == 1.5
    assert library.fusion(FusionRequest(lm="pieces")).parts[0].scale == 0.25
    assert len(library.fusion(FusionRequest()).parts) == 1
    with pytest.raises(WavelaneError, match="no language model 'x'"):
        library.fusion(FusionRequest(lm="x"))
    with pytest.raises(WavelaneError, match="'zz' cannot be spelled"):
        library.fusion(FusionRequest(hotwords=(("zz", 1.0),)))


def test_a_prior_is_taken_off_whatever_the_context(tmp_path: Path) -> None:
    models = sources(tmp_path)
    write_compact(estimate([["▁a"] * 6 + ["b", "▁c", "▁c"]], 1), tmp_path / "prior.safetensors")
    with_prior = {"plain": models["pieces"], "less": replace(models["pieces"], prior_weight=0.1)}
    library = FusionLibrary(PIECES, with_prior, prior=tmp_path / "prior.safetensors")
    plain, less = (library.fusion(FusionRequest(lm=name)) for name in ("plain", "less"))
    prior = centred_prior(read_lm(tmp_path / "prior.safetensors"), PIECES)
    assert library.prior is not None
    assert library.prior.tolist() == prior.tolist()
    assert prior[1] > prior[3] > prior[2] > 0 - 5
    assert prior[0] == prior[4] == prior[5] == prior.min(), "pieces that the prior does not have"
    for pieces in itertools.product((1, 2, 3), repeat=3):
        taken = 0.1 * sum(float(prior[piece]) for piece in pieces)
        assert less.score(pieces, PIECES) == pytest.approx(plain.score(pieces, PIECES) - taken, abs=1e-5)
    # A session with half the weight of the language model takes half of it off.
    half = library.fusion(FusionRequest(lm="less", lm_weight=0.125)).parts[0]
    assert (half.scale, half.graph) == (0.125, less.parts[0].graph)


def test_a_prior_of_words_is_refused(tmp_path: Path) -> None:
    models = sources(tmp_path)
    with pytest.raises(WavelaneError, match=r"prior .*of words"):
        FusionLibrary(PIECES, {}, prior=models["words"].path)


def test_the_same_hotwords_share_a_graph_and_few_are_kept() -> None:
    library = FusionLibrary(PIECES, {}, keep=1)
    one, other = FusionRequest(hotwords=(("ab", 1.0),)), FusionRequest(hotwords=(("c", 1.0),))
    graph = library.fusion(one).parts[0].graph
    assert library.fusion(one).parts[0].graph is graph
    library.fusion(other)
    assert library.fusion(one).parts[0].graph is not graph
    assert library.nbytes == graph.nbytes


def test_a_model_over_other_pieces_is_refused_with_its_name(tmp_path: Path) -> None:
    write_arpa(estimate([["▁x"]], 1), tmp_path / "x.arpa")
    with pytest.raises(WavelaneError, match=r"language model mine .*x\.arpa.*'▁x' among them"):
        FusionLibrary(PIECES, {"mine": LmSource(path=tmp_path / "x.arpa")})
    with pytest.raises(WavelaneError, match="no tokenizer"):
        FusionLibrary((), {}, (("a", 1.0),))


def test_a_model_may_be_loaded_when_it_is_first_asked_for(tmp_path: Path) -> None:
    library = FusionLibrary(PIECES, sources(tmp_path), later=("pieces",))
    assert library.names == ("words", "pieces")
    before = library.nbytes
    graph = library.fusion(FusionRequest(lm="pieces")).parts[0].graph
    assert library.nbytes == before + graph.nbytes
    assert library.fusion(FusionRequest(lm="pieces")).parts[0].graph is graph


def test_a_model_for_later_has_to_be_there_and_may_prove_corrupt(tmp_path: Path) -> None:
    models = sources(tmp_path)
    models["pieces"].path.write_bytes(b"no language model at all")
    library = FusionLibrary(PIECES, models, later=("pieces",))
    for _ in range(2):
        with pytest.raises(WavelaneError, match="language model"):
            library.fusion(FusionRequest(lm="pieces"))
    assert library.fusion(FusionRequest(lm="words")).parts[0].kind == "word"
    models["pieces"].path.unlink()
    with pytest.raises(WavelaneError, match=r"pieces .*no such file"):
        FusionLibrary(PIECES, models, later=("pieces",))


def test_a_folder_says_what_it_brings(tmp_path: Path) -> None:
    assert read_folder(tmp_path).models == {}
    (tmp_path / "hot.txt").write_text("# names\nnew  york\t3.5\n\naleppo # a city\n")
    models = sources(tmp_path)
    models["pieces"] = replace(models["pieces"], prior_weight=0.3)
    write_folder(tmp_path, models, "words", "hot.txt", "prior.safetensors")
    folder = read_folder(tmp_path)
    assert (folder.models, folder.default, folder.prior) == (models, "words", tmp_path / "prior.safetensors")
    assert folder.hotwords == (("new york", 3.5), ("aleppo", 1.0))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": 2}, "version"),
        ({"default": "x"}, "'x', is none of its models"),
        ({"models": {"m": {"path": "p", "weight": 0}}}, "weight is 0"),
        ({"models": {"m": {}}}, "path"),
        ({"extra": 1}, "extra is no field"),
    ],
)
def test_a_malformed_folder_is_refused(tmp_path: Path, change: dict[str, object], complaint: str) -> None:
    (tmp_path / "lm.json").write_text(json.dumps({"version": 1, "models": {}} | change))
    with pytest.raises(WavelaneError, match=complaint):
        read_folder(tmp_path)


@pytest.mark.parametrize(("text", "complaint"), [("ok\na\tx", "line 2: could not convert"), ("a\t99", "boost is 99")])
def test_a_wrong_line_of_hotwords_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "hot.txt").write_text(text)
    with pytest.raises(WavelaneError, match=complaint):
        read_hotwords(tmp_path / "hot.txt")


def test_the_embedded_model_brings_a_language_model_for_its_pieces() -> None:
    spec = inspect_model(embedded_path())
    folder = read_folder(embedded_path())
    assert folder.default is None, "single words are heard better without, greedily; a session asks for it"
    library = FusionLibrary(spec.vocabulary, folder.models)
    (part,) = library.fusion(FusionRequest(lm="general")).parts
    assert part.kind == "piece"
    speller = Speller(spec.vocabulary)

    def score(text: str) -> float:
        spelling = speller.spell(text)
        assert spelling is not None
        return part.graph.score(spelling) / len(spelling)

    assert score("i would like to have a cup of coffee") > score("coffee cup a have to like would i of") + 1
    assert library.nbytes < 50_000_000
