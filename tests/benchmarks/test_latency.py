from collections import Counter

import msgspec
import numpy as np
import pytest

from benchmarks.arrivals import ALERT, SCORE, Arrivals, once
from benchmarks.job import STRIDE
from benchmarks.latency import figures
from benchmarks.open_loop import HISTORY, SLOT_MS, SLOTS, Load, begins, iso
from benchmarks.percentiles import percentiles

START_MS = 1_800_000_000_000


def _sent(load: Load, seconds: int) -> list[tuple[int, int, str]]:
    """Slot, partition and machine of all readings of a load."""
    return [
        (number, partition, key.decode())
        for number in range(seconds * SLOTS)
        for partition, key, _ in load.slot(number, START_MS)
    ]


def test_every_machine_sends_once_a_second_in_its_own_partition() -> None:
    load = Load(1000)
    sent = _sent(load, 2)
    assert len(sent) == 2000
    assert set(Counter(name for _, _, name in sent).values()) == {2}
    slots = Counter(number for number, _, _ in sent)
    assert set(slots.values()) == {2}
    assert len(slots) == 2 * SLOTS
    assert all(partition == int(name[-6:]) % 4 for _, partition, name in sent)


def test_a_reading_bears_the_time_of_its_slot() -> None:
    for number in (0, 1, SLOTS, 3 * SLOTS + 7):
        for _, key, value in Load(1000).slot(number, START_MS):
            told = msgspec.json.decode(value)
            assert told["time"] == iso(START_MS + number * SLOT_MS)
            assert told["machine"] == key.decode()
            assert len(told["values"]) == 14


def test_times_are_utc_with_milliseconds() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000Z"
    assert iso(1_800_000_000_042) == "2027-01-15T08:00:00.042Z"


def test_windows_are_due_evenly_from_the_first_second_on() -> None:
    load = Load(1000)
    rows: Counter[str] = Counter()
    for messages in load.history(START_MS):
        rows.update(key.decode() for _, key, _ in messages)
    assert load.history_windows == sum(count // STRIDE for count in rows.values())
    due: Counter[int] = Counter()
    for number, _, name in _sent(load, STRIDE):
        rows[name] += 1
        due[number // (SLOTS // 10)] += rows[name] % STRIDE == 0
    assert set(due.values()) == {10}  # of 100 readings in each tenth of a second


def test_history_ends_before_the_load_begins() -> None:
    load = Load(500)
    ticks = list(load.history(START_MS))
    assert len(ticks) == HISTORY
    times = {msgspec.json.decode(value)["time"] for _, _, value in ticks[-1]}
    assert times == {iso(START_MS - 1000)}
    assert len(ticks[0]) == sum(begins(m) == 0 for m in range(500))


def test_machines_stand_out_now_and_then() -> None:
    load = Load(500)
    readings = [
        np.mean(list(msgspec.json.decode(value)["values"].values()))
        for tick in range(256)
        for number in (tick * SLOTS,)
        for _, _, value in load.slot(number, START_MS)
    ]
    high = np.array(readings) > 520.0
    assert np.count_nonzero(high) == 32
    assert np.count_nonzero(np.diff(high.astype(np.int8)) == -1) == 1


def test_percentiles_are_delays_that_were_there() -> None:
    delays = np.arange(1.0, 1001.0)[::-1]
    found = percentiles(delays)
    assert found == {"p50": 500, "p95": 950, "p99": 990, "max": 1000, "count": 1000}


def test_without_delays_there_are_no_percentiles() -> None:
    assert percentiles([])["p99"] is None


def test_what_comes_twice_counts_when_it_came_first() -> None:
    found = once(
        np.array([SCORE, ALERT, SCORE, SCORE], np.int8),
        np.array([7, 7, 7, 8]),
        np.array([10.0, 10.0, 10.0, 20.0]),
        np.array([90.0, 14.0, 12.0, 23.0]),
    )
    assert found.repeated == 1
    assert sorted(found.delays(SCORE, [(0.0, 100.0)])) == [2.0, 3.0]
    assert found.delays(ALERT, [(0.0, 100.0)]).tolist() == [4.0]


def _arrivals(delay_ms: np.ndarray) -> Arrivals:
    """One score every 10 ms for 10 s, and an alert with each."""
    times = np.tile(np.arange(0.0, 10_000.0, 10.0), 2)
    what = np.repeat(np.array([SCORE, ALERT], np.int8), 1000)
    return Arrivals(what, times, times + np.tile(delay_ms, 2), repeated=0)


def test_the_span_of_a_rebalance_is_reported_apart() -> None:
    delay = np.full(1000, 5.0)
    delay[400:600] = 3000.0
    found = figures(_arrivals(delay), 1000, (0.0, 10_000.0), (4000.0, 6000.0))
    assert found["p99_ms"] == 5.0
    assert found["score"]["max"] == 5.0
    assert found["score"]["count"] == 800
    assert found["rebalance"]["alert"]["p50"] == 3000.0
    assert found["rebalance"]["seconds"] == 2.0
    assert found["missing"] == 0


@pytest.mark.parametrize("lost", [0, 3])
def test_scores_that_never_came_are_missing(lost: int) -> None:
    all_ = _arrivals(np.full(1000, 5.0))
    some = Arrivals(all_.what[lost:], all_.time_ms[lost:], all_.at_ms[lost:], 0)
    assert figures(some, 1000, (0.0, 10_000.0), None)["missing"] == lost
