"""The commands on alarms, events and alerts, on a real broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from connectors.kafka import Access
from connectors.kafka_follow import follow
from connectors.kafka_send import sender
from stream import cli, cli_alerts
from stream.core.alert import Alert, Mark
from tests.worker.alerts import alert, classic

PLANT = """
alerts: {time_zone: Asia/Shanghai}
machine_types:
  pump:
    match: "pump-*"
    life: {horizon: 24, cap: 240}
    sensors: {bearing_temperature: {unit: Cel}, vibration: {unit: "mm/s"}}
    window: {rows: 5}
"""
TOPICS = [
    *("readings", "scores", "alerts", "alarms", "events"),
    *("quarantine", "keyed", "state", "machines", "audit"),
]
OVER = {"event": "cleared", "state": "cleared", "cleared_by": "limit"}

Capture = pytest.CaptureFixture[str]
Run = Callable[..., Any]


@pytest.fixture
def plant(
    kafka: str,
    topic_prefix: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: Capture,
) -> str:
    """Settings of a plant in Shanghai, whose topics are there."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("FORESHOCK_USER", "ann")
    monkeypatch.setenv("FORESHOCK_KAFKA__BROKERS", kafka)
    for name in TOPICS:
        monkeypatch.setenv(f"FORESHOCK_TOPICS__{name.upper()}", topic_prefix + name)
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT)
    assert cli.run(["topics", "create", str(file)]) == 0
    capsys.readouterr()
    return str(file)


@pytest.fixture
def put(kafka: str, topic_prefix: str) -> Callable[..., None]:
    """Put alerts onto a topic as the worker does; None takes an alarm away."""

    def one(topic: str, *alerts: Alert | bytes) -> None:
        with sender(Access((kafka,)), topic_prefix + topic) as sending:
            for told in alerts:
                if isinstance(told, bytes):
                    sending.send(b"other", told)
                    continue
                key = told.id if topic == "alarms" else told.machine
                sending.send(key.encode(), msgspec.json.encode(told))

    return one


@pytest.fixture
def events(kafka: str, topic_prefix: str) -> Callable[[], list[dict[str, Any]]]:
    """All events so far, each checked to be keyed by its machine."""

    def read() -> list[dict[str, Any]]:
        topic = f"{topic_prefix}events"
        found = []
        records = follow(Access((kafka,)), topic, from_start=True, to_end=True)
        with closing(records):
            for record in records:
                event = json.loads(record.value or b"")
                key = event["machine"].encode()
                assert record.key == key
                found.append(event)
        return sorted(found, key=lambda event: event["time"])

    return read


def run(capsys: Capture, *arguments: str) -> Any:
    code = cli.run([*arguments, "--json"])
    said = capsys.readouterr()
    assert (code, said.err) == (0, "")
    return json.loads(said.out)


def refused(capsys: Capture, *arguments: str) -> str:
    assert cli.run(list(arguments)) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_the_list_of_alarms(
    capsys: Capture, plant: str, put: Callable[..., None]
) -> None:
    hot = classic()
    hot.acknowledged = Mark("bob", "bearing ordered", "2026-11-21T09:30:00.000Z")
    put("alarms", alert(id="b" * 32, severity="critical", machine="pump-01"), hot)
    put("alarms", alert(id="b" * 32, machine="pump-01", seq=2, **OVER), b"no alarm")
    assert cli.run(["alarm", "list", plant]) == 0
    said = capsys.readouterr()
    head, row, sentence = said.out.splitlines()
    assert head.split() == [
        *("id", "machine", "kind", "severity", "state", "since", "handled")
    ]
    assert row == (
        "3f2a91bc  pump-07  risk  high      active  2026-11-21 17:12"
        "  acknowledged by bob at 17:30 (bearing ordered)"
    )
    assert sentence.startswith("    Pump pump-07: bearing temperature (+4.1 sigma")
    assert "1 records of" in said.err
    everything = ["alarm", "list", plant, "--all", "--json"]
    assert cli.run(everything) == 0
    found = json.loads(capsys.readouterr().out)["alarms"]
    assert [(one["machine"], one["state"]) for one in found] == [
        ("pump-07", "active"),
        ("pump-01", "cleared"),
    ]
    assert cli.run([*everything, "--machine", "pump-01"]) == 0
    assert len(json.loads(capsys.readouterr().out)["alarms"]) == 1


def test_no_alarms(capsys: Capture, plant: str) -> None:
    assert cli.run(["alarm", "list", plant]) == 0
    assert capsys.readouterr().out == "no alarms\n"


def test_what_people_say_goes_to_the_events(
    capsys: Capture, plant: str, put: Callable[..., None], events: Run
) -> None:
    put("alarms", classic(), alert(id="3f2b" + "0" * 28, kind="anomaly"))
    full = classic().id
    start = time.time()
    sent = run(capsys, "alarm", "ack", plant, "3f2a", "--why", "seen")["event"]
    assert (sent["alarm"], sent["by"], sent["why"]) == (full, "ann", "seen")
    run(capsys, "alarm", "ack", plant, "--machine", "pump-07", "--rule", "risk")
    shelved = run(capsys, "alarm", "shelve", plant, full, "--for", "8h", "--why", "w")
    times = [shelved["event"][name] for name in ("time", "until")]
    at, until = (datetime.fromisoformat(text) for text in times)
    assert abs((until - at).total_seconds() - 8 * 3600) < 5
    put("alarms", alert(shelved=Mark("ann", "w", times[0], times[1]), seq=2))
    run(capsys, "alarm", "unshelve", plant, full, "--by", "bob")
    run(capsys, "alarm", "feedback", plant, full, "--false")
    run(capsys, "alarm", "outofservice", plant, "pump-01", "--why", "overhaul")
    run(capsys, "alarm", "return", plant, "pump-01")
    found = events()
    assert [(e["kind"], e["machine"], e["alarm"], e["rule"]) for e in found] == [
        ("acknowledge", "pump-07", full, ""),
        ("acknowledge", "pump-07", "", "risk"),
        ("shelve", "pump-07", full, ""),
        ("unshelve", "pump-07", full, ""),
        ("feedback", "pump-07", full, ""),
        ("out_of_service", "pump-01", "", ""),
        ("return", "pump-01", "", ""),
    ]
    assert found[3]["by"] == "bob"
    assert found[4]["verdict"] == "false"
    said = [datetime.fromisoformat(event["time"]).timestamp() for event in found]
    assert start <= said[0] <= said[-1] <= time.time()


def test_a_shelf_until_a_time_of_the_plant(
    capsys: Capture, plant: str, events: Run
) -> None:
    end = ["--until", "2200-01-01 08:00", "--why", "no spare"]
    command = ["alarm", "shelve", plant, "--machine", "pump-01", *end]
    assert cli.run(command) == 0
    assert "shelve of all alarms of pump-01 sent to" in capsys.readouterr().out
    assert events()[0]["until"] == "2200-01-01T00:00:00.000Z"


def test_what_happened_to_a_machine(capsys: Capture, plant: str, events: Run) -> None:
    command = ["event", plant, "pump-07", "failure", "--at", "2026-01-02 08:30"]
    run(capsys, *command, "--mode", "VIB", "--by", "bob", "--why", "seized")
    run(capsys, "event", plant, "pump-07", "maintenance", "--at", "2026-01-03T00:00Z")
    run(capsys, "event", plant, "pump-07", "replacement", "--at", "now")
    failure, maintenance, replacement = events()
    assert failure == {
        "machine": "pump-07",
        "kind": "failure",
        "time": "2026-01-02T00:30:00.000Z",
        "alarm": "",
        "rule": "",
        "until": "",
        "by": "bob",
        "why": "seized",
        "mode": "VIB",
        "verdict": "",
        "schema": 1,
    }
    assert maintenance["time"] == "2026-01-03T00:00:00.000Z"
    assert replacement["kind"] == "replacement"


def test_what_the_alarms_show_to_be_impossible_is_not_sent(
    capsys: Capture, plant: str, put: Callable[..., None], events: Run
) -> None:
    mark = Mark("bob", "", "2026-11-21T09:30:00.000Z")
    put("alarms", alert(acknowledged=mark, out_of_service=True))
    put("alarms", alert(id="e" * 32, **OVER))
    ack = ["alarm", "ack", plant]
    assert refused(capsys, *ack, "3f2a") == (
        "foreshock: alarm 3f2a91bc of machine pump-07: the alarm is acknowledged"
        " already\n"
    )
    assert "already" in refused(capsys, *ack, "--machine", "pump-07")
    assert "is not active" in refused(capsys, *ack, "eee")
    assert "no alarm has an id" in refused(capsys, *ack, "x")
    assert "has no open alarm" in refused(capsys, *ack, "--machine", "pump-99")
    assert "not shelved" in refused(capsys, "alarm", "unshelve", plant, "3f2a")
    leave = ["alarm", "outofservice", plant, "pump-07", "--why", "w"]
    assert "out of service already" in refused(capsys, *leave)
    assert events() == []
    assert cli.run(["alarm", "return", plant, "pump-07"]) == 0
    assert len(events()) == 1


def test_without_topics_it_says_how_to_make_them(
    capsys: Capture, plant: str, monkeypatch: pytest.MonkeyPatch, topic_prefix: str
) -> None:
    monkeypatch.setenv("FORESHOCK_TOPICS__ALARMS", f"{topic_prefix}none")
    assert cli.run(["alarm", "list", plant]) == 1
    assert "foreshock topics create makes it" in capsys.readouterr().err


# --- foreshock alerts


@pytest.fixture
def told(put: Callable[..., None], plant: str) -> str:
    hot = classic()
    hot.message = "Pump pump-07: hot."
    over = alert(message="Pump pump-07: over.", seq=2, severity="low", **OVER)
    split = {"machine": "pump-01", "event": "raised", "message": "It is split."}
    put("alerts", hot, over, json.dumps(split).encode(), b"no alert")
    return plant


def test_alerts_as_sentences(capsys: Capture, told: str) -> None:
    assert cli.run(["alerts", told, "--no-follow"]) == 0
    said = capsys.readouterr()
    assert sorted(said.out.splitlines()) == [
        "-                 -         raised    It is split.",
        "2026-11-21 17:40  high      raised    Pump pump-07: hot.",
        "2026-11-21 17:40  low       cleared   Pump pump-07: over.",
    ]
    # No terminal, no colours.
    assert "\x1b" not in said.out
    assert "is no alert and is not shown" in said.err
    assert said.err.count("\n") == 1


def test_alerts_in_another_language_and_as_json(capsys: Capture, told: str) -> None:
    only = ["--no-follow", "--machine", "pump-0[7]", "--language", "zh"]
    assert cli.run(["alerts", told, *only, "--json"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["seq"] for one in found] == [1, 2]
    assert found[0]["message"].startswith("泵 pump-07：自 17:12 起轴承温度")  # noqa: RUF001 - Chinese
    assert found[0]["id"] == classic().id


def test_alerts_on_a_terminal_have_colours(
    capsys: Capture, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    terminal = Console(
        force_terminal=True, color_system="standard", markup=False, highlight=False
    )
    monkeypatch.setattr(cli_alerts, "out", terminal)
    assert cli.run(["alerts", told, "--from-start", "--limit", "3"]) == 0
    assert "\x1b[31m2026-11-21 17:40  high" in capsys.readouterr().out


def test_alerts_are_followed_as_they_come(
    capsys: Capture, told: str, put: Callable[..., None]
) -> None:
    done: list[int] = []

    def watch() -> None:
        done.append(cli.run(["alerts", told, "--limit", "1"]))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    # Until it listens it misses what comes; the old ones it must not show.
    until = time.monotonic() + 30
    while watcher.is_alive() and time.monotonic() < until:
        put("alerts", alert(message="Pump pump-07: news."))
        watcher.join(0.5)
    assert done == [0]
    (line,) = capsys.readouterr().out.splitlines()
    assert line.endswith("Pump pump-07: news.")
