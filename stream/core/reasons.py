"""What an alarm says: where values lie, how urgent that is, and which sensors tell it.

The rule by which sensors are named as reasons, stated once:

- A sensor's weight is its share in the anomaly times its distance from normal in
  standard deviations (``share * |sigma|``); where only one of them is known, that one.
- Sensors come in order of weight, at most four of them, and only those with
  ``|sigma| >= 1`` or a share of at least 0.1. If none is such, the one of most weight
  is named all the same, if any weight is known. Equal weights keep the type's order.
- ``since`` is the end of the first window of the run, unbroken until now, in which the
  sensor was at least 2 sigma from normal. Windows without an estimate, or in which the
  sensor's sigma is unknown, neither begin a run nor break it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.core.alarm_table import ABOVE, BELOW, BETWEEN
from stream.core.alert import Evidence, Reason
from stream.core.event_time import to_text
from stream.core.readings import (
    FAULTS,
    NEVER,
    SEVERITIES,
    AlarmRule,
    Ints,
    MachineType,
)
from stream.core.segments import starts

MOST_REASONS = 4
LEAST_SIGMA = 1.0
LEAST_SHARE = 0.1
FAR_SIGMA = 2.0
"""From here on a sensor counts as away from its normal; see `follow`."""

CRITICAL, HIGH, MEDIUM, LOW = range(len(SEVERITIES))
LEVELS = ("", ABOVE, BETWEEN, BELOW)
"""Where a value lies; `levels` gives positions. The empty one: unknown, so hold."""

_SHIFT = {"high": -1, "a": -1, "low": 1, "c": 1}


@dataclass(slots=True)
class Judged:
    """Scores of n windows, as columns, in order of (machine, time).

    Attributes:
        machine: (n,) number of the machine, never descending.
        time_ns: (n,) the window's end, ascending within a machine.
        offset: (n,) offset of the record that completed the window.
        risk: (n,) probability of failure within the horizon; NaN without model.
        anomaly: (n,) expected false alarms per machine-month.
        rul: (n, 3) 5, 50 and 95 % quantiles of the remaining life; NaN without model.
        contributions: (n, sensors) share of each sensor in the anomaly, 0..1.
        deviation: (n, sensors) sigma against the machine's own normal; NaN is unknown.
        faults: (n, sensors) positions in `readings.FAULTS`.
        given: (n,) whether there is an estimate; where not, alarms hold, but for those
            of instruments where any is found at fault.
        model: Name and version of the model.
    """

    machine: Ints
    time_ns: Ints
    offset: Ints
    risk: NDArray[np.float64]
    anomaly: NDArray[np.float64]
    rul: NDArray[np.float64]
    contributions: NDArray[np.float64]
    deviation: NDArray[np.float64]
    faults: NDArray[np.int8]
    given: NDArray[np.bool_]
    model: dict[str, str]

    def __len__(self) -> int:
        """Count of windows."""
        return len(self.machine)

    def take(self, index: NDArray[np.intp]) -> Judged:
        """Return the windows at some positions, copied."""
        columns = {name: getattr(self, name)[index] for name in self.__slots__[:-1]}
        return Judged(**columns, model=self.model)


def quantity(judged: Judged, on: str) -> NDArray[np.float64]:
    """Return (n,) what a rule on ``risk``, ``rul`` or ``anomaly`` looks at."""
    if on == "rul":
        return judged.rul[:, 1]
    return judged.risk if on == "risk" else judged.anomaly


def levels(rules: Sequence[AlarmRule], judged: Judged) -> NDArray[np.int8]:
    """Return (n, rules) positions in `LEVELS`; 0 where the value is NaN.

    A risk is beyond its limit when it reaches or exceeds it and back within when it
    falls below ``clear``; remaining life and false-alarm rates are beyond when they
    reach or fall below their limit, and back within above ``clear``.
    """
    found = np.zeros((len(judged), len(rules)), np.int8)
    for column, rule in zip(found.T, rules, strict=True):
        sign = 1 if rule.on == "risk" else -1
        value = sign * quantity(judged, rule.on)
        column[value == value] = LEVELS.index(BETWEEN)  # noqa: PLR0124 - not NaN
        column[value < sign * rule.clear] = LEVELS.index(BELOW)
        column[value >= sign * rule.limit] = LEVELS.index(ABOVE)
    return found


def follow(
    state: Ints,
    machine: Ints,
    time_ns: Ints,
    deviation: NDArray[np.float64],
    given: NDArray[np.bool_],
) -> Ints:
    """Return since when each sensor has been `FAR_SIGMA` or more from normal.

    Args:
        state: (machines, sensors) the same as of each machine's last window, NEVER for
            one that is not; brought up to date.
        machine: (n,) never descending.
        time_ns: (n,) ends of the windows.
        deviation: (n, sensors) sigma; NaN is unknown.
        given: (n,) whether a window counts.

    Returns:
        (n, sensors) times in ns; NEVER where a sensor is near its normal.
    """
    far = np.abs(deviation)
    known = ~np.isnan(far) & given[:, None]
    beyond = known & (far >= FAR_SIGMA)
    carried = state[machine]
    row = np.arange(len(machine))[:, None]
    first = starts(machine)
    start = np.maximum.accumulate(np.where(first, row[:, 0], 0))[:, None]
    # The last window before each at which the sensor was known, if the batch has one.
    last = np.maximum.accumulate(np.where(known, row, -1), axis=0)
    before = np.full_like(last, -1)
    before[1:] = last[:-1]
    has = before >= start
    was = np.where(has, np.take_along_axis(beyond, np.maximum(before, 0), axis=0), 0)
    running = np.where(has, was != 0, carried != NEVER)
    # What changes the answer: a run begins, or the sensor is seen near its normal.
    change = known & ~(beyond & running)
    at = np.maximum.accumulate(np.where(change, row, -1), axis=0)
    value = np.where(beyond, time_ns[:, None], NEVER)
    changed = np.take_along_axis(value, np.maximum(at, 0), axis=0)
    since: Ints = np.where(at >= start, changed, carried)
    ends = np.flatnonzero(np.append(first[1:], True))
    state[machine[ends]] = since[ends]
    return since


def urgency(kind: MachineType, judged: Judged) -> NDArray[np.int8]:
    """Return (n,) positions in `SEVERITIES`, before a machine's criticality counts.

    By the median remaining life over the horizon: up to a quarter is critical, up to
    half high, up to one medium, more low. Without it by risk: from 0.75 on high, else
    medium. By the anomaly alone: medium.
    """
    left = judged.rul[:, 1] / kind.horizon
    by_life = (left > 0.25).astype(np.int8) + (left > 0.5) + (left > 1)
    by_risk = np.where(judged.risk >= 0.75, HIGH, MEDIUM)
    return np.where(np.isnan(left), by_risk, by_life).astype(np.int8)


def severity(rule: AlarmRule, urgent: int, asset: Mapping[str, str]) -> int:
    """Return a position in `SEVERITIES`: the rule's own word, else by urgency.

    Args:
        rule: The rule.
        urgent: Position in `SEVERITIES` by `urgency`.
        asset: What is known of the machine: ``criticality`` ``high`` (or ``A``) makes
            it one step more urgent, ``low`` (or ``C``) one step less.
    """
    if rule.severity:
        return SEVERITIES.index(rule.severity)
    shift = _SHIFT.get(asset.get("criticality", "").lower(), 0)
    return min(max(urgent + shift, CRITICAL), LOW)


def weights(judged: Judged) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return each sensor's weight as a reason, and which ones are to be named.

    Returns:
        (n, sensors) weights, -1 where nothing is known; and (n, sensors) a mask.
    """
    share, sigma = judged.contributions, np.abs(judged.deviation)
    weight = np.where(np.isnan(share), sigma, share)
    both = ~(np.isnan(share) | np.isnan(sigma))
    weight = np.where(both, share * sigma, weight)
    weight = np.where(np.isnan(weight), -1.0, weight)
    named = (sigma >= LEAST_SIGMA) | (share >= LEAST_SHARE)
    alone = ~named.any(axis=1)
    if named.shape[1]:
        named[alone, weight[alone].argmax(axis=1)] = True
    named &= weight >= 0
    return weight, named


class Look:
    """Some windows of one batch, prepared for a look at them one by one.

    Attributes:
        time_ns: Ends of the windows.
        offset: Offsets of the records that completed them.
        given: Whether alarms may move.
        levels: For each window, the level of each rule, as a position in `LEVELS`.
        urgent: For each window a position in `SEVERITIES`.
        top: For each window, the position of the sensor that says most; -1 for none.
        faults: For each window, the sensors at fault and what is wrong with them.
        model: Name and version of the model.
    """

    def __init__(
        self, kind: MachineType, judged: Judged, level: NDArray[np.int8], since: Ints
    ) -> None:
        """Take over n windows, their levels (n, rules) and since-times (n, sensors)."""
        self._kind, self._judged, self._since = kind, judged, since
        self._weight, self._named = weights(judged)
        self.time_ns: list[int] = judged.time_ns.tolist()
        self.offset: list[int] = judged.offset.tolist()
        self.given: list[bool] = judged.given.tolist()
        self.levels: list[list[int]] = level.tolist()
        self.urgent: list[int] = urgency(kind, judged).tolist()
        best = np.where(self._named, self._weight, -1.0)
        top = best.argmax(axis=1) if best.shape[1] else np.zeros(len(best), np.intp)
        some = self._named.any(axis=1)
        self.top: list[int] = np.where(some, top, -1).tolist()
        self.faults: dict[int, list[tuple[str, str]]] = {}
        for row, sensor in np.argwhere(judged.faults).tolist():
            fault = FAULTS[judged.faults[row, sensor]]
            name = kind.sensors[sensor].name
            self.faults.setdefault(row, []).append((name, fault))
        self.model = judged.model

    def top_name(self, row: int) -> str:
        """Return the name of the sensor that says most; empty for none."""
        return self._kind.sensors[self.top[row]].name if self.top[row] >= 0 else ""

    def of_machine(self, row: int, rule: AlarmRule) -> Evidence:
        """Return what an alarm of a machine rests on at one window."""
        judged = self._judged
        order = np.argsort(-self._weight[row], kind="stable")
        order = order[self._named[row, order]][:MOST_REASONS]
        made = silence(self._kind)
        made.value = _or_none(quantity(judged, rule.on)[row])
        made.limit = rule.limit
        made.risk = _or_none(judged.risk[row])
        made.anomaly = _or_none(judged.anomaly[row])
        low, median, high = judged.rul[row].tolist()
        if median == median:  # noqa: PLR0124 - not NaN
            made.rul = (low, median, high)
        made.reasons = [self._reason(row, sensor) for sensor in order.tolist()]
        return made

    def of_sensor(self, row: int, name: str) -> Evidence:
        """Return what an alarm of an instrument rests on at one window."""
        made = silence(self._kind)
        names = self._kind.sensor_names
        # An alarm may be older than the settings, which may have dropped the sensor.
        made.reasons = [self._reason(row, names.index(name))] if name in names else []
        return made

    def _reason(self, row: int, sensor: int) -> Reason:
        sigma = _or_none(self._judged.deviation[row, sensor])
        since = int(self._since[row, sensor])
        return Reason(
            self._kind.sensors[sensor].name,
            sigma,
            _or_none(self._judged.contributions[row, sensor]),
            None if since == NEVER or sigma is None else to_text(since),
        )


def silence(kind: MachineType) -> Evidence:
    """Return evidence that says nothing but the units of its type."""
    return Evidence(axis=kind.axis, horizon=kind.horizon, cap=kind.cap)


def _or_none(value: np.float64) -> float | None:
    return None if np.isnan(value) else float(value)
