"""A machine type's settings, as the models have to know it."""

from __future__ import annotations

from models.options import Layout
from stream.worker.plant import alarms_of
from stream.worker.settings import Settings

_SECOND_NS = 1_000_000_000


def layout_of(settings: Settings, name: str) -> Layout:
    """Return the layout of one machine type's model."""
    kind = settings.machine_types[name]
    # Of several rules the one that is reached first.
    limits = [r.limit for r in alarms_of(settings, name) if r.on == "anomaly"]
    rate = max(limits, default=Layout.alarm_rate)
    return Layout(
        sensors=tuple(kind.sensors),
        units=tuple(sensor.unit for sensor in kind.sensors.values()),
        settings=tuple(n for n, s in kind.sensors.items() if s.role == "setting"),
        window=kind.window.capacity,
        baseline_rows=kind.window.baseline_rows,
        axis=kind.life.axis,
        horizon=kind.life.horizon,
        cap=kind.life.cap,
        step_s=kind.step_ns / _SECOND_NS,
        alarm_rate=rate,
    )
