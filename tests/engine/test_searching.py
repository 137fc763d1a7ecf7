"""Lanes that are searched, in steps of both back ends: what a search finds over the same encoder's frames, whoever else
is in the batch, and greedy lanes as if there were no searches."""

from pathlib import Path

import numpy as np
import pytest
import torch

from wavelane.decode.ctc import CtcDecoder
from wavelane.decode.rnnt import GreedyTransducer
from wavelane.decode.search import Found, Search, advance_ctc
from wavelane.decode.transducer_search import TorchNetworks, TransducerSearch, advance_rnnt
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.native_runner import NativeRunner
from wavelane.engine.runner import Runner
from wavelane.engine.searching import Searches
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.lm.fusion import Fusion, FusionPart
from wavelane.lm.graph import BackoffGraph
from wavelane.model.base import LoadedModel
from wavelane.model.checkpoint import load_model
from wavelane.model.offline import chunks, step_inputs, windows
from wavelane.native.library import missing
from wavelane.native.searching import missing_search
from wavelane.work import Chunk, Decoding, FusionRequest, Samples, StepResult

pytestmark = pytest.mark.skipif(missing_search() is not None, reason=str(missing_search()))
GOLDEN = Path(__file__).parents[1] / "data" / "golden"
AnyRunner = Runner | NativeRunner
NATIVE = pytest.param("native", marks=pytest.mark.skipif(missing() is not None, reason=str(missing())))
BEAM = Decoding(beam=4, alternatives=3, settle=3)


@pytest.fixture(scope="module", params=["ctc", "rnnt"])
def model(request: pytest.FixtureRequest) -> tuple[LoadedModel, str]:
    return load_model(GOLDEN / "hybrid80.nemo"), request.param


def noise(seed: int, seconds: float) -> Samples:
    random = np.random.default_rng(seed)
    samples = random.standard_normal(int(16_000 * seconds)) * 0.1
    return (samples * (0.05 + np.abs(np.sin(np.arange(samples.size) / 3000.0)))).astype(np.float32)


def runner(kind: str, model: LoadedModel, head: str) -> AnyRunner:
    return Runner(model, head, 8) if kind == "torch" else NativeRunner(model, head, 8, "fp32", 1, 8)


def run(steps: AnyRunner, lanes: dict[int, list[Chunk]]) -> dict[int, list[StepResult]]:
    """All lanes at once, each from its first chunk to its last."""
    results: dict[int, list[StepResult]] = {lane: [] for lane in lanes}
    for number in range(max(map(len, lanes.values()))):
        here = {lane: chunks[number] for lane, chunks in lanes.items() if number < len(chunks)}
        rows = tuple(Pending(Slot(lane, 0), chunk, number, 0.0, 0.0, 0.0) for lane, chunk in here.items())
        batch = Batch(rows[0].chunk.lookahead, rows, 8)
        for lane, outcome in zip(here, steps.collect(steps.launch(batch)), strict=True):
            assert isinstance(outcome, StepResult)
            results[lane].append(outcome)
    return results


@torch.inference_mode()
def expected(model: LoadedModel, head: str, samples: Samples, lookahead: int) -> list[Found]:
    """The same search over the encoder's frames, without an engine."""
    decoder = model.decoders[head]
    state = model.encoder.init_state(1)
    search: Search | None = None
    found: list[Found] = []
    for step in step_inputs(windows(model.spec, samples, lookahead)):
        features = model.front_end(step.samples, step.frames, step.start, step.last)
        encoded, state = model.encoder.step(features, step.frames, step.start, step.last, state, lookahead)
        length, last = int(encoded.lengths[0]), bool(step.last[0])
        if isinstance(decoder, CtcDecoder):
            search = search or Search(BEAM, decoder.symbols, decoder.blank)
            scores = decoder.log_probabilities(encoded.frames).contiguous()
            found += advance_ctc([search], [scores.data_ptr()], decoder.symbols, [length], [last])
        else:
            assert isinstance(decoder, GreedyTransducer)
            search = search or TransducerSearch(BEAM, decoder.symbols, decoder.blank, decoder.max_symbols)
            assert isinstance(search, TransducerSearch)
            networks = TorchNetworks(decoder, encoded.frames, [search])
            found += advance_rnnt([search], networks, [length], [last])
            networks.keep()
    return found


def pieces(result: StepResult | Found) -> tuple[object, ...]:
    """What is said, without the numbers that differ in their last bits between back ends."""
    return (
        [(token.id, token.frame) for token in result.tokens],
        [(token.id, token.frame) for token in result.tentative],
        [[(token.id, token.frame) for token in other.tokens] for other in result.alternatives],
    )


@pytest.mark.parametrize("lookahead", [6, 0])
@pytest.mark.parametrize("kind", ["torch", NATIVE])
def test_a_lane_hears_what_its_search_finds(model: tuple[LoadedModel, str], kind: str, lookahead: int) -> None:
    loaded, head = model
    audio = noise(1, 4.0)
    results = run(runner(kind, loaded, head), {3: chunks(loaded.spec, audio, lookahead, BEAM)})[3]
    found = expected(loaded, head, audio, lookahead)
    assert sum(len(one.tokens) for one in found) > 0
    assert [pieces(result) for result in results] == [pieces(one) for one in found]
    for result, one in zip(results, found, strict=True):
        assert [h.score for h in result.alternatives] == pytest.approx([h.score for h in one.alternatives], abs=0.01)
    assert results[-1].alternatives


@pytest.mark.parametrize("kind", ["torch", NATIVE])
def test_neighbours_change_nothing(model: tuple[LoadedModel, str], kind: str) -> None:
    loaded, head = model
    plans = {lane: (noise(lane, 1.5 + lane), decoding) for lane, decoding in enumerate((None, BEAM, None, BEAM))}
    together = run(runner(kind, loaded, head), {n: chunks(loaded.spec, a, 1, d) for n, (a, d) in plans.items()})
    for lane, (audio, decoding) in plans.items():
        alone = run(runner(kind, loaded, head), {lane: chunks(loaded.spec, audio, 1, decoding)})[lane]
        if kind == "native":
            assert together[lane] == alone
        else:
            assert [pieces(result) for result in together[lane]] == [pieces(result) for result in alone]
    for lane in (0, 2):
        assert all(r.tentative == () and r.alternatives == () and not r.unsettled for r in together[lane])


@pytest.mark.parametrize("kind", ["torch", NATIVE])
def test_the_next_stream_of_a_lane_may_be_greedy_again(model: tuple[LoadedModel, str], kind: str) -> None:
    loaded, head = model
    steps, audio = runner(kind, loaded, head), noise(5, 2.0)
    unfinished = chunks(loaded.spec, audio, 6, BEAM)[:-1]
    run(steps, {0: unfinished})
    again = run(steps, {0: chunks(loaded.spec, audio, 6, None)})[0]
    assert again == run(runner(kind, loaded, head), {0: chunks(loaded.spec, audio, 6, None)})[0]


def favouring(piece: int, weight: float) -> Fusion:
    graph = BackoffGraph(
        first=np.array([0, 1], np.int32),
        labels=np.array([piece], np.int32),
        targets=np.array([0], np.int32),
        weights=np.array([weight], np.float32),
        backoff=np.array([-1], np.int32),
        backoff_weight=np.zeros(1, np.float32),
        final=np.zeros(1, np.float32),
        start=0,
        unknown=0.0,
    )
    return Fusion((FusionPart(graph, 1.0, "piece"),))


@pytest.mark.parametrize("beam", [1, 4])
@pytest.mark.parametrize("kind", ["torch", NATIVE])
def test_what_a_session_adds_changes_what_is_heard(model: tuple[LoadedModel, str], kind: str, beam: int) -> None:
    loaded, head = model
    asked: list[FusionRequest] = []

    def heard(weight: float, piece: int) -> list[int]:
        def fusions(request: FusionRequest) -> Fusion:
            asked.append(request)
            return favouring(piece, weight)

        added = LoadedModel(loaded.spec, loaded.front_end, loaded.encoder, loaded.decoders, fusions=fusions)
        lane = chunks(added.spec, noise(2, 3.0), 6, Decoding(beam=beam, fusion=FusionRequest(lm="x")))
        steps = runner(kind, added, head)
        first, again = run(steps, {0: lane})[0], run(steps, {0: lane})[0]
        assert first == again
        return [token.id for result in first for token in result.tokens]

    said = heard(0.0, 0)
    most = max(set(said), key=said.count)
    assert most not in heard(-30.0, most)
    assert len(asked) == 2, "what is added is made once for all streams that ask for it"


def test_a_step_makes_nothing_that_was_prepared(model: tuple[LoadedModel, str]) -> None:
    loaded, head = model
    asked: list[FusionRequest] = []

    def fusions(request: FusionRequest) -> Fusion:
        asked.append(request)
        if request.lm == "none":
            raise WavelaneError(ErrorCode.INVALID_CONFIG, "there is none")
        return favouring(0, 1.0)

    added = LoadedModel(loaded.spec, loaded.front_end, loaded.encoder, loaded.decoders, fusions=fusions)
    steps = Runner(added, head, 8)
    assert steps.searches.missing(BEAM) == 0
    few, many, wrong = (
        Decoding(beam=1, fusion=FusionRequest(lm=lm, hotwords=hotwords))
        for lm, hotwords in ((None, ()), (None, (("ab", 1.0), ("c d", 2.0))), ("none", ()))
    )
    assert (steps.searches.missing(few), steps.searches.missing(many)) == (1, 6)
    steps.searches.prepare(many)
    with pytest.raises(WavelaneError, match="there is none"):
        steps.searches.prepare(wrong)
    assert [steps.searches.missing(one) for one in (many, wrong, few)] == [0, 0, 1]
    rows = tuple(
        Pending(Slot(lane, 0), chunks(added.spec, noise(1, 1.0), 6, one)[0], 0, 0.0, 0.0, 0.0)
        for lane, one in enumerate((many, wrong))
    )
    fine, failed = steps.collect(steps.launch(Batch(6, rows, 8)))
    assert isinstance(fine, StepResult)
    assert isinstance(failed, WavelaneError)
    assert failed.message == "there is none"
    assert len(asked) == 2


def test_a_grammar_is_prepared_like_hotwords() -> None:
    loaded = load_model(GOLDEN / "hybrid80.nemo")
    letter = next(piece for piece in loaded.spec.vocabulary if piece.isalpha())
    decoding = Decoding(beam=1, grammar=f"#JSGF V1.0; grammar g; public <g> = {letter};")
    searches = Searches(loaded, "ctc")
    assert searches.missing(decoding) > len(decoding.grammar or "")
    searches.prepare(decoding)
    assert searches.missing(decoding) == 0
    assert Searches(loaded, "rnnt").missing(decoding) == 0, "there is no search that could begin"


@pytest.mark.parametrize("kind", ["torch", NATIVE])
def test_a_lane_whose_search_cannot_be_fails_alone(model: tuple[LoadedModel, str], kind: str) -> None:
    loaded, head = model
    steps = runner(kind, loaded, head)
    wrong = chunks(loaded.spec, noise(1, 1.0), 6, Decoding(beam=1, fusion=FusionRequest(lm="none")))
    good = chunks(loaded.spec, noise(1, 1.0), 6, BEAM)
    rows = tuple(
        Pending(Slot(lane, 0), lane_chunks[0], 0, 0.0, 0.0, 0.0) for lane, lane_chunks in enumerate((wrong, good))
    )
    failed, fine = steps.collect(steps.launch(Batch(6, rows, 8)))
    assert isinstance(failed, WavelaneError)
    assert "neither language models nor hotwords" in failed.message
    assert isinstance(fine, StepResult)
