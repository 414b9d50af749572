"""The simulation's parameters, as `configs/demo-fleet.yaml` explains them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import yaml

from stream.errors import InputError

SETTING = "rpm"
SENSORS = (
    SETTING,
    "discharge_pressure",
    "flow",
    "bearing_temperature",
    "motor_temperature",
    "vibration",
    "current",
    "seal_leakage",
)
"""The columns of a fleet: the speed that the process sets, then what is measured."""

UNITS = ("{rpm}", "bar", "m3/h", "Cel", "Cel", "mm/s", "A", "mL/h")
"""Their units, in UCUM."""

MEASURED = SENSORS[1:]

Above0 = Annotated[float, msgspec.Meta(gt=0)]
AtLeast0 = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10_000)]
Between = tuple[float, float]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mapping of the file: all keys, no others."""


class Rated(_Section, frozen=True):
    """A new pump at rated speed; see the file for units."""

    rpm: Above0
    head: Above0
    suction: AtLeast0
    suction_wander: AtLeast0
    flow: Above0
    torque_current: Above0
    idle_current: AtLeast0
    motor_rise: AtLeast0
    motor_lag_s: Above0
    bearing_rise: AtLeast0
    bearing_lag_s: Above0
    vibration: Above0
    resonance: AtLeast0
    leakage: Above0


class Load(_Section, frozen=True):
    """Set points, and how demand pushes the pump off its design point."""

    rpm: list[Above0]
    share: list[Share]
    dwell_h: Above0
    jitter_rpm: AtLeast0
    demand: AtLeast0
    demand_h: Above0


class Ambient(_Section, frozen=True):
    """Weather in Cel, and the share of it that reaches a machine."""

    mean: float
    season: float
    day: float
    weather: AtLeast0
    weather_h: Above0
    hall: Between


class Scatter(_Section, frozen=True):
    """Noise of one sensor: from row to row, and slow."""

    white: AtLeast0
    wander: AtLeast0


class Noise(_Section, frozen=True):
    """Noise of all sensors."""

    wander_h: Above0
    discharge_pressure: Scatter
    flow: Scatter
    bearing_temperature: Scatter
    motor_temperature: Scatter
    vibration: Scatter
    current: Scatter
    seal_leakage: Scatter

    def of(self, sensor: str) -> Scatter:
        """The noise of a measured sensor."""
        found: Scatter = getattr(self, sensor)
        return found


class Mechanism(_Section, frozen=True):
    """A way to fail: what it moves, and by how much at the moment of failure."""

    drives: str
    effects: dict[str, float]


class Wear(_Section, frozen=True):
    """How wear grows; each failure draws within these."""

    tau_h: Between
    span_h: Between
    exponent: Between
    size: Between
    sudden_one_in: Annotated[int, msgspec.Meta(ge=2)]


class Stops(_Section, frozen=True):
    """When machines stand still, and how they start."""

    every_h: Above0
    lasting_h: Between
    spare_runs_h: Between
    spare_stands_h: Between
    forced_h: AtLeast0
    start_excess: list[float]


class Faults(_Section, frozen=True):
    """Faults of instruments."""

    lasting_h: Between
    drift_lasting_h: Between
    after_h: AtLeast0
    spike_one_in: Annotated[int, msgspec.Meta(ge=1)]
    spike: Between
    noisy: Above0
    drift: Between
    out_of_range: Above0
    sigma: dict[str, Above0]
    range: dict[str, Between]


class Train(_Section, frozen=True):
    """The fleet to learn from."""

    machines: Count
    spares: Count
    days: Above0
    start: datetime
    sound: Share
    shortest_h: Above0
    shape: Above0
    mean_h: Above0


class Demo(_Section, frozen=True):
    """The fleet to be watched."""

    machines: Count
    spares: Count
    days: Above0
    start: datetime
    failures: Count
    after_h: Above0


class Parameters(_Section, frozen=True):
    """Everything the simulation needs but its seed."""

    period_s: Annotated[int, msgspec.Meta(ge=1)]
    rated: Rated
    load: Load
    ambient: Ambient
    differ: dict[str, AtLeast0]
    repaired: Share
    noise: Noise
    mechanisms: dict[str, Mechanism]
    wear: Wear
    stops: Stops
    repair_h: Between
    faults: Faults
    train: Train
    demo: Demo

    def rows(self, hours: float) -> int:
        """How many rows so many hours are, at least 1."""
        return max(1, round(hours * 3600 / self.period_s))


def read(path: Path) -> Parameters:
    """Read a file of parameters.

    Raises:
        InputError: if it cannot be read, or is not as `configs/demo-fleet.yaml`.
    """
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
        found = msgspec.convert(tree, Parameters)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path}: expected a readable YAML file, found {error}"
        ) from error
    except msgspec.ValidationError as error:
        raise InputError(f"{path}: {error}") from error
    for fault in _faults(found):
        raise InputError(f"{path}: {fault}")
    return found


def _faults(p: Parameters) -> list[str]:
    faults = []
    for name, table in (
        ("differ", p.differ),
        ("faults.sigma", p.faults.sigma),
        ("faults.range", p.faults.range),
    ):
        if set(table) != set(MEASURED):
            faults.append(f"{name}: expected one entry for each of {MEASURED}")
    for name, mechanism in p.mechanisms.items():
        if not {mechanism.drives, *mechanism.effects} <= set(MEASURED):
            faults.append(f"mechanisms.{name}: expected sensors among {MEASURED}")
    if len(p.load.rpm) != len(p.load.share) or not sum(p.load.share) > 0:
        faults.append("load.share: expected a share for each of load.rpm")
    if not p.mechanisms:
        faults.append("mechanisms: expected at least one")
    if p.demo.failures > p.demo.machines - p.demo.spares:
        faults.append("demo.failures: expected at most the machines that are no spares")
    return faults
