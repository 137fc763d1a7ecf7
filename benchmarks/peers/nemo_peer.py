"""NeMo's own cache-aware streaming, ``conformer_stream_step`` over batched caches, with greedy CTC.

As favourable to NeMo as can be: its step would decode the whole transcript of every stream again; that is turned off,
and each stream's greedy state is kept here instead. bf16 is ``torch.autocast``.
"""

import contextlib
import logging
import os

import numpy as np

HOP = 160
EDGE = 2
"""Frames at either end of a chunk's features that are left out, as they see its edges."""

_models = {}


def load(path, lookahead, threads):
    """A model set to a lookahead; the last one is kept."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from nemo.collections.asr.models import ASRModel
    from nemo.utils import logging as nemo_logging

    logging.disable(logging.WARNING)
    nemo_logging.setLevel(logging.ERROR)
    torch.set_num_threads(threads)
    if path not in _models:
        _models.clear()
        model = ASRModel.restore_from(path, map_location="cpu").eval()
        for parameter in model.parameters():
            parameter.requires_grad_(False)
        model.preprocessor.featurizer.dither = 0.0
        _models[path] = model
    model = _models[path]
    model.encoder.set_default_att_context_size([model.encoder.att_context_size_all[0][0], lookahead])
    model.encoder.setup_streaming_params()
    return model


def last(value):
    """Of a first-step and later-steps pair the second."""
    return value[-1] if isinstance(value, (list, tuple)) else value


class Nemo:
    """``rows`` streams in batched caches."""

    def __init__(self, path, lookahead, precision, threads, rows):
        import torch

        self.torch = torch
        self.model = load(path, lookahead, threads)
        encoder, config = self.model.encoder, self.model.encoder.streaming_cfg
        self.frames, self.before = last(config.chunk_size), last(config.pre_encode_cache_size)
        self.drop = config.drop_extra_pre_encoded
        self.chunk, self.rows = self.frames * HOP, rows
        self.autocast = precision == "bf16"
        self.blank = len(self.model.decoder.vocabulary)
        self.channel, self.time, self.length = encoder.get_initial_cache_state(batch_size=rows, dtype=torch.float32)
        self.features = torch.zeros(rows, encoder._feat_in, self.before)
        self.tail = np.zeros((rows, 2 * EDGE * HOP), np.float32)
        self.symbol, self.text = [self.blank] * rows, [[] for _ in range(rows)]

    def begin(self, row):
        """A new stream in this row."""
        with self.torch.inference_mode():
            self.channel[:, row], self.time[:, row], self.length[row], self.features[row] = 0, 0, 0, 0
        self.tail[row] = 0
        self.symbol[row], self.text[row] = self.blank, []

    def step(self, rows, audio):
        """Features, encoder and decoder for these rows."""
        torch, everything = self.torch, len(rows) == self.rows
        samples = np.concatenate([self.tail[rows], np.stack(audio)], axis=1)
        self.tail[rows] = samples[:, -2 * EDGE * HOP :]
        # Rows that are all of them keep their caches where they are.
        pick = (lambda cache, axis: cache) if everything else (lambda cache, axis: cache.index_select(axis, index))
        index = torch.tensor(rows)
        amp = torch.autocast("cpu", torch.bfloat16) if self.autocast else contextlib.nullcontext()
        with torch.inference_mode():
            lengths = torch.full((len(rows),), samples.shape[1])
            found = self.model.preprocessor(input_signal=torch.from_numpy(samples), length=lengths)[0]
            window = torch.cat([pick(self.features, 0), found[:, :, EDGE : EDGE + self.frames]], dim=2)
            with amp:
                pieces, _, channel, time, length, _ = self.model.conformer_stream_step(
                    processed_signal=window,
                    processed_signal_length=torch.full((len(rows),), window.shape[2]),
                    cache_last_channel=pick(self.channel, 1),
                    cache_last_time=pick(self.time, 1),
                    cache_last_channel_len=pick(self.length, 0),
                    keep_all_outputs=False,
                    drop_extra_pre_encoded=self.drop,
                    return_transcription=False,
                )
            features = window[:, :, -self.before :]
            if everything:
                self.channel, self.time, self.length, self.features = channel, time, length, features
            else:
                self.channel.index_copy_(1, index, channel.to(self.channel.dtype))
                self.time.index_copy_(1, index, time.to(self.time.dtype))
                self.length.index_copy_(0, index, length)
                self.features.index_copy_(0, index, features)
        for row, symbols in zip(rows, pieces, strict=True):
            for symbol in symbols.tolist():
                if symbol != self.symbol[row] and symbol != self.blank:
                    self.text[row].append(symbol)
                self.symbol[row] = symbol
        return [self.text[row] for row in rows]


def make(point, rows):
    """The engine of a point."""
    return Nemo(point["nemo"], point["lookahead"], point["precision"], point["threads"], rows)


def version():
    """For the report."""
    import importlib.metadata

    return f"NeMo {importlib.metadata.version('nemo_toolkit')}"
