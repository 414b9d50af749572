"""Settings, to what the core needs to know of the plant."""

from __future__ import annotations

from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np

from stream.core.event_time import UNITS, TimeRule
from stream.core.exact import Rules, Telegraf
from stream.core.readings import AlarmRule, Condition, MachineType, Sensor
from stream.worker import settings as conf
from stream.worker.assets import Assets
from stream.worker.settings_rules import (
    alarm_rules,
    delay_of,
    limits_of,
    watched_by,
)
from stream.worker.settings_running import condition_of


def kinds_of(settings: conf.Settings) -> list[MachineType]:
    """Return the machine types, in the order of the file."""
    return [
        _kind(name, kind, alarms_of(settings, name))
        for name, kind in settings.machine_types.items()
    ]


def alarms_of(settings: conf.Settings, name: str) -> tuple[AlarmRule, ...]:
    """Return the alarm rules of a machine type, its defaults filled in.

    Raises:
        KeyError: There is no such type.
    """
    kind = settings.machine_types[name]
    rules = alarm_rules(kind.alarms)
    return tuple(_rule(n, r, kind, settings.alerts.budget) for n, r in rules.items())


def type_of(
    settings: conf.Settings, assets: Assets | None = None
) -> Callable[[str], int | None]:
    """Return the function that gives a machine's type by its position, or None.

    Args:
        settings: The plant's.
        assets: The register, which beats the patterns of names; None does without.
    """
    named = settings.type_of if assets is None else assets.type_of
    position = {name: i for i, name in enumerate(settings.machine_types)}

    def find(machine: str) -> int | None:
        name = named(machine)
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


def _rule(
    name: str, rule: conf.AlarmRule, kind: conf.MachineType, budget: conf.Budget | None
) -> AlarmRule:
    watched = watched_by(name, rule)
    assert watched is not None  # noqa: S101 - checked where settings are read
    limit, clear = limits_of(watched, rule, kind.scale, budget)
    return AlarmRule(
        name=name,
        on=watched,
        limit=limit,
        clear=clear,
        on_delay_ns=delay_of(watched, rule, kind.life.horizon_ns),
        off_delay_ns=rule.off_delay_ns,
        severity=rule.severity or "",
        action=rule.action or "",
        failure_mode=rule.failure_mode or "",
    )


def _conditions(kind: conf.MachineType) -> tuple[Condition, ...]:
    place = {name: i for i, name in enumerate(kind.sensors)}
    found = [c for text in kind.running if (c := condition_of(text))]
    return tuple(Condition(place[c.sensor], c.above, c.limit) for c in found)


def _kind(
    name: str, kind: conf.MachineType, alarms: tuple[AlarmRule, ...]
) -> MachineType:
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
        running=_conditions(kind),
        settle_ns=kind.settle_ns if kind.running else 0,
        alarms=alarms,
        axis=kind.life.axis,
        horizon=kind.life.horizon,
        cap=kind.life.cap,
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
