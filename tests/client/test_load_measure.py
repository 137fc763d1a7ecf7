"""The load generator's parts that need no server."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Alternative, Closed, Final, Partial
from wavelane.measure import percentile
from wavelane_client.load.corpus import BYTES_PER_SECOND, DEMO_TEXT, PAUSE_SECONDS, Corpus, Utterance, load_corpus
from wavelane_client.load.figures import to_markdown
from wavelane_client.load.meter import Meter, SessionRecord
from wavelane_client.load.plan import Plan
from wavelane_client.load.report import Result, normalise, summary, word_error_rate
from wavelane_client.load.search import HOPELESS_FINALS, Stage, find_max, hopeless, judge
from wavelane_client.load.server_metrics import histogram_quantile

MANIFEST = "tests/data/speech/manifest.jsonl"


def partial(text: str, processed: int) -> Partial:
    return Partial(channel=0, utterance=0, text=text, stable=0, words=(), start=0, processed=processed, lag_ms=0)


def final(text: str) -> Final:
    return Final(
        channel=0,
        utterance=0,
        alternatives=(Alternative(text=text, confidence=1.0, words=()),),
        start=0,
        end=3200,
        processed=3200,
        lag_ms=0,
        reason="end",
    )


def test_a_session_is_measured():
    meter = Meter("go left")
    for n in range(3):
        meter.sent(1600, 10.0 + n / 10)
    meter.event(partial("", 800), 10.15)  # covers half of the first packet
    meter.event(partial("go", 1601), 10.25)  # one sample of the second
    meter.event(partial("go left", 4800), 10.27)
    meter.ended(10.2)
    meter.event(final("go left"), 10.3)
    meter.event(Closed(received=4800), 10.35)
    record = meter.finish(10.4, 16_000)
    assert record.complete
    assert [at for at, _ in record.partial_lags] == [10.15, 10.25, 10.27]
    assert [lag for _, lag in record.partial_lags] == pytest.approx([0.15, 0.15, 0.07])
    assert record.first_partial == pytest.approx(0.25)
    assert record.final == pytest.approx(0.1)
    assert (record.text, record.messages, record.audio_seconds) == ("go left", 5, pytest.approx(0.3))
    assert SessionRecord.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_when_the_last_final_came_before_the_end_closed_is_waited_for():
    meter = Meter(None)
    meter.sent(1600, 1.0)
    meter.event(final("go"), 1.5)
    meter.ended(2.0)
    meter.event(Closed(received=1600), 2.25)
    assert meter.finish(3.0, 16_000).final == pytest.approx(0.25)


@pytest.mark.parametrize(("code", "refused"), [(ErrorCode.OVERLOADED, True), (ErrorCode.INTERNAL, False)])
def test_refusals_are_told_from_errors(code, refused):
    meter = Meter("x")
    meter.failed(code, "sentence")
    record = meter.finish(1.0, 16_000)
    assert (record.refused, record.error, record.complete) == (refused, code.value, False)


def test_the_manifest_and_the_bundled_recording():
    corpus = load_corpus(MANIFEST, [])
    assert [round(utterance.seconds, 2) for utterance in corpus] == pytest.approx([3.6, 2.62, 3.68, 5.1], abs=0.02)
    assert corpus[3].text == "go left five zero"
    (demo,) = load_corpus(None, [])
    assert demo.text == DEMO_TEXT
    assert demo.seconds == pytest.approx(20.1, abs=0.05)
    assert load_corpus(None, ["tests/data/speech/commands.flac"])[0].text is None


@pytest.mark.parametrize("line", ["{", "[]", '{"text": "x"}', "3"])
def test_a_broken_manifest(tmp_path, line):
    path = tmp_path / "m.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(WavelaneError, match=r"m\.jsonl, line 2: every line is"):
        load_corpus(str(path), [])


@given(st.integers(0, 1000), st.floats(0.1, 20) | st.none(), st.sampled_from([20, 100, 250]))
def test_scripts_hold_whole_utterances_with_pauses(seed, session_seconds, packet_ms):
    utterances = [
        Utterance(str(n), bytes([n + 1]) * (2 * 16 * milliseconds), f"text{n}")
        for n, milliseconds in enumerate([310, 1000, 70])
    ]
    corpus = Corpus(utterances, packet_ms)
    script = corpus.script(random.Random(seed), session_seconds)
    pcm = b"".join(script.packets)
    size = 32 * packet_ms
    *more, last = (utterances[int(text[-1])].pcm for text in script.text.split())
    pause = bytes(round(PAUSE_SECONDS * BYTES_PER_SECOND))
    # In packets of one length: utterances and pauses are filled up with silence where more follows.
    whole = [part.ljust(-(-len(part) // size) * size, b"\0") for said in more for part in (said, pause)]
    assert pcm == b"".join(whole) + last
    assert {len(packet) for packet in script.packets[:-1]} <= {size}
    if session_seconds is not None:
        assert len(pcm) >= session_seconds * BYTES_PER_SECOND
    else:
        assert len(script.text.split()) == 1
    assert len(script.packets[-1]) <= size
    tail = corpus.tail(random.Random(seed), session_seconds)
    assert pcm.endswith(b"".join(tail.packets))
    assert tail.packets
    assert tail.text is None


@given(st.lists(st.floats(-1e6, 1e6), min_size=1), st.floats(0.01, 1))
def test_percentiles_are_values_with_enough_of_the_rest_below(values, q):
    value = percentile(values, q)
    assert value in values
    assert sum(other <= value for other in values) >= q * len(values) - 1e-9
    assert sum(other < value for other in values) < q * len(values)
    assert percentile([], q) is None


def test_word_error_rate_of_complete_sessions_only():
    records = [
        SessionRecord(complete=True, text="Go, left", reference="go left"),
        SessionRecord(complete=True, text="", reference="five zero"),
        SessionRecord(complete=False, text="wrong", reference="cut short"),
        SessionRecord(complete=True, text="anything", reference=None),
    ]
    assert word_error_rate(records) == {"wer": 0.5, "words": 4, "sessions": 2}
    assert word_error_rate(records[2:]) is None
    assert normalise("Don't -- STOP!") == "don't stop"


def make_result(finals, lateness=(), error=None, refused=False) -> Result:
    plan = Plan(sessions=4, duration=10.0, ramp=2.0, settle=1.0)
    records = [SessionRecord(at=105.0, complete=True, final=value) for value in finals]
    records.append(SessionRecord(at=101.0, complete=True, final=99.0, partial_lags=[(101.0, 9.0), (104.0, 0.05)]))
    if error:
        records.append(SessionRecord(at=101.0, error=error, error_message="why", refused=refused))
    counts = [(100.0 + t, 4, 4.0 * t, 10 * t) for t in range(14)]
    return Result(plan=plan, start=100.0, records=records, counts=counts, lateness=list(lateness))


def test_only_the_measured_time_counts():
    report = summary(make_result([0.1, 0.2, 0.3], lateness=[0.001, 0.5]))
    assert report["final"] == {"count": 3, "p50_ms": 200.0, "p95_ms": 300.0, "p99_ms": 300.0, "max_ms": 300.0}
    assert report["partial_lag"]["count"] == 1
    assert report["sessions_finished"] == 3
    assert report["audio_seconds_per_second"] == 4.0
    assert report["messages_per_second"] == 10.0
    assert report["generator"]["bottleneck"]
    json.dumps(report)


def test_a_run_is_judged():
    assert judge(make_result([0.1, 0.29]), 0.3).carried
    marginal = judge(make_result([0.1, 0.31]), 0.3)
    assert (marginal.carried, marginal.marginal) == (False, True)
    assert not judge(make_result([0.7]), 0.3).marginal
    failed = judge(make_result([0.1], error="internal"), 0.3)
    assert (failed.carried, failed.reason) == (False, "sessions failed: 1 internal")
    assert not judge(make_result([0.1], error="overloaded", refused=True), 0.3).carried
    assert "no session ended" in judge(make_result([]), 0.3).reason
    assert judge(make_result([0.1], lateness=[0.05]), 0.3).generator_late
    waiting = make_result([0.1])
    waiting.counts = [(at, 3, sent, messages) for at, _, sent, messages in waiting.counts]
    assert judge(waiting, 0.3).reason == "only 3 were sending at a time"


def test_a_run_far_over_the_bound_is_given_up():
    overloaded = hopeless(0.3)
    late, fine = [1.3] * HOPELESS_FINALS, [0.1] * HOPELESS_FINALS
    result = make_result([*fine, *late])
    result.records.pop()
    assert overloaded(result)
    assert not overloaded(make_result([*late, *fine]))
    assert not overloaded(make_result([1.1] * 2 * HOPELESS_FINALS))
    assert not overloaded(make_result(late[: HOPELESS_FINALS // 2]))
    result.given_up = True
    judged = judge(result, 0.3)
    assert (judged.carried, judged.marginal) == (False, False)
    assert "given up" in judged.reason


@pytest.mark.parametrize("capacity", [0, 1, 2, 7, 31, 100, 130, 1000])
@pytest.mark.parametrize("first", [1, 8, 64])
async def test_the_search_finds_the_capacity(capacity, first):
    async def measure(sessions: int) -> Stage:
        return Stage(sessions, carried=sessions <= capacity, reason="")

    found = await find_max(measure, first=first, limit=256, resolution=0.06)
    best = min(capacity, 256)
    assert found.sessions <= best
    assert best - found.sessions <= max(1, 0.06 * best)
    assert found.limited == (capacity >= 256)
    assert len(found.stages) < 20
    assert all(stage.sessions <= 256 for stage in found.stages)


async def test_a_marginal_failure_is_tried_again():
    seen = []

    async def measure(sessions: int) -> Stage:
        seen.append(sessions)
        hiccup = seen.count(sessions) == 1
        return Stage(sessions, carried=sessions <= 8 and not hiccup, reason="", marginal=sessions <= 8)

    assert (await find_max(measure, first=4, limit=8, resolution=0.06)).sessions == 8
    assert seen == [4, 4, 8, 8]


def test_histogram_quantiles():
    infinity = float("inf")
    assert histogram_quantile({0.01: 0, 0.02: 0, infinity: 0}, 0.99) is None
    assert histogram_quantile({}, 0.99) is None
    assert histogram_quantile({0.01: 50, 0.02: 100, infinity: 100}, 0.75) == pytest.approx(0.015)
    assert histogram_quantile({0.01: 50, 0.02: 90, infinity: 100}, 0.99) == 0.02


def test_a_plan_is_shared_out_whole():
    plan = Plan(sessions=10, processes=4, options={"vad": {"kind": "off"}}, audio=("a.wav",))
    shares = [plan.share(n) for n in range(4)]
    assert [share.sessions for share in shares] == [3, 3, 2, 2]
    assert len({share.seed for share in shares}) == 4
    assert Plan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_figures_as_markdown():
    load = {
        **summary(make_result([0.1, 0.2])),
        "loop_delay_p99_ms": 4.25,
        "server": {"cores": 1.5, "rss_mb": 300.0},
        "accuracy": {"wer": 0.125, "words": 8, "sessions": 2},
    }
    figures = {
        "machine": {
            "date": "2026-01-02T03:04:05+00:00",
            "processor": "P",
            "cores": 2,
            "memory_gb": 8.0,
            "system": "Linux 6",
            "python": "3.11.9",
        },
        "model": {"name": "m", "head": "ctc"},
        "audio": "a.jsonl",
        "bound_ms": 300.0,
        "speech_share": 0.4,
        "seconds_to_ready": 2.5,
        "memory": {"server_mb": 300.0, "idle_session_kb": 20.0, "active_session_kb": 60.0},
        "lookaheads": [{"lookahead": 6, "streams": 120, "loads": [load]}],
    }
    text = to_markdown(figures)
    assert "on 2026-01-02: P, 2 cores, 8 GB, Linux 6, Python 3.11.9; model m (ctc)" in text
    assert "| real-time streams sustained, lookahead 6 (p95 end of audio to final < 300 ms) | 120 |" in text
    assert "audio a.jsonl, 40% of it speech; server" in text
    assert "| start to ready | 2.5 s |" in text
    assert "| 6 | 4 | 50 / 50 / 50 | 100 / 200 / 200 | 2 | 4.2 | 12.5 % | 1.50, 0.00 |" in text
    columns = {line.count("|") for line in text.split("\n\n")[2].splitlines()}
    assert len(columns) == 1
