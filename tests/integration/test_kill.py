"""Workers killed with -9: nothing lost, nothing twice under another payload."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.integration.plant import Plant, wait_until
from tests.worker.tiny import expected_scores, pump_readings

MACHINES, ROWS, PIECES = 24, 1_000, 10


def wait_for_more(plant: Plant) -> None:
    """Wait until there are more scores than now."""
    before = len(plant.read("scores"))
    wait_until(
        lambda: len(plant.read("scores")) > before,
        lambda: "".join(worker.told[-2000:] for worker in plant.workers),
    )


def test_two_workers_killed_in_turn_give_the_undisturbed_scores(
    tiny_plant: Callable[..., Plant],
) -> None:
    plant = tiny_plant("topics.partitions=4", "input.settle=200ms")
    rng = np.random.default_rng(7)
    readings = list(pump_readings(MACHINES, ROWS))
    workers = [plant.worker(), plant.worker()]
    size = len(readings) // PIECES
    for piece in range(PIECES):
        part = readings[piece * size : (piece + 1) * size]
        records = [(None, name.encode(), value) for name, value in part]
        plant.produce(plant.settings.topics.readings, records)
        victim = int(rng.integers(2))
        if piece % 3 == 1:
            # Kill it while it has something in hand: outputs sent, nothing committed.
            wait_for_more(plant)
            workers[victim].kill()
            workers[victim] = plant.worker()
    expected: dict[str, bytes] = {}
    topic = plant.settings.topics.readings
    for there in plant.by_partition("readings"):
        expected |= expected_scores(plant.settings, there, topic)
    assert len(expected) == MACHINES * ROWS // 2
    plant.wait_for_scores(expected)
    assert [worker.stop() for worker in workers] == [0, 0], workers[0].told

    found = plant.scores()
    assert set(found) == set(expected)
    contradicting = [i for i, payloads in found.items() if len(payloads) > 1]
    assert contradicting == []
    # What a killed worker had written of its state is met again as `repeated`.
    audited = plant.audited()
    assert set(audited) <= {"used", "repeated"}
    assert sum(audited.values()) == MACHINES * ROWS
