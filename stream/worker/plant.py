"""Settings, to what the core needs to know of the plant."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np

from stream.core.event_time import UNITS, TimeRule
from stream.core.exact import Rules, Telegraf
from stream.core.readings import MachineType, Sensor
from stream.worker import settings as conf


def kinds_of(settings: conf.Settings) -> list[MachineType]:
    """Return the machine types, in the order of the file."""
    return [_kind(name, kind) for name, kind in settings.machine_types.items()]


def type_of(settings: conf.Settings) -> Callable[[str], int | None]:
    """Return the function that gives a machine's type by its position, or None."""
    position = {name: i for i, name in enumerate(settings.machine_types)}

    def find(machine: str) -> int | None:
        name = settings.type_of(machine)
        return None if name is None else position[name]

    return find


def rules_of(settings: conf.Settings) -> Rules:
    """Return what a record may look like."""
    given = settings.input
    zone = ZoneInfo(given.time_zone) if given.time_zone else None
    units = {factor: unit for unit, factor in UNITS.items()}
    telegraf = Telegraf(
        machine_tag=given.telegraf.machine_tag,
        unit=units[given.telegraf.timestamp_unit_ns],
        prefix_name=given.telegraf.prefix_name,
    )
    return Rules(
        form=given.format,
        time=TimeRule(given.time_unit, zone),
        max_bytes=given.max_record_bytes,
        future_ns=given.future_tolerance_ns,
        telegraf=telegraf,
    )


def _kind(name: str, kind: conf.MachineType) -> MachineType:
    window = kind.window
    return MachineType(
        name=name,
        sensors=tuple(_sensor(n, sensor) for n, sensor in kind.sensors.items()),
        every_ns=kind.rows.every_ns or 0,
        max_age_ns=kind.rows.hold_ns or 0,
        lateness_ns=kind.allowed_lateness_ns,
        rows=window.capacity,
        length_ns=window.length_ns or 0,
        stride=window.stride,
        min_context=window.min_context,
        baseline_rows=window.baseline_rows,
        max_masked=window.max_masked,
        new_at_first_row=kind.life.age == "from_first_row",
    )


def _sensor(name: str, sensor: conf.Sensor) -> Sensor:
    low, high = sensor.range
    return Sensor(
        name=name,
        low=-np.inf if low is None else low,
        high=np.inf if high is None else high,
        scale=sensor.scale,
        offset=sensor.offset,
    )
