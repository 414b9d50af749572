"""Two machine types in one worker, silence, limits, and state under new settings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stream.core.pipeline import Pipeline
from stream.worker.plant import kinds_of, rules_of, type_of
from stream.worker.settings import Settings, load_settings
from tests.integration.plant import Plant, wait_until
from tests.worker.tiny import TinyScorer, expected_scores, reading

MakePlant = Callable[..., Plant]
PUMPS, FANS, ROWS = 3, 2, 20


def both(first: int, rows: int, **extra: float) -> list[tuple[str, bytes]]:
    """Return readings of pumps (by the second) and fans (on no grid point)."""
    found = []
    for row in range(first, first + rows):
        for number in range(PUMPS):
            name, value = f"pump-{number}", float((row * 7 + number) % 50)
            told = reading(name, row, pressure=value, speed=100.0 + row, **extra)
            found.append((name, told))
        for number in range(FANS):
            name, value = f"fan-{number}", float(20 + (row + number) % 9)
            found.append((name, reading(name, row * 10 + 3, temperature=value)))
    return found


def send(plant: Plant, readings: Sequence[tuple[str, bytes]]) -> None:
    records = [(None, name.encode(), value) for name, value in readings]
    plant.produce(plant.settings.topics.readings, records)


def wait_for_readings(plant: Plant, count: int) -> None:
    """Wait until the ends of so many readings have been audited."""
    wait_until(
        lambda: sum(plant.audited().values()) >= count,
        lambda: f"{plant.audited()} {plant.workers[-1].told[-3000:]}",
    )


def expected(plant: Plant, settings: Settings, since: int = 0) -> dict[str, bytes]:
    """Return all scores of the topic's records from an event time in s on.

    Args:
        plant: Whose readings to take.
        settings: The settings under which they are scored.
        since: Leave readings before this time out, in s after 2026 began.
    """
    found: dict[str, bytes] = {}
    for records in plant.by_partition("readings"):
        recent = [r for r in records if _at_s(r) >= since]
        found |= expected_scores(settings, recent, plant.settings.topics.readings)
    return found


def _at_s(record: Any) -> int:
    return int(json.loads(record.value)["time"]) - 1_767_225_600


def ending(scores: dict[str, bytes], kind: str, since: int) -> dict[str, bytes]:
    """Return the scores of a type whose windows end at a time or later."""
    start = np.datetime64("2026-01-01T00:00:00") + np.timedelta64(since, "s")
    return {
        i: payload
        for i, payload in scores.items()
        for told in [json.loads(payload)]
        if told["type"] == kind and np.datetime64(told["time"][:-1]) >= start
    }


class Reference:
    """What one undisturbed worker would say, silence included."""

    def __init__(self, plant: Plant) -> None:
        settings, self.plant = plant.settings, plant
        self.paths = [
            Pipeline(
                kinds_of(settings),
                [TinyScorer() for _ in settings.machine_types],
                rules_of(settings),
                type_of(settings),
                (settings.topics.readings, number),
            )
            for number in range(settings.topics.partitions)
        ]
        self.seen = [0] * len(self.paths)

    def read(self) -> dict[str, bytes]:
        """Return the scores of what has come since the last call."""
        found: dict[str, bytes] = {}
        for number, records in enumerate(self.plant.by_partition("readings")):
            path, seen = self.paths[number], self.seen[number]
            outcome = path.run(path.decode(records[seen:]))
            self.seen[number] = len(records)
            found |= {json.loads(v)["id"]: v for _, v in outcome.messages}
        return found

    def fall_silent(self) -> dict[str, bytes]:
        """Return the scores of what all machines hold back."""
        found: dict[str, bytes] = {}
        for number, path in enumerate(self.paths):
            silent = [np.arange(len(names)) for names in path.machines.names]
            held = path.holding_back(silent)
            outcome = path.release(held, self.seen[number] - 1)
            found |= {json.loads(v)["id"]: v for _, v in outcome.messages}
        return found


def times_sent(plant: Plant) -> Counter[str]:
    return Counter(json.loads(r.value)["id"] for r in plant.read("scores"))


def test_silence_is_told_once_and_repeated_to_the_byte_after_a_kill(
    tiny_plant: MakePlant,
) -> None:
    plant = tiny_plant("input.settle=0s", "state.interval=2s")
    send(plant, both(0, ROWS))
    worker = plant.worker()
    reference = Reference(plant)
    scores, released = reference.read(), reference.fall_silent()
    kinds = {json.loads(payload)["type"] for payload in scores.values()}
    assert kinds == {"pump", "fan"}
    assert len(released) == FANS
    plant.wait_for_scores(released)
    # The release stands in the state, the scores do not: they are told again.
    worker.kill()
    again = plant.worker()
    wait_until(
        lambda: all(times_sent(plant)[i] > 1 for i in released),
        lambda: again.told[-3000:],
    )
    # The row of the grid point that was released comes late, and the rest goes on.
    send(plant, both(ROWS, ROWS))
    scores |= released | reference.read() | reference.fall_silent()
    plant.wait_for_scores(scores)
    assert again.stop() == 0, again.told
    assert plant.scores() == {i: {payload} for i, payload in scores.items()}
    repeated = {i for i, count in times_sent(plant).items() if count > 1}
    assert repeated == set(released)


def test_machines_beyond_the_limit_and_strangers_are_refused(
    tiny_plant: MakePlant,
) -> None:
    plant = tiny_plant(
        "topics.partitions=1", "limits.machines=4", "machine_types.fan.idle_after=1h"
    )
    readings = both(0, ROWS)
    readings += [("boiler-1", reading("boiler-1", at, heat=1)) for at in range(7)]
    send(plant, readings)
    worker = plant.worker()
    wait_for_readings(plant, len(readings))
    ends = plant.audited()
    assert ends["refused.machine_limit"] == ROWS
    assert ends["refused.no_type"] == 7
    assert worker.stop() == 0, worker.told
    # The last fan to be met finds no room; those known before are not harmed.
    wanted = expected(plant, plant.settings)
    known = {i: p for i, p in wanted.items() if json.loads(p)["machine"] != "fan-1"}
    assert len(known) < len(wanted)
    assert plant.scores() == {i: {payload} for i, payload in known.items()}


def test_new_settings_keep_of_the_state_what_they_can(tiny_plant: MakePlant) -> None:
    plant = tiny_plant("input.settle=0s", "machine_types.fan.idle_after=1h")
    count = (PUMPS + FANS) * ROWS

    def run(*overrides: str, part: int, **extra: float) -> tuple[Settings, str]:
        plant.overrides += overrides
        worker = plant.worker()
        send(plant, both(part * ROWS, ROWS, **extra))
        wait_for_readings(plant, (part + 1) * count)
        assert worker.stop() == 0, worker.told
        return load_settings(plant.config, plant.overrides, {}), worker.told

    settings, _ = run(part=0)
    wanted = expected(plant, settings)
    # A longer window fills up from the rows that were kept, four of them at the least.
    settings, told = run("machine_types.pump.window.rows=6", part=1)
    everything = expected(plant, settings)
    wanted |= ending(everything, "pump", ROWS) | ending(everything, "fan", 0)
    assert "warning" not in told
    # A sensor more: it is absent from older rows. Another grid: those rows are gone.
    settings, told = run(
        "machine_types.pump.sensors.vibration={unit: mm/s}",
        "machine_types.fan.rows.every=5s",
        part=2,
        vibration=1.5,
    )
    everything = expected(plant, settings)
    pumps = ending(everything, "pump", 2 * ROWS)
    reasons = Counter(json.loads(payload)["why"] for payload in pumps.values())
    assert set(reasons) == {None, "masked"}
    # Pumps stand at most 3 * ROWS s after the beginning: only fans are this late.
    cold = ending(expected(plant, settings, 2 * ROWS * 10), "fan", 0)
    wanted |= pumps | cold
    assert "machine type 'pump' has new sensors: vibration" in told
    assert "machine type 'fan' starts cold: its grid has changed" in told
    assert plant.scores() == {i: {payload} for i, payload in wanted.items()}
