"""Verification finds what differs, and says where."""

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from support.golden import GOLDEN, loaded
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.model.verify import verify

WAV = GOLDEN / "golden.wav"
REFERENCE = GOLDEN / "hybrid80.L13.npz"
Arrays = dict[str, NDArray[np.generic]]


def arrays() -> Arrays:
    with np.load(REFERENCE) as stored:
        return {name: stored[name] for name in stored.files}


def differing(tmp_path: Path, changed: Arrays) -> list[str]:
    np.savez(tmp_path / "reference.npz", **changed)  # type: ignore[arg-type]
    report = verify(loaded(GOLDEN / "hybrid80.nemo"), WAV, tmp_path / "reference.npz", 13)
    wrong = [c.array for c in report.comparisons if not c.ok] + ["extra"] * report.extra_steps
    assert report.ok == (not wrong)
    return wrong


@pytest.mark.parametrize("name", ["features", "step004_encoded", "ctc_logprobs"])
def test_a_number_that_differs_is_found(tmp_path: Path, name: str) -> None:
    changed = arrays()
    array = changed[name].copy()
    array[1, 2] += 0.01
    assert differing(tmp_path, changed | {name: array}) == [name]


@pytest.mark.parametrize("name", ["ctc_ids", "rnnt_ids", "rnnt_frames"])
def test_a_piece_that_differs_or_is_missing_is_found(tmp_path: Path, name: str) -> None:
    changed = arrays()
    other = changed[name].copy()
    other[3] += 1
    assert differing(tmp_path, changed | {name: other}) == [name]
    assert differing(tmp_path, changed | {name: changed[name][:-1]}) == [name]


def test_steps_too_many_and_too_few_are_found(tmp_path: Path) -> None:
    changed = arrays()
    last = max(name for name in changed if name.startswith("step"))
    assert differing(tmp_path, {name: array for name, array in changed.items() if name != last}) == ["extra"]
    assert differing(tmp_path, changed | {"step099_encoded": changed[last]}) == ["step099_encoded"]
    assert differing(tmp_path, changed | {last: changed[last][:-1]}) == [last]


def test_nan_is_a_difference(tmp_path: Path) -> None:
    changed = arrays()
    features = changed["features"].copy()
    features[0, 0] = np.nan
    assert differing(tmp_path, changed | {"features": features}) == ["features"]


def test_arrays_of_a_head_that_the_model_does_not_have(tmp_path: Path) -> None:
    report = verify(loaded(GOLDEN / "ctc80.nemo"), WAV, REFERENCE, 13)
    assert {c.array for c in report.comparisons if c.found is None} == {"rnnt_ids", "rnnt_frames"}
    assert not report.ok


def test_the_wrong_lookahead_differs() -> None:
    assert not verify(GOLDEN / "hybrid80.nemo", WAV, REFERENCE, 6).ok


def test_the_report_names_the_worst_of_each_kind() -> None:
    report = verify(loaded(GOLDEN / "hybrid80.nemo"), WAV, REFERENCE, 13)
    steps = [c for c in report.comparisons if c.kind == "step*_encoded"]
    (worst,) = [c for c in report.worst() if c.kind == "step*_encoded"]
    assert len(steps) == 11
    assert worst.difference == max(c.difference for c in steps)
    assert (report.model, report.lookahead, report.ok) == ("hybrid80", 13, True)


def refused(wav: Path, reference: Path, code: ErrorCode) -> str:
    with pytest.raises(WavelaneError) as caught:
        verify(loaded(GOLDEN / "ctc80.nemo"), wav, reference, 6)
    assert caught.value.code is code
    return caught.value.message


def test_files_that_are_no_reference_or_no_audio(tmp_path: Path) -> None:
    assert "There is no reference" in refused(WAV, tmp_path / "none.npz", ErrorCode.INVALID_CONFIG)
    (tmp_path / "text.npz").write_text("text")
    assert "not an .npz reference" in refused(WAV, tmp_path / "text.npz", ErrorCode.INVALID_CONFIG)
    np.savez(tmp_path / "other.npz", something=np.zeros(3))
    assert "no array that can be compared" in refused(WAV, tmp_path / "other.npz", ErrorCode.INVALID_CONFIG)
    np.savez(tmp_path / "objects.npz", features=np.array([{"a": 1}], dtype=object))
    assert "not an .npz reference" in refused(WAV, tmp_path / "objects.npz", ErrorCode.INVALID_CONFIG)
    assert "Cannot read audio" in refused(tmp_path / "text.npz", REFERENCE, ErrorCode.INVALID_AUDIO)
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(4000))
    assert "2 channels at 8000 Hz" in refused(tmp_path / "stereo.wav", REFERENCE, ErrorCode.INVALID_AUDIO)
    with pytest.raises(WavelaneError, match="must be 0 or more"):
        verify(loaded(GOLDEN / "ctc80.nemo"), WAV, REFERENCE, -1)
