"""Settings of alarms: their rules, how they are told, and the register of machines.

Defaults that depend on the machine type are filled in by `settings_rules.py`.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stream.worker.failure_modes import FAILURE_MODES
from stream.worker.settings_base import Section
from stream.worker.settings_data import TimeZone
from stream.worker.settings_units import (
    DurationNs,
    FilePath,
    Line,
    Name,
    Number,
    PositiveNs,
    Whole,
    refuse,
)

WATCHED = ("risk", "rul", "anomaly", "sensor")
"""What a rule can look at."""

_WEEKS_PER_MONTH = 30 / 7
_RULE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# Kinds that alerts have without any rule.
_TAKEN = ("no_data", "second_partition")


def _rule_name(name: str) -> str:
    if not _RULE_NAME.fullmatch(name) or name in _TAKEN:
        refuse(
            "1 to 64 of the characters a-z A-Z 0-9 _ -, a letter first, other than "
            + " and ".join(_TAKEN)
        )
    return name


def _failure_mode(code: str) -> str:
    if code not in FAILURE_MODES:
        refuse(f"one of {', '.join(FAILURE_MODES)} (ISO 14224)")
    return code


RuleName = Annotated[str, AfterValidator(_rule_name)]
Watched = Literal["risk", "rul", "anomaly", "sensor"]


class AlarmRule(Section):
    """When a machine or an instrument raises an alarm; null is the default.

    ``limit`` and ``hysteresis`` mean, by what is watched:

    - risk: raised at or above the limit (0.5), cleared below limit - hysteresis (0.1).
    - rul: raised where the median is at or below the limit (the horizon), cleared above
      limit + hysteresis (a fifth of the limit), both on the life axis.
    - anomaly: raised at or below the limit, in expected false alarms per machine-month
      (from `alerts.budget`, else 1), cleared above limit * hysteresis (a factor: 10).
    - sensor: faults of instruments; has neither.

    ``on_delay`` is 0s, but for an anomaly a 24th of the horizon: one strange window
    says little, and there are many.
    """

    watch: Watched | None = None
    limit: Number | None = None
    hysteresis: Number | None = None
    on_delay_ns: DurationNs | None = Field(None, alias="on_delay")
    off_delay_ns: DurationNs = Field(0, alias="off_delay")
    severity: Literal["critical", "high", "medium", "low"] | None = None
    action: Line | None = None
    failure_mode: Annotated[str, AfterValidator(_failure_mode)] | None = None


class Budget(Section):
    """False alarms that a site can bear, shared over its machines in service."""

    false_alarms_per_week: Annotated[Number, Field(gt=0)]
    machines: Annotated[Whole, Field(ge=1)]

    @property
    def per_machine_month(self) -> float:
        """Expected false alarms per machine-month that keep to the budget."""
        return self.false_alarms_per_week * _WEEKS_PER_MONTH / self.machines


class Alerts(Section):
    """How alarms are told: the words, the clock, and whom they may wake."""

    language: Literal["en", "zh"] = "en"
    time_zone: TimeZone = "UTC"
    page_within_ns: PositiveNs = Field(900 * 10**9, alias="page_within")
    budget: Budget | None = None
    labels: dict[Name, dict[Literal["en", "zh"], Name]] = Field(default_factory=dict)


class Assets(Section):
    """Where the asset register is: a file, the topic `topics.machines`, or both."""

    file: FilePath | None = None
    topic: bool = False

    @property
    def given(self) -> bool:
        """Whether there is a register at all."""
        return self.file is not None or self.topic
