from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from stream.core.readings import Readings
from stream.worker.silence import Silence


def restored(*names: list[str]) -> Any:
    return SimpleNamespace(machines=SimpleNamespace(names=list(names)))


def heard(*machines: int) -> Readings:
    numbers = np.array(machines, np.int64)
    return Readings(numbers, numbers, np.zeros((len(numbers), 1), np.float32), numbers)


def told(silence: Silence, now_s: float, *longer_s: float) -> list[list[int]]:
    return [numbers.tolist() for numbers in silence.machines(now_s, longer_s)]


def test_restored_machines_are_silent_from_the_start_on() -> None:
    silence = Silence()
    silence.start(restored(["a", "b"], ["c"]), 100.0)
    assert told(silence, 110.0, 10.0, 10.0) == [[], []]
    assert told(silence, 110.1, 10.0, 60.0) == [[0, 1], []]


def test_a_reading_ends_the_silence_of_its_machine_alone() -> None:
    silence = Silence()
    silence.start(restored(["a", "b"]), 100.0)
    silence.heard([heard(1)], 105.0)
    assert told(silence, 112.0, 10.0) == [[0]]
    silence.heard([heard()], 112.0)
    assert told(silence, 116.0, 10.0) == [[0, 1]]


def test_new_machines_are_met_by_their_first_reading() -> None:
    silence = Silence()
    silence.start(restored([]), 0.0)
    silence.heard([heard(2, 0, 2)], 50.0)
    # Number 1 was met with the others: it has been silent no longer than they.
    assert told(silence, 55.0, 10.0) == [[]]
    assert told(silence, 61.0, 10.0) == [[0, 1, 2]]
