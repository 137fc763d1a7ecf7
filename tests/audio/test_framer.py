import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wavelane.audio.framer import Framer
from wavelane.spec import FeatureSpec

NEMO = FeatureSpec(n_mels=80)
HUGGING_FACE = FeatureSpec(n_mels=128, closing_frame=False)


def noise(count):
    return np.random.default_rng(count).standard_normal(count).astype(np.float32)


def windows_of(framer, audio, sizes=()):
    windows, at = [], 0
    for size in sizes:
        windows += framer.push(audio[at : at + size])
        at += size
    return windows + framer.push(audio[at:]) + framer.finish()


def frames_of(features, windows, subsampling=8):
    """The samples that each valid frame depends on, [frames, left + right]."""
    reach = features.left + features.right
    rows = []
    for window in windows:
        skip = subsampling - 1 if window.start else 0
        rows += [window.samples[f * features.hop :][:reach] for f in range(skip, skip + window.frames)]
    return np.array(rows).reshape(-1, reach)


def whole_file_frames(features, audio):
    """The same by the definition: frame f is centred on sample f * hop."""
    reach = features.left + features.right
    if not len(audio):
        return np.zeros((0, reach), np.float32)
    closing = np.array(features.closing(float(audio[-1])), np.float32)
    padded = np.concatenate((np.zeros(features.left, np.float32), audio, closing))
    total = features.total_frames(len(audio))
    return np.array([padded[f * features.hop :][:reach] for f in range(total)]).reshape(-1, reach)


COUNTS = st.one_of(
    st.integers(0, 20_000),
    st.integers(0, 60).map(lambda frames: frames * 160),
    st.integers(0, 15).map(lambda steps: steps * 1280 + 200),
)


@given(
    features=st.sampled_from([NEMO, HUGGING_FACE]),
    lookahead=st.sampled_from([0, 1, 6]),
    count=COUNTS,
    sizes=st.lists(st.integers(0, 3_000), max_size=8),
)
@settings(max_examples=200, deadline=None)
def test_windows_hold_the_frames_of_the_whole_file_for_any_split(features, lookahead, count, sizes):
    audio = noise(count)
    framer = Framer(features, subsampling=8, lookahead=lookahead)
    windows = windows_of(framer, audio)
    assert np.array_equal(frames_of(features, windows), whole_file_frames(features, audio))

    again = windows_of(framer, audio, sizes)
    assert [(w.frames, w.start, w.end) for w in again] == [(w.frames, w.start, w.end) for w in windows]
    assert all(np.array_equal(a.samples, b.samples) for a, b in zip(again, windows, strict=True))

    slots = 8 * (lookahead + 1)
    assert all(len(w.samples) == features.window_samples(slots) for w in windows)
    assert [w.start for w in windows] == [index == 0 for index in range(len(windows))]
    assert not any(w.last for w in windows[:-1])
    for index, window in enumerate(windows[:-1]):
        assert window.frames == (slots - 7 if index == 0 else slots)
    if windows and features.closing_frame:
        assert windows[-1].last
        assert windows[-1].end == count
    assert all(0 < window.end <= count for window in windows)


@given(
    features=st.sampled_from([NEMO, HUGGING_FACE]),
    count=COUNTS,
    switches=st.lists(st.tuples(st.integers(0, 6_000), st.sampled_from([0, 1, 6, 13])), min_size=1, max_size=12),
)
@settings(max_examples=200, deadline=None)
def test_the_lookahead_may_change_anywhere_without_a_frame_lost_or_doubled(features, count, switches):
    audio = noise(count)
    framer = Framer(features, subsampling=8, lookahead=6)
    windows, at, allowed = [], 0, {6}
    for size, lookahead in switches:
        windows += framer.push(audio[at : at + size])
        at += size
        framer.retarget(lookahead)
        allowed.add(lookahead)
    windows += framer.push(audio[at:]) + framer.finish()

    assert np.array_equal(frames_of(features, windows), whole_file_frames(features, audio))
    assert {window.lookahead for window in windows} <= allowed
    for index, window in enumerate(windows):
        slots = 8 * (window.lookahead + 1)
        assert len(window.samples) == features.window_samples(slots)
        assert window.frames == (slots - 7 if index == 0 else slots) or index == len(windows) - 1
        assert window.start == (index == 0)
    ends = [window.end for window in windows]
    assert ends == sorted(ends)


def test_the_window_in_progress_stays_as_long_as_it_is():
    framer = Framer(NEMO, subsampling=8, lookahead=1)
    framer.push(noise(100))
    framer.retarget(0)
    assert framer.lookahead == 1
    assert [window.lookahead for window in framer.push(noise(8 * 160 + 100 + 3 * 1280))] == [1, 0, 0, 0]
    assert framer.lookahead == 0


def test_before_the_first_sample_the_lookahead_changes_at_once():
    framer = Framer(NEMO, subsampling=8, lookahead=13)
    framer.retarget(0)
    (window,) = framer.push(noise(200))
    assert (window.lookahead, window.frames) == (0, 1)


def test_one_sample_at_a_time():
    audio = noise(5_000)
    framer = Framer(NEMO, subsampling=8, lookahead=1)
    whole = windows_of(framer, audio)
    single = windows_of(framer, audio, [1] * 5_000)
    assert [w.samples.tobytes() for w in single] == [w.samples.tobytes() for w in whole]


@pytest.mark.parametrize("lookahead", [0, 1, 6, 13])
def test_a_window_leaves_as_soon_as_its_last_frame_is_complete(lookahead):
    framer = Framer(NEMO, subsampling=8, lookahead=lookahead)
    chunk = 8 * (lookahead + 1)
    first = (chunk - 8) * 160 + 200
    assert framer.push(noise(first - 1)) == []
    (window,) = framer.push(noise(1))
    assert (window.frames, window.start, window.last, window.end) == (chunk - 7, True, False, first)
    assert framer.push(noise(chunk * 160 - 1)) == []
    (window,) = framer.push(noise(1))
    assert (window.frames, window.start, window.last, window.end) == (chunk, False, False, first + chunk * 160)


def test_nothing_comes_of_nothing():
    framer = Framer(NEMO, subsampling=8, lookahead=6)
    assert framer.push(np.zeros(0, np.float32)) == []
    assert framer.finish() == []


def test_one_sample_makes_one_frame():
    framer = Framer(NEMO, subsampling=8, lookahead=6)
    framer.push(np.array([0.5], np.float32))
    (window,) = framer.finish()
    assert (window.frames, window.start, window.last, window.end) == (1, True, True, 1)
    centre = 7 * 160 + NEMO.left
    assert not window.samples[:centre].any()
    assert window.samples[centre] == 0.5
    assert window.samples[centre + 1] == pytest.approx(0.485)


def test_the_last_of_many_frames_may_be_alone():
    """The closing frame is centred behind the last full window, although that window only now is complete."""
    framer = Framer(NEMO, subsampling=8, lookahead=0)
    full = 8 * 160 + 160
    windows = windows_of(framer, noise(full))
    assert [(w.frames, w.last) for w in windows] == [(1, False), (8, False), (1, True)]


def test_no_window_is_left_without_a_closing_frame():
    framer = Framer(HUGGING_FACE, subsampling=8, lookahead=0)
    pushed = framer.push(noise(8 * 160 + 200))
    assert [window.frames for window in pushed] == [1, 8]
    assert framer.finish() == []


def test_windows_keep_their_memory():
    framer = Framer(NEMO, subsampling=8, lookahead=0)
    (window,) = framer.push(noise(200))
    before = window.samples.copy()
    framer.push(noise(9_000))
    assert np.array_equal(window.samples, before)


def test_a_reset_forgets_and_may_change_the_lookahead():
    framer = Framer(NEMO, subsampling=8, lookahead=6)
    framer.push(noise(12_345))
    framer.reset(lookahead=1)
    assert framer.lookahead == 1
    audio = noise(4_000)
    fresh = windows_of(Framer(NEMO, subsampling=8, lookahead=1), audio)
    assert [w.samples.tobytes() for w in windows_of(framer, audio)] == [w.samples.tobytes() for w in fresh]
