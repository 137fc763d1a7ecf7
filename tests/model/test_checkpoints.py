"""Loading, converting and refusing checkpoints of every format."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models

from support.archives import reconfigure
from support.golden import CHECKPOINTS, GOLDEN, MORE, golden_samples, loaded
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint import convert_model, inspect_model, load_model
from wavelane.model.checkpoint.native import WEIGHTS
from wavelane.model.offline import transcribe_tokens

HYBRID = GOLDEN / "hybrid80.nemo"
MULTI = GOLDEN / "hf_multi"


def refusal(path: Path) -> str:
    with pytest.raises(WavelaneError) as caught:
        load_model(path)
    assert caught.value.code is ErrorCode.MODEL_UNSUPPORTED
    return caught.value.message


def copy(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.name)
def test_the_native_copy_is_exact(checkpoint: Path, tmp_path: Path) -> None:
    convert_model(checkpoint, tmp_path / "native")
    original, copied = loaded(checkpoint), load_model(tmp_path / "native")
    assert copied.spec == original.spec
    audio = golden_samples()[:40_000]
    for head in original.spec.heads:
        assert transcribe_tokens(copied, audio, head=head) == transcribe_tokens(original, audio, head=head)
    convert_model(tmp_path / "native", tmp_path / "again")
    first, second = load_file(tmp_path / "native" / WEIGHTS), load_file(tmp_path / "again" / WEIGHTS)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (tmp_path / "native" / "config.json").read_text() == (tmp_path / "again" / "config.json").read_text()


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda path: path.name)
def test_inspection_tells_what_loading_gives(checkpoint: Path) -> None:
    spec = loaded(checkpoint).spec
    inspected = inspect_model(checkpoint)
    assert inspected.parameters == 0
    assert {name: getattr(inspected, name) for name in inspected.__slots__ if name != "parameters"} == {
        name: getattr(spec, name) for name in spec.__slots__ if name != "parameters"
    }


def test_conversion_to_half_precision_halves_the_file_and_names_the_model(tmp_path: Path) -> None:
    convert_model(HYBRID, tmp_path / "full")
    spec = convert_model(HYBRID, tmp_path / "half", dtype=torch.float16, name="small", default_lookahead=6)
    assert (spec.name, spec.default_lookahead) == ("small", 6)
    assert load_model(tmp_path / "half").spec == spec
    assert load_model(tmp_path / "half", name="other").spec.name == "other"
    sizes = [(tmp_path / kind / WEIGHTS).stat().st_size for kind in ("half", "full")]
    assert sizes[0] < 0.55 * sizes[1]
    with pytest.raises(WavelaneError, match="default lookahead is 5"):
        convert_model(HYBRID, tmp_path / "wrong", default_lookahead=5)


def test_what_a_nemo_archive_says_about_itself() -> None:
    spec = loaded(HYBRID).spec
    assert spec.name == "hybrid80"
    assert spec.heads == ("rnnt", "ctc")
    assert spec.lookaheads == (13, 6, 1, 0)
    assert (spec.default_lookahead, spec.left_context, spec.tail) == (13, 28, "short")
    assert len(spec.vocabulary) == 64
    assert spec.vocabulary[:4] == ("<unk>", "ea", "\u2581t", "\u2581s")
    assert (spec.features.n_mels, spec.features.closing_frame) == (80, True)
    assert loaded(MORE / "unigram.nemo").spec.vocabulary[0] == "<unk>"


def test_what_a_hugging_face_folder_says_about_itself() -> None:
    spec = loaded(MULTI).spec
    assert (spec.name, spec.tail, spec.left_context, spec.default_lookahead) == ("hf_multi", "padded", 28, 13)
    assert spec.vocabulary == (), "the fixture has no tokenizer"
    assert (spec.features.n_mels, spec.features.closing_frame) == (128, False)
    # The class's own dictionary, as far as this checkpoint has prompts.
    assert (spec.prompts["en"], spec.prompts["zh-CN"], spec.prompts["ar"]) == (0, 4, 7)
    assert spec.prompts["auto"] == spec.default_prompt == 5
    assert max(spec.prompts.values()) < 8
    assert "auto" not in spec.languages
    assert loaded(GOLDEN / "hf_rnnt").spec.prompts == {}


def test_a_processor_configuration_brings_languages_and_lookaheads(tmp_path: Path) -> None:
    folder = copy(MULTI, tmp_path / "model")
    (folder / "processor_config.json").write_text(
        json.dumps({"prompt_dictionary": {"xx": 3, "auto": 2}, "supported_num_lookahead_tokens": [6, 1]})
    )
    edit(folder / "config.json", lambda config: config["encoder_config"].update(default_num_lookahead_tokens=6))
    spec = load_model(folder).spec
    assert spec.prompts == {"xx": 3, "auto": 2}
    assert spec.languages == ("xx",)
    assert spec.lookaheads == (6, 1)


def test_sharded_weights(tmp_path: Path) -> None:
    folder = copy(GOLDEN / "hf_rnnt", tmp_path / "model")
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for shard, shard_names in parts.items():
        save_file({name: tensors[name] for name in shard_names}, folder / shard)
    index = {"weight_map": {name: shard for shard, shard_names in parts.items() for name in shard_names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    audio = golden_samples()[:20_000]
    assert transcribe_tokens(load_model(folder), audio) == transcribe_tokens(loaded(GOLDEN / "hf_rnnt"), audio)
    index["weight_map"][names[0]] = "../outside.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "outside the folder" in refusal(folder)


def test_tokenizers_of_hugging_face_folders(tmp_path: Path) -> None:
    folder = copy(GOLDEN / "hf_rnnt", tmp_path / "model")
    pieces = {"<unk>": 0, **{f"\u2581p{i}": i for i in range(1, 64)}, "<blank>": 64}
    Tokenizer(models.WordLevel(pieces, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
    assert load_model(folder).spec.vocabulary == tuple(list(pieces)[:64])
    Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
    assert "belongs to another model" in refusal(folder)
    (folder / "tokenizer.json").write_text("{}")
    assert "is not a tokenizer" in refusal(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"causal_downsampling": False}, "encoder.causal_downsampling is False, expected True"),
        ({"att_context_style": "regular"}, "encoder.att_context_style is regular, expected chunked_limited"),
        ({"att_context_size": [-1, -1]}, "encoder.att_context_size is [-1, -1], expected bounded contexts"),
        ({"att_context_size": [[-1, 13]]}, "expected bounded contexts"),
        ({"att_context_size": None}, "expected bounded contexts"),
        ({"att_context_size": [[28, 13], [14, 6]]}, "the same left context"),
        ({"att_context_size": "all"}, "a list of [left, right] pairs"),
        ({"subsampling": "striding"}, "encoder.subsampling is striding, expected dw_striding"),
        ({"subsampling": "vggnet"}, "encoder.subsampling is vggnet"),
        ({"subsampling_factor": 4}, "encoder.subsampling_factor is 4, expected 8"),
        ({"self_attention_model": "rel_pos_local_attn"}, "encoder.self_attention_model"),
        ({"conv_context_size": None}, "encoder.conv_context_size is None, expected causal"),
        ({"conv_norm_type": "group_norm8"}, "encoder.conv_norm_type is group_norm8"),
        ({"reduction": "pooling"}, "encoder.reduction is pooling"),
        ({"feat_out": 32}, "encoder.feat_out is 32"),
        ({"feat_in": 40}, "encoder.feat_in is 40"),
        ({"n_heads": 3}, "d_model is 64, expected an even multiple of its 3 attention heads"),
        ({"n_layers": 0}, "layers is 0, expected a whole number from 1 to 256"),
        ({"att_context_size": [[1 << 30, 0]]}, "left_context is 1073741824, expected a whole number from 0"),
        ({"att_context_size": [[0, 1 << 30]]}, "its lookaheads are [1073741824], expected one or more from 0 to 255"),
        ({"d_model": 0}, "d_model is 0"),
        ({"n_layers": "many"}, "encoder.n_layers is many, expected a whole number"),
        ({"_target_": "nemo.collections.asr.modules.ConvASREncoder"}, "encoder._target_ is"),
    ],
    ids=lambda value: "-".join(f"{key}={item}" for key, item in value.items()) if isinstance(value, dict) else "",
)
def test_encoders_that_do_not_stream_are_refused(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    path = reconfigure(HYBRID, tmp_path / "model.nemo", lambda config: config["encoder"].update(change))
    message = refusal(path)
    assert reason in message
    assert message.startswith("model is not a cache-aware streaming FastConformer that can be served")


@pytest.mark.parametrize(
    ("section", "change", "reason"),
    [
        ("preprocessor", {"normalize": "per_feature"}, "preprocessor.normalize is per_feature, expected NA"),
        ("preprocessor", {"sample_rate": 8000}, "preprocessor.sample_rate is 8000, expected 16000"),
        ("preprocessor", {"window": "hamming"}, "preprocessor.window is hamming"),
        ("preprocessor", {"frame_splicing": 2}, "preprocessor.frame_splicing is 2"),
        ("preprocessor", {"_target_": "nemo.collections.asr.modules.AudioToMFCCPreprocessor"}, "preprocessor._target_"),
        ("preprocessor", {"log_zero_guard_value": "much"}, "preprocessor.log_zero_guard_value is much"),
        ("preprocessor", {"n_fft": 256}, "its window is 400 samples, expected at most n_fft: 256"),
        ("decoder", {"_target_": "nemo.collections.asr.modules.StatelessTransducerDecoder"}, "decoder._target_"),
        ("decoder", {"normalization_mode": "layer"}, "decoder.normalization_mode is layer"),
        ("decoder", {"blank_as_pad": False}, "decoder.blank_as_pad is False"),
        ("joint", {"num_extra_outputs": 5}, "joint.num_extra_outputs is 5"),
        ("joint", {"jointnet": {"joint_hidden": 48, "activation": "gelu"}}, "joint.jointnet.activation is gelu"),
        ("decoding", {"durations": [0, 1, 2]}, "decoding.durations is [0, 1, 2]"),
        ("tokenizer", {"type": "wpe"}, "tokenizer.type is wpe, expected bpe"),
        ("tokenizer", {"model_path": "nemo:../other"}, "tokenizer.model_path is ../other"),
    ],
)  # fmt: skip
def test_other_parts_that_are_not_supported_are_refused(
    tmp_path: Path, section: str, change: dict[str, Any], reason: str
) -> None:
    assert reason in refusal(reconfigure(HYBRID, tmp_path / "m.nemo", lambda config: config[section].update(change)))


def test_other_classes_are_refused(tmp_path: Path) -> None:
    def change(config: dict[str, Any]) -> None:
        config["target"] = "nemo.collections.asr.models.aed_multitask_models.EncDecMultiTaskModel"

    assert "its class is EncDecMultiTaskModel" in refusal(reconfigure(HYBRID, tmp_path / "canary.nemo", change))
    path = reconfigure(HYBRID, tmp_path / "m.nemo", lambda config: config.pop("encoder"))
    assert "its configuration has no section encoder" in refusal(path)


def test_weights_that_do_not_fit_the_configuration(tmp_path: Path) -> None:
    def set_to(**values: int) -> Callable[[dict[str, Any]], object]:
        return lambda config: config["encoder"].update(values)

    assert "has no weights 'encoder.layers.2" in refusal(reconfigure(HYBRID, tmp_path / "a.nemo", set_to(n_layers=3)))
    assert "no place for" in refusal(reconfigure(HYBRID, tmp_path / "b.nemo", set_to(n_layers=1)))
    assert "have shape" in refusal(reconfigure(HYBRID, tmp_path / "c.nemo", set_to(conv_kernel_size=9)))


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("WhisperForConditionalGeneration", "its class is WhisperForConditionalGeneration"),
        (None, "its class is unknown"),
    ],
)
def test_other_hugging_face_classes_are_refused(tmp_path: Path, architecture: str | None, reason: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"architectures": [architecture] if architecture else None}))
    assert reason in refusal(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hidden_act": "gelu"}, "hidden_act is gelu, expected relu"),
        ({"blank_token_id": 3}, "blank_token_id is 3, expected 64"),
        ({"vocab_size": None}, "vocab_size is None, expected a whole number"),
        ({"default_prompt_id": 9}, "default_prompt_id is 9, expected one of its 8 prompts"),
        ({"encoder_config": None}, "no section encoder_config"),
    ],
)
def test_hugging_face_options_that_are_not_supported(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    folder = copy(MULTI, tmp_path / "model")
    edit(folder / "config.json", lambda config: config.update(change))
    assert reason in refusal(folder)


def test_values_of_a_wrong_kind_where_nobody_looks(tmp_path: Path) -> None:
    folder = copy(MULTI, tmp_path / "model")
    for processor in (
        {"prompt_dictionary": [1]},
        {"supported_num_lookahead_tokens": ["a"]},
        {"prompt_dictionary": {"a": {}}},
    ):
        (folder / "processor_config.json").write_text(json.dumps(processor))
        assert "its configuration is malformed" in refusal(folder)
        with pytest.raises(WavelaneError, match="malformed"):
            inspect_model(folder)


def test_pickled_weights_in_a_folder_are_not_read(tmp_path: Path) -> None:
    folder = copy(GOLDEN / "hf_rnnt", tmp_path / "model")
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(tensors, folder / "pytorch_model.bin")
    assert "weights in other formats (pickles) are not read" in refusal(folder)


@pytest.mark.parametrize("part", [0, 4, 2000, 1_000_000])
def test_truncated_safetensors(tmp_path: Path, part: int) -> None:
    folder = copy(GOLDEN / "hf_rnnt", tmp_path / "model")
    (folder / WEIGHTS).write_bytes((GOLDEN / "hf_rnnt" / WEIGHTS).read_bytes()[:part])
    assert "corrupt or truncated" in refusal(folder)


def test_folders_that_hold_no_model(tmp_path: Path) -> None:
    with pytest.raises(WavelaneError) as caught:
        load_model(tmp_path)
    assert caught.value.code is ErrorCode.MODEL_NOT_FOUND
    (tmp_path / "config.json").write_text("[]")
    assert "holds no JSON object" in refusal(tmp_path)
    (tmp_path / "config.json").write_text("{")
    assert "is not JSON" in refusal(tmp_path)


def test_native_folders_of_another_version(tmp_path: Path) -> None:
    folder = tmp_path / "native"
    convert_model(HYBRID, folder)
    original = (folder / "config.json").read_text()
    edit(folder / "config.json", lambda config: config.update(version=99))
    assert "version 99, this release reads version 1" in refusal(folder)
    (folder / "config.json").write_text(original)
    edit(folder / "config.json", lambda config: config["model"].update(novelty=1))
    assert "not a model configuration of this version" in refusal(folder)


def test_models_run_in_float32_or_bfloat16_only() -> None:
    with pytest.raises(WavelaneError, match="float32 or bfloat16"):
        load_model(HYBRID, dtype=torch.float16)
