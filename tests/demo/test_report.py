"""What a run came to, in figures, in lines, and as a page."""

from __future__ import annotations

import html
import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from markupsafe import escape

from stream.core.alert import Alert
from stream.demo.baselines import Baseline
from stream.demo.board import Board, Played
from stream.demo.fleet import Fleet, iso
from stream.demo.learning import Stage
from stream.demo.parameters import Parameters
from stream.demo.phrases import Phrases
from stream.demo.report import Page, render, write
from stream.demo.signals import chosen
from stream.demo.summary import Summary, outcomes, over_seeds, summarise
from tests.demo.small import small_fleet
from tests.demo.test_show import alert, score

_HOUR_NS = 3_600 * 10**9
HORIZON_H = 72.0
PLAYED = Played(12_000, 4.0)
BASELINE = Baseline("fixed limits", "quantile 0.99", 3, 1.5, 1, 3, 1)


@pytest.fixture(scope="module")
def fleet(laws: Parameters) -> Fleet:
    fleet = small_fleet(laws)
    # One of the three gives no warning, whatever was drawn.
    first, *rest = (replace(f, foreseeable=True) for f in fleet.failures)
    return replace(fleet, failures=(replace(first, foreseeable=False), *rest))


def board_of(fleet: Fleet) -> Board:
    """The second failure is foreseen 40 h before it; there is one false alarm."""
    board = Board(fleet.machines)
    _, second, _ = fleet.failures
    failed = {f.machine for f in fleet.failures}
    other = next(m for m in fleet.machines if m not in failed)
    for machine in fleet.machines:
        for hour in range(0, 24 * 15, 3):
            board.score(score(machine, fleet.start_ns + hour * _HOUR_NS))
    early = second.at_ns - 200 * _HOUR_NS
    for number, (machine, at) in enumerate(
        [
            (second.machine, early),
            (second.machine, second.at_ns - 40 * _HOUR_NS),
            (second.machine, second.at_ns - 20 * _HOUR_NS),
            (other, fleet.start_ns + 60 * _HOUR_NS),
        ]
    ):
        case = "early" if at == early else "case"
        told = {"id": str(number), "case_id": f"{machine}-{case}"}
        board.alert(alert(machine, at - at % 10**9, **told))
    for event in fleet.events:
        board.happened(event)
    return board


@pytest.fixture(scope="module")
def board(fleet: Fleet) -> Board:
    return board_of(fleet)


@pytest.fixture(scope="module")
def summary(fleet: Fleet, board: Board) -> Summary:
    found = summarise(fleet, board.alerts, PLAYED, 7, HORIZON_H)
    return replace(found, baselines=(BASELINE,), trained_s=61.0)


def test_each_failure_has_its_verdict(fleet: Fleet, summary: Summary) -> None:
    assert [o.verdict for o in summary.outcomes] == ["sudden", "foreseen", "missed"]
    lead = summary.outcomes[1].lead_s
    assert lead == pytest.approx(40 * 3600, abs=1)
    assert summary.outcomes[2].lead_s is None


def test_the_verdicts_agree_with_the_judge(fleet: Fleet, summary: Summary) -> None:
    verdict = summary.verdict
    found = [outcome.verdict for outcome in summary.outcomes]
    assert found.count("foreseen") == verdict.foreseen == 1
    assert found.count("missed") == verdict.missed == 1
    assert len(found) - found.count("sudden") == verdict.foreseeable == 2
    assert summary.outcomes[1].lead_s == verdict.median_lead_time_s
    assert verdict.false_alarms == 2


def test_an_alarm_on_a_sensor_foresees_nothing(fleet: Fleet) -> None:
    at = fleet.failures[1].at_ns - 40 * _HOUR_NS
    raw = alert(fleet.failures[1].machine, at, subject="sensor", sensor="flow")
    told = msgspec.json.decode(raw, type=Alert)
    assert {o.at_ns for o in outcomes(fleet, [told], HORIZON_H)} == {None}


def test_the_json_has_the_names_that_were_promised(summary: Summary) -> None:
    told = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert list(told)[:9] == [
        "seed",
        "failures",
        "foreseeable",
        "foreseen",
        "missed",
        "false_alarms",
        "healthy_machines",
        "median_lead_time_s",
        "readings_per_second",
    ]
    assert (told["failures"], told["readings_per_second"]) == (3, 3000.0)
    assert [f["verdict"] for f in told["by_failure"]] == [
        "sudden",
        "foreseen",
        "missed",
    ]
    assert told["baselines"][0]["foreseen_share"] == pytest.approx(1 / 3, abs=1e-4)


def test_a_run_in_which_nothing_was_foreseen_is_still_json(fleet: Fleet) -> None:
    nothing = summarise(fleet, [], PLAYED, 7, HORIZON_H)
    told = json.loads(json.dumps(nothing.to_json(), allow_nan=False))
    assert (told["median_lead_time_s"], told["foreseen"], told["missed"]) == (
        None,
        0,
        2,
    )
    lines = dict(nothing.lines(Phrases()))
    assert lines["Median lead time"] == "none"
    assert lines["For comparison"] == "none"


def test_the_lines_name_what_was_missed(fleet: Fleet, summary: Summary) -> None:
    sudden, _, missed = (f.machine for f in fleet.failures)
    lines = dict(summary.lines(Phrases()))
    assert lines["Failures foreseen"] == "1 of 2 that could be foreseen"
    assert missed in lines["Missed"]
    assert sudden in lines["No warning"]
    assert lines["For comparison"] == "best fixed limits: 1 of 3 (false alarms: 1)"
    chinese = summary.lines(Phrases("zh"))
    assert len(chinese) == len(lines)
    assert not {title for title, _ in chinese} & set(lines)


def test_several_runs_are_summed_up(fleet: Fleet, summary: Summary) -> None:
    worse = summarise(fleet, [], PLAYED, 8, HORIZON_H)
    told = over_seeds([summary, *[worse] * 3], [BASELINE], 60.0)
    assert told["seeds"] == [7, 8, 8, 8]
    assert told["mean"]["foreseen"] == 0.25
    assert told["mean"]["false_alarms"] == 0.5
    assert told["percentile_10"] == {"foreseen": 0.0, "foreseeable": 2.0}
    assert told["foreseen_share"] == 1 / 8
    assert told["median_lead_time_s"] == summary.verdict.median_lead_time_s
    assert told["sensor_faults_named_share"] == 0
    assert len(told["runs"]) == 4
    json.dumps(told, allow_nan=False)


def page_of(fleet: Fleet, board: Board, summary: Summary) -> Page:
    losses = np.linspace(1.0, 0.2, 10).tolist()
    stage = Stage("anomaly network", 10, losses, [float("nan")] * 10)
    signals = chosen(fleet)
    return Page(fleet, signals, board, summary, [stage], "six pumps", "period_s: <600>")


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_tells_all_and_loads_nothing(
    fleet: Fleet, summary: Summary, language: str
) -> None:
    board = board_of(fleet)
    evil = '<script>alert("x")</script>'
    at = fleet.start_ns + 70 * _HOUR_NS
    board.alert(alert(fleet.machines[0], at, message=evil, id="evil"))
    text = render(page_of(fleet, board, summary), Phrases(language))
    assert "<script" not in text
    # Every picture is in the page itself.
    sources = re.findall(r"""(?:src|href)=["']([^"']+)""", text)
    assert len(sources) == 4
    assert all(source.startswith("data:image/svg+xml;base64,") for source in sources)
    assert "default-src 'none'" in html.unescape(text)
    for name in fleet.machines:
        assert name in text
    for outcome in summary.outcomes:
        assert iso(outcome.failure.at_ns)[:16].replace("T", " ") in text
    for told in board.raised():
        assert str(escape(told.message)) in text
    assert "period_s: &lt;600&gt;" in text


def test_equal_runs_give_equal_pages(
    fleet: Fleet, board: Board, summary: Summary, tmp_path: Path
) -> None:
    page = page_of(fleet, board, summary)
    write(page, tmp_path / "a.html", Phrases())
    write(page, tmp_path / "b.html", Phrases())
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_a_page_without_training_and_baselines_is_made_too(
    fleet: Fleet, board: Board, summary: Summary
) -> None:
    bare = replace(page_of(fleet, board, replace(summary, baselines=())), stages=())
    text = render(bare, Phrases())
    assert text.count("<img") == 3
    assert "Loss by epoch" not in text
