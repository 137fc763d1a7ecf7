"""Random weights of a small RNN-T head that says something."""

import torch
from torch import Tensor

D_MODEL, HIDDEN, JOINT, SYMBOLS, BLANK = 5, 7, 6, 9, 8


def transducer_tensors(layers: int, seed: int = 0, blank_bias: float = 2.5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "prediction.embedding.weight": (SYMBOLS, HIDDEN),
        "joint.encoder.weight": (JOINT, D_MODEL), "joint.encoder.bias": (JOINT,),
        "joint.prediction.weight": (JOINT, HIDDEN), "joint.prediction.bias": (JOINT,),
        "joint.out.weight": (SYMBOLS, JOINT), "joint.out.bias": (SYMBOLS,),
    }  # fmt: skip
    for i in range(layers):
        for part in ("input", "hidden"):
            shapes[f"prediction.lstm.{i}.{part}.weight"] = (4 * HIDDEN, HIDDEN)
            shapes[f"prediction.lstm.{i}.{part}.bias"] = (4 * HIDDEN,)
    made = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    made["joint.out.weight"] *= 2
    made["joint.out.bias"][BLANK] = blank_bias
    return made
