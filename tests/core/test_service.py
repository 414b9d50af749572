"""Events that wait, and whether machines are in service."""

from __future__ import annotations

import numpy as np
import pytest

from stream.core.alert import Event
from stream.core.service import (
    FAILED,
    FOREVER,
    IN_SERVICE,
    OUT_OF_SERVICE,
    Service,
    Told,
)


def told(
    offset: int, time_ns: int, kind: str = "maintenance", partition: int = 0
) -> Told:
    return Told(partition, offset, time_ns, Event("a1", kind, "2026-01-01T00:00:00Z"))


def service(machines: int = 3) -> Service:
    made = Service()
    made.grow(machines)
    return made


def due(made: Service, machine: int, until_ns: int) -> list[int]:
    return [one.offset for one in made.due(machine, until_ns)]


def test_events_wait_in_order_of_time_whatever_the_order_in_which_they_came() -> None:
    made = service()
    for one in (told(0, 30), told(1, 10), told(2, 20), told(3, 20)):
        made.take(1, one)
    assert made.next_ns(np.array([0, 1, 1])).tolist() == [FOREVER, 10, 10]
    assert due(made, 0, FOREVER) == []
    assert due(made, 1, 9) == []
    # The moment itself counts.
    assert due(made, 1, 20) == [1, 2, 3]
    assert due(made, 1, FOREVER) == [0]
    assert made.waiting == {}


def test_an_event_is_new_once_for_each_machine_and_partition() -> None:
    made = service()
    made.take(1, told(5, 10))
    assert not made.is_new(1, told(5, 10))
    assert not made.is_new(1, told(4, 10))
    assert made.is_new(1, told(6, 10))
    assert made.is_new(1, told(5, 10, partition=1))
    assert made.is_new(2, told(5, 10))


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        (["failure"], FAILED),
        (["out_of_service"], OUT_OF_SERVICE),
        (["out_of_service", "failure"], FAILED),
        # What has failed is out of service already, and stays failed.
        (["failure", "out_of_service"], FAILED),
        (["failure", "maintenance"], FAILED),
        (["failure", "return"], IN_SERVICE),
        (["out_of_service", "return"], IN_SERVICE),
        (["replacement"], IN_SERVICE),
        (["return"], IN_SERVICE),
    ],
)
def test_which_events_take_a_machine_out_of_service(
    kinds: list[str], state: int
) -> None:
    made = service()
    for kind in kinds:
        made.apply(1, kind)
    assert made.state.tolist() == [IN_SERVICE, state, IN_SERVICE]


def test_what_is_forgotten_is_as_new() -> None:
    made = service()
    made.take(1, told(5, 10))
    made.apply(1, "failure")
    made.take(2, told(5, 10))
    made.forget(np.array([1]))
    assert made.state.tolist() == [IN_SERVICE] * 3
    assert made.is_new(1, told(5, 10))
    assert list(made.waiting) == [2]


def test_what_is_saved_comes_back_at_the_machine_s_new_place() -> None:
    made = service()
    made.take(1, told(5, 10, "failure"))
    made.take(1, told(7, 20, partition=2))
    made.take(2, told(9, 30))
    assert due(made, 2, 30) == [9]
    saved = made.dump(np.array([0, 1, 2]))
    other = service(9)
    other.load(np.array([-1, 7, 8]), saved)
    assert other.waiting == {7: made.waiting[1]}
    assert not other.is_new(7, told(7, 20, partition=2))
    assert not other.is_new(8, told(9, 30))
    none = service()
    none.load(np.array([-1, -1, -1]), saved)
    assert none.waiting == {}
    assert none.seen == {}


def test_room_never_shrinks() -> None:
    made = service(3)
    made.grow(2)
    assert len(made.state) == 3
