"""The language models and hotwords that a server has, and what a session's search adds by its request."""

import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.compile import centred_prior, compile_pieces, compile_words, units_of
from wavelane.lm.folder import LmSource, Phrases
from wavelane.lm.fusion import Fusion, FusionPart
from wavelane.lm.graph import BackoffGraph, Floats
from wavelane.lm.hotwords import build_hotwords
from wavelane.lm.spelling import speller
from wavelane.lm.store import read_lm
from wavelane.work import FusionRequest

KEPT_BYTES = 256 << 20
"""Memory for the hotwords of sessions whose graphs are kept for the next session with the same ones."""


class FusionLibrary:
    """All that sessions of one model can choose from. Graphs are shared, and safe to ask for from any thread.

    Args:
        vocabulary: pieces of the model.
        sources: language models by name.
        hotwords: phrases and boosts for every session.
        later: names of those that are loaded when somebody first asks for them; all others are now.
        prior: n-grams of single pieces, of the text that the model was trained on.
        keep: bytes of graphs of sessions' hotwords that are kept.

    Raises:
        WavelaneError: a language model does not load or is for another model, or a phrase cannot be spelled.
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        sources: Mapping[str, LmSource],
        hotwords: Phrases = (),
        *,
        later: Collection[str] = (),
        prior: Path | None = None,
        keep: int = KEPT_BYTES,
    ) -> None:
        self._vocabulary = tuple(vocabulary)
        if (sources or hotwords) and not self._vocabulary:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                "the model has no tokenizer, so that there are no words: it takes neither language models nor hotwords",
            )
        self.prior = None if prior is None else _prior(prior, self._vocabulary)
        """[vocabulary], see :func:`wavelane.lm.compile.centred_prior`; None where it is not known."""
        self._sources = dict(sources)
        self._parts = {name: self._load(name) for name in sources if name not in later}
        self._loading = threading.Lock()
        for name in later:
            if not (path := sources[name].path).is_file():
                raise WavelaneError(
                    ErrorCode.MODEL_UNSUPPORTED, f"language model {name} ({path}): there is no such file"
                )
        self._hotwords = self._build(hotwords) if hotwords else None
        self._keep = keep
        self._kept: OrderedDict[Phrases, BackoffGraph] = OrderedDict()
        self._lock = threading.Lock()
        self.boosted = len(hotwords)
        """Phrases that are favoured in every session."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the language models."""
        return tuple(self._sources)

    @property
    def nbytes(self) -> int:
        """Memory of all graphs that are there, those that are kept for sessions included (bytes)."""
        graphs = [part.graph for part in list(self._parts.values())]
        with self._lock:
            graphs += self._kept.values()
        return sum(graph.nbytes for graph in graphs) + (self._hotwords.nbytes if self._hotwords else 0)

    def fusion(self, request: FusionRequest) -> Fusion:
        """What a search is to add for a session.

        Raises:
            WavelaneError: INVALID_CONFIG for a language model that is not there or a phrase that cannot be spelled; or
                a language model is loaded only now, and does not load.
        """
        parts: list[FusionPart] = []
        bonus = penalty = 0.0
        if request.lm is not None:
            if request.lm not in self._sources:
                raise WavelaneError(ErrorCode.INVALID_CONFIG, f"lm: there is no language model {request.lm!r}")
            part, source = self._part(request.lm), self._sources[request.lm]
            weight = part.scale if request.lm_weight is None else request.lm_weight
            parts.append(FusionPart(part.graph, weight, part.kind, part.lexicon))
            # Both make up for what the model's weights cost a word, so that they go with them.
            bonus = source.word_bonus * weight / part.scale
            penalty = source.blank_penalty * weight / part.scale
        if self._hotwords is not None:
            parts.append(FusionPart(self._hotwords, 1.0, "piece"))
        if request.hotwords:
            parts.append(FusionPart(self._boosts(request.hotwords), 1.0, "piece"))
        return Fusion(tuple(parts), bonus, penalty)

    def _part(self, name: str) -> FusionPart:
        with self._loading:
            if name not in self._parts:
                self._parts[name] = self._load(name)
            return self._parts[name]

    def _load(self, name: str) -> FusionPart:
        source = self._sources[name]
        model = read_lm(source.path)
        try:
            if units_of(model, self._vocabulary) == "piece":
                graph = compile_pieces(model, self._vocabulary)
                if self.prior is not None:
                    graph = graph.less(self.prior, source.prior_weight / source.weight)
                return FusionPart(graph, source.weight, "piece")
        except WavelaneError as error:
            raise WavelaneError(error.code, f"language model {name} ({source.path}): {error.message}") from None
        graph, lexicon = compile_words(model)
        return FusionPart(graph, source.weight, "word", lexicon)

    def _boosts(self, phrases: Phrases) -> BackoffGraph:
        with self._lock:
            if phrases in self._kept:
                self._kept.move_to_end(phrases)
                return self._kept[phrases]
        graph = self._build(phrases)
        with self._lock:
            self._kept[phrases] = graph
            held = sum(other.nbytes for other in self._kept.values())
            while held > self._keep and len(self._kept) > 1:
                held -= self._kept.popitem(last=False)[1].nbytes
        return graph

    def _build(self, phrases: Phrases) -> BackoffGraph:
        return build_hotwords(phrases, speller(self._vocabulary), self._vocabulary)


def _prior(path: Path, vocabulary: Sequence[str]) -> Floats:
    try:
        return centred_prior(read_lm(path), vocabulary)
    except WavelaneError as error:
        raise WavelaneError(error.code, f"prior ({path}): {error.message}") from None
