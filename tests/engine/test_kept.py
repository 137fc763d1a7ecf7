"""What takes long to make is made once, as long as it is among the last ones wanted."""

import threading

import pytest

from wavelane.engine.kept import Kept
from wavelane.errors import ErrorCode, WavelaneError


def test_the_ones_that_were_wanted_last_are_kept() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    kept = Kept(make, 2)
    assert (kept.get("a"), kept.get("b"), kept.get("a")) == ("A", "B", "A")
    assert kept.has("b"), "and so b is the one that was wanted last"
    kept.get("c")
    assert [kept.has(key) for key in "abc"] == [False, True, True]
    assert made == ["a", "b", "c"]


def test_a_refusal_is_kept_and_any_other_fault_is_not() -> None:
    faults: list[Exception] = [WavelaneError(ErrorCode.INVALID_CONFIG, "no"), MemoryError()]

    def make(key: int) -> int:
        raise faults.pop(0)

    kept = Kept(make, 2)
    for _ in range(2):
        with pytest.raises(WavelaneError, match="no") as refusal:
            kept.get(1)
        assert refusal.value.code is ErrorCode.INVALID_CONFIG
    with pytest.raises(MemoryError):
        kept.get(2)
    assert (kept.has(1), kept.has(2)) == (True, False)


def test_threads_that_want_the_same_get_the_same_and_nobody_waits_for_what_another_one_makes() -> None:
    both = threading.Barrier(2)

    def make(key: str) -> object:
        if key == "slow":
            both.wait(10)
        return object()

    kept = Kept(make, 4)
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(kept.get("slow"))) for _ in range(2)]
    threads[0].start()
    kept.get("quick")
    threads[1].start()
    for thread in threads:
        thread.join(10)
    assert got[0] is got[1] is kept.get("slow")
