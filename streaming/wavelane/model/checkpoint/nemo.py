"""NeMo archives (``.nemo``): a tar with ``model_config.yaml``, ``model_weights.ckpt`` and tokenizer files.

Names and meaning of the options are those of NeMo 3.0 (``ConformerEncoder``, ``RNNTDecoder``, ``RNNTJoint``,
``ConvASRDecoder``, ``AudioToMelSpectrogramPreprocessor``).
"""

import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.checkpoint.archive import Archive, ArchiveLimits, open_archive
from wavelane.model.checkpoint.names import rename
from wavelane.model.checkpoint.options import Options
from wavelane.model.checkpoint.tokenizer import sentencepiece_pieces
from wavelane.model.config import EncoderConfig, HeadName, ModelConfig, TransducerConfig, unsupported
from wavelane.model.weights import Weights
from wavelane.spec import FeatureSpec

_HEADS: dict[str, tuple[HeadName, ...]] = {
    "EncDecCTCModelBPE": ("ctc",),
    "EncDecRNNTBPEModel": ("rnnt",),
    "EncDecHybridRNNTCTCBPEModel": ("rnnt", "ctc"),
}
_CONFIG = "model_config.yaml"
_WEIGHTS = "model_weights.ckpt"
_DEEPEST = 64
"""Levels of a configuration; NeMo's own have ten."""

_IGNORED = re.compile(r"preprocessor\.|spec_augmentation\.|loss\.|encoder\.pos_enc\.|.*\.num_batches_tracked$")
_NAMES = (
    (r"encoder\.pre_encode\.conv\.0\.", "encoder.subsampling.conv0."),
    (r"encoder\.pre_encode\.conv\.2\.", "encoder.subsampling.conv1.depthwise."),
    (r"encoder\.pre_encode\.conv\.3\.", "encoder.subsampling.conv1.pointwise."),
    (r"encoder\.pre_encode\.conv\.5\.", "encoder.subsampling.conv2.depthwise."),
    (r"encoder\.pre_encode\.conv\.6\.", "encoder.subsampling.conv2.pointwise."),
    (r"encoder\.pre_encode\.out\.", "encoder.subsampling.out."),
    (r"(encoder\.layers\.\d+\.)norm_(feed_forward[12])\.", r"\1\2.norm."),
    (r"(encoder\.layers\.\d+\.)norm_self_att\.", r"\1attention.norm."),
    (r"(encoder\.layers\.\d+\.)self_attn\.linear_q\.", r"\1attention.query."),
    (r"(encoder\.layers\.\d+\.)self_attn\.linear_k\.", r"\1attention.key."),
    (r"(encoder\.layers\.\d+\.)self_attn\.linear_v\.", r"\1attention.value."),
    (r"(encoder\.layers\.\d+\.)self_attn\.linear_out\.", r"\1attention.out."),
    (r"(encoder\.layers\.\d+\.)self_attn\.linear_pos\.", r"\1attention.position."),
    (r"(encoder\.layers\.\d+\.)self_attn\.pos_bias_([uv])$", r"\1attention.bias_\2"),
    (r"(encoder\.layers\.\d+\.)norm_conv\.", r"\1convolution.in_norm."),
    (r"(encoder\.layers\.\d+\.)conv\.pointwise_conv([12])\.", r"\1convolution.pointwise\2."),
    (r"(encoder\.layers\.\d+\.)conv\.depthwise_conv\.", r"\1convolution.depthwise."),
    (r"(encoder\.layers\.\d+\.)conv\.batch_norm\.running_mean$", r"\1convolution.norm.mean"),
    (r"(encoder\.layers\.\d+\.)conv\.batch_norm\.running_var$", r"\1convolution.norm.variance"),
    (r"(encoder\.layers\.\d+\.)conv\.batch_norm\.", r"\1convolution.norm."),
    (r"(encoder\.layers\.\d+\.)norm_out\.", r"\1norm."),
    (r"(?:ctc_)?decoder\.decoder_layers\.0\.", "ctc."),
    (r"decoder\.prediction\.embed\.", "prediction.embedding."),
    (r"decoder\.prediction\.dec_rnn\.lstm\.(weight|bias)_ih_l(\d+)$", r"prediction.lstm.\2.input.\1"),
    (r"decoder\.prediction\.dec_rnn\.lstm\.(weight|bias)_hh_l(\d+)$", r"prediction.lstm.\2.hidden.\1"),
    (r"joint\.pred\.", "joint.prediction."),
    (r"joint\.enc\.", "joint.encoder."),
    (r"joint\.joint_net\.\d+\.", "joint.out."),
)


def load_nemo(path: Path, name: str, limits: ArchiveLimits | None = None) -> tuple[ModelConfig, Weights]:
    """Read a NeMo archive.

    Args:
        path: of the archive.
        name: of the model.
        limits: on what the archive may hold.

    Raises:
        WavelaneError: it is unsafe, corrupt, or no streaming FastConformer.
    """
    with open_archive(path, limits) as archive:
        config = _read_config(archive, name)
        weights = _read_weights(archive, path)
        if "rnnt" in config.heads:
            # blank_as_pad: the start symbol's embedding is zero whatever the file says.
            embedding = weights["prediction.embedding.weight"].clone()
            embedding[config.blank] = 0
            weights["prediction.embedding.weight"] = embedding
    return config, Weights.of(weights)


def read_nemo_config(path: Path, name: str, limits: ArchiveLimits | None = None) -> ModelConfig:
    """The configuration alone; see :func:`load_nemo`."""
    with open_archive(path, limits) as archive:
        return _read_config(archive, name)


def _read_config(archive: Archive, name: str) -> ModelConfig:
    try:
        data = _parse_yaml(archive.read(_CONFIG))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise unsupported(name, f"{_CONFIG} is not YAML ({type(error).__name__})", "the one that NeMo wrote") from error
    if not isinstance(data, Mapping):
        raise unsupported(name, f"{_CONFIG} is no mapping", "the one that NeMo wrote")
    options = Options(name, data)
    target = str(options.get("target", "")).rpartition(".")[2]
    if target not in _HEADS:
        raise unsupported(name, f"its class is {target or 'unknown'}", f"one of {', '.join(_HEADS)}")
    heads = _HEADS[target]
    contexts = _contexts(options.section("encoder"))
    encoder = _encoder(options.section("encoder"), contexts[0][0])
    pieces = _pieces(archive, options.section("tokenizer"))
    lookaheads = tuple(right for _, right in contexts)
    return ModelConfig(
        name=name,
        features=_features(options.section("preprocessor"), options.section("encoder")),
        encoder=encoder,
        vocabulary_size=len(pieces),
        blank=len(pieces),
        vocabulary=pieces,
        lookaheads=tuple(sorted(set(lookaheads), reverse=True)),
        default_lookahead=lookaheads[0],
        heads=heads,
        transducer=_transducer(options) if "rnnt" in heads else None,
    )


def _parse_yaml(text: bytes) -> Any:
    """Plain YAML values, nested no deeper than ``_DEEPEST``.

    Raises:
        yaml.YAMLError: it is not YAML.
        ValueError: it is nested deeper.
    """
    # libyaml's parser is ten times as fast, but composes values by recursion: deep nesting would end the process.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEPEST:
                raise ValueError(f"nested deeper than {_DEEPEST}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return yaml.load(text, Loader=loader)


def _contexts(options: Options) -> list[tuple[int, int]]:
    """(left, lookahead) pairs of ``att_context_size``, the default first."""
    options.require("att_context_style", "chunked_limited", default="regular")
    sizes = options.get("att_context_size", None) or [-1, -1]
    if not isinstance(sizes, list):
        raise options.wrong("att_context_size", sizes, "a list of [left, right] pairs")
    pairs = [sizes] if all(isinstance(size, int) for size in sizes) else sizes
    for pair in pairs:
        if not (isinstance(pair, list) and len(pair) == 2 and all(isinstance(size, int) for size in pair)):
            raise options.wrong("att_context_size", sizes, "a list of [left, right] pairs")
        if pair[0] < 0 or pair[1] < 0:
            raise options.wrong("att_context_size", sizes, "bounded contexts on both sides, none below 0")
        if pair[0] != pairs[0][0]:
            raise options.wrong("att_context_size", sizes, "the same left context for every lookahead")
    return [(left, right) for left, right in pairs]


def _encoder(options: Options, left_context: int) -> EncoderConfig:
    options.require("_target_", "nemo.collections.asr.modules.ConformerEncoder", default=None)
    options.require("subsampling", "dw_striding", default="striding")
    options.require("subsampling_factor", 8, default=4)
    options.require("causal_downsampling", True, default=False)
    options.require("self_attention_model", "rel_pos", default="rel_pos")
    options.require("reduction", None, default=None)
    options.require("global_tokens", 0, default=0)
    options.require("att_chunk_context_size", None, default=None)
    d_model = options.integer("d_model")
    kernel = options.integer("conv_kernel_size", 31)
    if options.get("conv_context_size", None) not in ("causal", [kernel - 1, 0]):
        raise options.wrong("conv_context_size", options.get("conv_context_size", None), "causal")
    if options.get("feat_out", -1) not in (-1, None, 0, d_model):
        raise options.wrong("feat_out", options.get("feat_out", -1), "-1")
    norm = options.choice("conv_norm_type", ("layer_norm", "batch_norm"), default="batch_norm")
    channels = options.integer("subsampling_conv_channels", -1)
    bias = bool(options.get("use_bias", True))
    return EncoderConfig(
        d_model=d_model,
        layers=options.integer("n_layers"),
        heads=options.integer("n_heads", 4),
        d_ff=d_model * options.integer("ff_expansion_factor", 4),
        kernel=kernel,
        channels=d_model if channels == -1 else channels,
        left_context=left_context,
        bias=bias,
        conv_bias=bias,
        conv_norm="layer_norm" if norm == "layer_norm" else "batch_norm",
        scale_input=bool(options.get("xscaling", True)),
    )


def _features(options: Options, encoder: Options) -> FeatureSpec:
    options.require("_target_", "nemo.collections.asr.modules.AudioToMelSpectrogramPreprocessor", default=None)
    options.require("sample_rate", 16_000, default=16_000)
    if options.get("normalize", "per_feature") not in ("NA", "None", None, False):
        raise options.wrong(
            "normalize", options.get("normalize", "per_feature"), "NA (statistics of a whole file do not stream)"
        )
    options.require("window", "hann", default="hann")
    options.require("log", True, default=True)
    options.require("frame_splicing", 1, default=1)
    options.require("mag_power", 2.0, default=2.0)
    options.require("lowfreq", 0, default=0)
    options.require("exact_pad", False, default=False)
    options.require("mel_norm", "slaney", default="slaney")
    options.require("log_zero_guard_type", "add", default="add")
    if options.get("highfreq", None) not in (None, 0, 8000):
        raise options.wrong("highfreq", options.get("highfreq", None), "half the sample rate")
    window = options.integer("n_window_size", 0) or round(options.number("window_size", 0.02) * 16_000)
    hop = options.integer("n_window_stride", 0) or round(options.number("window_stride", 0.01) * 16_000)
    n_mels = options.integer("features", 64)
    if encoder.integer("feat_in") != n_mels:
        raise encoder.wrong("feat_in", encoder.integer("feat_in"), f"the preprocessor's features: {n_mels}")
    guard = options.get("log_zero_guard_value", 2.0**-24)
    named = {"tiny": torch.finfo(torch.float32).tiny, "eps": torch.finfo(torch.float32).eps}
    return FeatureSpec(
        n_mels=n_mels,
        hop=hop,
        window=window,
        n_fft=options.integer("n_fft", 0) or 2 ** math.ceil(math.log2(window)),
        preemphasis=None if options.get("preemph", 0.97) is None else options.number("preemph", 0.97),
        log_guard=named[guard] if guard in named else options.number("log_zero_guard_value", 2.0**-24),
        closing_frame=True,
    )


def _transducer(options: Options) -> TransducerConfig:
    decoder, joint = options.section("decoder"), options.section("joint")
    decoder.require("_target_", "nemo.collections.asr.modules.RNNTDecoder", default=None)
    joint.require("_target_", "nemo.collections.asr.modules.RNNTJoint", default=None)
    decoder.require("normalization_mode", None, default=None)
    decoder.require("blank_as_pad", True, default=True)
    joint.require("num_extra_outputs", 0, default=0)
    prediction, network = decoder.section("prednet"), joint.section("jointnet")
    decoding = options.section("decoding", optional=True)
    for durations in ("durations", "big_blank_durations"):
        if decoding.get(durations, None):
            raise decoding.wrong(durations, decoding.get(durations, None), "none (a plain transducer)")
    greedy = decoding.section("greedy", optional=True)
    activation = network.choice("activation", ("relu", "tanh", "sigmoid"), default="relu")
    return TransducerConfig(
        hidden=prediction.integer("pred_hidden"),
        layers=prediction.integer("pred_rnn_layers", 1),
        joint=network.integer("joint_hidden"),
        activation="relu" if activation == "relu" else "tanh" if activation == "tanh" else "sigmoid",
        max_symbols=greedy.integer("max_symbols", 0) or greedy.integer("max_symbols_per_step", 0) or 10,
    )


def _pieces(archive: Archive, options: Options) -> tuple[str, ...]:
    options.choice("type", ("bpe",), default="bpe")
    member = str(options.get("model_path", "")).removeprefix("nemo:")
    if member not in archive.names:
        raise options.wrong("model_path", member or "missing", "a sentencepiece model in the archive")
    return sentencepiece_pieces(archive.read(member), member)


def _read_weights(archive: Archive, path: Path) -> dict[str, Tensor]:
    """Tensors under canonical names. Nothing but tensors is unpickled."""
    with archive.open(_WEIGHTS) as file:
        try:
            if zipfile.is_zipfile(file):
                inflated = sum(entry.file_size for entry in zipfile.ZipFile(file).infolist())
                if inflated > archive.size(_WEIGHTS):
                    raise WavelaneError(
                        ErrorCode.MODEL_UNSUPPORTED,
                        f"The weights of {path} are compressed ({inflated} bytes in {archive.size(_WEIGHTS)}); "
                        "torch.save never does that, so they are refused.",
                    )
            file.seek(0)
            stored = torch.load(file, map_location="cpu", weights_only=True)
        except WavelaneError:
            raise
        except Exception as error:  # damage shows as nearly any of them: unpickling, index, key, runtime, zip errors
            raise WavelaneError(
                ErrorCode.MODEL_UNSUPPORTED,
                f"The weights of {path} cannot be read as plain tensors ({type(error).__name__}); the file is corrupt, "
                "or holds objects that would run code when loaded.",
            ) from error
    if not isinstance(stored, Mapping):
        raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"The weights of {path} are no mapping from names to tensors.")
    tensors: dict[str, Any] = {str(key): value for key, value in stored.items()}
    for key, value in tensors.items():
        if not isinstance(value, Tensor) or value.untyped_storage().nbytes() < value.numel() * value.element_size():
            raise WavelaneError(ErrorCode.MODEL_UNSUPPORTED, f"The weights of {path} hold {key!r}, which is no tensor.")
    return rename(tensors, _NAMES, _IGNORED)
