"""The commands that talk to Kafka, on a real broker."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from connectors.kafka import Access
from connectors.kafka_follow import follow
from connectors.kafka_send import partition_of, sender
from stream import cli

CMAPSS = str(Path(__file__).parents[1] / "configs" / "cmapss.yaml")
CSV_PLANT = """
dataset:
  kind: csv
  path: {path}
  columns: {{machine: asset, time: at, sensors: {{temp: "Temp [K]"}}}}
machine_types:
  pump:
    match: "*"
    life: {{horizon: 10, cap: 100}}
    sensors:
      temp: {{unit: K}}
      flow: {{unit: "m3/h"}}
    window: {{rows: 5}}
"""
HISTORY = """asset,at,Temp [K],flow
a,2026-01-01T00:00:00Z,300.5,1
b,2026-01-01T00:00:01Z,301.25,
a,2026-01-01T00:00:02Z,,3
"""

Capture = pytest.CaptureFixture[str]
Run = Callable[..., Any]


@pytest.fixture
def plant(
    kafka: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Settings that point to the test's own topics; the CSV plant's file."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORESHOCK_KAFKA__BROKERS", kafka)
    for name in [
        "readings",
        "scores",
        "alerts",
        "alarms",
        "events",
        "quarantine",
        "keyed",
        "state",
    ]:
        monkeypatch.setenv(f"FORESHOCK_TOPICS__{name.upper()}", topic_prefix + name)
    for name in ("machines", "audit"):
        monkeypatch.setenv(f"FORESHOCK_TOPICS__{name.upper()}", topic_prefix + name)
    history, file = tmp_path / "history.csv", tmp_path / "plant.yaml"
    history.write_text(HISTORY)
    file.write_text(CSV_PLANT.format(path=history))
    return str(file)


def run(capsys: Capture, *arguments: str) -> Any:
    code = cli.run([*arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    return json.loads(said.out)


def test_topics_are_created_once_and_with_their_policies(
    capsys: Capture, plant: str, topic_prefix: str
) -> None:
    first = run(capsys, "topics", "create", plant)["topics"]
    assert [t["created"] for t in first] == [True] * 10
    assert {t["name"] for t in first} >= {f"{topic_prefix}readings"}
    again = run(capsys, "topics", "create", plant)["topics"]
    assert [t["created"] for t in again] == [False] * 10
    assert cli.run(["topics", "create", plant]) == 0
    assert (
        f"exists  {topic_prefix}state  4 partitions, compact" in capsys.readouterr().out
    )


def test_a_changed_partition_count_is_refused(capsys: Capture, plant: str) -> None:
    run(capsys, "topics", "create", plant)
    assert cli.run(["topics", "create", plant, "--set", "topics.partitions=6"]) == 1
    text = capsys.readouterr().err
    assert "expected 6 partitions, found 4" in text
    assert text.count("\n") == 1


def records(kafka: str, topic: str) -> list[tuple[int, bytes | None, Any]]:
    found = follow(Access((kafka,)), topic, from_start=True, until_idle_s=0.5)
    return [(r.partition, r.key, json.loads(r.value or b"null")) for r in found]


def test_a_csv_history_is_replayed_at_its_pace(
    capsys: Capture, plant: str, kafka: str, topic_prefix: str
) -> None:
    run(capsys, "topics", "create", plant)
    start = time.monotonic()
    told = run(capsys, "replay", plant, "--speed", "4")
    # Two seconds of history, four times as fast.
    assert time.monotonic() - start >= 0.5
    assert told["records"] == 3
    assert told["machines"] == 2
    assert told["seconds"] >= 0.5
    found = records(kafka, f"{topic_prefix}readings")
    assert {(partition, key) for partition, key, _ in found} == {
        (partition_of(key, 4), key) for key in (b"a", b"b")
    }
    assert sorted((r for _, _, r in found), key=lambda r: str(r["time"])) == [
        {
            "machine": "a",
            "time": "2026-01-01T00:00:00.000Z",
            "values": {"temp": 300.5, "flow": 1.0},
        },
        {
            "machine": "b",
            "time": "2026-01-01T00:00:01.000Z",
            "values": {"temp": 301.25},
        },
        {"machine": "a", "time": "2026-01-01T00:00:02.000Z", "values": {"flow": 3.0}},
    ]


def test_machines_limit_and_shift(
    capsys: Capture, plant: str, kafka: str, topic_prefix: str
) -> None:
    run(capsys, "topics", "create", plant)
    before = time.time_ns()
    told = run(
        *(capsys, "replay", plant, "--flat-out", "--shift-to-now"),
        *("--machines", "a", "--limit", "2"),
    )
    assert (told["records"], told["machines"]) == (2, 1)
    assert before <= told["last_time_ns"] <= time.time_ns()
    assert told["last_time_ns"] - told["first_time_ns"] == 2 * 10**9
    assert len(records(kafka, f"{topic_prefix}readings")) == 2


def test_nothing_to_replay_is_said(capsys: Capture, plant: str) -> None:
    assert cli.run(["replay", plant, "--machines", "x*"]) == 2
    assert capsys.readouterr().err == (
        "foreshock: nothing to replay: no machine fits --machines 'x*'\n"
    )


def test_a_replay_without_topics_says_how_to_make_them(
    capsys: Capture, plant: str, topic_prefix: str
) -> None:
    assert cli.run(["replay", plant, "--flat-out"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"foreshock: there is no topic {topic_prefix}readings:"
        " foreshock topics create makes it"
    )


def test_old_times_are_warned_of(
    capsys: Capture, plant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "topics", "create", plant)
    monkeypatch.setenv("FORESHOCK_INFLUX__URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FORESHOCK_INFLUX__ORG", "o")
    monkeypatch.setenv("FORESHOCK_INFLUX__BUCKET", "b")
    monkeypatch.setenv("FORESHOCK_INFLUX__RETENTION", "1d")
    assert cli.run(["replay", plant, "--flat-out"]) == 0
    assert "InfluxDB will drop their scores; use --shift-to-now" in (
        capsys.readouterr().err.replace("\n", " ")
    )
    assert cli.run(["replay", plant, "--flat-out", "--shift-to-now"]) == 0
    assert "warning" not in capsys.readouterr().err


def test_turbofans_are_replayed_as_they_stand_in_the_file(
    capsys: Capture, plant: str, kafka: str, topic_prefix: str, cmapss_dir: Path
) -> None:
    run(capsys, "topics", "create", CMAPSS)
    told = run(
        *(capsys, "replay", CMAPSS, "--flat-out", "--machines", "*-00[12]"),
        *("--set", f"dataset.path={cmapss_dir}"),
    )
    table = np.loadtxt(cmapss_dir / "test_FD001.txt")
    table = table[table[:, 0] <= 2]
    assert told["records"] == len(table)
    found = [reading for _, _, reading in records(kafka, f"{topic_prefix}readings")]
    for engine in (1, 2):
        name = f"FD001-test-{engine:03d}"
        mine = [r for r in found if r["machine"] == name]
        values = np.array([list(r["values"].values()) for r in mine], np.float32)
        np.testing.assert_array_equal(
            values, table[table[:, 0] == engine, 2:].astype(np.float32)
        )
        times = np.array([r["time"].rstrip("Z") for r in mine], "datetime64[s]")
        assert set(np.diff(times)) == {np.timedelta64(3600, "s")}


@pytest.fixture
def scored(capsys: Capture, plant: str, kafka: str, topic_prefix: str) -> str:
    run(capsys, "topics", "create", plant)
    with sender(Access((kafka,)), f"{topic_prefix}scores") as sending:
        for i in range(6):
            score = {"machine": f"pump-{i % 2}", "time": f"t{i}", "risk": i / 10}
            sending.send(b"pump-%d" % (i % 2), json.dumps(score).encode())
        sending.send(b"pump-0", b"no score")
    return plant


def test_scores_as_lines_of_json(capsys: Capture, scored: str) -> None:
    arguments = ["scores", scored, "--from-start", "--until-idle", "0.5", "--json"]
    assert cli.run(arguments) == 0
    said = capsys.readouterr()
    found = [json.loads(line) for line in said.out.splitlines()]
    assert sorted(score["time"] for score in found) == [f"t{i}" for i in range(6)]
    assert "1 records of" in said.err
    assert cli.run([*arguments, "--machine", "*-1", "--limit", "2"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(s["machine"], s["time"]) for s in found] == [
        ("pump-1", "t1"),
        ("pump-1", "t3"),
    ]


def test_scores_as_a_table(capsys: Capture, scored: str) -> None:
    assert cli.run(["scores", scored, "--from-start", "--until-idle", "0.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["time", "machine", "risk"]
    assert len(lines) == 7


def test_scores_end_when_idle(capsys: Capture, scored: str) -> None:
    assert cli.run(["scores", scored, "--until-idle", "0.2", "--json"]) == 0
    assert capsys.readouterr().out == ""
