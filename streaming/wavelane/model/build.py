"""From a configuration and weights to a model that runs."""

import torch

from wavelane.decode.ctc import CtcDecoder
from wavelane.decode.rnnt import RnntDecoder
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.frontend.mel import LogMel
from wavelane.model.base import Decoder, LoadedModel
from wavelane.model.config import ModelConfig
from wavelane.model.encoder import Encoder
from wavelane.model.weights import Weights

DTYPES = (torch.float32, torch.bfloat16)


def require_dtype(dtype: torch.dtype) -> None:
    """Raise a WavelaneError for a precision that no model runs in."""
    if dtype not in DTYPES:
        raise WavelaneError(
            ErrorCode.INVALID_CONFIG, f"Models run in float32 or bfloat16 (setting dtype), not in {dtype}."
        )


def build(config: ModelConfig, weights: Weights, *, device: str | torch.device, dtype: torch.dtype) -> LoadedModel:
    """Make the front end, the encoder and every decoder of a checkpoint.

    Args:
        config: of the model.
        weights: under their canonical names.
        device: for all of it.
        dtype: of encoder and decoders, float32 or bfloat16; features are always float32.

    Raises:
        WavelaneError: weights are missing, left over or misshapen, or ``dtype`` is another one.
    """
    require_dtype(dtype)
    d_model, symbols = config.encoder.d_model, config.vocabulary_size + 1
    encoder = Encoder(config, weights)
    decoders: dict[str, CtcDecoder | RnntDecoder] = {}
    for head in config.heads:
        if head == "ctc":
            decoders[head] = CtcDecoder(weights, d_model, symbols, config.blank)
        else:
            assert config.transducer is not None, "an RNN-T head has a transducer configuration"
            decoders[head] = RnntDecoder(weights, config.transducer, d_model, symbols, config.blank)
    weights.check_all_taken()
    encoder.spec = config.spec(parameters=weights.parameters)
    encoder.to(device=device, dtype=dtype).eval()
    ready: dict[str, Decoder] = {name: head.to(device=device, dtype=dtype).eval() for name, head in decoders.items()}
    return LoadedModel(spec=encoder.spec, front_end=LogMel(config.features).to(device), encoder=encoder, decoders=ready)
