"""Regenerate the small fixtures of this folder from the reference implementations.

Needs, in an environment of its own: torch==2.13.0, nemo_toolkit[asr]==3.0.0, soundfile (transformers and sentencepiece
come with NeMo). Only this script needs them.

    python make.py [CASE ..]

Each case is a random checkpoint of another shape than those of ``../golden``, the audio it streamed, and for each
lookahead an ``.npz`` in the layout that ``wavelane.model.verify`` describes.
"""

import logging
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import soundfile
import torch
from nemo.collections.asr.models import EncDecCTCModelBPE, EncDecHybridRNNTCTCBPEModel, EncDecRNNTBPEModel
from nemo.collections.asr.parts.utils.streaming_utils import CacheAwareStreamingAudioBuffer
from nemo.utils import logging as nemo_logging
from omegaconf import OmegaConf
from transformers import (
    Nemotron3_5AsrConfig,
    Nemotron3_5AsrForRNNT,
    NemotronAsrStreamingConfig,
    NemotronAsrStreamingEncoderConfig,
    NemotronAsrStreamingFeatureExtractor,
    NemotronAsrStreamingForRNNT,
)

HERE = Path(__file__).parent
NEMO = "nemo.collections.asr.modules."
PIECES = 32


@dataclass(frozen=True, kw_only=True)
class Case:
    """Shape of a checkpoint and length of its audio."""

    name: str
    kind: str
    """``ctc``, ``rnnt`` or ``hybrid`` (NeMo); ``hf`` or ``hf_multi`` (Hugging Face)."""
    samples: int
    d_model: int = 16
    layers: int = 1
    heads: int = 2
    kernel: int = 5
    left: int = 12
    lookaheads: tuple[int, ...] = (3, 1, 0)
    extra_lookaheads: tuple[int, ...] = ()
    """Streamed too, although the checkpoint does not list them."""
    n_mels: int = 80
    channels: int = 4
    ff_factor: int = 2
    bias: bool = True
    scale_input: bool = False
    conv_norm: str = "layer_norm"
    untie_biases: bool = True
    tokenizer: str = "bpe"
    lstm_layers: int = 1
    hidden: int = 16
    joint: int = 16
    activation: str = "relu"
    joint_dropout: float = 0.2
    gzip: bool = False
    seed: int = 1


CASES = (
    Case(name="unigram", kind="rnnt", samples=27_777, tokenizer="unigram", heads=1, d_model=24, left=20,
         lookaheads=(4, 1), joint=20, activation="tanh", bias=False),
    Case(name="batchnorm", kind="hybrid", samples=29_283, heads=8, d_model=32, kernel=9, conv_norm="batch_norm",
         scale_input=True, untie_biases=False, gzip=True, lookaheads=(5, 2, 0), left=6, extra_lookaheads=(3,)),
    Case(name="wide", kind="ctc", samples=8_960, n_mels=128, kernel=31, layers=2, left=9, lookaheads=(8, 2, 0)),
    Case(name="hf_odd", kind="hf", samples=31_000, left=11, heads=1, lstm_layers=1, scale_input=True,
         lookaheads=(3, 2, 1, 0), kernel=7),
    Case(name="hf_prompt", kind="hf_multi", samples=23_456, left=10, lookaheads=(2, 0), lstm_layers=2, seed=3),
)  # fmt: skip


def audio(case: Case) -> np.ndarray:
    """Something speech-like: gliding harmonics, bursts of noise and pauses; 16-bit steps."""
    rng = np.random.default_rng(case.seed)
    time = np.arange(case.samples) / 16_000
    glide = 110 + 40 * np.sin(2 * np.pi * 0.7 * time + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(glide) / 16_000
    voiced = sum(rng.uniform(0.2, 1) / k * np.sin(k * phase + rng.uniform(0, 6)) for k in range(1, 25))
    level = np.clip(np.sin(2 * np.pi * 2.1 * time + rng.uniform(0, 6)) + 0.3, 0, 1)
    noise = rng.normal(0, 0.3, case.samples) * np.clip(np.sin(2 * np.pi * 3.3 * time), 0, 1) ** 4
    signal = 0.2 * (voiced * level + noise) + rng.normal(0, 1e-4, case.samples)
    return (np.round(np.clip(signal, -1, 1) * 32767) / 32768).astype(np.float32)


def make_tokenizer(case: Case, work: Path) -> Path:
    folder = work / "tokenizer"
    folder.mkdir(exist_ok=True)
    text = folder / "text.txt"
    words = ["sea", "sun", "moon", "stone", "near", "far", "tree", "green", "field", "wind", "rain", "song", "road"]
    words += ["harbour", "window", "kitchen", "river", "forest", "light", "night", "voice", "quick", "bread", "jump"]
    rng = np.random.default_rng(case.seed)
    text.write_text("\n".join(" ".join(rng.choice(words, 8)) for _ in range(200)))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), vocab_size=PIECES, model_type=case.tokenizer,
        normalization_rule_name="identity", bos_id=-1, eos_id=-1, unk_id=0, minloglevel=2,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    (folder / "vocab.txt").write_text("\n".join(processor.id_to_piece(i) for i in range(1, PIECES)))
    return folder


def nemo_model(case: Case, work: Path) -> Any:
    config: dict[str, Any] = {
        "sample_rate": 16000,
        "tokenizer": {"dir": str(make_tokenizer(case, work)), "type": "bpe"},
        "preprocessor": {
            "_target_": NEMO + "AudioToMelSpectrogramPreprocessor", "sample_rate": 16000, "normalize": "NA",
            "window_size": 0.025, "window_stride": 0.01, "window": "hann", "features": case.n_mels, "n_fft": 512,
            "log": True, "frame_splicing": 1, "dither": 1e-5, "pad_to": 0,
        },
        "encoder": {
            "_target_": NEMO + "ConformerEncoder", "feat_in": case.n_mels, "feat_out": -1, "n_layers": case.layers,
            "d_model": case.d_model, "use_bias": case.bias, "subsampling": "dw_striding", "subsampling_factor": 8,
            "subsampling_conv_channels": case.channels, "causal_downsampling": True,
            "ff_expansion_factor": case.ff_factor, "self_attention_model": "rel_pos", "n_heads": case.heads,
            "att_context_size": [[case.left, right] for right in case.lookaheads],
            "att_context_style": "chunked_limited", "xscaling": case.scale_input, "untie_biases": case.untie_biases,
            "conv_kernel_size": case.kernel, "conv_norm_type": case.conv_norm, "conv_context_size": "causal",
        },
        "optim": {"name": "adamw", "lr": 1e-3},
    }  # fmt: skip
    ctc = {"_target_": NEMO + "ConvASRDecoder", "feat_in": case.d_model, "num_classes": -1, "vocabulary": []}
    if case.kind == "ctc":
        return EncDecCTCModelBPE(cfg=OmegaConf.create(config | {"ctc_reduction": "mean_volume", "decoder": ctc}))
    config |= {
        "model_defaults": {"enc_hidden": case.d_model, "pred_hidden": case.hidden, "joint_hidden": case.joint},
        "decoder": {
            "_target_": NEMO + "RNNTDecoder", "normalization_mode": None, "random_state_sampling": False,
            "blank_as_pad": True, "vocab_size": PIECES,
            "prednet": {"pred_hidden": case.hidden, "pred_rnn_layers": case.lstm_layers, "dropout": 0.1},
        },
        "joint": {
            "_target_": NEMO + "RNNTJoint", "log_softmax": None, "preserve_memory": False, "fuse_loss_wer": False,
            "fused_batch_size": 4, "num_classes": PIECES, "vocabulary": [],
            "jointnet": {"joint_hidden": case.joint, "activation": case.activation, "dropout": case.joint_dropout,
                         "encoder_hidden": case.d_model, "pred_hidden": case.hidden},
        },
        "decoding": {"strategy": "greedy_batch", "greedy": {"max_symbols": 10}},
        "loss": {"loss_name": "default"},
    }  # fmt: skip
    if case.kind == "rnnt":
        return EncDecRNNTBPEModel(cfg=OmegaConf.create(config))
    config["aux_ctc"] = {
        "ctc_loss_weight": 0.3, "use_cer": False, "ctc_reduction": "mean_batch", "decoder": ctc,
        "decoding": {"strategy": "greedy"},
    }  # fmt: skip
    return EncDecHybridRNNTCTCBPEModel(cfg=OmegaConf.create(config))


def sharpen(model: torch.nn.Module) -> None:
    """Random heads nearly always say one symbol; make decoding a real test, and give norms something to do."""
    for name, parameter in model.named_parameters():
        if "decoder_layers.0.weight" in name:
            parameter.mul_(20)
        elif ("joint_net" in name and name.endswith("weight")) or name == "joint.head.weight":
            parameter.mul_(10)
        elif name in ("joint.pred.weight", "joint.enc.weight", "encoder_projector.weight"):
            parameter.mul_(4)
        elif name.endswith(("decoder_projector.weight", "decoder.embedding.weight", "prediction.embed.weight")):
            parameter.mul_(6)
        elif "bias_u" in name or "bias_v" in name:
            parameter.normal_(0, 0.5)
        elif "norm" in name and "norm_out" not in name:
            parameter.add_(torch.randn_like(parameter) * 0.2)
        if name == "prompt_projector.linear_1.weight":
            parameter[:, -8:] *= 3
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.3)
        elif name.endswith("running_var"):
            buffer.uniform_(0.5, 2)


def centre(head: torch.nn.Module, run: Callable[[], Any]) -> None:
    """Take from the head's bias the mean of what it says while ``run`` streams, so that no symbol always wins."""
    said: list[torch.Tensor] = []
    hook = head.register_forward_hook(lambda module, given, logits: said.append(logits.detach()))
    run()
    hook.remove()
    symbols = head.bias.shape[0]
    # The CTC head is a convolution, with its symbols in front of the time.
    rows = [x.transpose(1, 2) if isinstance(head, torch.nn.Conv1d) else x for x in said]
    head.bias -= torch.cat([x.reshape(-1, symbols) for x in rows]).mean(0)


def set_blank_bias(bias: torch.Tensor, decode: Callable[[], Any], frames: int) -> None:
    """Bisect the blank's bias until greedy search says a sensible number of symbols."""
    low, high = -20.0, 80.0
    for _ in range(30):
        bias[-1] = (low + high) / 2
        count = len(decode())
        if frames / 4 <= count <= 4 * frames:
            return
        low, high = (low, float(bias[-1])) if count < frames / 4 else (float(bias[-1]), high)


def stream_nemo(model: Any, case: Case, wav: np.ndarray, lookahead: int) -> dict[str, np.ndarray]:
    out: dict[str, np.ndarray] = {}
    for decoder in ("ctc", "rnnt") if case.kind == "hybrid" else (case.kind,):
        if case.kind == "hybrid":
            model.change_decoding_strategy(decoder_type=decoder, verbose=False)
        encoder = model.encoder
        encoder.set_default_att_context_size([case.left, lookahead])
        buffer = CacheAwareStreamingAudioBuffer(model=model, online_normalization=False)
        buffer.append_audio(wav, stream_id=-1)
        channel, time, length = encoder.get_initial_cache_state(batch_size=1)
        hypotheses = predictions = None
        logprobs, encoded = [], []
        for number, (chunk, lengths) in enumerate(buffer):
            step = {
                "processed_signal": chunk, "processed_signal_length": lengths, "cache_last_channel": channel,
                "cache_last_time": time, "cache_last_channel_len": length,
                "keep_all_outputs": buffer.is_buffer_empty(),
                "drop_extra_pre_encoded": encoder.streaming_cfg.drop_extra_pre_encoded if number else 0,
            }  # fmt: skip
            output, valid, *_ = encoder.cache_aware_stream_step(**step)
            encoded.append(output[0, :, : int(valid[0])].T.numpy())
            if decoder == "ctc":
                head = model.ctc_decoder if case.kind == "hybrid" else model.decoder
                logprobs.append(head(encoder_output=output)[0, : int(valid[0])].numpy())
            predictions, _, channel, time, length, hypotheses = model.conformer_stream_step(
                **step, previous_hypotheses=hypotheses, previous_pred_out=predictions, return_transcription=True
            )[:6]
        if decoder == "ctc":
            out["ctc_logprobs"] = np.concatenate(logprobs)
            best = out["ctc_logprobs"].argmax(-1)
            keep = (best != np.r_[-1, best[:-1]]) & (best != PIECES)
            out["ctc_ids"] = best[keep].astype(np.int64)
        else:
            out["rnnt_ids"] = np.asarray(hypotheses[0].y_sequence, np.int64)
            out["rnnt_frames"] = np.asarray(hypotheses[0].timestamp, np.int64)
        out["features"] = buffer.buffer[0].numpy()
        out |= {f"step{number:03d}_encoded": array for number, array in enumerate(encoded)}
    return out


def make_nemo(case: Case, folder: Path) -> None:
    wav = audio(case)
    with tempfile.TemporaryDirectory() as work:
        model = nemo_model(case, Path(work)).eval()
        sharpen(model)
        frames = case.samples // 1280 + 1

        def run() -> dict[str, np.ndarray]:
            return stream_nemo(model, case, wav, case.lookaheads[0])

        if case.kind != "rnnt":
            centre((model.ctc_decoder if case.kind == "hybrid" else model.decoder).decoder_layers[0], run)
        if case.kind != "ctc":
            head = model.joint.joint_net[-1]
            for _ in range(3):
                centre(head, run)
            set_blank_bias(head.bias, lambda: run()["rnnt_ids"], frames)
        path = folder / f"{case.name}.nemo"
        model.save_to(str(path))
    if case.gzip:
        with tarfile.open(path) as plain:
            members = [(member, plain.extractfile(member)) for member in plain.getmembers() if member.isfile()]
            with tarfile.open(path.with_suffix(".tmp"), "w:gz") as packed:
                for member, file in members:
                    packed.addfile(member, file)
        path.with_suffix(".tmp").replace(path)
    for lookahead in (*case.lookaheads, *case.extra_lookaheads):
        save(case, folder, lookahead, stream_nemo(model, case, wav, lookahead))


def save(case: Case, folder: Path, lookahead: int, arrays: dict[str, np.ndarray]) -> None:
    if lookahead != case.lookaheads[0]:
        del arrays["features"]  # the same for all lookaheads
    np.savez_compressed(folder / f"{case.name}.L{lookahead}.npz", **arrays)


def chunks(features: torch.Tensor, lookahead: int) -> Iterator[torch.Tensor]:
    """(1, frames, mels) as the classes want it: every chunk full, the last one padded with zeros."""
    first, rest = 1 + 8 * lookahead, 8 * (lookahead + 1)
    for begin in (0, *range(first, features.shape[1], rest)):
        size = rest if begin else first
        piece = features[:, begin : begin + size]
        yield torch.nn.functional.pad(piece, (0, 0, 0, size - piece.shape[1]))


def make_hf(case: Case, folder: Path) -> None:
    wav = audio(case)
    encoder = NemotronAsrStreamingEncoderConfig(
        hidden_size=case.d_model, num_hidden_layers=case.layers, num_attention_heads=case.heads,
        intermediate_size=case.d_model * case.ff_factor, num_mel_bins=case.n_mels,
        subsampling_conv_channels=case.channels, sliding_window=case.left + 1, scale_input=case.scale_input,
        attention_bias=case.bias, convolution_bias=case.bias, conv_kernel_size=case.kernel,
        default_num_lookahead_tokens=case.lookaheads[0],
    )  # fmt: skip
    shared = {
        "vocab_size": PIECES + 1, "decoder_hidden_size": case.hidden, "num_decoder_layers": case.lstm_layers,
        "blank_token_id": PIECES, "decoder_start_token_id": PIECES, "encoder_config": encoder,
    }  # fmt: skip
    prompts: tuple[int | None, ...] = (None,)
    if case.kind == "hf_multi":
        prompts = (3, 6)
        model = Nemotron3_5AsrForRNNT(
            Nemotron3_5AsrConfig(**shared, num_prompts=8, prompt_intermediate_size=24, default_prompt_id=3)
        )
    else:
        model = NemotronAsrStreamingForRNNT(NemotronAsrStreamingConfig(**shared))
    model.eval()
    for parameter in model.parameters():
        if parameter.ndim > 1:
            # The classes start with 0.02 whatever the width, which leaves small models without any contrast.
            parameter.normal_(0, (parameter[0].numel()) ** -0.5)
    sharpen(model)
    extractor = NemotronAsrStreamingFeatureExtractor(feature_size=case.n_mels, preemphasis=0.97)
    extracted = extractor(wav, sampling_rate=16000, return_tensors="pt")
    features = extracted["input_features"][:, : int(extracted["attention_mask"].sum())]

    def decode(lookahead: int, prompt: int | None) -> np.ndarray:
        given = {} if prompt is None else {"prompt_ids": torch.tensor([prompt])}
        ids = model.generate(
            input_features=chunks(features, lookahead), num_lookahead_tokens=lookahead, **given
        ).sequences[0]
        return ids[(ids != PIECES) & (ids != model.config.pad_token_id)].numpy()

    for _ in range(3):
        centre(model.joint.head, lambda: [decode(case.lookaheads[0], prompt) for prompt in prompts])
    # Piece 0 pads the generated sequence: where it is said it could not be told from padding.
    model.joint.head.bias[0] = -1e4
    frames = case.samples // 1280 + 1
    set_blank_bias(model.joint.head.bias, lambda: decode(case.lookaheads[0], prompts[0]), frames)
    model.save_pretrained(folder / case.name)
    extractor.save_pretrained(folder / case.name)
    for lookahead in (*case.lookaheads, *case.extra_lookaheads):
        out = {"features": features[0].T.numpy()}
        for prompt in prompts:
            given = {} if prompt is None else {"prompt_ids": torch.tensor([prompt])}
            prefix = "" if prompt is None else f"prompt{prompt}_"
            attention = padding = None
            for number, chunk in enumerate(chunks(features, lookahead)):
                output = model.get_audio_features(
                    input_features=chunk, past_key_values=attention, padding_cache=padding,
                    num_lookahead_tokens=lookahead, use_cache=True, output_attention_mask=False, **given,
                )  # fmt: skip
                attention, padding = output.past_key_values, output.padding_cache
                out[f"step{number:03d}_encoded"] = output.last_hidden_state[0].numpy()
                if prompt is not None:
                    out[f"{prefix}step{number:03d}_projected"] = output.pooler_output[0].numpy()
            out[f"{prefix}rnnt_ids"] = decode(lookahead, prompt)
        save(case, folder, lookahead, out)


@torch.no_grad()
def make(case: Case, folder: Path) -> None:
    """Write checkpoint, audio and references of a case."""
    torch.manual_seed(case.seed)
    soundfile.write(folder / f"{case.name}.wav", audio(case), 16000, subtype="PCM_16")
    (make_hf if case.kind.startswith("hf") else make_nemo)(case, folder)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    nemo_logging.setLevel(logging.ERROR)
    for chosen in CASES:
        if len(sys.argv) == 1 or chosen.name in sys.argv[1:]:
            make(chosen, HERE)
