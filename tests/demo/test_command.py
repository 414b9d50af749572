"""`foreshock demo` as users run it, on a small fleet, and how it says no."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
QUICK = (
    "training.epochs=1",
    "training.anomaly_epochs=1",
    "training.max_windows=600",
    "training.units=[8]",
)


def foreshock(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"COLUMNS": "100", "PYTHONPATH": str(ROOT)}
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "stream.cli", *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like the project's, where the fleets are small."""
    folder = tmp_path_factory.mktemp("demo")
    configs = folder / "configs"
    configs.mkdir()
    (configs / "demo.yaml").write_bytes((ROOT / "configs/demo.yaml").read_bytes())
    tree = yaml.safe_load((ROOT / "configs/demo-fleet.yaml").read_text("utf-8"))
    tree["train"] |= {"machines": 16, "spares": 1, "days": 40, "sound": 0.1}
    tree["demo"] |= {"machines": 6, "spares": 1, "days": 14, "failures": 3}
    tree["demo"] |= {"after_h": 150}
    tree["faults"] |= {"after_h": 160, "drift_lasting_h": [24, 30]}
    (configs / "demo-fleet.yaml").write_text(yaml.safe_dump(tree))
    return folder


@pytest.mark.integration
def test_the_whole_demo_runs(folder: Path) -> None:
    overrides = [part for name in QUICK for part in ("--set", name)]
    done = foreshock(folder, "demo", "--fast", "--json", "--seed", "3", *overrides)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["seed"], told["failures"], told["foreseeable"]) == (3, 3, 3)
    assert told["foreseen"] + told["missed"] == told["foreseeable"]
    assert told["readings_per_second"] > 0
    assert told["training_s"] > 0
    assert {b["method"] for b in told["baselines"]} == {"fixed limits", "pca"}
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr
    assert "week 2" in done.stderr
    assert "What came of it" in done.stderr
    page = folder / told["report"]
    assert page.read_text("utf-8").startswith("<!doctype html>")
    # The log has what the worker says, and the screen has not.
    log = (folder / "build/demo/demo.log").read_text("utf-8")
    assert '"checkpoint"' in log
    assert "checkpoint" not in done.stderr
    # Again with the models that are there, for figures alone.
    again = foreshock(folder, "demo", "--trained", "--seeds", "1", "--seed", "3")
    assert again.returncode == 0, again.stderr
    several = json.loads(again.stdout)
    assert several["seeds"] == [3]
    # The same models and the same fleet foresee the same.
    figures = ("foreseen", "missed", "false_alarms", "by_failure", "alerts")
    assert {n: several["runs"][0][n] for n in figures} == {n: told[n] for n in figures}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--output", "configs/demo.yaml/x"), "--output configs/demo.yaml/x: expected"),
        (("--trained", "--output", "new"), "--trained: expected the models of an"),
        (("--config", "none.yaml"), "none.yaml: cannot read"),
        (("--set", "dataset.parameters=none.yaml"), "none.yaml: expected a readable"),
        (("--set", "dataset={kind: cmapss}"), "dataset"),
        (("--language", "fr"), "fr"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    done = foreshock(folder, "demo", "--fast", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("foreshock: ")


def test_a_reader_who_has_seen_enough_ends_it_kindly(folder: Path) -> None:
    command = [sys.executable, "-m", "stream.cli", "demo", "--output", "enough"]
    with subprocess.Popen(  # noqa: S603 - our own command
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith("Foreshock demo")
        process.stdout.close()
        told = process.stderr.read()
        assert process.wait(120) == 0, told
    assert told == ""
