"""When a machine runs: conditions such as ``rpm > 300``, taken apart and checked."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, NamedTuple

from pydantic import AfterValidator

from stream.worker.settings_base import Fault
from stream.worker.settings_units import refuse

_CONDITION = re.compile(r"(.*\S)\s*([<>])\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)")


class Condition(NamedTuple):
    """One condition of a running rule, such as ``rpm > 300``, taken apart.

    Attributes:
        sensor: Name of the sensor.
        above: Whether the machine runs above the limit; else below it.
        limit: In the sensor's unit; the limit itself is not running.
    """

    sensor: str
    above: bool
    limit: float


def condition_of(text: str) -> Condition | None:
    """Take a text such as ``rpm > 300`` apart; None if it is no condition."""
    match = _CONDITION.fullmatch(text.strip())
    try:
        limit = float(match[3]) if match else math.nan
    except ValueError:  # such as 1.2.3
        return None
    if match is None or not math.isfinite(limit):
        return None
    return Condition(match[1], match[2] == ">", limit)


def _condition(text: str) -> str:
    if condition_of(text) is None:
        refuse("a condition SENSOR > NUMBER or SENSOR < NUMBER, such as rpm > 300")
    return text


ConditionText = Annotated[str, AfterValidator(_condition)]


def running_faults(
    running: tuple[str, ...],
    ranges: Mapping[str, tuple[float | None, float | None]],
) -> Iterator[Fault]:
    """Conditions on sensors that are not there, and rules under which nothing runs.

    Args:
        running: Texts that are conditions.
        ranges: Sensor -> what its instrument can show; None is no limit.
    """
    between: dict[str, tuple[float, float]] = {}
    for place, text in enumerate(running):
        condition = condition_of(text)
        assert condition is not None  # noqa: S101 - its type has made sure
        name, above, limit = condition
        if name not in ranges:
            known = ", ".join(ranges)
            wanted = f"a condition on one of the sensors {known}"
            yield Fault(("running", str(place)), wanted)
            continue
        low, high = between.get(name) or _open(*ranges[name])
        low, high = (max(low, limit), high) if above else (low, min(high, limit))
        between[name] = low, high
        if low >= high:
            wanted = f"a condition that {name} can meet beside its range and the rest"
            yield Fault(("running", str(place)), wanted)


def _open(low: float | None, high: float | None) -> tuple[float, float]:
    return -math.inf if low is None else low, math.inf if high is None else high
