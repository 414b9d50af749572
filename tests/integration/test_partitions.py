"""Machines torn apart by producers that partition differently: refused, or mended."""

from __future__ import annotations

import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from stream.core.exact import Exact, readings_of
from stream.worker.plant import rules_of
from tests.integration.plant import Plant, wait_until
from tests.integration.producers import Keyed, by_kafka_python, by_kcat, by_telegraf
from tests.worker.tiny import expected_scores, pump_readings

MACHINES, ROWS = 20, 60
OVERRIDES = ("topics.partitions=4", "input.settle=1s")
TOLD_WITHIN_S = 10.0

MakePlant = Callable[..., Plant]


def pieces(count: int) -> list[list[Keyed]]:
    """Return the readings of all machines, cut into pieces of whole rows."""
    rows = itertools.groupby(
        pump_readings(MACHINES, ROWS), lambda told: json.loads(told[1])["time"]
    )
    every = [list(row) for _, row in rows]
    size = len(every) // count
    return [
        [told for row in every[i * size : (i + 1) * size] for told in row]
        for i in range(count)
    ]


def lying(plant: Plant, setting: str = "readings") -> dict[str, set[int]]:
    """Return on which partitions each machine's readings lie."""
    rules, where = rules_of(plant.settings), defaultdict(set)
    for number, records in enumerate(plant.by_partition(setting)):
        for record in records:
            for part in readings_of(record, rules):
                assert isinstance(part, Exact)
                where[part.machine].add(number)
    return dict(where)


def reference(plant: Plant, readings: Iterable[Keyed]) -> dict[str, dict[str, Any]]:
    """Return by id what one partition holding all readings in order would give."""
    alone = [_Record(i, value) for i, (_, value) in enumerate(readings)]
    scores = expected_scores(plant.settings, alone, "reference")
    return {i: without_source(payload) for i, payload in scores.items()}


class _Record:
    partition = 0
    timestamp = -1
    key = None
    headers: Sequence[tuple[str, bytes]] = ()

    def __init__(self, offset: int, value: bytes) -> None:
        self.offset, self.value = offset, value


def without_source(payload: bytes) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(payload)
    del told["source"]
    return told


def reports(plant: Plant) -> list[str]:
    """Return the machines reported as split, one entry for each message."""
    alerts = [json.loads(record.value) for record in plant.read("alerts")]
    split = (a["machine"] for a in alerts if a["kind"] == "second_partition")
    return sorted(split)


def wait_for_reports(plant: Plant, split: set[str], since: float) -> None:
    """Wait until all split machines are reported, no later than promised."""
    wait_until(
        lambda: set(reports(plant)) == split,
        lambda: f"{set(reports(plant)) ^ split} {plant.workers[-1].told[-3000:]}",
        TOLD_WITHIN_S + since - time.monotonic(),
    )


def check(plant: Plant, readings: Sequence[Keyed], read: int | None = None) -> set[str]:
    """Check all that was promised of split and of whole machines; return the split.

    Args:
        plant: Whose topics to look at.
        readings: All readings in time order.
        read: How many readings have been audited in the end; default all, once.
    """
    split = {name for name, where in lying(plant).items() if len(where) > 1}
    wait_until(
        lambda: sum(plant.audited().values()) >= (read or len(readings)),
        lambda: f"{plant.audited()} {plant.workers[-1].told[-3000:]}",
    )
    right = reference(plant, readings)
    found = defaultdict(list)
    for i, payloads in plant.scores().items():
        (payload,) = payloads
        score = without_source(payload)
        if score["why"] is None:
            assert score == right[i]
        found[score["machine"]].append(i)
    for name in {score["machine"] for score in right.values()} - split:
        wanted = {i for i, score in right.items() if score["machine"] == name}
        assert set(found[name]) == wanted, name
    assert reports(plant) == sorted(split)
    assert set(plant.audited()) <= {"used", "refused.second_partition"}
    return split


def start(plant: Plant, count: int = 1, roles: str = "score") -> None:
    for _ in range(count):
        plant.worker(roles)


def stop(plant: Plant) -> None:
    running = [w for w in plant.workers if w.process.poll() is None]
    assert [w.stop() for w in running] == [0] * len(running), running[0].told[-3000:]


@pytest.mark.parametrize("workers", [1, 2])
def test_written_before_the_workers_start(
    tiny_plant: MakePlant, kcat: str, workers: int
) -> None:
    plant = tiny_plant(*OVERRIDES)
    topic = plant.settings.topics.readings
    first, second = pieces(2)
    by_kcat(kcat, plant.broker, topic, first)
    by_kafka_python(plant.broker, topic, second)
    split = {name for name, where in lying(plant).items() if len(where) > 1}
    assert 0 < len(split) < MACHINES
    start(plant, workers)
    wait_until(lambda: bool(plant.audited()), lambda: plant.workers[0].told[-3000:])
    wait_for_reports(plant, split, time.monotonic())
    assert check(plant, [*first, *second]) == split
    # All of it was there before: not one of a split machine's readings was used.
    scored = {json.loads(r.value)["machine"] for r in plant.read("scores")}
    assert not scored & split
    assert plant.audited()["refused.second_partition"] == len(split) * ROWS
    stop(plant)


def test_the_second_producer_starts_while_the_worker_runs(
    tiny_plant: MakePlant, kcat: str
) -> None:
    plant = tiny_plant(*OVERRIDES)
    topic = plant.settings.topics.readings
    first, second, third = pieces(3)
    start(plant)
    by_kcat(kcat, plant.broker, topic, first)
    plant.wait_for_scores(reference(plant, first))
    by_kafka_python(plant.broker, topic, second)
    since = time.monotonic()
    split = {name for name, where in lying(plant).items() if len(where) > 1}
    assert 0 < len(split) < MACHINES
    wait_for_reports(plant, split, since)
    by_kcat(kcat, plant.broker, topic, third)
    assert check(plant, [*first, *second, *third]) == split
    assert plant.audited()["refused.second_partition"] == len(split) * ROWS * 2 // 3
    stop(plant)


@pytest.mark.parametrize("workers", [1, 2])
def test_telegraf_without_a_key(tiny_plant: MakePlant, workers: int) -> None:
    plant = tiny_plant(*OVERRIDES)
    topic = plant.settings.topics.readings
    start(plant, workers)
    (readings,) = pieces(1)
    by_telegraf(plant.broker, topic, readings, 4)
    since = time.monotonic()
    split = {name for name, where in lying(plant).items() if len(where) > 1}
    assert len(split) == MACHINES
    wait_for_reports(plant, split, since)
    check(plant, readings)
    stop(plant)


def test_a_split_is_remembered_over_a_restart(tiny_plant: MakePlant, kcat: str) -> None:
    plant = tiny_plant(*OVERRIDES)
    topic = plant.settings.topics.readings
    first, second, third, fourth = pieces(4)
    start(plant)
    by_kcat(kcat, plant.broker, topic, first)
    plant.wait_for_scores(reference(plant, first))
    by_kafka_python(plant.broker, topic, second)
    split = {name for name, where in lying(plant).items() if len(where) > 1}
    wait_for_reports(plant, split, time.monotonic())
    plant.workers[0].kill()
    # The first producer alone goes on: nothing but the register knows of the second.
    by_kcat(kcat, plant.broker, topic, third)
    start(plant, 2)
    whole = reference(plant, [*first, *second, *third]).items()
    plant.wait_for_scores(i for i, s in whole if s["machine"] not in split)
    by_kcat(kcat, plant.broker, topic, fourth)
    assert check(plant, [*first, *second, *third, *fourth]) == split
    stop(plant)


def test_repartitioned_readings_are_scored_as_if_there_were_one_partition(
    tiny_plant: MakePlant, kcat: str
) -> None:
    plant = tiny_plant(*OVERRIDES, "input.repartition=true")
    topic = plant.settings.topics.readings
    first, second, third, fourth = pieces(4)
    by_kcat(kcat, plant.broker, topic, first)
    by_kafka_python(plant.broker, topic, second)
    start(plant, roles="score,repartition")
    by_telegraf(plant.broker, topic, third, 4)
    # Batches of several machines each, of which no two hold the same ones.
    by_telegraf(plant.broker, topic, fourth, 4, batch=7)
    all_of_them = [*first, *second, *third, *fourth]
    assert all(len(where) > 1 for where in lying(plant).values())
    right = reference(plant, all_of_them)
    plant.wait_for_scores(right)
    found = plant.scores()
    assert {i: without_source(p) for i, (p,) in found.items()} == right
    wait_until(
        lambda: plant.audited() == {"used": len(all_of_them)},
        lambda: f"{plant.audited()} {plant.workers[-1].told[-3000:]}",
    )
    assert reports(plant) == []
    assert all(len(where) == 1 for where in lying(plant, "keyed").values())
    stop(plant)
