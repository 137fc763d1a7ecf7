"""sherpa-onnx's streaming NeMo CTC recogniser on a model that ``export.py`` exported."""

import json
from pathlib import Path

import numpy as np

HOP = 160
LEAD = 16 * HOP + 80
"""Silence before the audio. sherpa-onnx begins with a full window, of which the graph drops the first two encoder
frames; 16 frames put the first chunk where NeMo's is, and 80 samples undo the half hop between Kaldi's frames and
NeMo's."""

_recognizers = {}


class Sherpa:
    """``rows`` streams of one recogniser; ready ones are decoded in one call."""

    def __init__(self, folder, precision, threads, rows):
        import sherpa_onnx

        folder = Path(folder)
        name = "model.int8.onnx" if precision == "int8" else "model.onnx"
        key = (str(folder), name, threads)
        if key not in _recognizers:
            _recognizers.clear()
            _recognizers[key] = sherpa_onnx.OnlineRecognizer.from_nemo_ctc(
                tokens=str(folder / "tokens.txt"),
                model=str(folder / name),
                num_threads=threads,
                enable_endpoint_detection=False,
            )
        self.recognizer = _recognizers[key]
        self.chunk = HOP * json.loads((folder / "export.json").read_text())["chunk_shift"]
        self.rows = rows
        self.streams = [None] * rows
        self.lead = np.zeros(LEAD, np.float32)

    def begin(self, row):
        """A new stream in this row."""
        self.streams[row] = self.recognizer.create_stream()
        self.streams[row].accept_waveform(16_000, self.lead)

    def step(self, rows, audio):
        """Feed, decode, read."""
        streams = [self.streams[row] for row in rows]
        for stream, samples in zip(streams, audio, strict=True):
            # A list goes through this binding faster than an array.
            stream.accept_waveform(16_000, samples.tolist())
        ready = [stream for stream in streams if self.recognizer.is_ready(stream)]
        while ready:
            self.recognizer.decode_streams(ready)
            ready = [stream for stream in ready if self.recognizer.is_ready(stream)]
        return [self.recognizer.get_result(stream) for stream in streams]


def make(point, rows):
    """The engine of a point."""
    return Sherpa(point["export"], point["precision"], point["threads"], rows)


def version():
    """For the report."""
    import sherpa_onnx

    return f"sherpa-onnx {sherpa_onnx.__version__}"
