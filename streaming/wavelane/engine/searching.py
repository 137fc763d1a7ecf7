"""The searches of a runner's lanes: which rows of a step want one, and what it gives for them."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wavelane.decode.ctc import CtcDecoder
from wavelane.decode.grammar import GrammarSearch, PieceGrammar, advance_grammars
from wavelane.decode.rnnt import GreedyTransducer
from wavelane.decode.search import Found, FusionHandle, Pieces, Search, advance_ctc
from wavelane.decode.transducer_search import Networks, TransducerSearch, advance_rnnt
from wavelane.engine.batching import Batch
from wavelane.engine.kept import Kept
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.grammar import UNLIMITED, Grammar
from wavelane.grammar.pieces import spell_automaton
from wavelane.lm.spelling import Speller
from wavelane.model.base import Decoder, LoadedModel
from wavelane.native.searching import missing_search
from wavelane.work import Decoding, FusionRequest

FUSIONS = 32
"""Fusions that are kept ready for streams to come."""

GRAMMARS = 64
"""Grammars that are kept ready for streams to come."""

AnySearch = Search | GrammarSearch


def unsearchable(decoder: Decoder) -> str | None:
    """Why there is no search over a decoder here; None if there is."""
    if not isinstance(decoder, (CtcDecoder, GreedyTransducer)):
        return f"there is no search over this model's {decoder.name} head"
    return missing_search()


def unconstrained(decoder: Decoder) -> str | None:
    """Why a search over a decoder cannot be held to a grammar here; None if it can."""
    if not isinstance(decoder, CtcDecoder):
        return f"there is no search in a grammar over this model's {decoder.name} head"
    return missing_search()


@dataclass(slots=True)
class SearchRows:
    """Rows of a batch that are searched."""

    rows: list[int] = field(default_factory=list)
    searches: list[AnySearch] = field(default_factory=list)
    last: list[bool] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)
    results: dict[int, Found | WavelaneError] = field(default_factory=dict)
    """By row; what went wrong already."""


class Searches:
    """Owns the search of every lane that has one. Workers may call it at the same time for different lanes.

    What searches begin with takes long to make; :meth:`prepare` does it before the step. Implements
    :class:`wavelane.engine.base.Preparation`.

    Args:
        model: whose lanes they are.
        head: name of the decoder in use.
    """

    def __init__(self, model: LoadedModel, head: str) -> None:
        spec = model.spec
        self._vocabulary = spec.vocabulary
        self._decoder = model.decoders[head]
        self._make_fusion = model.fusions
        self._prior = model.prior
        self._lanes: dict[int, AnySearch] = {}
        self._fusions = Kept(self._make, FUSIONS)
        self._speller = Speller(spec.vocabulary)
        self._grammars = Kept(self._compile, GRAMMARS)

    def missing(self, decoding: Decoding) -> int:
        """About how much there is to make before a search can begin (characters); 0: nothing."""
        if (grammar := decoding.grammar) is not None:
            ready = unconstrained(self._decoder) is not None or self._grammars.has(grammar)
            return 0 if ready else 1 + len(grammar)
        fusion = decoding.fusion
        if fusion is None or unsearchable(self._decoder) is not None or self._fusions.has(fusion):
            return 0
        return 1 + sum(len(phrase) for phrase, _ in fusion.hotwords)

    def prepare(self, decoding: Decoding) -> None:
        """Make what is missing; from any thread. Raises what the step will tell."""
        self._begin(decoding)

    def of(self, batch: Batch) -> SearchRows | None:
        """The rows that are searched, or None; a row that starts a stream begins a search or ends the lane's last."""
        wanted: SearchRows | None = None
        for row, pending in enumerate(batch.rows):
            slot, chunk = pending.slot.index, pending.chunk
            if chunk.start:
                self._lanes.pop(slot, None)
                if chunk.decoding is None:
                    continue
                try:
                    self._lanes[slot] = self._begin(chunk.decoding)
                except WavelaneError as error:
                    wanted = wanted or SearchRows()
                    wanted.results[row] = error
                    continue
            search = self._lanes.get(slot)
            if search is not None:
                wanted = wanted or SearchRows()
                wanted.rows.append(row)
                wanted.searches.append(search)
                wanted.last.append(chunk.last)
                wanted.slots.append(slot)
        return wanted

    def take_ctc(
        self,
        wanted: SearchRows,
        scores: Sequence[int],
        stride: int,
        lengths: NDArray[np.int32],
        finite: NDArray[np.bool_],
    ) -> dict[int, Found | WavelaneError]:
        """Advance the searches by the frames of a step.

        Args:
            wanted: as :meth:`of` gave it.
            scores: address of the frames of each of its rows, see :func:`wavelane.decode.search.advance_ctc`.
            stride: numbers from one frame to the next.
            lengths: [B] frames of every row of the batch.
            finite: [B] whether they are all numbers; other rows have failed, and their search with them.

        Returns:
            what was found, or what went wrong, by row.
        """
        going = [i for i, row in enumerate(wanted.rows) if finite[row]]
        results: dict[int, Found | WavelaneError] = dict(wanted.results)
        free = [(i, search) for i in going if isinstance(search := wanted.searches[i], Search)]
        held = [(i, search) for i in going if isinstance(search := wanted.searches[i], GrammarSearch)]

        def frames(places: Iterable[int]) -> tuple[list[int], int, list[int], list[bool]]:
            rows = list(places)
            counts = [int(lengths[wanted.rows[i]]) for i in rows]
            return [scores[i] for i in rows], stride, counts, [wanted.last[i] for i in rows]

        if free:
            found = advance_ctc([search for _, search in free], *frames(i for i, _ in free))
            results.update((wanted.rows[i], one) for (i, _), one in zip(free, found, strict=True))
        if held:
            found = advance_grammars([search for _, search in held], *frames(i for i, _ in held))
            results.update((wanted.rows[i], one) for (i, _), one in zip(held, found, strict=True))
        self._leave(wanted)
        return results

    def take_rnnt(
        self,
        wanted: SearchRows,
        networks_of: Callable[[list[int], list[TransducerSearch]], Networks],
        lengths: NDArray[np.int32],
        finite: NDArray[np.bool_],
    ) -> dict[int, Found | WavelaneError]:
        """As :meth:`take_ctc`, for RNN-T.

        Args:
            wanted: as :meth:`of` gave it.
            networks_of: makes the networks over the frames of some of its rows, given their places in it, and of
                these searches.
            lengths: [B] frames of every row of the batch.
            finite: [B] whether they are all numbers; other rows have failed, and their search with them.
        """
        results: dict[int, Found | WavelaneError] = dict(wanted.results)
        places, searches = [], []
        for place, (row, search) in enumerate(zip(wanted.rows, wanted.searches, strict=True)):
            if finite[row] and isinstance(search, TransducerSearch):
                places.append(place)
                searches.append(search)
        if searches:
            rows = [wanted.rows[place] for place in places]
            found = advance_rnnt(
                searches,
                networks_of(places, searches),
                [int(lengths[row]) for row in rows],
                [wanted.last[place] for place in places],
            )
            results.update(zip(rows, found, strict=True))
        self._leave(wanted)
        return results

    def _leave(self, wanted: SearchRows) -> None:
        """Streams that are over need their search no more."""
        for slot, last in zip(wanted.slots, wanted.last, strict=True):
            if last:
                self._lanes.pop(slot, None)

    def _begin(self, decoding: Decoding) -> AnySearch:
        decoder = self._decoder
        if decoding.grammar is not None:
            return self._begin_grammar(decoding.grammar, decoding.settle)
        if (reason := unsearchable(decoder)) is not None:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG,
                f"decoding, lm and hotwords cannot take effect on this server: {reason}; leave them out",
            )
        fusion = None if decoding.fusion is None else self._fusions.get(decoding.fusion)
        if isinstance(decoder, GreedyTransducer):
            return TransducerSearch(decoding, decoder.symbols, decoder.blank, decoder.max_symbols, fusion=fusion)
        assert isinstance(decoder, CtcDecoder)
        return Search(decoding, decoder.symbols, decoder.blank, fusion=fusion)

    def _begin_grammar(self, text: str, settle: int) -> GrammarSearch:
        decoder = self._decoder
        if (reason := unconstrained(decoder)) is not None:
            raise WavelaneError(ErrorCode.INVALID_CONFIG, f"grammar: {reason}")
        assert isinstance(decoder, CtcDecoder)
        return GrammarSearch(self._grammars.get(text), decoder.symbols, decoder.blank, settle=settle)

    def _compile(self, text: str) -> PieceGrammar:
        # Whoever took the grammar from a client has seen to its size.
        grammar = Grammar.parse(text, UNLIMITED)
        return PieceGrammar(spell_automaton(grammar.automaton, self._speller), self._prior)

    def _make(self, request: FusionRequest) -> FusionHandle:
        if self._make_fusion is None:
            raise WavelaneError(
                ErrorCode.INVALID_CONFIG, "this engine has neither language models nor hotwords; leave them out"
            )
        return FusionHandle(self._make_fusion(request), Pieces(self._vocabulary))
