"""Pumps of a plant as CSV files of its own: readings, and when they failed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

START = np.datetime64("2026-03-01T00:00:00")
DAYS = 40
STEP_MIN = 10
WEAR_H = 120.0
"""How long before a failure a pump grows warm and shakes."""


def write(
    folder: Path, *, machines: int = 12, failing: int = 9, seed: int = 7
) -> tuple[int, int]:
    """Write ``readings.csv`` and ``failures.csv``.

    Args:
        folder: Where.
        machines: How many pumps.
        failing: How many of them fail; every other of these a second time.
        seed: Of all chance.

    Returns:
        Count of readings and of failures.
    """
    rng = np.random.default_rng(seed)
    rows = ["machine,time,temp,vibration,pressure,rpm"]
    failures = ["machine,at,kind"]
    for number in range(machines):
        name = f"pump-{number + 1:02d}"
        ends = _ends(rng, number) if number < failing else []
        failures += [f"{name},{_time(end)},failure" for end in ends]
        rows += _rows(rng, name, ends)
    (folder / "readings.csv").write_text("\n".join(rows) + "\n")
    (folder / "failures.csv").write_text("\n".join(failures) + "\n")
    return len(rows) - 1, len(failures) - 1


def _ends(rng: np.random.Generator, number: int) -> list[int]:
    """When a pump fails, in minutes after the start."""
    first = rng.uniform(9, 17) if number % 2 == 0 else rng.uniform(12, 35)
    days = [first, first + rng.uniform(12, 20)] if number % 2 == 0 else [first]
    return [round(day * 1440) for day in days]


def _rows(rng: np.random.Generator, name: str, ends: list[int]) -> list[str]:
    minutes = np.arange(0, DAYS * 1440, STEP_MIN)
    # A day of repair after each failure.
    for end in ends:
        minutes = minutes[(minutes < end) | (minutes > end + 1440)]
    left = np.full(len(minutes), np.inf)
    for end in reversed(ends):
        left = np.where(minutes < end, (end - minutes) / 60, left)
    wear = np.clip(1 - left / WEAR_H, 0, 1) ** 1.5
    count = len(minutes)
    rpm = np.where((minutes // 720) % 2 == 0, 1480.0, 1460.0) + rng.normal(0, 2, count)
    day = np.sin(2 * np.pi * minutes / 1440)
    temp = 55 + rng.normal(0, 2) + 2 * day + 18 * wear + rng.normal(0, 0.5, count)
    vibration = 2.2 + rng.normal(0, 0.2) + 3 * wear + rng.normal(0, 0.12, count)
    pressure = 6.0 - 0.3 * wear + (rpm - 1470) / 100 + rng.normal(0, 0.05, count)
    columns = zip(minutes.tolist(), temp, vibration, pressure, rpm, strict=True)
    return [
        f"{name},{_time(m)},{t:.2f},{v:.3f},{p:.3f},{r:.0f}"
        for m, t, v, p, r in columns
    ]


def _time(minutes: int) -> str:
    return f"{START + np.timedelta64(minutes, 'm')}Z"
