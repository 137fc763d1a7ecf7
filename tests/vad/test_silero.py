import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from wavelane.audio.decoder import decode_bytes
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.vad import silero
from wavelane.vad.silero import STATE, WINDOW, SileroBatch, SileroDetector

COMMANDS = decode_bytes((Path(__file__).parents[1] / "data" / "speech" / "commands.flac").read_bytes())[1][0]


@pytest.fixture(scope="module")
def model():
    return SileroBatch()


def windows(count):
    """[count, WINDOW] of a recording."""
    return COMMANDS[: count * WINDOW].reshape(count, WINDOW)


def test_probabilities_are_those_of_the_package(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        theirs = torch.jit.load(str(silero.weights_path()))
    theirs.reset_states()
    with torch.no_grad():
        expected = [theirs(torch.tensor(window)[None], 16_000).item() for window in windows(150)]
    assert SileroDetector(model).push(COMMANDS[: 150 * WINDOW]) == pytest.approx(expected, abs=1e-5)
    assert max(expected) > 0.9 > 0.1 > min(expected)


@pytest.mark.parametrize("batch", [2, 7, 32])
def test_a_batched_step_equals_each_row_alone(model, batch):
    generator = np.random.default_rng(batch)
    starts = generator.integers(0, len(COMMANDS) - 20 * WINDOW, batch)
    together = model.init_state(batch)
    alone = [model.init_state(1) for _ in range(batch)]
    for step in range(20):
        rows = np.stack([COMMANDS[start + step * WINDOW :][:WINDOW] for start in starts])
        judged, together = model.probabilities(rows, together)
        for row in range(batch):
            (single,), alone[row] = model.probabilities(rows[row : row + 1], alone[row])
            assert judged[row] == pytest.approx(single, abs=1e-4)
    assert np.allclose(together, np.concatenate(alone), atol=1e-3)


def test_neighbours_change_nothing_at_the_same_shape(model):
    quiet = np.zeros((8, WINDOW), np.float32)
    rows = quiet.copy()
    rows[3] = windows(40)[30]
    among_silence, _ = model.probabilities(rows, model.init_state(8))
    rows[:] = np.random.default_rng(0).standard_normal((8, WINDOW)).astype(np.float32)
    rows[3] = windows(40)[30]
    among_noise, _ = model.probabilities(rows, model.init_state(8))
    assert among_silence[3] == among_noise[3]


def test_states_are_not_changed_in_place(model):
    state = model.init_state(1)
    _, after = model.probabilities(windows(1).copy(), state)
    assert state.shape == (1, STATE)
    assert not state.any()
    assert after.any()


def test_the_package_is_not_imported():
    check = (
        "import sys; from wavelane.vad.silero import SileroBatch; SileroBatch(); assert 'silero_vad' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_without_the_package(monkeypatch):
    monkeypatch.setattr(silero, "find_spec", lambda name: None)
    with pytest.raises(WavelaneError, match=r"pip install 'wavelane\[silero\]'") as failure:
        SileroBatch()
    assert failure.value.code is ErrorCode.INVALID_CONFIG


def test_weights_of_something_else(tmp_path):
    path = tmp_path / "silero_vad.jit"
    path.write_bytes(b"not a model")
    with pytest.raises(WavelaneError, match="does not hold the weights of Silero VAD 6"):
        SileroBatch(path)
