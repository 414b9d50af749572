"""The real thing: NASA's turbofans, trained, replayed, scored, killed and archived."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.integration.conftest import TOPICS
from tests.integration.plant import ROOT, Plant, wait_until
from tests.services.influx import Influx, query

CONFIG = ROOT / "configs" / "cmapss.yaml"
# The networks as `train` makes them, taught less: this test is about the way, not the
# figures.
QUICK = (
    "training.epochs=1",
    "training.folds=2",
    "training.anomaly_epochs=2",
    "training.max_windows=4000",
)
ROWS = 13_096
PATIENCE_S = 240.0


def foreshock(*arguments: str, data: Path) -> Any:
    """Run a command and return the JSON it prints."""
    command = [sys.executable, "-m", "stream.cli", *arguments, "--json"]
    environment = {**os.environ, "FORESHOCK_DATA": str(data)}
    done = subprocess.run(  # noqa: S603 - our own program
        command, capture_output=True, cwd=ROOT, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return json.loads(done.stdout)


@pytest.fixture
def plant(
    kafka: str, influx_bucket: Influx, topic_prefix: str, tmp_path: Path
) -> Iterator[Plant]:
    own = [f"topics.{name}={topic_prefix}{name}" for name in TOPICS]
    own += [
        f"kafka.brokers={kafka}",
        f"app.id={topic_prefix}turbofans",
        f"bundle.path={tmp_path / 'bundles'}",
        f"influx.url={influx_bucket.url}",
        f"influx.org={influx_bucket.org}",
        f"influx.bucket={influx_bucket.bucket}",
        "kafka.session_timeout=6s",
        "state.interval=1s",
        "log.format=json",
    ]
    made = Plant(kafka, CONFIG, own, tmp_path)
    made.environment["FORESHOCK_INFLUX__TOKEN"] = influx_bucket.token
    yield made
    made.close()


def test_every_engine_ends_where_evaluate_says(
    plant: Plant, influx_bucket: Influx, cmapss_dir: Path, tmp_path: Path
) -> None:
    sets = [word for override in plant.overrides for word in ("--set", override)]
    quick = [word for override in QUICK for word in ("--set", override)]
    config = str(CONFIG)
    foreshock("train", config, *sets, *quick, "--seed", "1", data=cmapss_dir)
    output = ["--output", str(tmp_path / "report")]
    report = foreshock("evaluate", config, *sets, *output, data=cmapss_dir)
    predicted = {row["machine"]: row for row in report["machines"]}
    assert len(predicted) == 100

    sent = foreshock("replay", config, *sets, "--flat-out", data=cmapss_dir)
    assert sent["records"] == ROWS
    command = [sys.executable, "-m", "stream.cli", "worker", config, *sets]
    workers = [plant.worker("", *command), plant.worker("", *command)]

    def some() -> bool:
        return len(plant.read("scores")) > ROWS // 4

    wait_until(some, lambda: "".join(w.told[-2000:] for w in workers), PATIENCE_S)
    workers[0].kill()
    workers[0] = plant.worker("", *command)

    def all_scored() -> bool:
        return len(plant.scores()) >= ROWS

    wait_until(
        all_scored,
        lambda: f"{len(plant.scores())} scores; " + workers[0].told[-3000:],
        PATIENCE_S,
    )
    wait_until(
        lambda: sum(plant.audited().values()) == ROWS,
        lambda: f"{plant.audited()}",
        PATIENCE_S,
    )

    found = plant.scores()
    assert len(found) == ROWS, "a score id that no reading asked for"
    assert [i for i, payloads in found.items() if len(payloads) > 1] == []
    assert set(plant.audited()) <= {"used", "repeated"}
    assert plant.read("quarantine") == []

    last: dict[str, dict[str, Any]] = {}
    for (payload,) in found.values():
        score = msgspec.json.decode(payload)
        machine = score["machine"]
        if machine not in last or score["time"] > last[machine]["time"]:
            last[machine] = score
    assert set(last) == set(predicted)
    apart = {
        name: (score["rul"]["p50"], predicted[name]["p50"])
        for name, score in last.items()
        if abs(score["rul"]["p50"] - predicted[name]["p50"]) > 1e-5
        or abs(score["risk"] - predicted[name]["risk"]) > 1e-5
    }
    assert apart == {}

    flux = (
        f'from(bucket: "{influx_bucket.bucket}") |> range(start: 0)'
        ' |> filter(fn: (r) => r._measurement == "score" and r._field == "id")'
        ' |> keep(columns: ["_value"])'
    )
    wait_until(
        lambda: set(query(influx_bucket, flux)) == set(found),
        lambda: f"{len(set(query(influx_bucket, flux)))} points",
        PATIENCE_S,
    )
    assert [worker.stop() for worker in workers] == [0, 0]
