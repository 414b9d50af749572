"""What `foreshock train` ships for the benchmark's machines.

    python -m benchmarks.shipped FOLDER SENSORS

Made-up machines with the benchmark's sensors run, wear and fail; the history lies in
CSV files and is learned from in the way that every user has, with the options that
every user has, but for one epoch: speed does not depend on what was learned.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml

from benchmarks.bundles import BASELINE_ROWS, CAP, HORIZON
from benchmarks.job import ROWS, STRIDE, Job
from models import bundle as bundles
from models.options import TrainingOptions

TYPE = "machine"
FAILING, SOUND = 16, 4
"""Machines that fail, and that are still well when the history ends."""

_START = np.datetime64("2026-03-01T00:00:00")
_HOURS = 240, 400
"""Shortest and longest life, with a row an hour."""

_WEAR_H, _WORN = 110.0, 5
"""Hours before a failure at which wear shows, and how many sensors show it."""


def options() -> TrainingOptions:
    """Return how it is learned: the defaults, but for one epoch."""
    return TrainingOptions(epochs=1, anomaly_epochs=1)


def document(folder: Path, sensors: int) -> dict[str, Any]:
    """Return the settings, with history and bundles in a folder."""
    given = options()
    return {
        "bundle": {"path": str(folder / "bundles")},
        "dataset": {
            "kind": "csv",
            "path": str(folder / "readings.csv"),
            "failures": str(folder / "failures.csv"),
        },
        "training": {"epochs": given.epochs, "anomaly_epochs": given.anomaly_epochs},
        "machine_types": {
            TYPE: {
                "match": "*",
                "life": {"axis": "hours", "horizon": HORIZON, "cap": CAP},
                "sensors": {
                    name: {"unit": "1", "range": [0, 1000]}
                    for name in Job(sensors=sensors).names
                },
                "window": {
                    "rows": ROWS,
                    "stride": STRIDE,
                    "baseline_rows": BASELINE_ROWS,
                },
            }
        },
    }


def history(sensors: int) -> tuple[str, str]:
    """Return readings and failures as CSV text.

    Values scatter around 500 with a sigma of 10 as the benchmark's do; before a failure
    a few sensors drift away by up to 3 sigma.
    """
    rng = np.random.default_rng(20_261_122)
    rows = [",".join(["machine", "time", *Job(sensors=sensors).names])]
    failures = ["machine,at,kind"]
    for machine in range(FAILING + SOUND):
        name, hours = f"history-{machine:02d}", int(rng.integers(*_HOURS))
        left = np.arange(hours, 0, -1.0)
        if machine < FAILING:
            failures.append(f"{name},{_time(hours)},failure")
        else:
            left[:] = np.inf
        values = rng.normal(500.0, 10.0, (hours, sensors))
        wear = np.clip(1.0 - left / _WEAR_H, 0.0, 1.0)
        values[:, :_WORN] += 30.0 * wear[:, None]
        for hour, row in enumerate(np.round(values, 4).tolist()):
            rows.append(f"{name},{_time(hour)}," + ",".join(map(str, row)))
    return "\n".join(rows) + "\n", "\n".join(failures) + "\n"


def digest(sensors: int) -> str:
    """Return a digest of all that the bundle depends on but the code itself."""
    parts = (document(Path(), sensors), asdict(options()), bundles.SCHEMA)
    told = msgspec.json.encode([*parts, *history(sensors)], order="sorted")
    return hashlib.sha256(told).hexdigest()[:16]


def make(folder: Path, sensors: int) -> Path:
    """Write history and settings into a folder, learn, and return the bundle's folder.

    Loads TensorFlow into this process.
    """
    from stream import training  # noqa: PLC0415 - loads TensorFlow
    from stream.worker.settings import load_settings  # noqa: PLC0415 - with it

    readings, failures = history(sensors)
    (folder / "readings.csv").write_text(readings)
    (folder / "failures.csv").write_text(failures)
    config = folder / "shipped.yaml"
    config.write_text(yaml.safe_dump(document(folder, sensors)))
    settings = load_settings(config)
    training.train(settings, seed=0, version="1", progress=lambda name, step: None)
    return settings.bundle_of(TYPE)


def _time(hour: int) -> str:
    return f"{_START + np.timedelta64(hour, 'h')}Z"


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), int(sys.argv[2])))
