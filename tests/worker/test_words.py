"""Sentences: what they say, in both languages, of any alert."""

from __future__ import annotations

import ast
import datetime as dt
import doctest
import string
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
from hypothesis import given

from stream import alarm_desk
from stream.core.alert import EVENT_KINDS, Alert, Evidence, Mark, Reason
from stream.core.readings import FAULTS, SEVERITIES
from stream.worker import catalogue, words, words_en, words_outlook, words_zh
from stream.worker.catalogue import LANGUAGES, MESSAGES, Speech, clean
from stream.worker.words import (
    FAILURE_MODES,
    condition,
    marks,
    second_partition,
    sentence,
    term,
)
from tests.worker.alerts import (
    BEARING,
    FLOW,
    ONSET,
    VIBRATION,
    alert,
    classic,
    evidence,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def told(**parts: Any) -> str:
    return sentence(alert(**parts)).removeprefix("Pump pump-07: ")


def outlook(**parts: Any) -> str:
    return told(evidence=evidence(**parts))


# --- the catalogue


def holes(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_every_key_is_there_in_every_language() -> None:
    keys = [set(messages) for messages in MESSAGES.values()]
    assert len(keys) == len(LANGUAGES) == 2
    assert keys[0] == keys[1]


@pytest.mark.parametrize("key", words_en.MESSAGES)
def test_templates_ask_for_no_more_than_the_english_one(key: str) -> None:
    allowed = holes(words_en.MESSAGES[key])
    asked = holes(words_zh.MESSAGES[key])
    # A date of this year's kind may leave the year out, a language may need no word.
    assert asked <= allowed
    if "time" not in key:
        assert asked == allowed


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_can_be_named_has_a_word(language: str) -> None:
    named = {
        "severity": SEVERITIES,
        "state": ("active", "cleared"),
        "sensor": FAULTS,
        "kind": ("risk", "rul", "anomaly"),
        "cause": ("limit", *EVENT_KINDS[:5]),
    }
    wanted = {f"{group}.{name}" for group, names in named.items() for name in names}
    assert wanted - set(MESSAGES[language]) == set()
    assert all(set(names) == set(LANGUAGES) for names in FAILURE_MODES.values())


def test_the_catalogue_of_a_language_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="expected en or zh, found 'de'"):
        sentence(classic(), "de")


@pytest.mark.parametrize("module", [words, words_outlook])
def test_no_text_for_people_stands_outside_the_catalogue(module: ModuleType) -> None:
    # Keys and format fields have no spaces; sentences do, and so do their parts.
    tree = ast.parse(Path(str(module.__file__)).read_text())
    documents = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node not in documents
    ]
    allowed = {" ", ".。"}
    assert len(texts) > 20
    odd = [text for text in texts if " " in text or not text.isascii()]
    assert set(odd) <= allowed


@pytest.mark.parametrize("module", [words, catalogue, alarm_desk])
def test_the_examples_run(module: ModuleType) -> None:
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0


# --- what is out of the ordinary


def test_the_sentence_of_the_first_page() -> None:
    assert sentence(classic()) == (
        "Pump pump-07: bearing temperature (+4.1 sigma against its own normal) and"
        " vibration (+3.2) above normal since 09:12. 84 % risk of failure within 24 h;"
        " remaining life 9 to 31 h, most likely 16 h."
    )


def test_the_same_in_chinese() -> None:
    assert sentence(classic(), "zh", SHANGHAI) == (
        "泵 pump-07：自 17:12 起轴承温度（相对自身正常水平 +4.1σ）和振动（+3.2σ）偏高。"  # noqa: RUF001 - Chinese
        "24 小时内发生故障的风险为 84%；剩余寿命 9 至 31 小时，最可能为 16 小时。"  # noqa: RUF001 - Chinese
    )


def test_above_and_below_share_the_earliest_since() -> None:
    assert outlook(risk=0.5, reasons=[BEARING, FLOW, VIBRATION]).startswith(
        "bearing temperature (+4.1 sigma against its own normal) and vibration (+3.2)"
        " above and flow (-2.2) below normal since 09:05. 50 %"
    )
    assert outlook(risk=0.5, reasons=[FLOW]).startswith(
        "flow (-2.2 sigma against its own normal) below normal since 09:05. "
    )


def test_only_the_first_three_sensors_are_named_and_count_for_since() -> None:
    early = Reason("speed", 2.5, 0.1, "2026-11-21T01:00:00.000Z")
    text = outlook(risk=0.5, reasons=[BEARING, VIBRATION, FLOW, early])
    assert "speed" not in text
    assert "01:00" not in text


def test_a_sensor_near_its_normal_is_out_of_step_and_has_no_since() -> None:
    near = Reason("flow", 1.9, 0.6, "2026-11-21T01:00:00.000Z")
    bare = Reason("T24", None, 0.2)
    assert outlook(risk=0.5, reasons=[near, bare]) == (
        "out of step with the other signals: flow (+1.9 sigma against its own normal)"
        " and T24. 50 % risk of failure within 24 h."
    )
    assert "above normal since 09:12; out of step" in outlook(reasons=[BEARING, near])


def test_the_least_sigma_above_normal() -> None:
    text = outlook(risk=0.5, reasons=[Reason("flow", 2.0, 0.6)])
    assert "flow (+2.0 sigma against its own normal) above normal. 50 %" in text


def test_a_sigma_beyond_measure() -> None:
    assert "beyond -99 sigma" in outlook(reasons=[Reason("flow", -1e9, 0.6)])


def test_the_date_is_told_on_another_day_in_the_plants_zone() -> None:
    night = Reason("flow", 3.0, 0.6, "2026-11-20T17:30:00.000Z")
    one = alert(evidence=evidence(reasons=[night]))
    assert "since 2026-11-20 17:30." in sentence(one)
    # In Shanghai it is 01:30 of the same day.
    assert "since 01:30." in sentence(one, zone=SHANGHAI)
    one.time = "2026-11-21T16:30:00.000Z"
    assert "自 2026年11月21日 01:30 起" in sentence(one, "zh", SHANGHAI)


def test_an_unreadable_since_is_left_out() -> None:
    text = outlook(reasons=[Reason("flow", 3.0, 0.6, "yesterday")])
    assert text == "flow (+3.0 sigma against its own normal) above normal."


# --- what it may come to


@pytest.mark.parametrize(
    ("risk", "told_as"),
    [
        (0.0, "Under 1 %"),
        (0.0099, "Under 1 %"),
        (0.01, "1 %"),
        (0.504, "50 %"),
        (0.99, "99 %"),
        (0.9901, "Over 99 %"),
        (1.0, "Over 99 %"),
    ],
)
def test_risk_is_never_nothing_and_never_certain(risk: float, told_as: str) -> None:
    said = sentence(alert(evidence=evidence(risk=risk, reasons=[BEARING])))
    assert said.split(". ")[1].removesuffix(".") == (
        f"{told_as} risk of failure within 24 h"
    )


@pytest.mark.parametrize(
    ("axis", "told_as"),
    [
        ("hours", "within 24 h; remaining life 1 to 3 h, most likely 2 h."),
        (
            "run_hours",
            "within 24 running hours; remaining life 1 to 3 running hours, most likely"
            " 2 running hours.",
        ),
        (
            "cycles",
            "within 24 cycles; remaining life 1 to 3 cycles, most likely 2 cycles.",
        ),
    ],
)
def test_units_of_life(axis: str, told_as: str) -> None:
    assert told_as in outlook(risk=0.5, rul=(1.2, 2.0, 3.4), axis=axis)
    one = outlook(axis="cycles", horizon=1.0, risk=0.5, rul=(1.0, 1.1, 2.0))
    assert "within 1 cycle; remaining life 1 to 2 cycles, most likely 1 cycle." in one
    assert "24 h" in outlook(risk=0.5)


@pytest.mark.parametrize(
    ("rul", "told_as"),
    [
        ((240.0, 240.0, 240.0), "more than 240 h"),
        ((100.0, 240.0, 240.0), "at least 100 h, most likely more than 240 h"),
        ((0.5, 240.0, 240.0), "most likely more than 240 h"),
        ((20.0, 100.0, 240.0), "20 to more than 240 h, most likely 100 h"),
        ((0.0, 100.0, 240.0), "most likely 100 h, possibly more than 240 h"),
        ((0.2, 0.9, 3.0), "up to 3 h, most likely under 1 h"),
        ((0.1, 0.2, 0.3), "under 1 h"),
        ((15.8, 16.0, 16.2), "about 16 h"),
        ((-1.0, 2.0, 3.0), "up to 3 h, most likely 2 h"),
        ((239.9, 239.99, 240.0), "240 to more than 240 h, most likely 240 h"),
    ],
)
def test_remaining_life(rul: tuple[float, float, float], told_as: str) -> None:
    assert outlook(rul=rul) == f"remaining life {told_as}."


def test_a_risk_without_a_horizon() -> None:
    assert outlook(risk=0.5, horizon=0.0) == "50 % risk of failure."


def test_long_lives_are_rounded_to_three_digits() -> None:
    text = outlook(rul=(1234.0, 23456.0, 30000.0), cap=50000.0)
    assert text == "remaining life 1230 to 30000 h, most likely 23500 h."


@pytest.mark.parametrize(
    ("rate", "told_as"),
    [
        (0.0, "less than once in 1000 months"),
        (0.0009, "less than once in 1000 months"),
        (0.0073, "about once in 140 months"),
        (0.5, "about once in 2 months"),
        (1.0, "about once a month"),
        (2.3, "about 2 times a month"),
    ],
)
def test_how_rare_it_is_where_no_risk_is_known(rate: float, told_as: str) -> None:
    assert told(kind="anomaly", evidence=evidence(anomaly=rate)) == (
        f"unusual behaviour. A healthy machine looks like this {told_as}."
    )


def test_rarity_is_told_beside_a_risk_where_the_rule_looks_at_it() -> None:
    both = {"risk": 0.3, "anomaly": 0.1, "reasons": [BEARING]}
    assert "healthy machine" not in outlook(value=0.3, **both)
    assert "once in 10 months. 30 % risk" in outlook(value=0.1, **both)


def test_an_alarm_of_which_nothing_is_known() -> None:
    assert told() == "alarm on risk of failure."
    assert told(kind="too_hot") == "alarm on too hot."
    nan = float("nan")
    assert outlook(risk=nan, rul=(nan, nan, nan), anomaly=nan) == told()


# --- who


@pytest.mark.parametrize(
    ("kind", "machine", "who"),
    [
        ("pump", "pump-07", "Pump pump-07"),
        ("pump", "Pump 7", "Pump 7"),
        ("pump", "pump", "pump"),
        ("feed_pump", "FP-1", "Feed pump FP-1"),
        ("turbofan", "FD001-test-001", "Turbofan FD001-test-001"),
        ("", "x", "Machine x"),
    ],
)
def test_who(kind: str, machine: str, who: str) -> None:
    assert sentence(alert(type=kind, machine=machine)).startswith(f"{who}: ")


def test_names_that_chinese_has_no_word_for_stand_apart() -> None:
    reasons = [Reason("T24", 3.0, 0.5, ONSET), Reason("oil_pressure", 2.5, 0.5)]
    one = alert(type="zx_81", evidence=evidence(reasons=reasons))
    assert sentence(one, "zh").startswith(
        "设备 pump-07：自 09:12 起 T24（相对自身正常水平 +3.0σ）和油压（+2.5σ）偏高。"  # noqa: RUF001 - Chinese
    )


def test_the_plants_own_labels_win() -> None:
    labels = {"bearing_temperature": {"zh": "驱动端轴承温度", "en": "DE bearing temp."}}
    assert "：自 09:12 起驱动端轴承温度（" in sentence(classic(), "zh", labels=labels)  # noqa: RUF001 - Chinese
    assert ": DE bearing temp. (+4.1 sigma" in sentence(classic(), labels=labels)
    assert Speech("zh", dt.UTC, {}).label("bearing_2_temperature") == "轴承2温度"
    assert Speech("zh", dt.UTC, {}).label("12").strip() == "12"


# --- instruments, silence, the pipeline


def test_a_sensor_fault_is_no_fault_of_the_machine() -> None:
    stuck = alert(
        machine="pump-03",
        kind="sensor.stuck",
        subject="sensor",
        sensor="flow",
        onset="2026-11-21T08:40:00.000Z",
    )
    assert sentence(stuck) == (
        "Pump pump-03: the transmitter of flow has been stuck since 08:40: its value is"
        " left out of the scores. This is no fault of the machine."
    )
    assert sentence(stuck, "zh") == (
        "泵 pump-03：自 08:40 起流量传感器读数卡死不变，其数值不参与评分。"  # noqa: RUF001 - Chinese
        "这不是设备本身的故障。"
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_fault_has_words_of_its_own(language: str) -> None:
    kinds = [f"sensor.{fault}" for fault in FAULTS[1:]] + ["sensor.new_kind"]
    said = {
        sentence(alert(kind=kind, subject="sensor", sensor="flow"), language)
        for kind in kinds
    }
    assert len(said) == len(kinds)


def test_a_silent_machine_is_not_a_sick_one() -> None:
    silent = {"kind": "no_data", "subject": "sensor"}
    assert told(**silent).startswith("no reading has come since 09:12, so nothing is")
    assert told(**silent, event="cleared", state="cleared", cleared_by="limit") == (
        "the report on missing readings, open since 09:12, has ended: readings come"
        " again."
    )


def test_the_pipeline() -> None:
    parts = {"subject": "pipeline", "kind": "second_partition"}
    assert sentence(alert(**parts)) == (
        "The pipeline reports second partition for machine pump-07."
    )
    assert sentence(alert(**parts, message="Look at it!")) == "Look at it!"
    assert "partitions 1, 2 of readings: it is refused" in second_partition(
        "pump-07", (1, 2), "readings"
    )
    assert "分区（1、2）" in second_partition("p", (1, 2), "readings", "zh")  # noqa: RUF001 - Chinese


# --- the course of an alarm


def test_an_update_names_the_priority() -> None:
    text = sentence(alert(event="updated", severity="critical"))
    assert text.startswith("Pump pump-07, still open, now of critical priority: ")
    chinese = sentence(alert(event="updated", severity="critical"), "zh")
    assert "现为紧急优先级" in chinese


@pytest.mark.parametrize(
    ("cause", "told_as"),
    [
        ("limit", "back within its limit"),
        ("maintenance", "the machine had maintenance"),
        ("failure", "the machine has failed"),
        ("something_new", "something new"),
        ("", "back within its limit"),
    ],
)
def test_the_end_of_an_alarm(cause: str, told_as: str) -> None:
    over = {"event": "cleared", "state": "cleared", "cleared_by": cause}
    assert told(**over, action="Look.") == (
        f"the alarm on risk of failure, open since 09:12, has ended: {told_as}."
    )


def test_the_end_of_a_sensor_fault() -> None:
    over = {"event": "cleared", "state": "cleared", "cleared_by": "limit"}
    assert told(kind="sensor.stuck", subject="sensor", sensor="flow", **over) == (
        "the report on the transmitter of flow, open since 09:12, has ended: its signal"
        " is sound again and counts in the scores."
    )


def test_what_people_have_done() -> None:
    ann = Mark("ann", "bearing\nordered", "2026-11-21T09:30:00.000Z")
    shelf = Mark("", "", "2026-11-21T09:35:00.000Z", "2026-11-22T06:00:00.000Z")
    one = classic()
    one.acknowledged, one.shelved, one.out_of_service = ann, shelf, True
    one.feedback, one.backfill = "false", True
    assert marks(one) == (
        "acknowledged by ann at 09:30 (bearing ordered); shelved by somebody until"
        " 2026-11-22 06:00; machine out of service; judged a false alarm; found in a"
        " backlog of readings, so nobody is called"
    )
    assert sentence(one).startswith(condition(one) + " Acknowledged by ann at 09:30")
    assert marks(one, "zh").startswith("已由 ann 于 09:30 确认（bearing ordered）；")  # noqa: RUF001 - Chinese
    assert marks(classic()) == ""
    one.feedback = "true"
    assert "judged a true alarm" in marks(one)


def test_what_to_do() -> None:
    one = alert(action="Check the bearing.", failure_mode="OHE")
    assert sentence(one).endswith(
        "of failure. Failure mode: overheating (OHE). Action: Check the bearing."
    )
    assert sentence(one, "zh").endswith(
        "故障模式：过热（OHE）。处理措施：Check the bearing。"  # noqa: RUF001 - Chinese
    )
    one.failure_mode = "XYZ"
    assert "Failure mode: XYZ. " in sentence(one)


def test_words_for_tables() -> None:
    assert term("severity", "critical", "zh") == "紧急"
    assert term("state", "active") == "active"
    assert term("severity", "odd\x1b[31m") == "odd [31m"


# --- any alert at all

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="{}"), max_size=12)
NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
ISO_TIMES = st.sampled_from(
    [ONSET, "1970-01-01T00:00:00Z", "2261-12-31T23:59:59.999999999Z", "", "nonsense"]
)
MARKS = st.none() | st.builds(Mark, TEXTS, TEXTS, ISO_TIMES, ISO_TIMES)
AXES = st.sampled_from(["hours", "run_hours", "cycles"])
EVIDENCE = st.builds(
    Evidence,
    value=st.none() | NUMBERS,
    limit=st.none() | NUMBERS,
    risk=st.none() | st.floats(0, 1) | NUMBERS,
    rul=st.none()
    | st.tuples(*[st.floats(0, 1e4)] * 3)
    | st.tuples(NUMBERS, NUMBERS, NUMBERS),
    anomaly=st.none() | NUMBERS,
    reasons=st.lists(
        st.builds(
            Reason,
            TEXTS | st.sampled_from(["flow", "bearing_temperature", "T24"]),
            st.none() | NUMBERS,
            st.none() | NUMBERS,
            st.none() | ISO_TIMES,
        ),
        max_size=4,
    ),
    axis=AXES | TEXTS,
    horizon=NUMBERS,
    cap=NUMBERS,
)
ALERTS = st.builds(
    Alert,
    id=TEXTS,
    case_id=TEXTS,
    machine=TEXTS,
    type=TEXTS | st.just("pump"),
    kind=st.sampled_from(["risk", "rul", "no_data", "sensor.stuck", "own"]) | TEXTS,
    subject=st.sampled_from(["machine", "sensor", "pipeline"]),
    sensor=st.just("") | TEXTS,
    event=st.sampled_from(["raised", "updated", "cleared", "shelved", "feedback"]),
    seq=st.integers(1),
    state=st.sampled_from(["active", "cleared"]),
    severity=st.sampled_from(SEVERITIES) | TEXTS,
    onset=ISO_TIMES,
    time=ISO_TIMES,
    cleared_by=st.sampled_from(["", "limit", "failure"]) | TEXTS,
    acknowledged=MARKS,
    shelved=MARKS,
    out_of_service=st.booleans(),
    feedback=st.sampled_from(["", "true", "false"]),
    backfill=st.booleans(),
    action=TEXTS,
    failure_mode=st.sampled_from(["", "VIB"]) | TEXTS,
    message=TEXTS,
    evidence=EVIDENCE,
)


@given(ALERTS)
def test_any_alert_gives_one_full_line_in_every_language(one: Alert) -> None:
    for language in LANGUAGES:
        for zone in (dt.UTC, SHANGHAI, ZoneInfo("America/Los_Angeles")):
            text = sentence(one, language, zone)
            assert text.strip() == text != ""
            assert text.isprintable()
            # Names are made without braces, so any that are left are ours.
            assert "{" not in text
            assert "}" not in text
            assert "  " not in text


@given(st.floats(0, 1), st.tuples(*[st.floats(0, 300)] * 3))
def test_risk_and_life_are_told_for_any_values(
    risk: float, life: tuple[float, float, float]
) -> None:
    rul = tuple(min(x, 240.0) for x in sorted(life))
    text = outlook(risk=risk, rul=rul)
    assert "risk of failure within 24 h; remaining life" in text
    assert " 0 %" not in text
    assert "100 %" not in text
    assert " 0 h" not in text


@given(st.text())
def test_texts_from_outside_stay_on_one_line(text: str) -> None:
    assert clean(text).isprintable()
