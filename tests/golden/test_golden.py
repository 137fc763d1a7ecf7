"""Parity with NeMo and transformers: every fixture, every lookahead, every array."""

import numpy as np
import pytest

from support.golden import ALL, CHECKPOINTS, GOLDEN, Golden, loaded
from wavelane.model.verify import verify

KINDS = {
    "ctc80": {"features", "step*_encoded", "ctc_logprobs", "ctc_ids"},
    "hybrid80": {"features", "step*_encoded", "ctc_logprobs", "ctc_ids", "rnnt_ids", "rnnt_frames"},
    "rnnt128": {"features", "step*_encoded", "rnnt_ids", "rnnt_frames"},
    "hf_rnnt": {"features", "step*_encoded", "rnnt_ids"},
    "hf_multi": {
        "features",
        "step*_encoded",
        *(f"prompt{prompt}_{array}" for prompt in (5, 2) for array in ("step*_projected", "rnnt_ids")),
    },
}


@pytest.mark.parametrize("golden", ALL, ids=str)
def test_a_streamed_file_gives_what_the_reference_gives(golden: Golden) -> None:
    report = verify(loaded(golden.checkpoint), golden.wav, golden.reference, golden.lookahead)
    assert [(wrong.array, wrong.difference) for wrong in report.comparisons if not wrong.ok] == []
    assert report.extra_steps == 0
    assert report.ok


def test_all_fixtures_are_there() -> None:
    found = {(golden.checkpoint.name.removesuffix(".nemo"), golden.lookahead) for golden in ALL}
    assert found >= {(name, lookahead) for name in KINDS for lookahead in (13, 6, 1, 0)}
    assert len(CHECKPOINTS) == 10


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_array_is_compared_and_every_step(name: str) -> None:
    golden = Golden(GOLDEN / f"{name}.L6.npz")
    report = verify(loaded(golden.checkpoint), golden.wav, golden.reference, 6)
    assert {comparison.kind for comparison in report.worst()} == KINDS[name]
    stored = np.load(golden.reference).files
    assert {name for name in stored if name.startswith("step")} <= {c.array for c in report.comparisons}
    assert sum(c.kind == "step*_encoded" for c in report.comparisons) == 21
