"""The feed-forward module of a Conformer layer."""

from torch import Tensor, nn
from torch.nn import functional

from wavelane.model.config import EncoderConfig
from wavelane.model.convolution import NORM_EPSILON
from wavelane.model.weights import Weights


class FeedForward(nn.Module):
    """Half-weighted feed-forward module with its norm."""

    def __init__(self, weights: Weights, prefix: str, config: EncoderConfig) -> None:
        super().__init__()
        d_model = config.d_model
        inner, inner_bias = weights.linear(f"{prefix}.linear1", config.d_ff, d_model, config.bias)
        outer, outer_bias = weights.linear(f"{prefix}.linear2", d_model, config.d_ff, config.bias)
        self.norm = load_norm(weights, f"{prefix}.norm", d_model)
        self.register_buffer("inner", inner)
        self.register_buffer("inner_bias", inner_bias)
        self.register_buffer("outer", outer * 0.5)
        self.register_buffer("outer_bias", outer_bias * 0.5)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, d_model] to the same."""
        x = functional.linear(self.norm(x), self.get_buffer("inner"), self.get_buffer("inner_bias"))
        return functional.linear(
            functional.silu(x, inplace=True), self.get_buffer("outer"), self.get_buffer("outer_bias")
        )


def load_norm(weights: Weights, prefix: str, width: int) -> nn.LayerNorm:
    """A layer norm with the checkpoint's scale and shift."""
    norm = nn.LayerNorm(width, eps=NORM_EPSILON)
    norm.load_state_dict(
        {"weight": weights.take(f"{prefix}.weight", width), "bias": weights.take(f"{prefix}.bias", width)}
    )
    return norm.requires_grad_(False)
