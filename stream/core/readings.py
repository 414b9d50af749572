"""The nouns of the data path: machine types, readings, rejects, and how each ends.

This is the leaf of the core: every other module may import it, it imports none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

NEVER = np.iinfo(np.int64).min
"""Event time of something that has not happened yet, in ns."""

OUTSIDE = np.array([0x7FC0_0001], np.uint32).view(np.float32)[0]
"""A NaN that remembers why a value is absent: it was outside the instrument's range.

It is a NaN to every calculation, and travels with the values through rows, rings and
state. Copying keeps its bits; arithmetic and casts need not.
"""


def is_outside(values: Floats) -> NDArray[np.bool_]:
    """Tell which values are absent because they were outside the instrument's range."""
    found: NDArray[np.bool_] = values.view(np.uint32) == OUTSIDE.view(np.uint32)
    return found


REFUSED_NO_TYPE = -1
REFUSED_MACHINE_LIMIT = -2
REFUSED_SECOND_PARTITION = -3
REFUSAL = {
    REFUSED_NO_TYPE: "refused.no_type",
    REFUSED_MACHINE_LIMIT: "refused.machine_limit",
    REFUSED_SECOND_PARTITION: "refused.second_partition",
}
"""Codes that stand in for a machine's number, and the state they end a reading in."""


class RawRecord(Protocol):
    """One record as a bus delivers it; aiokafka's ``ConsumerRecord`` is one."""

    @property
    def offset(self) -> int:
        """Position in its partition."""

    @property
    def timestamp(self) -> int:
        """The broker's or producer's time of the record, in ms; -1 for none."""

    @property
    def key(self) -> bytes | None:
        """The machine's name, as the producer saw it."""

    @property
    def value(self) -> bytes | None:
        """The payload."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """Headers, carried along into quarantine."""


@dataclass(frozen=True, slots=True)
class Sensor:
    """One measured quantity of a machine type.

    A value ``x`` on the wire means ``scale * x + offset`` in the sensor's unit;
    ``low`` and ``high`` (inclusive) are the instrument's range in that unit.
    """

    name: str
    low: float = -np.inf
    high: float = np.inf
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a running rule, such as ``rpm > 300``.

    Attributes:
        sensor: Position of the sensor.
        above: Whether the machine runs above the limit (else below it).
        limit: In the sensor's unit; the limit itself is not running.
    """

    sensor: int
    above: bool
    limit: float


FAULTS = (
    "",
    "no_data",
    "stuck",
    "out_of_range",
    "spiking",
    "noisy",
    "drifting",
)
"""What may be wrong with an instrument; arrays of faults hold positions in it."""

SEVERITIES = ("critical", "high", "medium", "low")
"""The four priorities of alarms, most urgent first."""


@dataclass(frozen=True, slots=True)
class AlarmRule:
    """When a machine, or one of its instruments, raises an alarm.

    Attributes:
        name: Kind of the alarm, unique within the type: by default what it looks at.
        on: What it looks at: ``risk``, ``rul`` (its median), ``anomaly``, or ``sensor``
            (faults of instruments; one alarm for each sensor and fault).
        limit: Raised at or beyond it: risk and above, remaining life and below,
            expected false alarms per machine-month and below. Unused for ``sensor``.
        clear: Cleared beyond it, on the other side: the limit less the hysteresis.
        on_delay_ns: How long it must be beyond the limit, in event time.
        off_delay_ns: How long it must be beyond ``clear``, in event time.
        severity: One of `SEVERITIES`; empty: from the horizon left and criticality.
        action: What to do, in the plant's own words; may be empty.
        failure_mode: Three letters of ISO 14224; may be empty.
    """

    name: str
    on: str
    limit: float = 0.0
    clear: float = 0.0
    on_delay_ns: int = 0
    off_delay_ns: int = 0
    severity: str = ""
    action: str = ""
    failure_mode: str = ""


@dataclass(frozen=True, slots=True)
class MachineType:
    """What the core must know of a machine type; checked where settings are read.

    Attributes:
        name: Name of the type.
        sensors: Its sensors, in the order of every array's last axis.
        every_ns: Period of the grid of rows in ns; 0 means one row per message.
        max_age_ns: How long a grid row may hold a value, in ns (> 0 with a grid).
        lateness_ns: How far behind a machine's newest reading one is still taken.
        rows: Longest window, in rows (>= 1).
        length_ns: Windows hold only rows in (end - length, end]; 0 means count alone.
        stride: A window is due every so many rows (>= 1).
        min_context: Fewer real rows than this give no estimate (1..rows).
        baseline_rows: How many of a machine's first rows are kept (>= 0).
        max_masked: Share of sensors that may be masked in an estimate (0..1).
        new_at_first_row: Whether a machine's age counts from its first row.
        running: The machine runs when all of these hold; none: it always does.
        settle_ns: How long they must hold before it counts as running.
        alarms: Its alarm rules.
        axis: Unit of its life: ``cycles``, ``hours`` or ``run_hours``.
        horizon: Risk is the probability of failure within it, on the life axis.
        cap: Longest remaining life that is told, on the life axis.
    """

    name: str
    sensors: tuple[Sensor, ...]
    every_ns: int = 0
    max_age_ns: int = 0
    lateness_ns: int = 0
    rows: int = 30
    length_ns: int = 0
    stride: int = 1
    min_context: int = 1
    baseline_rows: int = 0
    max_masked: float = 0.2
    new_at_first_row: bool = False
    running: tuple[Condition, ...] = ()
    settle_ns: int = 0
    alarms: tuple[AlarmRule, ...] = ()
    axis: str = "cycles"
    horizon: float = 1.0
    cap: float = 1.0

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors, in array order."""
        return tuple(sensor.name for sensor in self.sensors)


@dataclass(slots=True)
class Readings:
    """Readings of one machine type in arrival order, as columns.

    Attributes:
        machine: (n,) number of the machine within its partition and type.
        time_ns: (n,) event time, ns since 1970 UTC.
        values: (n, sensors) float32 in the sensors' units; NaN is absent or masked,
            and no row is all NaN.
        offset: (n,) offset of the record that carried the reading.
    """

    machine: Ints
    time_ns: Ints
    values: Floats
    offset: Ints

    def __len__(self) -> int:
        """Count of readings."""
        return len(self.machine)

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_]) -> Readings:
        """Return the readings at ``index`` (positions or a mask), copied."""
        return Readings(
            self.machine[index],
            self.time_ns[index],
            self.values[index],
            self.offset[index],
        )


def no_readings(sensors: int) -> Readings:
    """Return an empty batch for a type with that many sensors."""
    none = np.zeros(0, np.int64)
    return Readings(none, none, np.zeros((0, sensors), np.float32), none)


@dataclass(frozen=True, slots=True)
class Reject:
    """A reading that cannot be understood; its record goes to quarantine whole.

    Attributes:
        record: The original record.
        reason: One of the reasons listed in `decode.REASONS`.
        detail: What was expected and what was found, in words.
        position: Which reading of the record, when a record carries several.
    """

    record: RawRecord
    reason: str
    detail: str
    position: int = 0


@dataclass(slots=True)
class Tally:
    """How readings ended, and what happened to single values.

    ``readings`` counts each reading once, under its terminal state: ``used``,
    ``merged``, ``late``, ``duplicate``, ``masked_only``, ``repeated`` (in the state
    already, after a crash), ``quarantined.REASON``
    (``quarantined.future`` among them) or ``refused.REASON``. ``values`` counts
    masked and ignored values and other observations beside it.
    """

    records: int = 0
    readings: Counter[str] = field(default_factory=Counter)
    values: Counter[str] = field(default_factory=Counter)
    windows: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Add another tally to this one."""
        self.records += other.records
        self.readings.update(other.readings)
        self.values.update(other.values)
        self.windows.update(other.windows)

    @staticmethod
    def bump(counter: Counter[str], name: str, count: int | np.integer[Any]) -> None:
        """Count ``count`` more of ``name``, leaving no zero entries behind."""
        if count:
            counter[name] += int(count)
