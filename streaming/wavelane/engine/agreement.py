"""Whether all rows of a step are computed alike, which ``engine.identical`` rests on."""

import torch
from torch import Tensor

from wavelane.model.base import LoadedModel

STEPS = 3


@torch.inference_mode()
def rows_agree(model: LoadedModel, head: str, lookahead: int, rows: int) -> bool:
    """Whether a stream gets the same bits in every row of a step.

    In one shape a stream's neighbours change nothing but the row that it stands in. Kernels may treat rows differently
    by where they lie in memory: models whose widths are no multiples of 16 do get other bits in other rows on some
    CPUs. Steps one noise in all rows and compares features, encoder frames, pieces, confidences and states.

    Args:
        model: to be asked.
        head: name of the decoder.
        lookahead: of the steps.
        rows: of the steps.
    """
    spec, decoder = model.spec, model.decoders[head]
    encoder_state, decoder_state = model.encoder.init_state(rows), decoder.init_state(rows)
    device = next(iter(encoder_state.values())).device
    width = spec.features.window_samples(spec.chunk_frames(lookahead))
    noise = torch.randn(STEPS, 1, width, generator=torch.Generator().manual_seed(1)).mul(0.1).to(device)
    prompts = torch.full((rows,), spec.default_prompt or 0, device=device) if spec.prompts else None
    never = torch.zeros(rows, dtype=torch.bool, device=device)
    for step in range(STEPS):
        start = ~never if step == 0 else never
        count = spec.start_frames(lookahead) if step == 0 else spec.chunk_frames(lookahead)
        frames = torch.full((rows,), count, dtype=torch.int64, device=device)
        features = model.front_end(noise[step].expand(rows, -1).contiguous(), frames, start, never)
        encoded, encoder_state = model.encoder.step(features, frames, start, never, encoder_state, lookahead, prompts)
        emissions, decoder_state = decoder.step(encoded, decoder_state)
        leaves = (features, encoded.frames, *encoder_state.values(), *decoder_state.values())
        if not all(map(_same, (*leaves, emissions.ids, emissions.frames, emissions.confidences))):
            return False
    return True


def _same(leaf: Tensor) -> bool:
    return bool((leaf == leaf[:1]).all())
