"""A tiny model, in numpy, and a tiny plant: the pipeline without training anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stream.worker.settings import Settings, load_settings

CONFIG = """
app: {id: tiny}
state: {interval: 500ms}
topics: {partitions: 2}
influx: {directory: archive}
machine_types:
  pump:
    match: "pump-*"
    life: {axis: hours, horizon: 10, cap: 100}
    sensors:
      pressure: {unit: bar, range: [0, 100]}
      speed: {unit: "/min"}
    window: {rows: 4, stride: 2, min_context: 2}
  fan:
    match: "fan-*"
    life: {axis: hours, horizon: 10, cap: 100}
    sensors:
      temperature: {unit: Cel, range: [-40, 200]}
    rows: {every: 10s, max_age: 30s}
    window: {rows: 3, stride: 1, min_context: 1}
    idle_after: 1s
"""


@dataclass(slots=True)
class TinyPrediction:
    risk: NDArray[np.float64]
    rul: NDArray[np.float64]
    anomaly: NDArray[np.float64]
    health: NDArray[np.float64]
    contributions: NDArray[np.float64]
    faults: NDArray[np.int8]
    deviation: NDArray[np.float64]
    why: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class TinyScorer:
    """The mean of a window, dressed up as a score."""

    name: str = "tiny"
    version: str = "1"
    digest: str = "00"
    reasons: tuple[str, ...] = ("",)

    @property
    def about(self) -> dict[str, Any]:
        return {}

    def predict(self, windows: Any) -> TinyPrediction:
        values = windows.values.astype(np.float64)
        count, _, sensors = values.shape
        mean: NDArray[np.float64] = np.nanmean(values, axis=(1, 2))
        size: NDArray[np.float64] = np.abs(mean)
        return TinyPrediction(
            risk=np.round(1 / (1 + np.exp(-mean / 100)), 6),
            rul=np.round(mean[:, None] + np.array([-1.0, 0.0, 1.0]), 4),
            anomaly=np.round(size, 4),
            health=np.full(count, 50.0),
            contributions=np.full((count, sensors), 1 / sensors),
            faults=np.zeros((count, sensors), np.int8),
            deviation=np.full((count, sensors), np.nan),
            why=np.zeros(count, np.int8),
        )


def tiny_settings(folder: Path, *overrides: str) -> Settings:
    """Return the tiny plant's settings, with its files in a folder."""
    path = folder / "tiny.yaml"
    path.write_text(CONFIG)
    own = [f"influx.directory={folder / 'archive'}", *overrides]
    return load_settings(path, own, environ={})


def reading(machine: str, at_s: int, **values: float) -> bytes:
    """Return a reading as JSON, in seconds after 2026 began."""
    told = {"machine": machine, "time": 1_767_225_600 + at_s, "values": values}
    return json.dumps(told).encode()


def time_of(at_s: float) -> str:
    """Return the time of a reading as a text."""
    at = np.datetime64(int((1_767_225_600 + at_s) * 1000), "ms")
    return f"{at}Z"


def pump_readings(machines: int, rows: int) -> Iterable[tuple[str, bytes]]:
    """Yield readings of some pumps, row by row, with their machine."""
    for row in range(rows):
        for number in range(machines):
            name = f"pump-{number:03d}"
            value = float((row * 7 + number * 3) % 50)
            yield name, reading(name, row, pressure=value, speed=100.0 + row)


def expected_scores(
    settings: Settings, records: Sequence[Any], topic: str
) -> dict[str, bytes]:
    """Return id and payload of every score of one partition, computed in one go."""
    from stream.core.pipeline import Pipeline
    from stream.worker.plant import kinds_of, rules_of, type_of

    kinds = kinds_of(settings)
    pipeline = Pipeline(
        kinds,
        [TinyScorer() for _ in kinds],
        rules_of(settings),
        type_of(settings),
        (topic, records[0].partition if records else 0),
    )
    outcome = pipeline.run(pipeline.decode(records))
    return {json.loads(value)["id"]: value for _, value in outcome.messages}
