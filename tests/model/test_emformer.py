"""The Emformer pipeline against torchaudio's own streaming code, with a small random network in its place."""

import importlib
import json
import pickle
import random
import urllib.error
from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sentencepiece
import torch
from torch import Tensor

from wavelane.audio.framer import Framer, Window
from wavelane.engine.batching import Batch, Pending
from wavelane.engine.runner import Runner
from wavelane.engine.slots import Slot
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model import emformer
from wavelane.model.base import LoadedModel, State
from wavelane.model.checkpoint import convert_model, load_model
from wavelane.model.emformer import SegmentFeatures
from wavelane.model.offline import step_inputs, transcribe_tokens, windows
from wavelane.model.pipelines import PIPELINES
from wavelane.work import Chunk, Samples, StepResult

NAME = "torchaudio:emformer_rnnt_base_librispeech"
PIECES = 24
SEGMENT, REACH = 16 * 160, 20 * 160
"""Samples that a step advances by, and samples that it sees."""
SPEC = SegmentFeatures(n_mels=80, n_fft=400, preemphasis=None, closing_frame=False, segment=16, right_context=4)


def speechlike(seed: int, count: int) -> Samples:
    """A buzz with a rising and falling pitch, in syllables, over a little noise [count]."""
    rng = np.random.default_rng(seed)
    time = np.arange(count) / 16_000
    phase = 2 * np.pi * np.cumsum(140 + 60 * np.sin(2 * np.pi * rng.uniform(0.3, 0.9) * time)) / 16_000
    voice = sum(np.sin(k * phase) / k for k in range(1, 12))
    syllables = np.clip(np.sin(2 * np.pi * 2.3 * time + rng.uniform(0, 6)), 0, 1)
    return (0.1 * voice * syllables + rng.normal(0, 0.01, count)).astype(np.float32)


# ---- what holds whether torchaudio is there or not ----


@pytest.mark.parametrize("count", [1, 159, 1759, 1761, 2400, 2559, 2560, 2561, 3199, 3200, 3201, 4960, 5121, 23_456])
@pytest.mark.parametrize("split", [1_000_000, 700])
def test_windows_are_the_pipelines_segments(count: int, split: int) -> None:
    audio = speechlike(count, count)
    framer = Framer(SPEC, subsampling=4, lookahead=3, lead=0)
    found: list[Window] = []
    for at in range(0, count, split):
        found += framer.push(audio[at : at + split])
    found += framer.finish()
    # The loop of torchaudio.pipelines.RNNTBundle's documentation.
    starts = range(0, count, SEGMENT)
    assert len(found) == len(starts)
    for number, (window, at) in enumerate(zip(found, starts, strict=True)):
        segment = audio[at : at + REACH]
        np.testing.assert_array_equal(window.samples, np.pad(segment, (0, REACH - len(segment))))
        assert (window.frames, window.start, window.last) == (16, number == 0, number == len(starts) - 1)
        assert window.end == min(at + REACH, count)


def refusal(path: str = NAME, **options: Any) -> WavelaneError:
    with pytest.raises(WavelaneError) as refused:
        load_model(path, **options)
    return refused.value


def test_without_torchaudio_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torchaudio" else find_spec(name))
    error = refusal()
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert "pip install 'wavelane[torchaudio]'" in error.message
    assert "CUDA build of torch" in error.message


@pytest.mark.parametrize("failure", ["OSError('libcudart.so.13 is missing')", "ImportError('torch is another one')"])
def test_a_torchaudio_that_does_not_import_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    (tmp_path / "torchaudio").mkdir()
    (tmp_path / "torchaudio" / "__init__.py").write_text(f"raise {failure}\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in importlib.sys.modules if name.split(".")[0] == "torchaudio"]:
        monkeypatch.delitem(importlib.sys.modules, name)
    error = refusal()
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert "installed but does not import" in error.message
    assert failure.split("'")[1] in error.message
    assert "CUDA build of torch" in error.message


@pytest.mark.parametrize(
    ("failure", "code", "says"),
    [
        (urllib.error.URLError("no route to host"), ErrorCode.MODEL_NOT_FOUND, "download.pytorch.org"),
        (PermissionError(13, "Permission denied"), ErrorCode.MODEL_NOT_FOUND, "TORCH_HOME"),
        (pickle.UnpicklingError("cut short"), ErrorCode.MODEL_UNSUPPORTED, "delete them"),
        (RuntimeError("size mismatch"), ErrorCode.MODEL_UNSUPPORTED, "delete them"),
    ],
)
def test_files_that_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, code: ErrorCode, says: str
) -> None:
    def get_decoder() -> None:
        raise failure

    pipelines = SimpleNamespace(**{PIPELINES[NAME]: SimpleNamespace(get_decoder=get_decoder)})
    monkeypatch.setattr(emformer, "_torchaudio_pipelines", lambda path: pipelines)
    error = refusal()
    assert error.code is code
    assert says in error.message


def test_other_names_precisions_and_uses_are_refused(tmp_path: Path) -> None:
    unknown = refusal("torchaudio:wav2letter")
    assert unknown.code is ErrorCode.MODEL_NOT_FOUND
    assert NAME in unknown.message
    assert refusal(dtype=torch.float16).code is ErrorCode.INVALID_CONFIG
    with pytest.raises(WavelaneError, match="pipeline of torchaudio") as refused:
        convert_model(NAME, tmp_path)
    assert refused.value.code is ErrorCode.MODEL_UNSUPPORTED


# ---- against torchaudio ----


@dataclass
class Pipeline:
    """A bundle of torchaudio with a small random network, and what Wavelane makes of it."""

    bundle: Any
    loaded: LoadedModel


def small_rnnt(models: Any, **changes: Any) -> Any:
    options = {
        "input_dim": 80, "encoding_dim": 24, "num_symbols": PIECES + 1, "segment_length": 16, "right_context_length": 4,
        "time_reduction_input_dim": 8, "time_reduction_stride": 4, "transformer_num_heads": 4,
        "transformer_ffn_dim": 48, "transformer_num_layers": 3, "transformer_dropout": 0.1,
        "transformer_activation": "gelu", "transformer_left_context_length": 10, "transformer_max_memory_size": 0,
        "transformer_weight_init_scale_strategy": "depthwise", "transformer_tanh_on_mem": True,
        "symbol_embedding_dim": 16, "num_lstm_layers": 3, "lstm_layer_norm": True, "lstm_layer_norm_epsilon": 1e-3,
        "lstm_dropout": 0.3,
    }  # fmt: skip
    return models.rnnt.emformer_rnnt_model(**(options | changes))


@pytest.fixture(scope="module")
def torchaudio() -> Any:
    try:
        return importlib.import_module("torchaudio")
    except Exception as error:
        pytest.skip(f"needs the extra wavelane[torchaudio] beside a CUDA build of torch ({type(error).__name__})")


@pytest.fixture(scope="module")
def pipeline(torchaudio: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Loaded by the pipeline's name; torchaudio finds the files of its cache there and downloads nothing."""
    hub = tmp_path_factory.mktemp("hub")
    files = hub / "torchaudio"
    (files / "models").mkdir(parents=True)
    (files / "pipeline-assets").mkdir()
    generator = torch.Generator().manual_seed(7)
    network = small_rnnt(torchaudio.models)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    for key, value in weights.items():
        # Chosen so that the encoder hears the audio, pieces depend on those before, and blanks come between them.
        scale = 0.1 if value.ndim == 1 else 1.0 if key.startswith("predictor") else 0.3
        weights[key] = value * (value.ndim == 1) + scale * torch.randn(value.shape, generator=generator)
    weights["joiner.linear.weight"] *= 1.5
    weights["joiner.linear.bias"][PIECES] += 2.0
    torch.save(weights, files / "models" / "emformer_rnnt_base_librispeech.pt")
    stats = {
        "mean": 17 + torch.rand(80, generator=generator),
        "invstddev": 0.4 + 0.5 * torch.rand(80, generator=generator),
    }
    (files / "pipeline-assets" / "global_stats_rnnt_librispeech.json").write_text(
        json.dumps({key: value.tolist() for key, value in stats.items()})
    )
    text = hub / "text.txt"
    draw = random.Random(1)
    text.write_text("\n".join(" ".join(draw.choices(["sea", "sun", "moon", "tree", "near"], k=8)) for _ in range(50)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(hub / "spm"), vocab_size=PIECES, model_type="bpe", minloglevel=2
    )
    (hub / "spm.model").rename(files / "pipeline-assets" / "spm_bpe_4096_librispeech.model")
    original = getattr(torchaudio.pipelines, PIPELINES[NAME])
    bundle = replace(original, _rnnt_factory_func=partial(small_rnnt, torchaudio.models), _blank=PIECES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torchaudio.pipelines, PIPELINES[NAME], bundle)
        patch.setattr(torch.hub, "_hub_dir", str(hub))
        yield Pipeline(bundle, load_model(NAME))


@torch.no_grad()
def reference(bundle: Any, audio: Samples) -> tuple[list[Tensor], list[Tensor], list[tuple[int, int, float]]]:
    """Features and encoder output of every segment, and greedy pieces (id, frame, probability), by torchaudio alone."""
    search, extractor = bundle.get_decoder(), bundle.get_streaming_feature_extractor()
    model, one = search.model, torch.tensor([1])
    state = None
    heard, encoded, said = [], [], []
    prediction, _, memory = model.predict(torch.tensor([[search.blank]]), one, None)
    waveform = torch.from_numpy(audio)
    for at in range(0, len(waveform), SEGMENT):
        segment = waveform[at : at + REACH]
        features, length = extractor(torch.nn.functional.pad(segment, (0, REACH - len(segment))))
        heard.append(features)
        output, lengths, state = model.transcribe_streaming(features[None], length, state)
        before = sum(map(len, encoded))
        encoded.append(output[0, : int(lengths[0])])
        for number, frame in enumerate(encoded[-1], before):
            for _ in range(emformer.MAX_SYMBOLS):
                logits = model.join(frame[None, None], one, prediction, one)[0][0, 0, 0]
                best = int(logits.argmax())
                if best == search.blank:
                    break
                said.append((best, number, float(logits.softmax(0)[best])))
                prediction, _, memory = model.predict(torch.tensor([[best]]), one, memory)
    return heard, encoded, said


@pytest.mark.torchaudio
def test_the_specification_is_the_pipelines(pipeline: Pipeline) -> None:
    spec, bundle = pipeline.loaded.spec, pipeline.bundle
    assert spec.name == "emformer_rnnt_base_librispeech"
    assert (spec.subsampling, spec.frame_samples, spec.lookaheads, spec.left_context) == (4, 640, (3,), 10)
    assert spec.features.window_samples(spec.chunk_frames(3)) == REACH
    assert spec.start_frames(3) == spec.chunk_frames(3) == 16
    assert spec.parameters == sum(value.numel() for value in bundle.get_decoder().model.parameters())
    processor = bundle.get_token_processor()
    ids = list(range(PIECES))
    # The processor skips the first id, the blank that its hypotheses begin with.
    assert "".join(spec.vocabulary).replace("\u2581", " ") == processor([PIECES, *ids], lstrip=False)


@pytest.mark.torchaudio
@pytest.mark.parametrize("count", [52_345, 1_000, SEGMENT * 3, SEGMENT * 3 + 640])
@torch.inference_mode()
def test_a_stream_equals_torchaudios(pipeline: Pipeline, count: int) -> None:
    loaded, audio = pipeline.loaded, speechlike(3, count)
    heard, encoded, said = reference(pipeline.bundle, audio)
    state = loaded.encoder.init_state(1)
    steps = list(step_inputs(windows(loaded.spec, audio, 3)))
    assert len(steps) == len(heard)
    for step, features, output in zip(steps, heard, encoded, strict=True):
        found = loaded.front_end(step.samples, step.frames, step.start, step.last)
        # The extractor gives one frame more than the segment and its right context, which the encoder drops.
        torch.testing.assert_close(found[0], features[:20], atol=1e-4, rtol=1e-5)
        result, state = loaded.encoder.step(found, step.frames, step.start, step.last, state, 3)
        assert result.lengths.tolist() == [len(output)] == [4]
        torch.testing.assert_close(result.frames[0], output, atol=1e-4, rtol=1e-4)
    tokens = transcribe_tokens(loaded, audio)
    assert [(token.id, token.frame) for token in tokens] == [(piece, frame) for piece, frame, _ in said]
    np.testing.assert_allclose([token.confidence for token in tokens], [p for *_, p in said], atol=1e-4)
    if count > 50_000:
        in_frame = Counter(frame for _, frame, _ in said)
        assert len({piece for piece, *_ in said}) > 5
        assert min(in_frame.values()) < emformer.MAX_SYMBOLS, "a blank ends a frame after a piece"
        assert 10 < len(in_frame) < 4 * len(steps) - 10, "and some frames have none"


@pytest.mark.torchaudio
@torch.inference_mode()
def test_rows_of_different_ages_share_a_batch(pipeline: Pipeline) -> None:
    """Row r begins r steps late; each gives what it gives alone. (torchaudio's own step would not.)"""
    loaded = pipeline.loaded
    steps = [list(step_inputs(windows(loaded.spec, speechlike(seed, 30_000), 3))) for seed in range(4)]

    def advance(rows: list[Any], state: State) -> tuple[Tensor, Tensor, State]:
        joined = [torch.cat(parts) for parts in zip(*rows, strict=True)]
        features = loaded.front_end(*joined)
        result, state = loaded.encoder.step(features, *joined[1:], state, 3)
        return features, result.frames, state

    alone = []
    for row in steps:
        state, outputs = loaded.encoder.init_state(1), []
        for step in row:
            *output, state = advance([step], state)
            outputs.append((*output, state))
        alone.append(outputs)
    states = [loaded.encoder.init_state(1) for _ in steps]
    for tick in range(12):
        rows = [row for row in range(4) if 0 <= tick - row < len(steps[row])]
        stacked = {key: torch.cat([states[row][key] for row in rows]) for key in states[0]}
        features, frames, after = advance([steps[row][tick - row] for row in rows], stacked)
        for place, row in enumerate(rows):
            states[row] = {key: value[place : place + 1] for key, value in after.items()}
            wanted_features, wanted, wanted_state = alone[row][tick - row]
            torch.testing.assert_close(features[place], wanted_features[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(frames[place], wanted[0], atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(states[row], wanted_state, atol=1e-5, rtol=1e-5)


@pytest.mark.torchaudio
def test_the_engines_runner_serves_it(pipeline: Pipeline) -> None:
    """Three streams that begin one after the other, in buckets of four with a row of padding."""
    loaded = pipeline.loaded
    audio = [speechlike(seed, 20_000 + 3_000 * seed) for seed in range(3)]
    work = [windows(loaded.spec, samples, 3) for samples in audio]
    runner = Runner(loaded, "rnnt", slots=3)
    runner.warm_up((1, 4), loaded.spec.lookaheads)
    results: list[list[StepResult]] = [[], [], []]
    for tick in range(2 + max(map(len, work))):
        rows = [row for row in range(3) if 0 <= tick - row < len(work[row])]
        pending = [
            Pending(
                slot=Slot(row, 0),
                chunk=Chunk(
                    lane=row,
                    sequence=tick - row,
                    samples=work[row][tick - row].samples,
                    frames=work[row][tick - row].frames,
                    start=work[row][tick - row].start,
                    last=work[row][tick - row].last,
                    lookahead=3,
                ),
                order=0,
                submitted=0.0,
                ready=0.0,
                due=0.0,
            )
            for row in rows
        ]
        for row, outcome in zip(rows, runner.collect(runner.launch(Batch(3, tuple(pending), 4))), strict=True):
            assert isinstance(outcome, StepResult)
            results[row].append(outcome)
    for row in range(3):
        found = [(token.id, token.frame) for result in results[row] for token in result.tokens]
        assert found == [(token.id, token.frame) for token in transcribe_tokens(loaded, audio[row])]
        assert found
        assert sum(result.frames for result in results[row]) == 4 * len(work[row])


@pytest.mark.torchaudio
def test_bfloat16_runs(pipeline: Pipeline) -> None:
    loaded = load_model(NAME, dtype=torch.bfloat16, name="mine")
    assert loaded.spec.name == "mine"
    assert {leaf.dtype for leaf in loaded.encoder.init_state(1).values()} == {torch.bfloat16, torch.int64}
    assert transcribe_tokens(loaded, speechlike(3, 30_000))


@pytest.mark.torchaudio
def test_memory_elements_are_refused(pipeline: Pipeline, torchaudio: Any) -> None:
    network = small_rnnt(torchaudio.models, transformer_max_memory_size=2)
    with pytest.raises(WavelaneError, match="2 memory elements") as refused:
        emformer.wrap(
            network, torch.nn.Sequential(torch.nn.Identity()), SPEC, (), name="x", device="cpu", dtype=torch.float32
        )
    assert refused.value.code is ErrorCode.MODEL_UNSUPPORTED


@pytest.mark.torchaudio
def test_a_cut_file_is_told(pipeline: Pipeline) -> None:
    file = Path(torch.hub.get_dir()) / "torchaudio" / "models" / "emformer_rnnt_base_librispeech.pt"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    try:
        error = refusal()
    finally:
        file.write_bytes(content)
    assert error.code is ErrorCode.MODEL_UNSUPPORTED
    assert str(file.parent.parent) in error.message
