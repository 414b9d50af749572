"""`train` and `evaluate` on a CSV history of one's own, by the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stream import cli, histories, training
from stream.worker.settings import load_settings

CONFIG = """
bundle: {{path: {folder}/bundles}}
dataset:
  kind: csv
  path: {folder}/history.csv
  failures: {failures}
  columns: {{machine: asset, time: at, sensors: {{bearing: "Bearing [C]"}}}}
  failure_columns: {{machine: asset, at: failed}}
training:
  {{epochs: 2, folds: 2, units: [8], hidden: 8, filters: 8, anomaly_epochs: 2}}
machine_types:
  mill:
    match: "mill-*"
    life: {{axis: hours, horizon: 24, cap: 100}}
    sensors:
      bearing: {{unit: Cel, range: [-40, 300]}}
      current: {{unit: A}}
    window: {{rows: 12, stride: 4, baseline_rows: 8}}
"""
MACHINES, HOURS = 14, 90
START = np.datetime64("2026-01-01T00:00:00")

Capture = pytest.CaptureFixture[str]


def history(folder: Path, broken: str = "") -> None:
    """Mills whose bearing grows warmer over their last 40 hours, then fail."""
    rng = np.random.default_rng(3)
    rows, failures = ["asset,at,Bearing [C],current"], ["asset,failed,kind"]
    for machine in range(MACHINES):
        hours = HOURS + int(rng.integers(0, 20))
        for hour in range(hours):
            wear = max(0.0, 40.0 - (hours - hour))
            bearing = 50 + wear + rng.normal()
            at = START + np.timedelta64(hour, "h")
            rows.append(f"mill-{machine:02d},{at}Z,{bearing:.2f},{rng.normal(9):.3f}")
        end = START + np.timedelta64(hours, "h")
        failures.append(f"mill-{machine:02d},{end}Z,failure")
    (folder / "history.csv").write_text("\n".join([*rows, broken]).rstrip() + "\n")
    (folder / "failures.csv").write_text("\n".join(failures) + "\n")


def config(folder: Path, failures: str | None = "failures.csv") -> str:
    path = folder / "mill.yaml"
    named = "null" if failures is None else f"{folder}/{failures}"
    path.write_text(CONFIG.format(folder=folder, failures=named))
    return str(path)


def told(capsys: Capture, *arguments: str) -> dict[str, Any]:
    code = cli.run([*arguments, "--json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    result: dict[str, Any] = json.loads(said.out)
    return result


def test_a_csv_history_becomes_a_bundle_and_a_report(
    tmp_path: Path, capsys: Capture
) -> None:
    history(tmp_path)
    path = config(tmp_path)
    made = told(capsys, "train", path, "--seed", "4")["mill"]
    assert (made["machines"], made["failures"]) == (MACHINES, MACHINES)
    assert made["seed"] == 4

    output = tmp_path / "report"
    report = told(capsys, "evaluate", path, "--output", str(output))
    assert report["rul"]["rmse_capped"] is None  # no machines are set apart
    twin = report["cross_validated"]
    assert 0 < twin["rul"]["rmse_capped"] < 60
    assert 0 <= twin["interval"]["coverage"] <= 1
    assert json.loads((output / "mill.json").read_text()) == report
    page = (output / "mill.html").read_text()
    assert "data:image/" in page
    assert "http" not in page.replace("http-equiv", "")

    assert cli.run(["evaluate", path, "--output", str(output)]) == 0
    table = capsys.readouterr().out
    assert "rul.rmse_capped" in table


def test_without_failures_only_the_anomaly_is_learned(
    tmp_path: Path, capsys: Capture
) -> None:
    history(tmp_path)
    made = told(capsys, "train", config(tmp_path, None))["mill"]
    assert made["failures"] == 0
    assert any("failure" in note for note in made["notes"]), made["notes"]


def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, capsys: Capture) -> None:
    history(tmp_path, broken="mill-00,yesterday,1,2")
    assert cli.run(["train", config(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "history.csv" in said
    assert "yesterday" in said or "time" in said
    assert "Traceback" not in said


def test_a_missing_bundle_says_how_to_make_one(tmp_path: Path, capsys: Capture) -> None:
    history(tmp_path)
    assert cli.run(["evaluate", config(tmp_path)]) == 2
    assert "foreshock train" in capsys.readouterr().err


def test_a_bundle_made_for_other_settings_is_refused(
    tmp_path: Path, capsys: Capture
) -> None:
    history(tmp_path)
    path = config(tmp_path, None)
    told(capsys, "train", path)
    unit = "machine_types.mill.sensors.bearing.unit=K"
    assert cli.run(["evaluate", path, "--set", unit]) == 2
    said = capsys.readouterr().err
    assert "units Cel, A, the settings say K, A" in said


def test_a_long_history_is_thinned(tmp_path: Path) -> None:
    history(tmp_path)
    settings = load_settings(config(tmp_path), environ={})
    read = histories.load(settings, "mill", "train")
    whole = histories.cut(settings, "mill", read, most=10**6)
    thin = histories.cut(settings, "mill", read, most=500)
    assert len(whole.windows) == len(read.code)
    assert 300 < len(thin.windows) <= 500
    assert whole.life.min() >= 0
    assert not whole.censored.any()
    # One hour before the failure there is one hour left.
    assert np.isclose(whole.life[whole.last()], 1.0).all()


def test_lives_of_one_machine_are_told_apart_and_held_out_together(
    tmp_path: Path,
) -> None:
    history(tmp_path)
    # mill-00 fails a first time in the middle, and goes on at once.
    middle = START + np.timedelta64(40, "h")
    with (tmp_path / "failures.csv").open("a") as file:
        file.write(f"mill-00,{middle}Z,failure\n")
    settings = load_settings(config(tmp_path), environ={})
    examples = training.examples_of(settings, "mill")
    assert examples.names[:3] == ("mill-00", "mill-00#2", "mill-01")
    assert examples.groups[:3].tolist() == [0, 0, 1]
    assert len(examples.names) == MACHINES + 1
    assert examples.machine.max() == MACHINES
    # A life ends with its own failure: nothing is left at the row of the failure.
    assert examples.life[examples.machine == 0].min() == 0.0
    assert examples.life[examples.machine == 0].max() == 40.0
