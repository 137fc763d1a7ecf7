"""Export a streaming CTC model (``.nemo``) for sherpa-onnx: model.onnx, model.int8.onnx, tokens.txt, export.json.

python export.py MODEL.nemo FOLDER LOOKAHEAD

One graph serves one lookahead. int8 is onnxruntime's dynamic quantisation with signed weights on matrix products, and
convolutions of width 1 are exported as such products, which is faster here than its default set.
"""

import json
import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np

INPUTS = ["audio_signal", "length", "cache_last_channel", "cache_last_time", "cache_last_channel_len"]
OUTPUTS = [
    "logprobs",
    "encoded_lengths",
    "cache_last_channel_next",
    "cache_last_time_next",
    "cache_last_channel_next_len",
]


def pointwise_to_product(module, torch):
    """Replace convolutions of width 1 by products, in place."""

    class Product(torch.nn.Module):
        def __init__(self, convolution):
            super().__init__()
            weight = convolution.weight[:, :, 0].t().contiguous()
            self.weight = torch.nn.Parameter(weight, requires_grad=False)
            self.bias = convolution.bias

        def forward(self, x):
            y = torch.matmul(x.transpose(1, 2), self.weight)
            return (y if self.bias is None else y + self.bias).transpose(1, 2)

    for name, child in module.named_children():
        if type(child) is torch.nn.Conv1d and child.kernel_size == (1,) and child.groups == 1 and child.stride == (1,):
            setattr(module, name, Product(child))
        else:
            pointwise_to_product(child, torch)


def export(path, folder, lookahead):
    """Write the files, and check that the graphs give what the model gives."""
    import nemo_peer as peer
    import onnx
    import onnxruntime
    import torch
    from nemo.core.classes.common import typecheck
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = peer.load(path, lookahead, os.cpu_count() or 1)
    encoder, decoder, config = model.encoder, model.decoder, model.encoder.streaming_cfg
    chunk, before = peer.last(config.chunk_size), peer.last(config.pre_encode_cache_size)
    window = chunk + before
    layers, width = len(encoder.layers), encoder.d_model
    past, kernel = config.last_channel_cache_size, encoder.conv_context_size[0]
    pointwise_to_product(encoder.layers, torch)

    class Step(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = encoder, decoder

        def forward(self, audio_signal, length, cache_last_channel, cache_last_time, cache_last_channel_len):
            encoded, lengths, channel, time, channel_len = self.encoder.forward_for_export(
                audio_signal=audio_signal,
                length=length,
                cache_last_channel=cache_last_channel,
                cache_last_time=cache_last_time,
                cache_last_channel_len=cache_last_channel_len,
            )
            return self.decoder(encoder_output=encoded), lengths, channel, time, channel_len

    torch.manual_seed(0)
    example = (
        torch.randn(2, encoder._feat_in, window) * 3 - 9,
        torch.full((2,), window, dtype=torch.int64),
        torch.randn(2, layers, past, width) * 0.1,
        torch.randn(2, layers, width, kernel) * 0.1,
        torch.tensor([past, past // 2], dtype=torch.int64),
    )
    folder.mkdir(parents=True, exist_ok=True)
    float_path, int8_path = folder / "model.onnx", folder / "model.int8.onnx"
    step = Step().eval()
    typecheck.set_typecheck_enabled(False)
    with torch.no_grad():
        wanted = step(*example)[0].numpy()
        torch.onnx.export(
            step,
            example,
            str(float_path),
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_axes={name: {0: "batch"} for name in INPUTS + OUTPUTS},
            opset_version=17,
            dynamo=False,
        )
    vocabulary = list(decoder.vocabulary)
    metadata = {
        "vocab_size": len(vocabulary),  # without the blank, which sherpa-onnx adds
        "window_size": window,
        "chunk_shift": chunk,
        "normalize_type": "",
        "cache_last_channel_dim1": layers,
        "cache_last_channel_dim2": past,
        "cache_last_channel_dim3": width,
        "cache_last_time_dim1": layers,
        "cache_last_time_dim2": width,
        "cache_last_time_dim3": kernel,
        "subsampling_factor": encoder.subsampling_factor,
        "model_type": "EncDecCTCModelBPE",
        "version": "1",
        "model_author": "NeMo",
    }
    graph = onnx.load(str(float_path))
    del graph.metadata_props[:]
    for name, value in metadata.items():
        entry = graph.metadata_props.add()
        entry.key, entry.value = name, str(value)
    onnx.save(graph, str(float_path))
    quantize_dynamic(
        str(float_path), str(int8_path), weight_type=QuantType.QInt8, op_types_to_quantize=["MatMul", "Gemm"]
    )
    pieces = [f"{piece} {index}\n" for index, piece in enumerate([*vocabulary, "<blk>"])]
    (folder / "tokens.txt").write_text("".join(pieces), encoding="utf-8")
    report = {"lookahead": lookahead, "chunk_shift": chunk}
    for name, file in (("fp32", float_path), ("int8", int8_path)):
        session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
        found = session.run(None, {key: value.numpy() for key, value in zip(INPUTS, example, strict=True)})[0]
        report[f"{name}_difference"] = float(np.abs(found - wanted).max())
    if report["fp32_difference"] > 0.01:
        raise SystemExit(f"the exported graph differs from the model by {report['fp32_difference']}")
    (folder / "export.json").write_text(json.dumps(report, indent=1) + "\n")
    print(f"exported {folder.name}: {report}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    export(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
