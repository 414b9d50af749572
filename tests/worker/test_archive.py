"""The archive role beyond scores: alerts, and where machines stand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.influx import InfluxSink
from stream.core.alert import Alert, Evidence
from stream.errors import ConfigError
from stream.worker.archive import ArchiveRole
from tests.services.influx import Influx, query
from tests.worker.test_roles import Shelf, Site, all_of, scores, until
from tests.worker.test_roles import site as site_fixture

site = site_fixture

ASSETS = "machine,site,line,criticality\npump-1,Kiel,L 2,A\n"
NS = 1_767_225_660_000_000_000


def alert(machine: str = "pump-1", **changes: Any) -> bytes:
    plain = Alert(
        id="i1",
        case_id="c1",
        machine=machine,
        type="pump",
        kind="risk",
        subject="machine",
        sensor="",
        event="raised",
        seq=1,
        state="active",
        severity="high",
        onset="2026-01-01T00:00:00Z",
        time="2026-01-01T00:01:00Z",
        message='Pump "pump-1": wear.',
        evidence=Evidence(0.7, 0.5, 0.7, (1.0, 2.0, 3.0), 0.01),
    )
    return msgspec.json.encode(msgspec.structs.replace(plain, **changes))


@pytest.fixture
def plant(site: Callable[..., Site], tmp_path: Path) -> Site:
    file = tmp_path / "assets.csv"
    file.write_text(ASSETS)
    return site(f"assets.file={file}", "assets.topic=true")


def put(plant: Site, topic: str, *values: bytes | None) -> None:
    name = plant.topics.names()[topic]
    for value in values:
        plant.log.append(name, 0, b"pump-1", value, (), NS // 10**6)


async def test_scores_alerts_and_readings_have_their_machines_place(
    plant: Site,
) -> None:
    shelf = Shelf()
    put(plant, "scores", scores(plant, 2)[0])
    put(plant, "alerts", alert(), alert("pump-2"), alert(kind="wear"))
    entry = json.dumps({"site": "Bonn"}).encode()
    plant.log.append(plant.topics.machines, None, b"pump-2", entry)
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        await until(lambda: len(shelf.lines) == 4)
    heads = {line.replace(r"\ ", "_").split(" ")[0] for line in shelf.lines}
    tags = "event=raised,kind={},line=L_2,machine={},severity=high,site=Kiel"
    other = "event=raised,kind=risk,machine=pump-2,severity=high,site=Bonn"
    rest = ",subject=machine,type=pump"
    assert heads == {
        "alert," + tags.format("risk", "pump-1") + rest,
        "alert," + tags.format("wear", "pump-1") + rest,
        "alert," + other + rest,
        "score,line=L_2,machine=pump-1,model=tiny,site=Kiel,type=pump",
    }


async def test_readings_are_of_the_type_and_the_place_of_the_register(
    site: Callable[..., Site], tmp_path: Path
) -> None:
    file = tmp_path / "assets.yaml"
    file.write_text("old fan: {type: fan, site: Kiel}")
    plant = site("influx.write_readings=true", f"assets.file={file}")
    shelf = Shelf()
    value = b'{"machine":"old fan","time":1767225601,"values":{"temperature":5}}'
    plant.write("old fan", value)
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        await until(lambda: bool(shelf.lines))
    (line,) = shelf.lines
    assert line.startswith(r"reading,machine=old\ fan,site=Kiel,type=fan temperature=5")


async def test_what_is_no_alert_goes_to_quarantine(plant: Site) -> None:
    shelf = Shelf()
    bad = [b"junk", b"[]", b"{}", b'{"machine": []}', None, alert(time="yesterday")]
    # Of the shape that alerts on the pipeline once had, without a time.
    old = {"schema": 1, "id": "x", "machine": "pump-1", "kind": "second_partition"}
    old |= {"subject": "pipeline", "severity": "high", "state": "active", "seq": 1}
    put(plant, "alerts", *bad, json.dumps(old | {"event": "raised"}).encode())
    async with all_of(ArchiveRole(plant.settings, plant.bus, shelf)):
        await until(lambda: bool(shelf.lines and len(plant.records("quarantine")) == 6))
    found = [(r.value, dict(r.headers)) for r in plant.records("quarantine")]
    assert [value for value, _ in found] == bad
    assert {told["foreshock-reason"] for _, told in found} == {b"not_an_alert"}
    assert {told["foreshock-topic"] for _, told in found} == {
        plant.topics.alerts.encode()
    }
    (line,) = shelf.lines
    assert line.endswith(f" {NS}")


def test_a_bad_register_stops_the_role_before_it_starts(
    site: Callable[..., Site], tmp_path: Path
) -> None:
    plant = site(f"assets.file={tmp_path / 'none.csv'}")
    with pytest.raises(ConfigError, match=r"none\.csv"):
        ArchiveRole(plant.settings, plant.bus, Shelf())


async def test_a_register_that_cannot_be_followed_stops_the_worker(
    plant: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: Any) -> int:
        return 0

    role = ArchiveRole(plant.settings, plant.bus, Shelf())
    monkeypatch.setattr(role.bus.reader, "partitions", none)
    async with all_of(role):
        await until(lambda: bool(role.app.crashed))


async def test_alerts_and_scores_in_a_real_influxdb(
    plant: Site, influx_bucket: Influx
) -> None:
    sink = InfluxSink(
        url=influx_bucket.url,
        org=influx_bucket.org,
        bucket=influx_bucket.bucket,
        token=influx_bucket.token,
    )
    put(plant, "scores", scores(plant, 2)[0])
    cleared = alert(event="cleared", state="cleared", seq=2, backfill=True)
    # The second is told twice, as after a crash: it stays one point.
    put(plant, "alerts", alert(), cleared, cleared)
    group = plant.log.group("tiny-archive")
    async with all_of(ArchiveRole(plant.settings, plant.bus, sink)):
        ends = {(plant.topics.scores, 0): 1, (plant.topics.alerts, 0): 3}
        await until(lambda: ends.items() <= group.offsets.items())

    def values(measurement: str, field: str, tag: str) -> list[Any]:
        flux = (
            f'from(bucket: "{influx_bucket.bucket}") |> range(start: 0)'
            f' |> filter(fn: (r) => r._measurement == "{measurement}"'
            f' and r._field == "{field}" and r.site == "Kiel" and r.line == "L 2")'
            f' |> group() |> sort(columns: ["{tag}"])'
        )
        return query(influx_bucket, flux)

    assert len(values("score", "id", "machine")) == 1
    assert values("alert", "seq", "event") == ["2", "1"]
    assert values("alert", "backfill", "event") == ["true", "false"]
    assert values("alert", "rul_p95", "event") == ["3", "3"]
    assert values("alert", "message", "event") == ['Pump "pump-1": wear.'] * 2
    assert plant.records("quarantine") == []
