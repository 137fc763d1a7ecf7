"""A loaded model in the native library: its weights packed, the memory of its lanes, its step."""

import ctypes
from ctypes import byref, c_double, c_int64
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wavelane.decode.ctc import CtcDecoder
from wavelane.decode.rnnt import RnntDecoder
from wavelane.frontend.mel import LogMel
from wavelane.model.attention import sinusoids, visible
from wavelane.model.base import LoadedModel
from wavelane.model.encoder import Encoder
from wavelane.model.stack import Layer
from wavelane.native.library import (
    ACTIVATIONS,
    BYTES,
    FLOATS,
    HEADS,
    INTS,
    LONGS,
    PARTS,
    PRECISIONS,
    Rows,
    Shape,
    library,
    missing,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wavelane.work import Chunk


def unsupported(model: LoadedModel) -> str | None:
    """Why the native library cannot run a model here; None if it can."""
    encoder = model.encoder
    if not isinstance(encoder, Encoder) or not isinstance(model.front_end, LogMel):
        return "the model is of another family than FastConformer"
    features = model.spec.features
    if features.n_fft & (features.n_fft - 1) or not 64 <= features.n_fft <= 8192:
        return f"its n_fft is {features.n_fft}, and the native front end needs a power of two from 64 to 8192"
    if encoder.subsampling.get_buffer("out").device.type != "cpu":
        return "the model is on another device"
    return missing()


@dataclass(slots=True)
class Stepped:
    """Numbers of one step; the first ``counts[b]`` columns of row ``b`` are its pieces."""

    lengths: NDArray[np.int32]
    """[B] encoder frames"""
    positions: NDArray[np.int64]
    """[B] encoder frames of the stream before this step"""
    finite: NDArray[np.bool_]
    """[B]"""
    encoded: NDArray[np.float32] | None
    """[B, T, d_model], if asked for"""
    ids: NDArray[np.int32]
    """[B, U]"""
    frames: NDArray[np.int32]
    """[B, U] within this step"""
    confidences: NDArray[np.float32]
    """[B, U]"""
    counts: NDArray[np.int32]
    """[B]"""


class NativeModel:
    """A model in the native library.

    Args:
        model: in float32 on a CPU; its tensors are read, not kept.
        precision: ``fp32``, ``bf16`` (weights and activations of products) or ``int8`` (weights and activations of the
            layers' products, with a scale for each output and each frame; bfloat16 around them).
        lanes: streams that it has memory for.
        head: ``ctc`` or ``rnnt``: what to decode with, greedily; None: not at all.
    """

    def __init__(self, model: LoadedModel, precision: str, lanes: int, head: str | None) -> None:
        self._model: int = 0
        reason = unsupported(model)
        if reason is not None:
            raise ValueError(reason)
        assert isinstance(model.encoder, Encoder)
        assert isinstance(model.front_end, LogMel)
        self._encoder = model.encoder
        self._library = library()
        self.spec = model.spec
        decoder = None if head is None else model.decoders[head]
        assert decoder is None or isinstance(decoder, (CtcDecoder, RnntDecoder))
        self.pieces = 1 if decoder is None else _most(decoder)
        """That an encoder frame may emit."""
        shape = self._shape(precision, decoder)
        self._model = self._library.wavelane_create(byref(shape))
        if not self._model:
            raise ValueError("the native library refuses the model's shape")
        try:
            for name, layer, parts in _weights(model.encoder, model.front_end, decoder):
                self._load(name, layer, parts)
            for lookahead in self.spec.lookaheads:
                self._plan(lookahead)
            if self._library.wavelane_open(self._model, lanes):
                raise MemoryError(f"no memory for {lanes} lanes of {self.bytes_per_lane} bytes")
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free it; scratches have to be dropped before."""
        if self._model:
            self._library.wavelane_destroy(self._model)
            self._model = 0

    def __del__(self) -> None:
        self.close()

    @property
    def bytes_per_lane(self) -> int:
        """Memory of one lane's state (bytes)."""
        return int(self._library.wavelane_bytes_per_lane(self._model))

    def scratch(self) -> "Scratch":
        """Working memory of one thread."""
        return Scratch(self, self._library.wavelane_scratch(self._model))

    def _shape(self, precision: str, decoder: CtcDecoder | RnntDecoder | None) -> Shape:
        encoder, features = self._encoder.config, self.spec.features
        prompt = self._encoder.prompt
        shape = _head_shape(decoder)
        if prompt is not None:
            table = prompt.get_buffer("table")
            shape |= {"prompts": table.shape[0], "prompt_hidden": table.shape[1]}
        return Shape(
            precision=PRECISIONS[precision],
            n_mels=features.n_mels,
            hop=features.hop,
            window=features.window,
            n_fft=features.n_fft,
            preemphasis=features.preemphasis or 0.0,
            log_guard=features.log_guard,
            closing_frame=features.closing_frame,
            d_model=encoder.d_model,
            layers=encoder.layers,
            heads=encoder.heads,
            d_ff=encoder.d_ff,
            kernel=encoder.kernel,
            channels=encoder.channels,
            left_context=encoder.left_context,
            most_chunk=max(self.spec.lookaheads) + 1,
            layer_norm=encoder.conv_norm == "layer_norm",
            mask_before_start=encoder.mask_before_start,
            padded_tail=self.spec.tail == "padded",
            **shape,
        )

    def _load(self, name: str, layer: int, parts: "Sequence[Tensor]") -> None:
        data = torch.cat([part.detach().float().flatten() for part in parts]).contiguous().numpy()
        if self._library.wavelane_load(self._model, name.encode(), layer, _pointer(data, FLOATS), data.size):
            raise ValueError(f"the native library does not take {name} with {data.size} numbers")

    def _plan(self, lookahead: int) -> None:
        config, chunk = self._encoder.config, lookahead + 1
        left = config.left_context
        encodings = sinusoids(left + chunk - 1, -(chunk - 1), config.d_model)
        offset = -left % chunk if config.grid == "stream" else 0
        seen = visible(chunk, left, offset).numpy()
        lowest = seen.argmax(axis=1).astype(np.int32)
        highest = (lowest + seen.sum(axis=1)).astype(np.int32)
        positions = torch.stack([layer.attention.positions(encodings).float() for layer in _layers(self._encoder)])
        values = positions.contiguous().numpy()
        if self._library.wavelane_plan(
            self._model, chunk, _pointer(lowest, INTS), _pointer(highest, INTS), _pointer(values, FLOATS)
        ):
            raise ValueError(f"the native library refuses lookahead {lookahead}")


class Scratch:
    """Working memory of one thread, and the steps it computes. Made by :meth:`NativeModel.scratch`."""

    def __init__(self, model: NativeModel, handle: int) -> None:
        self._owner = model
        self._handle = handle
        self._library = library()
        self.seconds_inside = 0.0
        """Time spent in the library's steps (s)."""

    def __del__(self) -> None:
        if self._owner._model:
            self._library.wavelane_drop(self._owner._model, self._handle)

    def seconds(self) -> dict[str, float]:
        """Time spent in each part since the scratch was made (s)."""
        values = (c_double * len(PARTS))()
        self._library.wavelane_seconds(self._owner._model, self._handle, values)
        return dict(zip(PARTS, values, strict=True))

    @property
    def handles(self) -> tuple[int, int]:
        """Of its model and of itself, for the library."""
        return self._owner._model, self._handle

    def scores(self) -> tuple[int, int]:
        """Where the scores of the last step lie, of a CTC head: address of the first row's first frame, and numbers
        from one frame to the next. Valid until the next step."""
        stride = c_int64()
        base = self._library.wavelane_scores(self._owner._model, self._handle, byref(stride))
        return ctypes.addressof(base.contents), stride.value

    def step(self, lookahead: int, rows: "Sequence[tuple[int, Chunk]]", *, encoded: bool = False) -> Stepped:
        """Advance lanes by a chunk each; releases the interpreter lock.

        Args:
            lookahead: of all rows.
            rows: lane and chunk of each; no lane twice, and in no other step at the same time.
            encoded: whether to give the encoder's frames.
        """
        owner, count, chunk = self._owner, len(rows), lookahead + 1
        table = np.array([(lane, row.frames, row.start, row.last) for lane, row in rows], dtype=np.int64).reshape(-1, 4)
        lanes = np.ascontiguousarray(table[:, 0])
        frames = table[:, 1].astype(np.int32)
        default = owner.spec.default_prompt or 0
        prompts = np.array([default if row.prompt is None else row.prompt for _, row in rows], dtype=np.int32)
        room = chunk * owner.pieces
        start, last = table[:, 2].astype(np.uint8), table[:, 3].astype(np.uint8)
        windows = [np.ascontiguousarray(row.samples, dtype=np.float32) for _, row in rows]
        samples = np.array([window.ctypes.data for window in windows], dtype=np.uint64)
        out = Stepped(
            lengths=np.empty(count, dtype=np.int32),
            positions=np.empty(count, dtype=np.int64),
            finite=np.empty(count, dtype=np.bool_),
            encoded=np.empty((count, chunk, owner._encoder.config.d_model), dtype=np.float32) if encoded else None,
            ids=np.empty((count, room), dtype=np.int32),
            frames=np.empty((count, room), dtype=np.int32),
            confidences=np.empty((count, room), dtype=np.float32),
            counts=np.zeros(count, dtype=np.int32),
        )
        batch = Rows(
            rows=count,
            chunk=chunk,
            room=room,
            lanes=_pointer(lanes, LONGS),
            samples=_pointer(samples, ctypes.POINTER(FLOATS)),
            frames=_pointer(frames, INTS),
            start=_pointer(start, BYTES),
            last=_pointer(last, BYTES),
            prompts=_pointer(prompts, INTS),
            lengths=_pointer(out.lengths, INTS),
            positions=_pointer(out.positions, LONGS),
            finite=_pointer(out.finite, BYTES),
            encoded=None if out.encoded is None else _pointer(out.encoded, FLOATS),
            ids=_pointer(out.ids, INTS),
            frames_of_ids=_pointer(out.frames, INTS),
            confidences=_pointer(out.confidences, FLOATS),
            counts=_pointer(out.counts, INTS),
        )
        begin = perf_counter()
        self._library.wavelane_step(owner._model, self._handle, byref(batch))
        self.seconds_inside += perf_counter() - begin
        return out


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, kind)


def _most(decoder: CtcDecoder | RnntDecoder) -> int:
    return 1 if isinstance(decoder, CtcDecoder) else decoder.max_symbols


def _head_shape(decoder: CtcDecoder | RnntDecoder | None) -> dict[str, int]:
    """Fields of :class:`Shape` that a decoder fills."""
    if decoder is None:
        return {}
    shape = {"head": HEADS[decoder.name], "blank": decoder.blank, "max_symbols": _most(decoder)}
    if isinstance(decoder, CtcDecoder):
        return shape | {"symbols": decoder.weight.shape[0]}
    config = decoder.config
    return shape | {
        "symbols": decoder.get_buffer("embedding").shape[0],
        "hidden": config.hidden,
        "lstm_layers": config.layers,
        "joint": config.joint,
        "activation": ACTIVATIONS[config.activation],
    }


def _layers(encoder: Encoder) -> "list[Layer]":
    return [layer for layer in encoder.layers if isinstance(layer, Layer)]


def _norm(norm: nn.LayerNorm) -> "tuple[Tensor, Tensor]":
    return norm.weight, norm.bias


def _weights(
    encoder: Encoder, front_end: LogMel, decoder: CtcDecoder | RnntDecoder | None
) -> "Iterator[tuple[str, int, tuple[Tensor, ...]]]":
    """Name, layer (-1: none) and parts of everything that ``wavelane_load`` takes; weights before their biases."""
    spec = front_end.spec
    margin = (spec.n_fft - spec.window) // 2
    yield "hann+filters", -1, (front_end.window[margin : margin + spec.window], front_end.filters)
    sub = encoder.subsampling.get_buffer
    yield "stem", -1, (sub("stem"), sub("stem_bias"))
    for level in (1, 2):
        yield f"depthwise{level}", -1, (sub(f"depthwise{level}"),)
        yield f"pointwise{level}", -1, (sub(f"pointwise{level}"), sub(f"bias{level}"))
    yield "out", -1, (sub("out"), sub("out_bias"))
    for i, layer in enumerate(_layers(encoder)):
        attention, convolution = layer.attention, layer.convolution
        for name, half in (("feed_forward1", layer.feed_forward1), ("feed_forward2", layer.feed_forward2)):
            yield f"{name}.norm", i, _norm(half.norm)
            yield f"{name}.inner", i, (half.get_buffer("inner"), half.get_buffer("inner_bias"))
            yield f"{name}.outer", i, (half.get_buffer("outer"), half.get_buffer("outer_bias"))
        yield "attention.norm", i, _norm(layer.attention_norm)
        yield "attention.qkv", i, (attention.qkv, attention.qkv_bias)
        yield "attention.bias_v", i, (attention.bias_v,)
        yield "attention.out", i, (attention.out, attention.out_bias)
        yield "convolution.in_norm", i, _norm(layer.convolution_norm)
        yield "convolution.pointwise1", i, (convolution.pointwise1, convolution.pointwise1_bias)
        yield "convolution.depthwise", i, (convolution.depthwise, convolution.depthwise_bias)
        if encoder.config.conv_norm == "layer_norm":
            yield "convolution.norm", i, (convolution.norm, convolution.norm_bias)
        yield "convolution.pointwise2", i, (convolution.pointwise2, convolution.pointwise2_bias)
        yield "norm", i, _norm(layer.norm)
    if encoder.prompt is not None:
        prompt = encoder.prompt.get_buffer
        yield "prompt.inner", -1, (prompt("inner"),)
        yield "prompt.table", -1, (prompt("table"),)
        yield "prompt.outer", -1, (prompt("outer"), prompt("outer_bias"))
    if isinstance(decoder, CtcDecoder):
        yield "ctc", -1, (decoder.weight, decoder.bias)
    elif decoder is not None:
        head = decoder.get_buffer
        yield "embedding", -1, (head("embedding"),)
        for i in range(decoder.config.layers):
            yield "lstm", i, (head(f"lstm{i}"), head(f"lstm{i}_bias"))
        for name in ("encoder", "prediction", "out"):
            yield f"joint.{name}", -1, (head(f"joint_{name}"), head(f"joint_{name}_bias"))
