"""`foreshock assets`: without servers, and on a real broker."""

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.kafka import Access
from connectors.kafka_follow import follow
from connectors.kafka_send import sender
from stream import cli

PLANT = """
kafka: {{brokers: ["{broker}"]}}
topics: {{machines: {prefix}machines}}
alerts: {{budget: {{false_alarms_per_week: 1, machines: 3}}}}
assets: {{file: {file}}}
machine_types:
  pump:
    match: "pump-*"
    life: {{horizon: 10, cap: 100}}
    sensors: {{pressure: {{unit: bar}}}}
    window: {{rows: 60}}
  fan:
    life: {{horizon: 10, cap: 100}}
    sensors: {{pressure: {{unit: bar}}}}
    window: {{rows: 60}}
"""
ASSETS = "machine,type,site\npump-1,,Kiel\nold fan,fan,Kiel\npump-2,pump,\n"

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def written(folder: Path, broker: str = "127.0.0.1:9", prefix: str = "") -> str:
    file, plant = folder / "assets.csv", folder / "plant.yaml"
    file.write_text(ASSETS)
    plant.write_text(PLANT.format(file=file, broker=broker, prefix=prefix))
    return str(plant)


def run(capsys: Capture, *arguments: str) -> Any:
    code = cli.run(["assets", *arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


def test_help_has_examples(capsys: Capture) -> None:
    for command in ("check", "publish"):
        assert cli.run(["assets", command, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"foreshock assets {command} " in text.split("Examples")[1]


def test_a_register_is_counted(capsys: Capture, tmp_path: Path) -> None:
    plant = written(tmp_path)
    found = run(capsys, "check", plant)
    assert found.pop("file") == str(tmp_path / "assets.csv")
    assert found == {
        "ok": True,
        "machines": 3,
        "types": {"fan": 1, "pump": 2},
        "sites": {"(no site)": 1, "Kiel": 2},
    }
    assert cli.run(["assets", "check", plant]) == 0
    said = capsys.readouterr()
    assert "       2  type pump" in said.out
    assert said.out.endswith("assets.csv: fine, 3 machines\n")
    assert "shared over 3 machines, but Kiel has 2" in said.err
    other = tmp_path / "one.yaml"
    other.write_text("pump-1:\n")
    assert run(capsys, "check", plant, "--file", str(other))["machines"] == 1


def test_a_bad_register_is_refused(capsys: Capture, tmp_path: Path) -> None:
    plant = written(tmp_path)
    (tmp_path / "assets.csv").write_text("machine,type\na,turbine\nb,\n")
    for command in ("check", "publish"):
        assert cli.run(["assets", command, plant]) == 2
        said = capsys.readouterr()
        assert said.err.count("assets.csv:") == 2
        assert "found 'turbine'" in said.err


def test_without_a_register_there_is_nothing_to_check(
    capsys: Capture, tmp_path: Path
) -> None:
    unset = ["--set", "assets.file=null", "--set", "assets.topic=true"]
    assert cli.run(["assets", "check", written(tmp_path), *unset]) == 2
    assert "name a file, or set assets.file" in capsys.readouterr().err


def test_a_register_is_published_and_replaced(
    capsys: Capture, tmp_path: Path, kafka: str, topic_prefix: str
) -> None:
    plant = written(tmp_path, kafka, topic_prefix)
    assert cli.run(["topics", "create", plant]) == 0
    capsys.readouterr()
    topic, access = f"{topic_prefix}machines", Access((kafka,))
    with sender(access, topic) as sending:
        sending.send(b"pump-9", b'{"site": "Bonn"}')
        sending.send(b"pump-9\x000", b'{"machine": "pump-9", "partition": 0}')

    def there() -> dict[bytes | None, Any]:
        found = follow(access, topic, from_start=True, until_idle_s=0.5)
        return {r.key: r.value and json.loads(r.value) for r in found}

    told = run(capsys, "publish", plant)
    assert told == {"topic": topic, "sent": 3, "removed": []}
    found = there()
    assert found[b"old fan"] == {
        "schema": 1,
        "machine": "old fan",
        "type": "fan",
        "site": "Kiel",
    }
    assert found[b"pump-9"] == {"site": "Bonn"}
    told = run(capsys, "publish", plant, "--replace")
    assert told["removed"] == ["pump-9"]
    found = there()
    assert found[b"pump-9"] is None
    assert found[b"pump-9\x000"] is not None
    assert {key for key, value in found.items() if value} == {
        b"old fan",
        b"pump-1",
        b"pump-2",
        b"pump-9\x000",
    }
    assert cli.run(["assets", "publish", plant, "--set", "assets.topic=true"]) == 0
    said = capsys.readouterr()
    assert said.out == f"3 machines sent to {topic}\n"
    assert said.err == ""
