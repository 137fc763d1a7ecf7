"""``lookahead: auto``: the server moves a session between its bounds, and nothing that is recognised changes."""

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.toy import SPEC, Driver, EnergyDetector, linear16, speech, split
from wavelane.errors import ErrorCode, WavelaneError
from wavelane.events import Event, Final, LookaheadChanged, Partial
from wavelane.session.options import SessionOptions, parse_options
from wavelane.session.session import Session
from wavelane.work import Chunk

TALK = [(0.4, 0.0), (0.9, 0.13), (0.3, 0.23), (0.7, 0.0), (1.3, 0.18), (0.2, 0.08), (1.0, 0.28)]


def session(values: dict[str, object], detect: bool = False, base: SessionOptions | None = None) -> Session:
    options = parse_options(values, base)
    return Session(options, SPEC, detectors=lambda _: EnergyDetector() if detect else None)


class Switching(Driver):
    """Moves its session to another lookahead before every piece of audio, and keeps the chunks."""

    def __init__(self, session: Session, lookaheads: list[int], **values: int) -> None:
        super().__init__(session, **values)
        self.lookaheads = lookaheads
        self.chunks: list[Chunk] = []
        step = self.toy.step
        self.toy.step = lambda chunk: (self.chunks.append(chunk), step(chunk))[1]  # type: ignore[method-assign]

    def audio(self, *pieces: bytes) -> "Switching":
        for index, piece in enumerate(pieces):
            self.session.receive_lookahead(self.lookaheads[index % len(self.lookaheads)])
            super().audio(piece)
        return self


def words(log: list[Event]) -> list[tuple[str, int, int, float]]:
    return [
        (word.text, word.start, word.end, word.confidence)
        for event in log
        if isinstance(event, Final)
        for word in event.words
    ]


plans = st.lists(
    st.tuples(st.floats(0.05, 1.5), st.sampled_from([0.0, 0.08, 0.13, 0.18, 0.23, 0.28])), min_size=1, max_size=8
)


@settings(max_examples=80, deadline=None)
@given(
    plans,
    st.booleans(),
    st.lists(st.integers(0, 200_000), max_size=12),
    st.lists(st.sampled_from(SPEC.lookaheads), min_size=1, max_size=12),
    st.integers(0, 2**16),
)
def test_switching_anywhere_changes_no_word_and_no_time(
    plan: list[tuple[float, float]], detect: bool, cuts: list[int], lookaheads: list[int], seed: int
) -> None:
    """The toy's pieces do not depend on the lookahead, so a frame lost, doubled or misplaced shows."""
    data = linear16(speech(plan))
    constant = Driver(session({"lookahead": 6, "endpoint": {"enabled": False}}, detect)).audio(data).end()
    auto = {"lookahead": "auto", "lookahead_min": 0, "lookahead_max": 13, "endpoint": {"enabled": False}}
    driver = Switching(session(auto, detect), lookaheads, seed=seed).audio(*split(data, cuts))
    log = driver.end()
    assert words(log) == words(constant)

    told = [0] + [event.lookahead for event in log if isinstance(event, LookaheadChanged)]
    assert told == [lookahead for lookahead, _ in groupby([0] + [chunk.lookahead for chunk in driver.chunks])]
    assert all(chunk.bounds == (0, 13) for chunk in driver.chunks)
    ends = [chunk.end for chunk in driver.chunks]
    assert ends == sorted(ends)

    stable = ""
    for event in log:
        if isinstance(event, Partial):
            assert event.text.startswith(stable)
            stable = event.text
        elif isinstance(event, Final):
            assert event.text.startswith(stable)
            stable = ""


def test_a_switch_counts_from_the_next_chunk_on_and_is_told_once() -> None:
    driver = Switching(session({"lookahead": "auto", "lookahead_min": 0}), [0, 13, 13, 1])
    data = linear16(speech([(4.0, 0.13)]))
    driver.audio(*split(data, [16_000 * 2, 16_000 * 4, 16_000 * 6]))
    driver.end()
    lookaheads = [chunk.lookahead for chunk in driver.chunks]
    assert lookaheads == sorted(lookaheads[: lookaheads.index(1)]) + [1] * lookaheads.count(1)
    assert {0, 13, 1} == set(lookaheads)
    changes = [event for event in driver.log if isinstance(event, LookaheadChanged)]
    assert [change.lookahead for change in changes] == [13, 1]
    ends = {chunk.end for chunk in driver.chunks}
    assert all(change.at in ends for change in changes), "a change begins where the chunk before it ends"


def test_an_idle_server_gives_auto_the_shortest() -> None:
    driver = Switching(session({"lookahead": "auto", "lookahead_min": 1}), [0])
    driver.audio(linear16(speech([(1.0, 0.13)]))).end()
    assert {chunk.lookahead for chunk in driver.chunks} == {1}
    assert not [event for event in driver.log if isinstance(event, LookaheadChanged)]


@pytest.mark.parametrize(("wanted", "given_"), [(0, 1), (1, 1), (6, 6), (13, 6)])
def test_the_server_stays_within_the_bounds(wanted: int, given_: int) -> None:
    driver = Switching(session({"lookahead": "auto", "lookahead_min": 1, "lookahead_max": 6}), [wanted])
    driver.audio(linear16(speech([(2.0, 0.13)]))).end()
    assert {chunk.lookahead for chunk in driver.chunks} == {given_}


def test_a_fixed_lookahead_is_never_moved() -> None:
    driver = Switching(session({}), [13])
    driver.audio(linear16(speech([(2.0, 0.13)]))).end()
    assert {(chunk.lookahead, chunk.bounds) for chunk in driver.chunks} == {(6, None)}


def test_auto_without_bounds_begins_at_the_models_default_and_ends_at_its_longest() -> None:
    options = session({"lookahead": "auto"}).options
    assert (options.lookahead, options.lookahead_bounds) == ("auto", (6, 13))
    assert session({"lookahead": "auto", "lookahead_max": 1}).options.lookahead_bounds == (1, 1)


def test_a_client_may_leave_auto_and_come_back() -> None:
    live = Switching(session({"lookahead": "auto"}), [13])
    live.audio(linear16(speech([(3.0, 0.13)])))
    assert live.session.receive_options({"lookahead": 0}).lookahead_bounds is None
    live.flush()
    live.audio(linear16(speech([(1.0, 0.13)])))
    assert live.session.receive_options({"lookahead": "auto", "lookahead_min": 0}).lookahead_bounds == (0, 13)
    live.audio(linear16(speech([(3.0, 0.13)])))
    live.end()
    choices = [(chunk.lookahead, chunk.bounds) for chunk in live.chunks]
    assert [choice for choice, _ in groupby(choices)] == [
        (13, (6, 13)),
        (13, None),
        (0, None),
        (0, (0, 13)),
        (13, (0, 13)),
    ]


def test_a_fixed_lookahead_drops_the_bounds_of_the_servers_auto() -> None:
    base = SessionOptions.model_validate({"lookahead": "auto", "lookahead_min": 1})
    assert parse_options({"lookahead": 6}, base).lookahead_bounds is None
    assert parse_options({"lookahead_max": 6}, base).lookahead_bounds == (1, 6)
    assert parse_options({}, base).lookahead == "auto"


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"lookahead_max": 6}, "set lookahead to auto"),
        ({"lookahead": 6, "lookahead_min": 0}, "set lookahead to auto"),
        ({"lookahead": "auto", "lookahead_min": 5}, "lookahead_min: toy was trained for 13, 6, 1, 0, not 5"),
        ({"lookahead": "auto", "lookahead_max": 64}, "lookahead_max: toy was trained for 13, 6, 1, 0, not 64"),
        ({"lookahead": "auto", "lookahead_min": 13, "lookahead_max": 6}, "lookahead_min: 13 is more than"),
        ({"lookahead": "fast"}, "lookahead"),
    ],
)
def test_bounds_that_cannot_take_effect_are_refused(values: dict[str, object], says: str) -> None:
    with pytest.raises(WavelaneError) as refusal:
        session(values)
    assert refusal.value.code is ErrorCode.INVALID_CONFIG
    assert says in refusal.value.message
