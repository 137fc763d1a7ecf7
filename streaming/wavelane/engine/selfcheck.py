"""Whether a recorded step does what the step itself does: the same random audio and state through both."""

from collections.abc import Callable

import torch
from torch import Tensor

from wavelane.engine.step import HEADER, DeviceStep, Outputs, Row

SPARE = 16
"""Rows of memory that the check needs: one half is read, the other written."""

_TOLERANCE = {torch.bfloat16: 3e-2, torch.float16: 5e-3}
"""Of values, relative to the largest; 1e-3 for float32."""
_LOUDNESS = 0.1
_SEED = 20_260


class SelfCheck:
    """Compares recordings of a step with the step. Touches spare memory only, so lanes may be in use.

    Args:
        step: with :data:`SPARE` spare rows of memory.
    """

    def __init__(self, step: DeviceStep) -> None:
        spare = list(step.spare)
        if len(spare) != SPARE:
            raise ValueError(f"the check needs {SPARE} spare rows of memory, there are {len(spare)}")
        self._step = step
        self._sources, self._targets = spare[: SPARE // 2], spare[SPARE // 2 :]
        self._random = torch.Generator()
        self._seeded = False

    @torch.inference_mode()
    def __call__(self, bucket: int, lookahead: int, recorded: Callable[[Tensor, Tensor], Outputs]) -> str | None:
        """What is wrong with a recording, or None.

        Args:
            bucket: rows of the step.
            lookahead: of the step.
            recorded: takes samples [B, window] and table [6, B] as the step does.
        """
        # The same for every run of a server, whatever was recorded before.
        self._random.manual_seed(_SEED + 1000 * lookahead + bucket)
        if not self._seeded:
            self._make_state(lookahead)
            self._seeded = True
        samples, table = self._audio(bucket, lookahead), self._table([*self._mixed(bucket, lookahead)])
        self._step.clear(self._targets)
        expected = self._keep(self._step(samples, table, lookahead), bucket)
        self._step.clear(self._targets)
        found = self._keep(recorded(samples, table), bucket)
        return _difference(expected, found)

    def _make_state(self, lookahead: int) -> None:
        """Streams that have heard two windows."""
        spec, count = self._step.spec, len(self._sources)
        prompt = self._step.padding(lookahead).prompt
        for start in (True, False):
            frames = spec.start_frames(lookahead) if start else spec.chunk_frames(lookahead)
            rows = [Row(self._step.blank if start else at, at, frames, start, False, prompt) for at in self._sources]
            self._step(self._audio(count, lookahead), self._table(rows), lookahead)

    def _mixed(self, bucket: int, lookahead: int) -> list[Row]:
        """Rows at the start, in the middle and at the end of streams, and padding in the last of four and more."""
        spec, padding = self._step.spec, self._step.padding(lookahead)
        rows = []
        for number in range(bucket):
            target = self._targets[number] if number < len(self._targets) else self._step.waste
            source = self._sources[number % len(self._sources)]
            if number % 4 == 3:
                rows.append(Row(self._step.blank, target, spec.start_frames(lookahead), True, False, padding.prompt))
            elif number % 5 == 4:
                frames = (spec.chunk_frames(lookahead) + 1) // 2
                rows.append(Row(source, target, frames, False, True, padding.prompt))
            else:
                rows.append(Row(source, target, spec.chunk_frames(lookahead), False, False, padding.prompt))
        if bucket >= 4:
            rows[-1] = padding
        return rows

    def _audio(self, rows: int, lookahead: int) -> Tensor:
        samples = torch.randn((rows, self._step.window(lookahead)), generator=self._random) * _LOUDNESS
        return samples.to(self._step.device)

    def _table(self, rows: list[Row]) -> Tensor:
        return torch.tensor(rows, dtype=torch.int64).t().contiguous().to(self._step.device)

    def _keep(self, outputs: Outputs, bucket: int) -> dict[str, Tensor]:
        """Everything that a step gave, copied, by name; what is undefined is zero."""
        numbers, confidences = outputs.numbers.cpu(), outputs.confidences.float().cpu()
        room = confidences.shape[1]
        unused = torch.arange(room) >= numbers[:, :1]
        kept = {
            "counts, lengths and flags": numbers[:, :HEADER],
            "pieces": numbers[:, HEADER : HEADER + room].masked_fill(unused, 0),
            "frames of pieces": numbers[:, HEADER + room :].masked_fill(unused, 0),
            "confidences": confidences.masked_fill(unused, 0),
        }
        past = torch.arange(outputs.encoded.shape[1]) >= numbers[:, 1:2]
        kept["encoder frames"] = outputs.encoded.cpu().masked_fill(past.unsqueeze(2), 0)
        written = self._targets[:bucket]
        for state in self._step.peek(written):
            kept |= {f"state {name}": leaf.cpu() for name, leaf in state.items()}
        return kept


def _difference(expected: dict[str, Tensor], found: dict[str, Tensor]) -> str | None:
    """The first thing that differs, in words."""
    for name, wanted in expected.items():
        got = found[name]
        if not wanted.is_floating_point():
            if not torch.equal(wanted, got):
                return f"its {name} are others"
            continue
        scale = max(1.0, float(wanted.abs().max())) if wanted.numel() else 1.0
        gap = float((wanted.float() - got.float()).abs().max()) if wanted.numel() else 0.0
        # Written so that NaN is a difference.
        if not gap <= _TOLERANCE.get(wanted.dtype, 1e-3) * scale:
            return f"its {name} differ by {gap:.2g}"
    return None
