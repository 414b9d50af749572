"""Settings of one machine type: names, life, sensors, rows, windows, alarms."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from stream.worker.settings_alarms import AlarmRule, RuleName
from stream.worker.settings_base import Fault, Section
from stream.worker.settings_data import Dataset
from stream.worker.settings_rules import MONTH_NS, Scale, alarm_rules, rule_faults
from stream.worker.settings_running import ConditionText, running_faults
from stream.worker.settings_units import (
    DurationNs,
    Name,
    Number,
    PositiveNs,
    Whole,
    one_or_many,
    refuse,
)

_FLOAT32_MAX = 3.4028234663852886e38
_MAX_ROWS = 10_000
_HOUR_NS = 3_600 * 10**9
# Without max_age a value is held this many grid periods; then the sensor is silent.
_HELD_PERIODS = 3


def _not_zero(value: float) -> float:
    if value == 0:
        refuse("a number other than 0")
    return value


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


class Life(Section):
    """The life axis of a type: risk, remaining life and age are all counted on it."""

    axis: Literal["cycles", "hours", "run_hours"] = "cycles"
    horizon: Annotated[Number, Field(gt=0)]
    cap: Annotated[Number, Field(gt=0)]
    age: Literal["unknown", "from_first_row"] = "unknown"
    period_ns: PositiveNs = Field(_HOUR_NS, alias="period")

    @property
    def unit_ns(self) -> int:
        """One unit of the axis as time: cycles have a period, hours are hours."""
        return self.period_ns if self.axis == "cycles" else _HOUR_NS

    @property
    def horizon_ns(self) -> int:
        """The horizon as time."""
        return round(self.horizon * self.unit_ns)

    def faults(self) -> Iterator[Fault]:
        """A horizon beyond the cap could never be told from any other life."""
        if self.horizon > self.cap:
            yield Fault(("horizon",), f"at most life.cap ({self.cap:g})")


class Sensor(Section):
    """One instrument: its unit, what it can show, and its part in the model."""

    unit: Annotated[Name, Field(max_length=64)]
    range: tuple[Number | None, Number | None] = (None, None)
    scale: Annotated[Number, AfterValidator(_not_zero)] = 1.0
    offset: Number = 0.0
    role: Literal["sensor", "setting"] = "sensor"

    def faults(self) -> Iterator[Fault]:
        """A range that no value can lie in."""
        low, high = self.range
        if low is not None and high is not None and low >= high:
            found = f"[{low:g}, {high:g}]"
            yield Fault(("range",), "[low, high] with low below high", found)
        if any(abs(limit) > _FLOAT32_MAX for limit in (low, high) if limit is not None):
            yield Fault(("range",), "limits within 3.4e38", "larger ones")


class Rows(Section):
    """How readings become rows: on a grid, or one row for each message."""

    every_ns: PositiveNs | None = Field(None, alias="every")
    max_age_ns: PositiveNs | None = Field(None, alias="max_age")

    @property
    def hold_ns(self) -> int | None:
        """How long a value is held on the grid; None without a grid."""
        if self.every_ns is None:
            return None
        return self.max_age_ns or _HELD_PERIODS * self.every_ns

    def faults(self) -> Iterator[Fault]:
        """A holding time without a grid, or one that ends before the next row."""
        if self.max_age_ns is None:
            return
        if self.every_ns is None:
            yield Fault(("max_age",), "null, since rows.every is not set")
        elif self.max_age_ns < self.every_ns:
            text = f"at least rows.every ({self.every_ns / 1e9:g} s)"
            yield Fault(("max_age",), text)


class Window(Section):
    """What one prediction looks at: a count of rows, or a length of time."""

    rows: Annotated[Whole, Field(ge=1, le=_MAX_ROWS)] | None = None
    length_ns: PositiveNs | None = Field(None, alias="length")
    max_rows: Annotated[Whole, Field(ge=1, le=_MAX_ROWS)] | None = None
    stride: Annotated[Whole, Field(ge=1)] = 1
    min_context: Annotated[Whole, Field(ge=1)] = 1
    baseline_rows: Annotated[Whole, Field(ge=0, le=_MAX_ROWS)] = 20
    max_masked: Annotated[Number, Field(ge=0, le=1)] = 0.2

    @property
    def capacity(self) -> int:
        """Rows of the array a model sees: `rows`, or `max_rows` of a time window."""
        return self.rows or self.max_rows or 1

    def faults(self) -> Iterator[Fault]:
        """Neither or both ways to say how long a window is; more context than rows."""
        if (self.rows is None) == (self.length_ns is None):
            found = "neither" if self.rows is None else "both"
            text = "either rows, or length with max_rows"
            yield Fault((), text, found)
            return
        if self.length_ns is not None and self.max_rows is None:
            text = "how many rows a window of this length holds at most"
            yield Fault(("max_rows",), text)
            return
        if self.rows is not None and self.max_rows is not None:
            yield Fault(("max_rows",), "null, since window.rows is set")
        if self.min_context > self.capacity:
            text = f"at most the rows of a window ({self.capacity})"
            yield Fault(("min_context",), text)


class MachineType(Section):
    """Machines that share sensors, windows and one model bundle."""

    # Empty only where the asset register says which machines are of this type.
    match: Annotated[
        tuple[Name, ...], BeforeValidator(one_or_many), Field(min_length=1)
    ] = ()
    life: Life
    sensors: dict[Name, Sensor] = Field(min_length=1)
    rows: Rows = Field(default_factory=Rows)
    window: Window
    running: Annotated[tuple[ConditionText, ...], BeforeValidator(one_or_many)] = ()
    settle_ns: DurationNs = Field(300 * 10**9, alias="settle")
    alarms: Annotated[
        dict[RuleName, AlarmRule],
        BeforeValidator(_or_empty),
        Field(default_factory=dict),
    ]
    allowed_lateness_ns: DurationNs = Field(0, alias="allowed_lateness")
    idle_after_ns: PositiveNs = Field(_HOUR_NS, alias="idle_after")
    dataset: Dataset | None = None

    @property
    def step_ns(self) -> int:
        """Time from one prediction to the next, where rows come as they should."""
        return self.window.stride * (self.rows.every_ns or self.life.period_ns)

    @property
    def scale(self) -> Scale:
        """What limits of alarm rules are measured against."""
        return Scale(self.life.horizon, self.life.cap, MONTH_NS / self.step_ns)

    def matches(self, machine: str) -> bool:
        """Whether the name of a machine fits one of the patterns (case counts)."""
        return any(fnmatchcase(machine, pattern) for pattern in self.match)

    def faults(self) -> Iterator[Fault]:
        """Parts of a type that do not fit together."""
        if all(sensor.role == "setting" for sensor in self.sensors.values()):
            yield Fault(("sensors",), "at least one with role: sensor", "only settings")
        every, length = self.rows.every_ns, self.window.length_ns
        if every and length and length // every > self.window.capacity:
            text = f"at least {length // every}, the rows of one window.length"
            yield Fault(("window", "max_rows"), text)
        if every and length and length < every:
            text = f"at least rows.every ({every / 1e9:g} s)"
            yield Fault(("window", "length"), text)
        ranges = {name: sensor.range for name, sensor in self.sensors.items()}
        yield from running_faults(self.running, ranges)
        for fault in rule_faults(alarm_rules(self.alarms), self.scale):
            yield fault._replace(path=("alarms", *fault.path))
