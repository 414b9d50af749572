"""Alarm rules: their defaults, where they begin and end, and which are impossible.

What a rule leaves out is filled in by `alarm_rules` and `limits_of`, so that no other
module knows the defaults; what its limits mean stands in `settings_alarms.AlarmRule`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from stream.worker.settings_alarms import WATCHED, AlarmRule, Budget
from stream.worker.settings_base import Fault

MONTH_NS = 30 * 86_400 * 10**9
"""The month of "false alarms per machine-month"."""

_RISK_LIMIT, _RISK_HYSTERESIS = 0.5, 0.1
_RUL_HYSTERESIS = 0.2
_ANOMALY_LIMIT, _ANOMALY_FACTOR = 1.0, 10.0
_ANOMALY_DELAYS = 24
"""Delays of an anomaly that fit into the horizon."""

DEFAULT_RULES: Mapping[str, AlarmRule] = {
    "risk": AlarmRule(),
    "anomaly": AlarmRule(),
    "sensor": AlarmRule(),
}
"""The rules of a type that names none. Remaining life is left out: it comes from the
same distribution as risk, so a rule on it would say the same thing twice."""


class Scale(NamedTuple):
    """What the limits of a type's rules are measured against.

    Attributes:
        horizon: On the life axis.
        cap: On the life axis.
        windows: Windows of one machine in a month of 30 days.
    """

    horizon: float
    cap: float
    windows: float


class Limits(NamedTuple):
    """Where a rule's alarm begins and ends; 0 and 0 for instruments."""

    limit: float
    clear: float


def alarm_rules(given: Mapping[str, AlarmRule]) -> Mapping[str, AlarmRule]:
    """Return a type's rules: those it names, or the defaults if it names none."""
    return given or DEFAULT_RULES


def watched_by(name: str, rule: AlarmRule) -> str | None:
    """Return what a rule watches: as it says, else by its name; None: neither."""
    return rule.watch or (name if name in WATCHED else None)


def limits_of(
    watched: str, rule: AlarmRule, scale: Scale, budget: Budget | None
) -> Limits:
    """Return a rule's limits with its defaults filled in; they may be impossible.

    Args:
        watched: What the rule watches.
        rule: As it was given.
        scale: Of its machine type.
        budget: Gives the limit on anomalies where the rule does not.
    """
    limit, wide = rule.limit, rule.hysteresis
    if watched == "risk":
        limit = _RISK_LIMIT if limit is None else limit
        # A low limit of one's own must not make the default below it impossible.
        wide = min(_RISK_HYSTERESIS, limit / 2) if wide is None else wide
        return Limits(limit, limit - wide)
    if watched == "rul":
        limit = scale.horizon if limit is None else limit
        room = (scale.cap - limit) / 2
        wide = min(_RUL_HYSTERESIS * limit, room) if wide is None else wide
        return Limits(limit, limit + wide)
    if watched == "anomaly":
        if limit is None:
            limit = budget.per_machine_month if budget else _ANOMALY_LIMIT
        if wide is None:
            # Where windows are rare, ten times the limit may be more than there are.
            room = scale.windows / limit if limit > 0 else 0.0
            wide = min(_ANOMALY_FACTOR, math.sqrt(room))
        return Limits(limit, limit * wide)
    return Limits(0.0, 0.0)


def delay_of(watched: str, rule: AlarmRule, horizon_ns: int) -> int:
    """Return a rule's delay before it is raised, in ns, with its default filled in.

    Args:
        watched: What the rule watches.
        rule: As it was given.
        horizon_ns: The horizon of its machine type, as time.
    """
    if rule.on_delay_ns is not None:
        return rule.on_delay_ns
    return horizon_ns // _ANOMALY_DELAYS if watched == "anomaly" else 0


def rule_faults(rules: Mapping[str, AlarmRule], scale: Scale) -> Iterator[Fault]:
    """Rules of one type that are impossible, by themselves or beside each other."""
    for name, rule in rules.items():
        watched = watched_by(name, rule)
        if watched is None:
            yield Fault((name, "watch"), f"one of {', '.join(WATCHED)}")
            continue
        if name in WATCHED and watched != name:
            yield Fault((name, "watch"), f"{name}, as the rule is named", watched)
            continue
        for key, expected in _CHECKS[watched](rule, scale):
            yield Fault((name, key), expected)
    sensor = [n for n, rule in rules.items() if watched_by(n, rule) == "sensor"]
    for name in sensor[1:]:
        text = f"one rule on instruments, which {sensor[0]} is already"
        yield Fault((name, "watch"), text, "another")


def _risk_faults(rule: AlarmRule, scale: Scale) -> Iterator[tuple[str, str]]:
    limit, clear = limits_of("risk", rule, scale, None)
    if not 0 < limit < 1:
        yield "limit", "a probability above 0 and below 1"
    elif not 0 < clear <= limit:
        yield "hysteresis", f"0 or more, and less than the limit ({limit:g})"


def _rul_faults(rule: AlarmRule, scale: Scale) -> Iterator[tuple[str, str]]:
    limit, clear = limits_of("rul", rule, scale, None)
    if not 0 < limit < scale.cap:
        yield "limit", f"a number above 0 and below life.cap ({scale.cap:g})"
    elif not limit <= clear < scale.cap:
        room = scale.cap - limit
        text = f"0 or more, and less than life.cap - limit ({room:g})"
        yield "hysteresis", text


def _anomaly_faults(rule: AlarmRule, scale: Scale) -> Iterator[tuple[str, str]]:
    if rule.hysteresis is not None and rule.hysteresis < 1:
        yield "hysteresis", "a factor of 1 or more"
    elif rule.limit is not None:
        yield from _rare_faults(*limits_of("anomaly", rule, scale, None), scale)


def _rare_faults(limit: float, clear: float, scale: Scale) -> Iterator[tuple[str, str]]:
    # Even the most common window is no more common than there are windows.
    most = f"{scale.windows:.3g} windows of a machine in a month"
    if not 0 < limit < scale.windows:
        yield "limit", f"false alarms per machine-month above 0 and below the {most}"
    elif clear >= scale.windows:
        yield "hysteresis", f"a factor by which the limit stays below the {most}"


def budget_faults(
    rules: Mapping[str, AlarmRule], scale: Scale, budget: Budget | None
) -> Iterator[Fault]:
    """Rules on anomalies that name no limit, and are impossible with the shared one."""
    for name, rule in rules.items():
        if watched_by(name, rule) == "anomaly" and rule.limit is None:
            limit, clear = limits_of("anomaly", rule, scale, budget)
            for key, expected in _rare_faults(limit, clear, scale):
                yield Fault((name, key), expected, f"limit {limit:.3g} of the budget")


def _sensor_faults(rule: AlarmRule, scale: Scale) -> Iterator[tuple[str, str]]:
    for key in ("limit", "hysteresis"):
        if getattr(rule, key) is not None:
            yield key, "null, since faults of instruments have no limit"


_CHECKS = {
    "risk": _risk_faults,
    "rul": _rul_faults,
    "anomaly": _anomaly_faults,
    "sensor": _sensor_faults,
}
