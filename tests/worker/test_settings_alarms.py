"""What alarm settings come to in the core's own words; the bad ones are a gallery."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from models.options import Layout
from stream.core.alert import Alert
from stream.core.readings import AlarmRule, Condition, MachineType
from stream.worker.alerting import Telling
from stream.worker.layouts import layout_of
from stream.worker.plant import alarms_of, kinds_of
from stream.worker.settings import Settings, load_settings
from stream.worker.settings_running import condition_of

TEXT = """
{top}
machine_types:
  pump:
    match: "pump-*"
    life: {{axis: run_hours, horizon: {horizon}, cap: 100, period: {period}}}
    sensors:
      pressure: {{unit: bar, range: [0, 40]}}
      motor > rpm: {{unit: "{{rpm}}", role: setting}}
    window: {{rows: 60, stride: 2}}
    {type}
"""
MINUTE_NS = 60 * 10**9
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        type: str = "",  # noqa: A002 - the type's part of the file
        top: str = "",
        horizon: int = 20,
        period: str = "1h",
    ) -> Settings:
        file = tmp_path / "plant.yaml"
        text = TEXT.format(type=type, top=top, horizon=horizon, period=period)
        file.write_text(text)
        return load_settings(file, (), {})

    return load


def kind(settings: Settings) -> MachineType:
    (found,) = kinds_of(settings)
    return found


def only(settings: Settings) -> AlarmRule:
    (found,) = alarms_of(settings, "pump")
    return found


def test_a_type_without_rules_has_the_default_ones(load: Load) -> None:
    for text in ("", "alarms:", "alarms: {}"):
        assert kind(load(text)).alarms == (
            AlarmRule("risk", "risk", 0.5, 0.4),
            AlarmRule("anomaly", "anomaly", 1.0, 10.0, 50 * MINUTE_NS),
            AlarmRule("sensor", "sensor"),
        )


def test_an_anomaly_lasts_a_24th_of_the_horizon_unless_a_rule_says_else(
    load: Load,
) -> None:
    # Of 20 hours.
    assert only(load("alarms: {anomaly: {}}")).on_delay_ns == 50 * MINUTE_NS
    assert only(load("alarms: {anomaly: {on_delay: 0s}}")).on_delay_ns == 0


def test_a_type_with_rules_has_these_and_no_others(load: Load) -> None:
    rule = only(
        load(
            "alarms: {late: {watch: rul, limit: 8, hysteresis: 4, on_delay: 1min,"
            " off_delay: 2min, severity: high, action: Look at it., failure_mode: VIB}}"
        )
    )
    assert rule == AlarmRule(
        "late", "rul", 8, 12, MINUTE_NS, 2 * MINUTE_NS, "high", "Look at it.", "VIB"
    )


@pytest.mark.parametrize(
    ("text", "limit", "clear"),
    [
        ("risk: {limit: 0.3}", 0.3, 0.2),
        # Half of a low limit, or it could never clear.
        ("risk: {limit: 0.1}", 0.1, 0.05),
        ("risk: {limit: 0.3, hysteresis: 0}", 0.3, 0.3),
        ("rul: {}", 20.0, 24.0),
        ("rul: {limit: 50}", 50.0, 60.0),
        # Half of the room below the cap, for the same reason.
        ("rul: {limit: 90}", 90.0, 95.0),
        ("anomaly: {}", 1.0, 10.0),
        ("anomaly: {limit: 0.01, hysteresis: 3}", 0.01, 0.03),
        # There are 360 windows in a month: between the limit and them.
        ("anomaly: {limit: 90}", 90.0, 180.0),
        ("sensor: {}", 0.0, 0.0),
    ],
)
def test_limits_by_what_is_watched(
    load: Load, text: str, limit: float, clear: float
) -> None:
    rule = only(load(f"alarms: {{{text}}}"))
    assert (rule.limit, rule.clear) == pytest.approx((limit, clear))


BUDGET = "alerts: {budget: {false_alarms_per_week: 2, machines: 30}}"


def test_a_budget_is_shared_by_the_machines_unless_a_rule_has_a_limit(
    load: Load,
) -> None:
    # 2 a week are 60/7 a month.
    shared = only(load("alarms: {anomaly: {hysteresis: 2}}", BUDGET))
    assert shared.limit == pytest.approx(2 / 7)
    assert shared.clear == pytest.approx(4 / 7)
    assert only(load("alarms: {anomaly: {limit: 3}}", BUDGET)).limit == 3
    # An own factor is held against the limit of the budget, not that without one.
    wide = only(load("alarms: {anomaly: {hysteresis: 700}}", BUDGET))
    assert wide.clear == pytest.approx(200)


def test_health_is_half_way_at_the_limit_that_is_reached_first(load: Load) -> None:
    def rate(type: str, top: str = "") -> float:  # noqa: A002 - as above
        return layout_of(load(type, top), "pump").alarm_rate

    assert rate("") == Layout.alarm_rate
    assert rate("", BUDGET) == pytest.approx(2 / 7)
    two = "alarms: {anomaly: {limit: 0.1}, odd: {watch: anomaly, limit: 4}}"
    assert rate(two) == 4
    assert rate("alarms: {risk: {}}") == Layout.alarm_rate


def test_rare_windows_leave_the_defaults_possible(load: Load) -> None:
    # Ten windows in a month: an alarm that clears at ten would never clear.
    rule = kind(load(period="36h")).alarms[1]
    assert (rule.limit, rule.clear) == pytest.approx((1, 10**0.5))


def test_when_a_machine_runs(load: Load) -> None:
    text = "running: [motor > rpm > 300, pressure < 3.5e1]"
    found = kind(load(text))
    assert found.running == (Condition(1, True, 300.0), Condition(0, False, 35.0))
    assert found.settle_ns == 5 * MINUTE_NS
    one = kind(load("running: pressure>-1\n    settle: 10s"))
    assert (one.running, one.settle_ns) == ((Condition(0, True, -1.0),), 10**10)
    # Where it always runs, nothing has to settle.
    assert kind(load("settle: 10s")).settle_ns == 0


@pytest.mark.parametrize(
    "text", ["", "rpm", "rpm >", "> 3", "rpm > nan", "rpm > 1e999", "rpm = 3"]
)
def test_what_is_no_condition(text: str) -> None:
    assert condition_of(text) is None


def test_labels_reach_the_sentence(load: Load) -> None:
    top = (
        "alerts: {language: zh, labels:"
        " {pressure: {en: discharge pressure, zh: 出口压力}, pump: {zh: 水泵}}}"
    )
    at = "2026-01-01T00:00:00Z"
    alert = Alert(
        *("i", "c", "pump-1", "pump", "sensor.stuck", "sensor", "pressure"),
        *("raised", 1, "active", "low", at, at),
    )
    (_, told) = Telling.of(load(top=top)).messages(alert, 0)
    message = json.loads(told.value)["message"]
    assert "出口压力" in message
    assert "水泵" in message
    english = Telling.of(load(top=top.replace("language: zh", "language: en")))
    assert (
        "discharge pressure"
        in json.loads(english.messages(alert, 0)[1].value)["message"]
    )


def test_the_life_axis_reaches_the_core(load: Load) -> None:
    found = kind(load())
    assert (found.axis, found.horizon, found.cap) == ("run_hours", 20, 100)
