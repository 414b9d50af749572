"""The demo's report: one HTML file that loads nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from stream.demo import plots
from stream.demo.board import Board
from stream.demo.fleet import Fleet, iso
from stream.demo.judge import EARLIEST, LATEST
from stream.demo.learning import Stage
from stream.demo.phrases import Phrases
from stream.demo.signals import Signal
from stream.demo.summary import Summary
from stream.worker.words import term

# The page runs no script and loads nothing; a browser is told to hold it to that.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class Page:
    """What the report is about.

    Attributes:
        fleet: With the truth.
        signals: That the demo began with.
        board: What came of the fleet.
        summary: Of the run.
        stages: Of training; empty where the models were there.
        about: What was simulated, in words.
        parameters: Text of the file of parameters.
    """

    fleet: Fleet
    signals: Sequence[Signal]
    board: Board
    summary: Summary
    stages: Sequence[Stage]
    about: str
    parameters: str


def render(page: Page, say: Phrases) -> str:
    """Return the page; everything in it is escaped or drawn."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = files("stream.demo").joinpath(_TEMPLATE).read_text("utf-8")
    board, fleet, summary = page.board, page.fleet, page.summary
    horizon = summary.horizon_h
    return environment.from_string(template).render(
        say=say,
        policy=POLICY,
        page=page,
        tiles=_tiles(summary, say),
        lines=summary.lines(say),
        methods=_methods(summary, say),
        horizon=horizon,
        early=EARLIEST * horizon,
        late=LATEST * horizon,
        signals=plots.signals(fleet, page.signals, say),
        failures=plots.failures(
            summary.outcomes, board.machines, board.alerts, horizon, say
        ),
        healthy=plots.healthy(fleet, board.machines, board.alerts, say),
        training=plots.training(page.stages, say) if page.stages else "",
        outcomes=_outcomes(summary, say),
        faults=_faults(page, say),
        machines=_machines(board, say),
        alerts=[
            (a.time[:16].replace("T", " "), a.severity, _severity(a.severity, say), a)
            for a in board.raised()
        ],
    )


def write(page: Page, path: Path, say: Phrases) -> None:
    """Write the page to a file."""
    path.write_text(render(page, say), encoding="utf-8")


def _tiles(summary: Summary, say: Phrases) -> list[tuple[str, str]]:
    v = summary.verdict
    lead = f"{v.median_lead_time_s / 3600:.0f} h" if v.foreseen else "-"
    return [
        (f"{v.foreseen} / {v.foreseeable}", say("sum.foreseen")),
        (lead, say("sum.lead")),
        (str(v.false_alarms), say("sum.false")),
        (f"{v.sensor_faults_named} / {v.sensor_faults}", say("sum.faults")),
        (f"{summary.played.per_second:,.0f}", say("report.rate")),
    ]


def _methods(summary: Summary, say: Phrases) -> list[dict[str, Any]]:
    v = summary.verdict
    ours = {
        "name": "Foreshock",
        "foreseen": v.foreseen,
        "of": v.foreseeable,
        "false": v.false_alarms,
        "how": "",
    }
    rest = [
        {
            "name": say.known("baseline", b.name),
            "foreseen": b.foreseen,
            "of": b.foreseeable,
            "false": b.false_alarms,
            "how": f"{b.how}, {say('report.delay', rows=b.on_rows)}",
        }
        for b in summary.baselines
    ]
    return [ours, *rest]


def _outcomes(summary: Summary, say: Phrases) -> list[dict[str, str]]:
    return [
        {
            "machine": o.failure.machine,
            "time": _minute(o.failure.at_ns),
            "mechanism": say.known("mechanism", o.failure.mechanism),
            "driving": say.label(o.failure.driving),
            "verdict": o.verdict,
            "lead": say(o.verdict) if o.lead_s is None else f"{o.lead_s / 3600:.0f}",
        }
        for o in summary.outcomes
    ]


def _faults(page: Page, say: Phrases) -> list[dict[str, str]]:
    missed = page.summary.verdict.sensor_faults_missed
    return [
        {
            "machine": f.machine,
            "sensor": say.label(f.sensor),
            "kind": say.known("fault", f.kind),
            "from": _minute(f.from_ns),
            "to": _minute(f.to_ns),
            "named": "no" if f.kind in missed else "yes",
        }
        for f in page.fleet.faults
    ]


def _machines(board: Board, say: Phrases) -> list[dict[str, str]]:
    found = []
    for machine in board.machines.values():
        score = machine.score
        given = score is not None and score.health is not None and not machine.failed
        row = {
            "name": machine.name,
            "state": machine.state,
            "health": "",
            "risk": "",
            "life": "",
            "reason": machine.reason().told(say),
            "anomaly": "",
        }
        if score is not None and given:
            row["health"] = f"{score.health:.0f}"
            row["anomaly"], row["life"] = score.rarity(), score.life()
            if score.risk is not None:
                row["risk"] = f"{100 * score.risk:.0f} %"
        found.append(row)
    return found


def _severity(severity: str, say: Phrases) -> str:
    return term("severity", severity, say.language)


def _minute(time_ns: int) -> str:
    return iso(time_ns)[:16].replace("T", " ")
