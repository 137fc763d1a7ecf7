"""The Emformer RNN-T pipelines of torchaudio as a model family beside the FastConformer.

The weights, the front end and the tokenizer are torchaudio's (``torchaudio.pipelines.RNNTBundle``), which fetches them
to ``$TORCH_HOME/hub/torchaudio`` when they are first used. The results are those of the pipeline's streaming use with
greedy search. torchaudio is optional, and imported by :func:`load_pipeline` only.

The encoder (Shi et al., arXiv:2010.10759) takes a *segment* of feature frames and a right context at a time: a window
holds both, and windows overlap by the right context, which is computed again as part of the next segment. Every segment
counts in full, the last one filled with silence: the pipeline does the same.

torchaudio's ``Emformer.infer`` takes the length of the left context of a whole batch from its first row, so rows of
different ages cannot share a batch. :class:`EmformerEncoder` runs its layers with a mask for each row instead.
"""

import http.client
import importlib
import importlib.util
import pickle
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from wavelane.decode.rnnt import GreedyTransducer
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.base import Encoded, FeatureSpec, LoadedModel, ModelSpec, State
from wavelane.model.build import require_dtype
from wavelane.model.pipelines import PIPELINES, PREFIX

MAX_SYMBOLS = 10
"""Pieces that one encoder frame may emit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFeatures(FeatureSpec):
    """Features of a segment at a time: a window is ``segment + right_context`` frames of ``hop`` samples, no more.

    torchaudio's streaming extractor sees each window alone, and mirrors it at both ends where frames reach out of it.
    """

    segment: int
    """Feature frames that a step advances by."""
    right_context: int
    """Feature frames after the segment that the window holds too."""

    @property
    def left(self) -> int:
        """No sample before a window is looked at."""
        return 0

    @property
    def right(self) -> int:
        """From the start of a segment's last hop to the end of the right context."""
        return (1 + self.right_context) * self.hop

    def total_frames(self, samples: int) -> int:
        """Whole segments, the last one filled up."""
        return -(-samples // (self.segment * self.hop)) * self.segment


class SegmentFrontEnd(nn.Module):
    """Implements :class:`wavelane.model.base.FrontEnd` with a pipeline's own streaming feature extractor.

    Args:
        stages: of the extractor, the spectrogram [.., samples] → [.., n_mels, frames] first; the others take
            [n_mels, frames] and treat every frame alike.
        spec: how audio becomes frames.
    """

    def __init__(self, stages: nn.Sequential, spec: SegmentFeatures) -> None:
        super().__init__()
        self.spectrogram, *rest = stages
        self.rest = nn.Sequential(*rest)
        self.frames = spec.segment + spec.right_context

    def forward(self, samples: Tensor, frames: Tensor, start: Tensor, last: Tensor) -> Tensor:
        """[B, (segment + right_context) * hop] float32 to [B, segment + right_context, n_mels]; every frame is used."""
        # One frame more comes out, centred on the window's end; the encoder's time reduction would drop it.
        mels = self.spectrogram(samples)[:, :, : self.frames]
        batch, n_mels, count = mels.shape
        features: Tensor = self.rest(mels.transpose(0, 1).reshape(n_mels, batch * count))
        return features.view(batch, count, n_mels)


class EmformerEncoder(nn.Module):
    """Implements :class:`wavelane.model.base.StreamingModel` over the transcription network of an Emformer RNN-T.

    State: ``keys`` and ``values`` [B, layers, left context, D], the newest last; ``heard`` [B] int64, encoder frames so
    far, which says how many of them are real.

    Args:
        transcriber: of torchaudio's ``RNNT``.
        spec: of the model.
    """

    def __init__(self, transcriber: Any, spec: ModelSpec) -> None:
        super().__init__()
        self.spec = spec
        self.transcriber = transcriber
        self.segment: int = transcriber.transformer.segment_length
        self.left_context: int = transcriber.transformer.left_context_length

    def prepare(self, lookahead: int) -> None:
        """Nothing to do."""

    def init_state(self, batch: int) -> State:
        """State of ``batch`` streams that have heard nothing; every leaf ``[B, ...]``."""
        weight = self.transcriber.output_linear.weight
        layers = len(self.transcriber.transformer.emformer_layers)
        shape = (batch, layers, self.left_context, weight.shape[1])
        return {
            "keys": weight.new_zeros(shape),
            "values": weight.new_zeros(shape),
            "heard": torch.zeros(batch, dtype=torch.int64, device=weight.device),
        }

    @torch.inference_mode()
    def step(
        self,
        features: Tensor,
        frames: Tensor,
        start: Tensor,
        last: Tensor,
        state: State,
        lookahead: int,
        prompts: Tensor | None = None,
    ) -> tuple[Encoded, State]:
        """Advance every row by one segment: [B, segment + right_context, n_mels] to [B, lookahead + 1, D]."""
        network = self.transcriber
        x = network.input_linear(features.to(network.output_linear.weight.dtype))
        x, _ = network.time_reduction(x, frames)
        slots = torch.arange(self.left_context, device=x.device)
        real = slots >= self.left_context - state["heard"][:, None]
        seen = functional.pad(real, (0, x.shape[1]), value=True)[:, None, None]
        keys, values = [], []
        for i, layer in enumerate(network.transformer.emformer_layers):
            attention = layer.attention
            normed = layer.layer_norm_input(x)
            key, value = attention.emb_to_key_value(normed).chunk(2, dim=-1)
            key = torch.cat((state["keys"][:, i], key), dim=1)
            value = torch.cat((state["values"][:, i], value), dim=1)
            query, heads_key, heads_value = (
                part.unflatten(-1, (attention.num_heads, -1)).transpose(1, 2)
                for part in (attention.emb_to_query(normed), key, value)
            )
            attended = functional.scaled_dot_product_attention(query, heads_key, heads_value, attn_mask=seen)
            x = x + attention.out_proj(attended.transpose(1, 2).flatten(2))
            x = layer.layer_norm_output(x + layer.pos_ff(x))
            # The right context comes again as part of the next segment.
            keys.append(key[:, self.segment : self.segment + self.left_context])
            values.append(value[:, self.segment : self.segment + self.left_context])
        encoded = network.layer_norm(network.output_linear(x[:, : self.segment]))
        following = {
            "keys": torch.stack(keys, dim=1),
            "values": torch.stack(values, dim=1),
            "heard": state["heard"] + self.segment,
        }
        return Encoded(encoded, frames // self.spec.subsampling), following


class EmformerDecoder(GreedyTransducer):
    """Implements :class:`wavelane.model.base.Decoder` over prediction and joint network of an Emformer RNN-T.

    Args:
        predictor: of torchaudio's ``RNNT``: LSTMs with layer normalisation.
        joiner: of torchaudio's ``RNNT``.
        blank: index of the blank.
    """

    def __init__(self, predictor: Any, joiner: Any, blank: int) -> None:
        super().__init__(blank, MAX_SYMBOLS)
        self.predictor = predictor
        self.joiner = joiner

    def project(self, frames: Tensor) -> Tensor:
        """The joint network adds encoder frames as they are."""
        return frames

    def _blank_state(self) -> tuple[Tensor, Tensor]:
        layers = self.predictor.lstm_layers
        zeros = self.predictor.embedding.weight.new_zeros(1, len(layers), layers[0].hidden_dim)
        return zeros, zeros

    @torch.inference_mode()
    def _predict(self, ids: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        state = [list(layer) for layer in zip(hidden.unbind(1), cell.unbind(1), strict=True)]
        prediction, _, moved = self.predictor(ids[:, None], torch.ones_like(ids), state)
        return (
            torch.stack([layer[0] for layer in moved], dim=1),
            torch.stack([layer[1] for layer in moved], dim=1),
            prediction[:, 0],
        )

    @torch.inference_mode()
    def _join(self, projected: Tensor, prediction: Tensor) -> Tensor:
        one = torch.ones(len(projected), dtype=torch.int64, device=projected.device)
        logits: Tensor = self.joiner(projected[:, None], one, prediction[:, None], one)[0][:, 0, 0]
        return logits


def load_pipeline(path: str, *, device: str | torch.device, dtype: torch.dtype, name: str | None = None) -> LoadedModel:
    """Load a pipeline of torchaudio for serving, fetching what of it is not here yet.

    Args:
        path: a key of :data:`wavelane.model.pipelines.PIPELINES`.
        device: to run on.
        dtype: of encoder and decoder, float32 or bfloat16; features are always float32.
        name: of the model; None is the pipeline's.

    Raises:
        WavelaneError: MODEL_NOT_FOUND for another name, or if the weights cannot be fetched; MODEL_UNSUPPORTED if
            torchaudio cannot be used here or the files are broken; INVALID_CONFIG for another ``dtype``.
    """
    require_dtype(dtype)
    if path not in PIPELINES:
        raise WavelaneError(
            ErrorCode.MODEL_NOT_FOUND, f"There is no torchaudio pipeline {path!r}; there is {', '.join(PIPELINES)}."
        )
    bundle = getattr(_torchaudio_pipelines(path), PIPELINES[path])
    folder = f"{torch.hub.get_dir()}/torchaudio"
    try:
        search, extractor = bundle.get_decoder(), bundle.get_streaming_feature_extractor()
        pieces = bundle.get_token_processor().sp_model
    except (OSError, http.client.HTTPException) as error:
        raise WavelaneError(
            ErrorCode.MODEL_NOT_FOUND,
            f"The files of {path} could not be fetched to {folder} ({error}): connect to download.pytorch.org, or put "
            "them there from a machine that has them (TORCH_HOME moves the folder).",
        ) from error
    except (RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError) as error:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"The files of {path} in {folder} are broken ({type(error).__name__}): delete them, they are fetched anew.",
        ) from error
    # The pieces that the pipeline's token processor leaves out of the text.
    silent = {pieces.unk_id(), pieces.eos_id(), pieces.pad_id()}
    vocabulary = tuple("" if i in silent else pieces.id_to_piece(i) for i in range(search.blank))
    features = SegmentFeatures(
        n_mels=bundle.n_mels,
        sample_rate=bundle.sample_rate,
        hop=bundle.hop_length,
        window=bundle.n_fft,
        n_fft=bundle.n_fft,
        preemphasis=None,
        log_guard=0.0,
        closing_frame=False,
        segment=bundle.segment_length,
        right_context=bundle.right_context_length,
    )
    return wrap(
        search.model,
        extractor.pipeline,
        features,
        vocabulary,
        name=name or path.removeprefix(PREFIX),
        device=device,
        dtype=dtype,
    )


def wrap(
    model: Any,
    stages: nn.Sequential,
    features: SegmentFeatures,
    vocabulary: tuple[str, ...],
    *,
    name: str,
    device: str | torch.device,
    dtype: torch.dtype,
) -> LoadedModel:
    """Make front end, encoder and decoder of torchaudio's modules.

    Args:
        model: a ``torchaudio.models.RNNT`` with an Emformer, without memory elements.
        stages: of its streaming feature extractor.
        features: how these make frames of audio.
        vocabulary: pieces by id; the blank follows them.
        name: of the model.
        device: to run on.
        dtype: of encoder and decoder.

    Raises:
        WavelaneError: MODEL_UNSUPPORTED for an Emformer with memory elements.
    """
    model = model.to(device=device, dtype=dtype).eval().requires_grad_(False)
    network = model.transcriber.transformer
    if network.max_memory_size:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"The Emformer {name} has {network.max_memory_size} memory elements; only those without are served.",
        )
    lookahead = network.segment_length - 1
    spec = ModelSpec(
        name=name,
        features=features,
        # A step is a segment; the right context adds to the delay without being a step of its own.
        lookaheads=(lookahead,),
        default_lookahead=lookahead,
        left_context=network.left_context_length,
        vocabulary=vocabulary,
        heads=("rnnt",),
        subsampling=model.transcriber.time_reduction.stride,
        start="full",
        tail="padded",
        languages=("en",),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )
    return LoadedModel(
        spec=spec,
        front_end=SegmentFrontEnd(stages, features).to(device),
        encoder=EmformerEncoder(model.transcriber, spec),
        decoders={"rnnt": EmformerDecoder(model.predictor, model.joiner, len(vocabulary))},
    )


def _torchaudio_pipelines(path: str) -> Any:
    """``torchaudio.pipelines``, or why it cannot be used."""
    if importlib.util.find_spec("torchaudio") is None:
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{path} needs torchaudio: pip install 'wavelane[torchaudio]', beside a CUDA build of torch (torchaudio "
            "does not import beside a CPU build).",
        )
    try:
        return importlib.import_module("torchaudio.pipelines")
    except Exception as error:
        # Its compiled part fails with OSError, ImportError or RuntimeError, whatever it happens to miss.
        raise WavelaneError(
            ErrorCode.MODEL_UNSUPPORTED,
            f"{path} needs torchaudio, which is installed but does not import beside torch {torch.__version__} "
            f"({type(error).__name__}: {error}): it needs a CUDA build of torch that it was made for; install both "
            "anew with pip install 'wavelane[torchaudio]'.",
        ) from error
