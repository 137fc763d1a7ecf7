"""Write a checkpoint as a ``.nemo`` archive, so that other engines can run the same weights."""

import io
import re
import tarfile
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.frontend.mel import mel_filters
from wavelane.model.checkpoint.names import rename
from wavelane.model.config import ModelConfig
from wavelane.model.weights import Weights

_NEMO = "nemo.collections.asr.modules."
_NAMES = (
    (r"encoder\.subsampling\.conv0\.", "encoder.pre_encode.conv.0."),
    (r"encoder\.subsampling\.conv1\.depthwise\.", "encoder.pre_encode.conv.2."),
    (r"encoder\.subsampling\.conv1\.pointwise\.", "encoder.pre_encode.conv.3."),
    (r"encoder\.subsampling\.conv2\.depthwise\.", "encoder.pre_encode.conv.5."),
    (r"encoder\.subsampling\.conv2\.pointwise\.", "encoder.pre_encode.conv.6."),
    (r"encoder\.subsampling\.out\.", "encoder.pre_encode.out."),
    (r"(encoder\.layers\.\d+\.)(feed_forward[12])\.norm\.", r"\1norm_\2."),
    (r"(encoder\.layers\.\d+\.)attention\.norm\.", r"\1norm_self_att."),
    (r"(encoder\.layers\.\d+\.)attention\.query\.", r"\1self_attn.linear_q."),
    (r"(encoder\.layers\.\d+\.)attention\.key\.", r"\1self_attn.linear_k."),
    (r"(encoder\.layers\.\d+\.)attention\.value\.", r"\1self_attn.linear_v."),
    (r"(encoder\.layers\.\d+\.)attention\.out\.", r"\1self_attn.linear_out."),
    (r"(encoder\.layers\.\d+\.)attention\.position\.", r"\1self_attn.linear_pos."),
    (r"(encoder\.layers\.\d+\.)attention\.bias_([uv])$", r"\1self_attn.pos_bias_\2"),
    (r"(encoder\.layers\.\d+\.)convolution\.in_norm\.", r"\1norm_conv."),
    (r"(encoder\.layers\.\d+\.)convolution\.pointwise([12])\.", r"\1conv.pointwise_conv\2."),
    (r"(encoder\.layers\.\d+\.)convolution\.depthwise\.", r"\1conv.depthwise_conv."),
    (r"(encoder\.layers\.\d+\.)convolution\.norm\.", r"\1conv.batch_norm."),
    (r"(encoder\.layers\.\d+\.)norm\.", r"\1norm_out."),
    (r"ctc\.", "decoder.decoder_layers.0."),
)
_CONVOLUTIONS = ((r"encoder\.pre_encode\.conv\.[36]\.weight", 4), (r".*\.pointwise_conv[12]\.weight", 3))
"""Weights of convolutions of width 1 have that many dimensions there."""
_CTC_WEIGHT = "decoder.decoder_layers.0.weight"


def save_nemo(config: ModelConfig, weights: Weights, path: Path) -> None:
    """Write a CTC model as NeMo 3.0 would (class ``EncDecCTCModelBPE``), with those of its lookaheads that NeMo takes.

    Args:
        config: of the model.
        weights: readable under their canonical names.
        path: of the archive.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED, for a model that this class cannot hold.
    """
    encoder = config.encoder
    if config.heads != ("ctc",) or config.prompt is not None or encoder.conv_norm != "layer_norm":
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{config.name} cannot be written as a NeMo archive: only models with a CTC head alone, layer norms and no "
            "language prompt can.",
        )
    tensors = rename({name: weights.read(name).float() for name in sorted(weights.names())}, _NAMES)
    tensors = {name: _with_width(name, tensor) for name, tensor in tensors.items()}
    features = config.features
    tensors["preprocessor.featurizer.window"] = torch.hann_window(features.window, periodic=False)
    filters = mel_filters(features.n_mels, features.n_fft, features.sample_rate)
    tensors["preprocessor.featurizer.fb"] = torch.from_numpy(filters.T.copy())[None]
    checkpoint = io.BytesIO()
    torch.save(tensors, checkpoint)
    pieces = list(config.vocabulary)
    members = {
        "model_config.yaml": yaml.safe_dump(_nemo_config(config), allow_unicode=True, sort_keys=False).encode(),
        "model_weights.ckpt": checkpoint.getvalue(),
        "tokenizer.model": _sentencepiece(pieces),
        "vocab.txt": "\n".join(pieces[1:]).encode(),
        "tokenizer.vocab": "".join(f"{piece}\t{-index}\n" for index, piece in enumerate(pieces)).encode(),
    }
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def _with_width(name: str, tensor: Tensor) -> Tensor:
    for pattern, dimensions in (*_CONVOLUTIONS, (re.escape(_CTC_WEIGHT), 3)):
        if re.fullmatch(pattern, name):
            return tensor.reshape(*tensor.shape[:2], *[1] * (dimensions - 2)).contiguous()
    return tensor.contiguous()


def _nemo_config(config: ModelConfig) -> dict[str, Any]:
    encoder, features = config.encoder, config.features
    contexts = [config.default_lookahead, *(x for x in config.lookaheads if x != config.default_lookahead)]
    # NeMo refuses models whose left context is no multiple of each chunk.
    contexts = [right for right in contexts if encoder.left_context % (right + 1) == 0]
    return {
        "sample_rate": features.sample_rate,
        "log_prediction": False,
        "ctc_reduction": "mean_volume",
        "skip_nan_grad": False,
        "train_ds": None,
        "validation_ds": None,
        "tokenizer": {
            "dir": None,
            "type": "bpe",
            "model_path": "nemo:tokenizer.model",
            "vocab_path": "nemo:vocab.txt",
            "spe_tokenizer_vocab": "nemo:tokenizer.vocab",
        },
        "preprocessor": {
            "_target_": _NEMO + "AudioToMelSpectrogramPreprocessor",
            "sample_rate": features.sample_rate,
            "normalize": "NA",
            "window_size": features.window / features.sample_rate,
            "window_stride": features.hop / features.sample_rate,
            "window": "hann",
            "features": features.n_mels,
            "n_fft": features.n_fft,
            "preemph": features.preemphasis,
            "log": True,
            "log_zero_guard_value": features.log_guard,
            "frame_splicing": 1,
            "dither": 0.0,
            "pad_to": 0,
        },
        "encoder": {
            "_target_": _NEMO + "ConformerEncoder",
            "feat_in": features.n_mels,
            "feat_out": -1,
            "n_layers": encoder.layers,
            "d_model": encoder.d_model,
            "use_bias": encoder.bias,
            "subsampling": "dw_striding",
            "subsampling_factor": 8,
            "subsampling_conv_channels": encoder.channels,
            "causal_downsampling": True,
            "ff_expansion_factor": encoder.d_ff // encoder.d_model,
            "self_attention_model": "rel_pos",
            "n_heads": encoder.heads,
            "att_context_size": [[encoder.left_context, right] for right in contexts],
            "att_context_style": "chunked_limited",
            "xscaling": encoder.scale_input,
            "untie_biases": True,
            "pos_emb_max_len": 5000,
            "conv_kernel_size": encoder.kernel,
            "conv_norm_type": "layer_norm",
            "conv_context_size": "causal",
            "dropout": 0.0,
            "dropout_pre_encoder": 0.0,
            "dropout_emb": 0.0,
            "dropout_att": 0.0,
        },
        "decoder": {
            "_target_": _NEMO + "ConvASRDecoder",
            "feat_in": encoder.d_model,
            "num_classes": config.vocabulary_size,
            "vocabulary": list(config.vocabulary),
        },
        "optim": {"name": "adamw", "lr": 0.001},
        "target": "nemo.collections.asr.models.ctc_bpe_models.EncDecCTCModelBPE",
    }


def _sentencepiece(pieces: list[str]) -> bytes:
    """A byte-pair model of these pieces, which maps ids to pieces and back; its merges mean nothing."""
    from sentencepiece import sentencepiece_model_pb2 as messages

    proto: Any = vars(messages)["ModelProto"]()
    kinds = proto.SentencePiece
    for index, piece in enumerate(pieces):
        proto.pieces.add(piece=piece, score=-float(index), type=kinds.UNKNOWN if index == 0 else kinds.NORMAL)
    proto.trainer_spec.model_type = proto.trainer_spec.BPE
    proto.trainer_spec.vocab_size = len(pieces)
    proto.trainer_spec.unk_id = 0
    proto.trainer_spec.unk_piece = pieces[0]
    proto.trainer_spec.bos_id = proto.trainer_spec.eos_id = proto.trainer_spec.pad_id = -1
    proto.normalizer_spec.name = "identity"
    serialised: bytes = proto.SerializeToString()
    return serialised
