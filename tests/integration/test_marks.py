"""What people do to alarms holds: over workers killed with -9, and for every worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec

from stream.core.alert import Alert, Event
from tests.integration.plant import Plant, wait_until
from tests.worker.tiny import reading, time_of

MakePlant = Callable[..., Plant]
KILLS = 5
ROWS = 12
MACHINES = ("pump-1", "pump-2", "pump-3", "pump-4")


def alarms(plant: Plant) -> dict[str, Alert]:
    """Return the latest of each alarm, as a late consumer of the topic sees it."""
    found: dict[str, Alert] = {}
    for record in plant.read("alarms"):
        alert = msgspec.json.decode(record.value, type=Alert)
        known = found.get(alert.id)
        if known is None or known.seq <= alert.seq:
            found[alert.id] = alert
    return found


def of(plant: Plant, machine: str, kind: str = "risk") -> Alert | None:
    """Return the one alarm of a kind that a machine has."""
    found = [
        a for a in alarms(plant).values() if (a.machine, a.kind) == (machine, kind)
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def send_readings(plant: Plant, first: int) -> None:
    """Send rows of all machines, at a level that is beyond the risk's limit."""
    rows = [
        (None, name.encode(), reading(name, row, pressure=40, speed=100 + row))
        for row in range(first, first + ROWS)
        for name in MACHINES
    ]
    plant.produce(plant.settings.topics.readings, rows)


def send(plant: Plant, *events: Event) -> None:
    rows = [(None, e.machine.encode(), msgspec.json.encode(e)) for e in events]
    plant.produce(plant.settings.topics.events, rows)


def last_scored(plant: Plant) -> dict[str, str]:
    """Return each machine's newest time on the topic of scores."""
    told = [json.loads(record.value) for record in plant.read("scores")]
    return {t["machine"]: t["time"] for t in sorted(told, key=lambda t: t["time"])}


def wait_for_rows(plant: Plant, end: int) -> None:
    """Wait until the newest window of all rows up to some has been scored."""
    wanted = dict.fromkeys(MACHINES, time_of(end - 1))
    wait_until(
        lambda: last_scored(plant) == wanted,
        lambda: f"{last_scored(plant)} {plant.workers[-1].told[-2000:]}",
    )


def test_acknowledged_and_shelved_stay_so_over_kills(tiny_plant: MakePlant) -> None:
    plant = tiny_plant(
        *("topics.partitions=4", "input.settle=0s", "state.interval=200ms"),
        *("kafka.session_timeout=6s",),
    )
    worker = plant.worker()
    send_readings(plant, 0)
    wait_for_rows(plant, ROWS)
    wait_until(lambda: all(of(plant, m) for m in MACHINES), lambda: str(alarms(plant)))
    now, far = time_of(ROWS), time_of(1e6)
    send(
        plant,
        Event("pump-1", "acknowledge", now, by="ann", why="on my way"),
        Event("pump-2", "shelve", now, until=far, by="bob", why="known"),
        Event("pump-3", "out_of_service", now, by="cy", why="being moved"),
        # A mistake: it names nothing that could be acknowledged twice.
        Event("pump-1", "acknowledge", now, by="dee"),
    )

    def marks() -> tuple[Any, ...]:
        noted, shelved, out = (of(plant, machine) for machine in MACHINES[:3])
        return (
            noted and noted.acknowledged and noted.acknowledged.by,
            shelved and shelved.shelved and shelved.shelved.until,
            out and out.out_of_service,
        )

    wanted = ("ann", far, True)
    wait_until(lambda: marks() == wanted, lambda: f"{marks()} {plant.workers[-1].told}")
    for kill in range(1, KILLS + 1):
        worker.kill()
        send_readings(plant, kill * ROWS)
        # Every other time two workers share what one has left.
        worker, other = plant.worker(), plant.worker() if kill % 2 else None
        wait_for_rows(plant, (kill + 1) * ROWS)
        assert marks() == wanted
        if other is not None:
            other.kill()
    # The fourth machine's alarm has been told once, by whichever worker had it.
    raised = [
        alert
        for record in plant.read("alerts")
        if (alert := json.loads(record.value))["machine"] == "pump-4"
        and alert["event"] == "raised"
    ]
    fourth = of(plant, "pump-4")
    assert fourth is not None
    assert {alert["id"] for alert in raised} == {fourth.id}
    headers = dict(plant.read("alerts")[0].headers)
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"].startswith(b"io.foreshock.alert.")
