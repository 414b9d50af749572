"""What the peers share: windows in columns, against windows by hand."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import end_to_end, outputs
from benchmarks.contestants.windows import Rings
from benchmarks.contestants.work import Readings
from benchmarks.drain import Drained
from benchmarks.end_to_end import Turn
from benchmarks.job import START, Job, ticks
from benchmarks.outputs import Wanted
from benchmarks.watch import Written

LOCKS = Path(__file__).parents[2] / "requirements"


def by_hand(
    names: list[str], values: np.ndarray, rows: int, stride: int
) -> dict[tuple[str, int], tuple[np.ndarray, int]]:
    """Windows by machine and number of its reading: values and real rows."""
    kept: dict[str, list[np.ndarray]] = {}
    found = {}
    for name, row in zip(names, values, strict=True):
        mine = kept.setdefault(name, [])
        mine.append(row)
        if len(mine) % stride == 0:
            newest = mine[-rows:]
            padded = [newest[0]] * (rows - len(newest)) + newest
            found[name, len(mine)] = np.array(padded), len(newest)
    return found


@pytest.mark.parametrize("batch", [1, 7, 100, 1000])
def test_rings_give_the_windows_of_a_loop_by_hand(batch: int) -> None:
    rng = np.random.default_rng(5)
    # One machine has most of the rows, so that one batch goes round its ring.
    names = [f"m{i}" for i in rng.integers(0, 40, 1000) // 30 * 3 + rng.integers(0, 3)]
    values = rng.normal(size=(1000, 3)).astype(np.float32)
    rings = Rings(3, rows=8, stride=5)
    count: dict[str, int] = {}
    numbers = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        numbers.append(count[name])
    found = {}
    for at in range(0, 1000, batch):
        for due in rings.push(names[at : at + batch], values[at : at + batch]):
            for row, window, filled in zip(
                due.row, due.values, due.filled, strict=True
            ):
                place = at + int(row)
                found[names[place], numbers[place]] = window, int(filled)
    wanted = by_hand(names, values, rows=8, stride=5)
    assert found.keys() == wanted.keys()
    for key, (window, filled) in wanted.items():
        np.testing.assert_array_equal(found[key][0], window)
        assert found[key][1] == filled


def test_rings_make_room_for_more_machines_than_they_began_with() -> None:
    rings = Rings(1, rows=2, stride=1)
    names = [f"m{i}" for i in range(3000)]
    values = np.arange(3000, dtype=np.float32)[:, None]
    rings.push(names, values)
    (due,) = rings.push(names, values + 0.5)
    order = np.argsort(due.row)
    np.testing.assert_array_equal(due.values[order, 0], values)
    np.testing.assert_array_equal(due.values[order, 1], values + 0.5)


def test_readings_are_decoded_in_the_order_of_the_sensors() -> None:
    names, times, values = Readings(2)(
        [
            b'{"machine":"a","time":"t1","values":{"sensor_02":2,"sensor_01":1.5}}',
            b'{"machine":"b","time":"t2","values":{"sensor_01":3}}',
        ]
    )
    assert (names, times) == (["a", "b"], ["t1", "t2"])
    np.testing.assert_array_equal(values, np.array([[1.5, 2], [3, np.nan]], np.float32))


JOB = Job(machines=2, sensors=1)
# Machine 0 and 1, each at tick 9; see `outputs.expected` for the keys.
WANTED = Wanted(
    np.array([9, (1 << 20) + 9]),
    np.array([[0.1, 1.0, 2.0, 3.0, 100.0], [0.2, 1.0, 2.0, 3.0, 0.01]]),
)


def score(machine: int, risk: float, anomaly: float, second: int = 9) -> bytes:
    time = START.replace(second=second).strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode(
        {
            "machine": JOB.machine_names[machine],
            "time": time,
            "risk": risk,
            "rul": {"p05": 1.0, "p50": 2.0, "p95": 3.0},
            "anomaly": anomaly,
        }
    )


RIGHT = [score(1, 0.2, 0.01), score(0, 0.1, 100.0)]


def test_right_scores_do_not_differ_whatever_their_order_and_number() -> None:
    assert outputs.difference(RIGHT, WANTED, JOB) is None
    assert outputs.difference([*RIGHT, RIGHT[0]], WANTED, JOB) is None
    near = [score(1, 0.200009, 0.01), score(0, 0.1, 100.0009)]
    assert outputs.difference(near, WANTED, JOB) is None


@pytest.mark.parametrize(
    ("payloads", "said"),
    [
        (RIGHT[:1], "1 scores are missing, 0 are not of any window"),
        ([*RIGHT, score(0, 0.1, 100.0, 8)], "0 scores are missing, 1 are not"),
        ([RIGHT[0], score(0, 0.10002, 100.0)], "1 scores are off, at the most 0.10002"),
        ([RIGHT[1], score(1, 0.2, 0.0100002)], "1 scores are off, at the most 0.01"),
        ([RIGHT[1], score(1, float("nan"), 0.01)], "1 scores are off, at the most nan"),
    ],
)
def test_a_wrong_score_is_told(payloads: list[bytes], said: str) -> None:
    found = outputs.difference(payloads, WANTED, JOB)
    assert found is not None
    assert found.startswith(said)


def a_turn(rate: float, difference: str | None = None) -> Turn:
    return Turn(
        Drained(Written(np.zeros(0, np.int64), []), rate, 10.0, 900.0), difference
    )


def test_ratios_are_those_of_the_same_round_even_where_a_peer_failed_in_one() -> None:
    turns = {
        "foreshock": {0: a_turn(100.0), 1: a_turn(80.0), 2: a_turn(120.0)},
        "quix": {0: a_turn(50.0), 2: a_turn(40.0)},
    }
    assert end_to_end.ratios(turns) == {
        "quix": {"median": 2.5, "low": 2.0, "high": 3.0, "runs": [2.0, 3.0]}
    }


def test_a_contestant_that_differed_once_is_not_valid() -> None:
    found = end_to_end.figures([a_turn(1.0), a_turn(3.0, "1 scores are off")])
    assert (found["valid"], found["differences"]) == (False, ["1 scores are off"])
    assert found["readings_per_s"]["median"] == 2.0
    assert end_to_end.figures([a_turn(1.0)])["valid"]


def test_all_contestants_run_the_same_releases_of_what_computes() -> None:
    own, peers = (_pins(LOCKS / name) for name in ("run.txt", "bench.txt"))
    for name in ("tensorflow", "keras", "numpy", "msgspec", "aiokafka"):
        assert own[name] == peers[name]
    assert own.keys() <= peers.keys()


def _pins(lock: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in lock.read_text().splitlines():
        name, equals, version = line.partition("==")
        if equals and not line.startswith(" "):
            found.setdefault(name, set()).add(version.rstrip(" \\"))
    return found


def test_the_job_gives_each_machine_its_readings_in_its_partition() -> None:
    job = Job(machines=6, sensors=2, partitions=4)
    messages = [message for tick in ticks(job, 0, 3) for message in tick]
    assert len(messages) == 18
    assert {(m[1], m[0]) for m in messages} == {
        (name.encode(), i % 4) for i, name in enumerate(job.machine_names)
    }
