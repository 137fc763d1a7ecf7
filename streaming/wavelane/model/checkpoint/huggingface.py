"""Hugging Face folders of the classes ``NemotronAsrStreamingForRNNT`` and ``Nemotron3_5AsrForRNNT``.

``config.json``, ``model.safetensors`` (or shards with an index), the feature extractor's configuration and a tokenizer.
Names and meaning of the options are those of transformers 5.23. Weights are read from safetensors only, never pickles.
"""

import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint.names import rename
from wavelane.model.checkpoint.options import Options
from wavelane.model.checkpoint.prompts import NEMOTRON_PROMPTS
from wavelane.model.checkpoint.tokenizer import sentencepiece_pieces, tokenizers_pieces
from wavelane.model.config import EncoderConfig, ModelConfig, PromptConfig, TransducerConfig, unsupported
from wavelane.model.weights import Weights
from wavelane.spec import FeatureSpec

CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_JSON_BYTES = 64 << 20
"""Largest configuration or tokenizer file that is read."""
_LOOKAHEADS = (13, 6, 1, 0)
"""Of every public checkpoint; what the processor takes when its configuration does not say."""
_PROMPTED = "Nemotron3_5AsrForRNNT"
_CLASSES = ("NemotronAsrStreamingForRNNT", _PROMPTED)

_NAMES = (
    (r"encoder\.subsampling\.conv_in\.", "encoder.subsampling.conv0."),
    (r"encoder\.subsampling\.layers\.0\.(depthwise|pointwise)_conv\.", r"encoder.subsampling.conv1.\1."),
    (r"encoder\.subsampling\.layers\.1\.(depthwise|pointwise)_conv\.", r"encoder.subsampling.conv2.\1."),
    (r"encoder\.subsampling\.linear\.", "encoder.subsampling.out."),
    (r"(encoder\.layers\.\d+\.)norm_(feed_forward[12])\.", r"\1\2.norm."),
    (r"(encoder\.layers\.\d+\.)norm_self_att\.", r"\1attention.norm."),
    (r"(encoder\.layers\.\d+\.)self_attn\.q_proj\.", r"\1attention.query."),
    (r"(encoder\.layers\.\d+\.)self_attn\.k_proj\.", r"\1attention.key."),
    (r"(encoder\.layers\.\d+\.)self_attn\.v_proj\.", r"\1attention.value."),
    (r"(encoder\.layers\.\d+\.)self_attn\.o_proj\.", r"\1attention.out."),
    (r"(encoder\.layers\.\d+\.)self_attn\.relative_k_proj\.", r"\1attention.position."),
    (r"(encoder\.layers\.\d+\.)self_attn\.bias_([uv])$", r"\1attention.bias_\2"),
    (r"(encoder\.layers\.\d+\.)norm_conv\.", r"\1convolution.in_norm."),
    (r"(encoder\.layers\.\d+\.)conv\.pointwise_conv([12])\.", r"\1convolution.pointwise\2."),
    (r"(encoder\.layers\.\d+\.)conv\.depthwise_conv\.", r"\1convolution.depthwise."),
    (r"(encoder\.layers\.\d+\.)conv\.norm\.", r"\1convolution.norm."),
    (r"(encoder\.layers\.\d+\.)norm_out\.", r"\1norm."),
    (r"decoder\.embedding\.", "prediction.embedding."),
    (r"decoder\.lstm\.(weight|bias)_ih_l(\d+)$", r"prediction.lstm.\2.input.\1"),
    (r"decoder\.lstm\.(weight|bias)_hh_l(\d+)$", r"prediction.lstm.\2.hidden.\1"),
    (r"decoder\.decoder_projector\.", "joint.prediction."),
    (r"encoder_projector\.", "joint.encoder."),
    (r"joint\.head\.", "joint.out."),
    (r"prompt_projector\.linear_([12])\.", r"prompt.linear\1."),
)


def load_huggingface(folder: Path, name: str) -> tuple[ModelConfig, Weights]:
    """Read a Hugging Face folder.

    Args:
        folder: of the checkpoint.
        name: of the model.

    Raises:
        WavelaneError: it is incomplete, corrupt, or no streaming FastConformer.
    """
    return read_huggingface_config(folder, name), Weights(rename(open_safetensors(folder), _NAMES))


def read_huggingface_config(folder: Path, name: str) -> ModelConfig:
    """The configuration alone; see :func:`load_huggingface`."""
    options = Options(name, read_json(folder / CONFIG))
    architectures = options.get("architectures", None) or ["unknown"]
    architecture = architectures[0] if isinstance(architectures, list) else architectures
    if architecture not in _CLASSES:
        raise unsupported(name, f"its class is {architecture}", " or ".join(_CLASSES))
    processor = _optional_json(folder / "processor_config.json")
    encoder_options = options.section("encoder_config")
    encoder = _encoder(encoder_options)
    options.require("hidden_act", "relu", default="relu")
    hidden = options.integer("decoder_hidden_size", 640)
    symbols = options.integer("vocab_size")
    # Not config.json's pad_token_id: the blank is the last symbol of every public checkpoint, and must be here too,
    # because pieces are numbered without it.
    options.require("blank_token_id", symbols - 1, default=symbols - 1)
    lookaheads = tuple(processor.get("supported_num_lookahead_tokens") or _LOOKAHEADS)
    default = encoder_options.integer("default_num_lookahead_tokens", lookaheads[0])
    prompted = architecture == _PROMPTED
    prompts, default_prompt = _prompts(options, processor) if prompted else ({}, None)
    features = processor.get("feature_extractor") or _optional_json(folder / "preprocessor_config.json")
    return ModelConfig(
        name=name,
        features=_features(Options(name, features, "feature extractor: "), encoder_options),
        encoder=encoder,
        vocabulary_size=symbols - 1,
        blank=symbols - 1,
        vocabulary=_pieces(folder, symbols - 1),
        lookaheads=tuple(sorted({*lookaheads, default}, reverse=True)),
        default_lookahead=default,
        heads=("rnnt",),
        transducer=TransducerConfig(
            hidden=hidden,
            layers=options.integer("num_decoder_layers", 2),
            joint=hidden,
            max_symbols=options.integer("max_symbols_per_step", 10),
        ),
        prompt=PromptConfig(
            count=options.integer("num_prompts", 128), hidden=options.integer("prompt_intermediate_size", 2048)
        )
        if prompted
        else None,
        prompts=prompts,
        default_prompt=default_prompt,
        tail="padded",
        languages=tuple(language for language in prompts if language != "auto") if prompted else ("en",),
    )


def _encoder(options: Options) -> EncoderConfig:
    options.require("hidden_act", "silu", default="silu")
    options.require("subsampling_factor", 8, default=8)
    options.require("subsampling_conv_kernel_size", 3, default=3)
    options.require("subsampling_conv_stride", 2, default=2)
    heads = options.integer("num_attention_heads", 8)
    options.require("num_key_value_heads", heads, default=heads)
    d_model = options.integer("hidden_size", 1024)
    options.require("head_dim", d_model // max(heads, 1), default=d_model // max(heads, 1))
    return EncoderConfig(
        d_model=d_model,
        layers=options.integer("num_hidden_layers", 24),
        heads=heads,
        d_ff=options.integer("intermediate_size", 4096),
        kernel=options.integer("conv_kernel_size", 9),
        channels=options.integer("subsampling_conv_channels", 256),
        left_context=options.integer("sliding_window", 71) - 1,
        bias=bool(options.get("attention_bias", True)),
        conv_bias=bool(options.get("convolution_bias", True)),
        scale_input=bool(options.get("scale_input", True)),
        mask_before_start=True,
        grid="stream",
    )


def _features(options: Options, encoder: Options) -> FeatureSpec:
    options.require("sampling_rate", 16_000, default=16_000)
    options.require("mel_filters_dtype", "float32", default="float32")
    n_mels = options.integer("feature_size", 80)
    if encoder.integer("num_mel_bins", 80) != n_mels:
        raise encoder.wrong("num_mel_bins", encoder.integer("num_mel_bins", 80), f"the extractor's size: {n_mels}")
    return FeatureSpec(
        n_mels=n_mels,
        hop=options.integer("hop_length", 160),
        window=options.integer("win_length", 400),
        n_fft=options.integer("n_fft", 512),
        preemphasis=None if options.get("preemphasis", 0.97) is None else options.number("preemphasis", 0.97),
        closing_frame=False,
    )


def _prompts(options: Options, processor: Mapping[str, Any]) -> tuple[dict[str, int], int]:
    """Language to prompt, and the default prompt: the one for finding the language out."""
    count, default = options.integer("num_prompts", 128), options.integer("default_prompt_id", 101)
    if default >= count:
        raise options.wrong("default_prompt_id", default, f"one of its {count} prompts")
    given = processor.get("prompt_dictionary") or NEMOTRON_PROMPTS
    prompts = {str(language): int(index) for language, index in given.items() if 0 <= int(index) < count}
    prompts.setdefault("auto", default)
    return prompts, default


def _pieces(folder: Path, size: int) -> tuple[str, ...]:
    if (path := folder / "tokenizer.json").exists():
        _check_size(path)
        return tokenizers_pieces(path, size)
    if (path := folder / "tokenizer.model").exists():
        _check_size(path)
        return sentencepiece_pieces(path.read_bytes(), str(path))
    return ()


def _check_size(path: Path) -> None:
    if path.stat().st_size > _JSON_BYTES:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{path} has {path.stat().st_size} bytes, more than the limit of {_JSON_BYTES}.",
        )


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of bounded size.

    Raises:
        WavelaneError: the file is missing, too large, or holds something else.
    """
    try:
        _check_size(path)
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise WavelaneError(ErrorCode.MODEL_NOT_FOUND, f"Cannot read {path}: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"{path} is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"{path} holds no JSON object.")
    return data


def _optional_json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def open_safetensors(folder: Path) -> dict[str, Callable[[], Tensor]]:
    """Name to a reader for every tensor of ``model.safetensors`` or of the shards that its index lists.

    Raises:
        WavelaneError: there are none, a shard is missing or corrupt, or its name leads out of the folder.
    """
    shards = [_WEIGHTS]
    if not (folder / _WEIGHTS).exists():
        if not (folder / _INDEX).exists():
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED,
                f"{folder} has neither {_WEIGHTS} nor {_INDEX}; weights in other formats (pickles) are not read.",
            )
        weight_map = read_json(folder / _INDEX).get("weight_map")
        shards = sorted({str(shard) for shard in weight_map.values()}) if isinstance(weight_map, dict) else []
    readers: dict[str, Callable[[], Tensor]] = {}
    for shard in shards:
        if Path(shard).name != shard:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED, f"The index of {folder} names the shard {shard!r}, outside the folder."
            )
        try:
            file = safe_open(folder / shard, framework="pt")
            names: list[str] = file.keys()  # type: ignore[no-untyped-call]
            readers |= {name: functools.partial(file.get_tensor, name) for name in names}
        except (SafetensorError, OSError) as error:
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED, f"{folder / shard} is corrupt or truncated ({error}); fetch it again."
            ) from error
    return readers
