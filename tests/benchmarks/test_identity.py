import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from identity import compare, decode, main, measure
from inprocess import RECORDINGS, InProcess, configure, cut, utterances
from torch import Tensor
from toymodel import ToyEncoder, toy_model

from wavelane.engine import EngineConfig
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import Encoded, LoadedModel, State
from wavelane.session.options import parse_options
from wavelane.work import StepResult, Token

OPTIONS = parse_options({"vad": {"kind": "off"}, "audio": {"lead_ms": 0, "tail_ms": 0}})


class ShapedEncoder(ToyEncoder):
    """Like a kernel that adds in another order for another shape."""

    def step(self, *arguments: Any) -> tuple[Encoded, State]:
        encoded, state = super().step(*arguments)
        return Encoded(encoded.frames * (1 + 1e-6 * len(encoded.frames)), encoded.lengths), state


class LeakyEncoder(ToyEncoder):
    """Hears its neighbours, whatever the shape."""

    def step(self, features: Tensor, *arguments: Any) -> tuple[Encoded, State]:
        return super().step(features + 0.1 * features.mean(dim=0), *arguments)


def serving(encoder: ToyEncoder, **settings: object) -> InProcess:
    toy = toy_model()
    config = EngineConfig.model_validate({"device": "cpu", "workers": 1, "threads": 1, "max_batch": 4} | settings)
    return InProcess(config, LoadedModel(toy.spec, toy.front_end, encoder, toy.decoders))


def noise(count: int) -> list[bytes]:
    generator = torch.Generator().manual_seed(3)
    return [
        torch.randint(-8000, 8000, (16_000 + 1000 * index,), generator=generator).to(torch.int16).numpy().tobytes()
        for index in range(count)
    ]


def result(ids: tuple[int, ...], frames: tuple[int, ...], confidence: float) -> StepResult:
    tokens = tuple(Token(id=i, frame=f, confidence=confidence) for i, f in zip(ids, frames, strict=True))
    return StepResult(lane=0, sequence=0, tokens=tokens, frames=7, last=True)


def test_sessions_are_sorted_by_what_differs_in_them():
    one = (result((1, 2), (0, 3), 0.5),)
    others = [
        one,
        (result((1, 3), (0, 3), 0.5),),
        (result((1,), (0,), 0.5),),
        (result((1, 2), (0, 4), 0.5),),
        (result((1, 2), (0, 3), 0.5000000001),),
    ]
    found = compare([one] * 5, others)
    assert (found.text, found.times, found.confidences, found.sessions) == (2, 1, 1, 4)


def test_every_utterance_is_decoded_whole_and_comes_back_at_its_place():
    speech = noise(9)
    with serving(ToyEncoder(), identical=True) as engine:
        heard = decode(engine, speech, OPTIONS, lanes=8, rng=random.Random(1))
        alone = [decode(engine, [pcm], OPTIONS, lanes=1, rng=random.Random(2))[0] for pcm in speech]
        assert engine.engine.stats.lanes == 0
    assert heard == alone
    for pcm, results in zip(speech, heard, strict=True):
        features = len(pcm) // 2 // 160 + 1
        assert sum(r.frames for r in results) == -(-(features + 7) // 8)
        assert [r.sequence for r in results] == list(range(len(results)))
        assert results[-1].last
        assert any(r.tokens for r in results)


def test_a_model_that_depends_on_the_shape_is_found_out_and_one_shape_cures_it():
    speech = noise(12)
    with serving(ShapedEncoder()) as free:
        report = measure(free, speech, OPTIONS, batch=4, rounds=1, seed=5)
    assert report["differing_sessions"] > 6
    assert report["alone"]["shapes"].keys() == {1}
    assert report["rounds"][0]["together"]["mean_rows"] > 2
    with serving(ShapedEncoder(), identical=True) as fixed:
        assert fixed.engine.identical
        report = measure(fixed, speech, OPTIONS, batch=4, rounds=2, seed=5)
    assert report["differing_sessions"] == 0
    assert report["alone"]["shapes"].keys() == {4}


def test_a_model_that_hears_neighbours_is_found_out_in_one_shape_too():
    with serving(LeakyEncoder(), identical=True) as leaky:
        report = measure(leaky, noise(12), OPTIONS, batch=4, rounds=1, seed=5)
    assert report["rounds"][0]["by_text"] > 6


def test_the_default_corpus_is_cut_from_the_repository():
    speech = utterances((), 600, seed=1)
    assert len(set(speech)) == 600
    assert all(16_000 * 2 <= len(pcm) <= 4 * 16_000 * 2 and len(pcm) % 2 == 0 for pcm in speech)
    assert speech == utterances((), 600, seed=1)
    assert speech != utterances((), 600, seed=2)


def test_files_folders_and_manifests_are_taken_as_they_are():
    folder = RECORDINGS.parent
    assert len(utterances([str(RECORDINGS)], 10, seed=1)) == 4
    assert len(utterances([str(RECORDINGS)], 3, seed=1)) == 3
    assert len(utterances([str(folder / "commands.flac")], 3, seed=1)) == 1


def test_pieces_are_cut_at_whole_samples():
    pieces = cut([bytes(range(256)) * 1000], 50, random.Random(1))
    assert all(piece[0] % 2 == 0 for piece in pieces)


def test_engine_settings_come_as_on_the_command_line():
    config = configure("embedded", "precision=bf16,identical=true,buckets=[4],max_batch=8")
    assert config.engine.precision == "bf16"
    assert config.engine.batch_shapes == (8,)
    with pytest.raises(WavelaneError) as refused:
        configure("embedded", "identical")
    assert refused.value.code is ErrorCode.INVALID_CONFIG


def test_the_command_reports_every_mode(tmp_path: Path):
    path = tmp_path / "report.json"
    arguments = ["--utterances", "3", "--batch", "2", "--json", str(path)]
    modes = ["--engine", "backend=torch,threads=1", "--engine", "backend=torch,threads=1,identical=true"]
    outcome = CliRunner().invoke(main, [*arguments, *modes], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    report = json.loads(path.read_text())
    assert [mode["promised"] for mode in report["modes"]] == [False, True]
    assert report["modes"][1]["differing_sessions"] == 0
    assert report["modes"][1]["pieces"] > 0
