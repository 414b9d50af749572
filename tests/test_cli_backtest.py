"""`foreshock backtest` by the command line, and the first own machine from a CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stream import cli
from stream.core.scoring import Scorer
from stream.worker import bundles
from stream.worker.settings import Settings
from tests import pumps
from tests.test_backtest import Gauge

FIRST = Path(__file__).parents[1] / "configs" / "first-machine.yaml"
CONFIG = """
bundle: {{path: {folder}/bundles}}
dataset: {{kind: csv, path: {folder}/r.csv, failures: {folder}/f.csv}}
alerts: {{time_zone: Asia/Shanghai}}
machine_types:
  pump:
    match: "pump-*"
    life: {{axis: hours, horizon: 10, cap: 100}}
    sensors: {{wear: {{unit: "%"}}}}
    alarms: {{risk: {{}}}}
    window: {{rows: 2}}
  fan:
    match: "fan-*"
    life: {{axis: hours, horizon: 10, cap: 100}}
    sensors: {{wear: {{unit: "%"}}}}
    window: {{rows: 2}}
"""

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORESHOCK_SECRETS_DIR", raising=False)


@pytest.fixture
def plant(tmp_path: Path) -> str:
    """Two pumps, of which one fails 6 hours after its alarm, and a fan."""
    start = np.datetime64("2026-01-01T00:00:00")
    rows = ["machine,time,wear"]
    for hour in range(48):
        time = start + np.timedelta64(hour, "h")
        wear = 90 if hour >= 30 else 0
        rows += [f"{name},{time}Z,0" for name in ("pump-2", "fan-1")]
        rows += [f"pump-1,{time}Z,{wear}"] if hour < 36 else []
    (tmp_path / "r.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "f.csv").write_text(
        "machine,at,kind\npump-1,2026-01-02T12:00:00Z,failure\n"
    )
    path = tmp_path / "plant.yaml"
    path.write_text(CONFIG.format(folder=tmp_path))
    return str(path)


@pytest.fixture
def gauge(monkeypatch: pytest.MonkeyPatch) -> None:
    def scorers_of(settings: Settings, names: Iterable[str]) -> list[Scorer]:
        return [Gauge() for _ in names]

    monkeypatch.setattr(bundles, "scorers_of", scorers_of)


@pytest.mark.usefixtures("gauge")
def test_alarms_and_what_they_came_to(plant: str, capsys: Capture) -> None:
    assert cli.run(["backtest", plant, "--type", "pump"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].startswith("2026-01-02 14:00  low       raised    Pump pump-1: ")
    assert "90 % risk of failure within 10 h" in lines[0]
    assert lines[1].startswith("2026-01-02 20:00  low       cleared   Pump pump-1")
    assert [" ".join(line.split()) for line in lines[3:-1]] == [
        "pump: 2026-01-01 08:00 to 2026-01-03 07:00, horizon 10 hours, split train",
        "failures 1",
        "foreseen 1",
        "lead time 6.0 h (median)",
        "missed 0",
        "cases 1",
        "false cases 0",
        "undecided cases 0",
        "healthy machines 1 of 2",
        "instrument alarms 0",
        "scores 84",
    ]
    assert "84 in " in lines[-1]
    assert "flatter them" in said.err


@pytest.mark.usefixtures("gauge")
def test_one_document_in_another_language(plant: str, capsys: Capture) -> None:
    assert cli.run(["backtest", plant, "--json", "--language", "zh"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == ["pump", "fan"]
    told = document["pump"]
    assert (told["split"], told["failures"], told["foreseen"]) == ("train", 1, 1)
    assert [alert["event"] for alert in told["alerts"]] == ["raised", "cleared"]
    assert "风险" in told["alerts"][0]["message"]
    assert document["fan"]["alerts"] == []
    assert cli.run(["backtest", plant, "--type", "fan", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["machines"] == 1


@pytest.mark.usefixtures("gauge")
def test_what_was_missed_is_named(plant: str, capsys: Capture) -> None:
    late = "machine_types.pump.alarms.risk.on_delay=2d"
    assert cli.run(["backtest", plant, "--type", "pump", "--set", late]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "missed 1: pump-1 2026-01-02 20:00" in text
    assert "lead time none" in text


@pytest.mark.usefixtures("gauge")
def test_the_first_rows_alone(plant: str, capsys: Capture) -> None:
    arguments = ["backtest", plant, "--type", "pump", "--limit", "62", "--json"]
    assert cli.run(arguments) == 0
    told = json.loads(capsys.readouterr().out)
    figures = ("readings", "failures", "cases", "undecided_cases")
    assert [told[name] for name in figures] == [62, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "no bundle there (expected manifest.json in it); train one with:"),
        (["--type", "mill"], "--type: expected one of pump, fan, found 'mill'"),
        (["--split", "test"], "leave out --split"),
        (["--limit", "0"], "Invalid value for '--limit'"),
    ],
)
def test_refused_in_one_sentence(
    plant: str, capsys: Capture, arguments: list[str], sentence: str
) -> None:
    assert cli.run(["backtest", plant, *arguments]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert sentence in said.err
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "text", "sentence"),
    [
        ("r", "asset,time,wear\n", "dataset.columns and dataset.failure_columns say"),
        ("r", "machine;time;wear\n", "dataset.delimiter says what stands between"),
        ("f", "machine,at\n", "dataset.failure_columns.kind: null takes every row"),
        ("f", "machine,at,kind\npump-1,2026-01-02T12:00:00Z,broken\n", "replacement,"),
        ("r", "machine,time,wear\n" + "pump-1,1767225600,0\n" * 2, "r.csv: machine"),
    ],
)
@pytest.mark.usefixtures("gauge")
def test_a_table_that_is_not_as_expected_says_what_to_do(
    plant: str, capsys: Capture, file: str, text: str, sentence: str
) -> None:
    (Path(plant).parent / f"{file}.csv").write_text(text)
    assert cli.run(["backtest", plant]) == 2
    said = capsys.readouterr().err
    assert f"{file}.csv" in said
    assert sentence in said


def test_help_has_examples(capsys: Capture) -> None:
    assert cli.run(["backtest", "--help"]) == 0
    assert "foreshock backtest " in capsys.readouterr().out.split("Examples")[1]


def test_the_first_configuration_is_short_and_fine(
    tmp_path: Path, capsys: Capture
) -> None:
    text = FIRST.read_text()
    assert len(text.splitlines()) < 50
    assert cli.run(["config", "check", str(FIRST)]) == 0
    # What stands behind a comment sign fits in as it is.
    whole, count = re.subn(r"^    # (running:.*)$", r"    \1", text, flags=re.M)
    assert count == 1
    path = tmp_path / "whole.yaml"
    path.write_text(whole)
    capsys.readouterr()
    settings = done(capsys, "config", "check", str(path))["settings"]
    pump = settings["machine_types"]["pump"]
    assert list(pump["alarms"]) == ["risk", "anomaly", "sensor"]
    assert pump["running"] == ["rpm > 300"]


def adapted(folder: Path) -> str:
    """The first configuration with the lines changed that a newcomer changes."""
    written = yaml.safe_load(FIRST.read_text())
    written["dataset"] |= {
        "path": f"{folder}/readings.csv",
        "failures": f"{folder}/failures.csv",
    }
    written["bundle"] = {"path": f"{folder}/bundles"}
    # Fewer passes than a user would have, to be quick.
    written["training"] |= {"epochs": 5, "max_windows": 4000, "anomaly_epochs": 6}
    path = folder / "my-plant.yaml"
    path.write_text(yaml.safe_dump(written, sort_keys=False))
    return str(path)


def done(capsys: Capture, *arguments: str) -> dict[str, Any]:
    code = cli.run([*arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    result: dict[str, Any] = json.loads(said.out)
    return result


@pytest.mark.integration
def test_the_first_own_machine(tmp_path: Path, capsys: Capture) -> None:
    readings, failures = pumps.write(tmp_path)
    assert failures >= 10
    plant = adapted(tmp_path)
    assert done(capsys, "config", "check", plant)["ok"]
    made = done(capsys, "train", plant)["pump"]
    assert (made["failures"], made["notes"]) == (failures, [])

    # Pumps that the models have not seen.
    newer = tmp_path / "newer"
    newer.mkdir()
    readings, failures = pumps.write(newer, seed=8)
    given = []
    for name, file in (("path", "readings"), ("failures", "failures")):
        given += ["--set", f"dataset.{name}={newer}/{file}.csv"]
    told = done(capsys, "backtest", plant, "--type", "pump", *given)
    assert (told["readings"], told["failures"]) == (readings, failures)
    assert told["readings_ended"] == {"used": readings}
    assert told["risk_told"]
    assert told["by_rule"]["risk"]["foreseen"] >= 0.7 * failures
    assert told["by_rule"]["risk"]["false_cases"] <= 3
    assert told["alerts"][0]["message"]


@pytest.mark.integration
def test_few_failures_leave_the_anomaly(tmp_path: Path, capsys: Capture) -> None:
    _, failures = pumps.write(tmp_path, failing=3, seed=9)
    assert 0 < failures < 10
    plant = adapted(tmp_path)
    assert "anomalies only" in done(capsys, "train", plant)["pump"]["notes"][0]
    told = done(capsys, "backtest", plant, "--type", "pump")
    assert (told["risk_told"], told["failures"]) == (False, failures)
    assert list(told["by_rule"]) == ["anomaly"]
    assert told["foreseen"] == failures
    assert all(alert["evidence"]["risk"] is None for alert in told["alerts"])
