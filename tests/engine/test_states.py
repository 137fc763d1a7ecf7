import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wavelane.engine.states import StatePool


def fresh() -> dict[str, torch.Tensor]:
    return {
        "cache": torch.full((1, 2, 3), 0.5),
        "length": torch.zeros(1, dtype=torch.int64),
        "on": torch.tensor([True]),
    }


def filled(rows: list[int]) -> dict[str, torch.Tensor]:
    """A state that says which row it is of."""
    numbers = torch.tensor(rows)
    return {
        "cache": numbers[:, None, None].float().repeat(1, 2, 3),
        "length": numbers,
        "on": numbers % 2 == 0,
    }


@given(st.permutations(range(6)), st.integers(1, 6))
def test_a_row_comes_back_as_it_was_written(order: list[int], count: int):
    pool = StatePool(fresh(), 6)
    pool.scatter(torch.tensor(order), filled(order))
    again = pool.gather(torch.tensor(order[::-1][:count]))
    for name, leaf in filled(order[::-1][:count]).items():
        assert torch.equal(again[name], leaf)


def test_padding_is_always_fresh_and_never_written():
    pool = StatePool(fresh(), 3)
    pool.scatter(torch.tensor([1]), filled([0]))
    state = pool.gather(torch.tensor([1, pool.blank, pool.blank]))
    for leaf in state.values():
        leaf.fill_(1)
    pool.scatter(torch.tensor([1]), state)
    after = pool.gather(torch.tensor([1, pool.blank]))
    assert after["length"].tolist() == [1, 0]
    assert torch.equal(after["cache"][1:], fresh()["cache"])


def test_a_gathered_row_is_a_copy():
    pool = StatePool(fresh(), 1)
    pool.scatter(torch.tensor([0]), filled([4]))
    pool.gather(torch.tensor([0]))["cache"].fill_(9)
    assert torch.equal(pool.gather(torch.tensor([0]))["cache"], filled([4])["cache"])


def test_waste_may_be_written_twice_in_one_step():
    pool = StatePool(fresh(), 2, spare=1)
    pool.scatter(torch.arange(2), filled([5, 6]))
    pool.scatter(torch.tensor([pool.waste, 1, pool.waste]), filled([7, 8, 9]))
    assert pool.gather(torch.tensor([0, 1, pool.blank, pool.spare[0]]))["length"].tolist() == [5, 8, 0, 0]


def test_spare_rows_are_no_lanes():
    pool = StatePool(fresh(), 3, spare=2)
    assert list(pool.spare) == [5, 6]
    assert not {pool.blank, pool.waste, 0, 1, 2} & set(pool.spare)
    pool.scatter(torch.tensor(pool.spare), filled([7, 8]))
    assert pool.gather(torch.tensor([pool.blank, *pool.spare]))["length"].tolist() == [0, 7, 8]


def test_a_leaf_without_a_batch_dimension_is_refused():
    with pytest.raises(ValueError, match="'x' has shape"):
        StatePool({"x": torch.zeros(2, 3)}, 4)


def test_bytes_per_lane():
    assert StatePool(fresh(), 4).bytes_per_lane == 6 * 4 + 8 + 1
