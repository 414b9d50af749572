"""The walking skeleton: reading, window, tiny model, score, topic, InfluxDB."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tests.integration.plant import Plant, wait_until
from tests.services.influx import Influx, query
from tests.worker.tiny import pump_readings

POISON = b'{"machine": "pump-000", "time": "yesterday", "values": {"pressure": 1}}'


def test_readings_become_scores_in_kafka_and_in_influxdb(
    tiny_plant: Callable[..., Plant], influx_bucket: Influx
) -> None:
    plant = tiny_plant(
        f"influx.url={influx_bucket.url}",
        f"influx.org={influx_bucket.org}",
        f"influx.bucket={influx_bucket.bucket}",
    )
    plant.environment["FORESHOCK_INFLUX__TOKEN"] = influx_bucket.token
    readings = plant.settings.topics.readings
    plant.produce(
        readings,
        ((None, name.encode(), value) for name, value in pump_readings(10, 40)),
    )
    plant.produce(readings, [(1, b"pump-000", POISON)])
    worker = plant.worker("score,archive")

    wait_until(lambda: len(plant.scores()) == 200, lambda: worker.told[-3000:])
    wait_until(lambda: plant.audited().get("used") == 400, lambda: str(plant.audited()))
    assert plant.audited() == {"used": 400, "quarantined.bad_time": 1}

    (quarantined,) = plant.read("quarantine")
    assert quarantined.value == POISON
    assert quarantined.key == b"pump-000"
    headers = dict(quarantined.headers)
    assert headers["foreshock-reason"] == b"bad_time"
    assert headers["foreshock-partition"] == b"1"

    def points() -> set[str]:
        flux = (
            f'from(bucket: "{influx_bucket.bucket}") |> range(start: 0)'
            ' |> filter(fn: (r) => r._measurement == "score" and r._field == "id")'
        )
        return set(query(influx_bucket, flux))

    wait_until(lambda: points() == set(plant.scores()), lambda: worker.told[-3000:])
    assert worker.stop() == 0, worker.told
    scores = [msgspec.json.decode(record.value) for record in plant.read("scores")]
    assert {score["why"] for score in scores} == {None}
