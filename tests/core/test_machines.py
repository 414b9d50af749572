"""Machines: numbers, refusals, and what a restart keeps of them."""

from stream.core.machines import Machines
from stream.core.readings import (
    REFUSED_MACHINE_LIMIT,
    REFUSED_NO_TYPE,
    REFUSED_SECOND_PARTITION,
)
from tests.core.helpers import by_first_letter


def made(most: int = 100) -> Machines:
    machines: list[Machines] = []
    machines.append(Machines(2, by_first_letter("ab"), lambda: len(machines[0]) < most))
    return machines[0]


def test_numbers_are_dense_per_type() -> None:
    machines = made()
    codes = [machines.admit(name) for name in ("a1", "b1", "a2", "b2")]
    # number * types + type
    assert codes == [0, 1, 2, 3]
    assert machines.names == [["a1", "a2"], ["b1", "b2"]]
    assert [machines.admit(name) for name in ("a2", "b1")] == [2, 1]
    assert len(machines) == 4


def test_new_machines_are_told_once() -> None:
    machines = made()
    machines.admit("b1")
    machines.admit("a1")
    machines.admit("b1")
    assert machines.take_new() == ["b1", "a1"]
    assert machines.take_new() == []


def test_strangers_are_refused_and_not_remembered() -> None:
    machines = made()
    assert machines.admit("x") == REFUSED_NO_TYPE
    assert machines.lookup == {}
    assert machines.take_new() == []


def test_beyond_the_limit_new_machines_are_refused_and_known_ones_go_on() -> None:
    machines = made(most=1)
    assert machines.admit("a1") == 0
    assert machines.admit("a2") == REFUSED_MACHINE_LIMIT
    assert machines.admit("x") == REFUSED_NO_TYPE
    assert machines.admit("a1") == 0
    assert machines.names == [["a1"], []]


def test_a_refused_machine_is_told_its_place_and_stays_refused() -> None:
    machines = made()
    machines.admit("a1")
    machines.admit("b1")
    machines.admit("b2")
    assert machines.refuse("b2") == (1, 1)
    assert machines.refuse("b2") is None
    assert machines.refuse("stranger") is None
    assert machines.admit("b2") == REFUSED_SECOND_PARTITION
    assert machines.admit("stranger") == REFUSED_SECOND_PARTITION
    assert len(machines) == 2
    # Its number is not given again while its state is there.
    assert machines.admit("b3") == 5


def test_restored_machines_have_their_numbers_and_gaps_are_given_again() -> None:
    machines = made()
    assert machines.restore(0, 3, "a3")
    assert machines.restore(0, 1, "a1")
    assert machines.restore(1, 0, "b0")
    assert machines.names == [["", "a1", "", "a3"], ["b0"]]
    machines.free_gaps()
    codes = [machines.admit(name) for name in ("a5", "a6", "a7", "b7")]
    assert [code // 2 for code in codes] == [0, 2, 4, 1]
    assert machines.names == [["a5", "a1", "a6", "a3", "a7"], ["b0", "b7"]]
    assert machines.take_new() == ["a5", "a6", "a7", "b7"]


def test_restoring_leaves_refused_and_retyped_machines_out() -> None:
    machines = made()
    machines.refuse("a1")
    assert not machines.restore(0, 0, "a1")
    assert not machines.restore(1, 0, "a2")
    assert machines.lookup == {"a1": REFUSED_SECOND_PARTITION}
    assert machines.names == [[], []]
