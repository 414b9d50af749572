"""Plots of the demo's report, each as one SVG in a data URI."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from stream.core.alert import Alert
from stream.demo.board import Machine
from stream.demo.fleet import Fleet, time_of
from stream.demo.judge import EARLIEST, HOUR_NS, LATEST
from stream.demo.learning import Stage
from stream.demo.phrases import Phrases
from stream.demo.signals import Signal
from stream.demo.summary import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREY, RED, ORANGE, GREEN = "#1f5fa8", "#8a8f98", "#b3261e", "#e07b00", "#dcefdc"
_BEFORE_H, _AFTER_H = 240, 36
_DAY_NS = 24 * HOUR_NS
_SILENCE_NS = 6 * HOUR_NS
_STYLE: Any = {
    # Letters stay letters: the browser has fonts for every language.
    "svg.fonttype": "none",
    "svg.hashsalt": "foreshock",
    "font.family": "sans-serif",
    "font.size": 9,
}


def signals(fleet: Fleet, found: Sequence[Signal], say: Phrases) -> str:
    """The four signals that the demo begins with."""
    figure, axes = _grid(len(found), 2, 2.1)
    for ax, signal in zip(axes, found, strict=True):
        ax.plot(_days(signal.time_ns, fleet), signal.values, color=BLUE, lw=0.6)
        unit = signal.unit.replace("Cel", "°C").strip("{}")
        _title(ax, signal.title(say))
        ax.set_ylabel(unit)
        begin, end = signal.mark_ns
        if end > begin:
            ax.axvspan(*_span(begin, end, fleet), color=GREY, alpha=0.25, lw=0)
        elif end:
            ax.axvline(float(_days(end, fleet)), color=RED, lw=1.5)
    for ax in axes[-2:]:
        ax.set_xlabel(say("report.day"))
    return _uri(figure)


def failures(
    outcomes: Sequence[Outcome],
    machines: dict[str, Machine],
    alerts: Sequence[Alert],
    horizon_h: float,
    say: Phrases,
) -> str:
    """Risk before each failure, with alarms and the failure itself."""
    figure, axes = _grid(len(outcomes), 3, 1.75)
    for ax, outcome in zip(axes, outcomes, strict=True):
        failure = outcome.failure
        at = failure.at_ns
        low, high = at - _BEFORE_H * HOUR_NS, at + _AFTER_H * HOUR_NS
        window = [at - int(x * horizon_h * HOUR_NS) for x in (EARLIEST, LATEST)]
        if failure.foreseeable:
            ax.axvspan(*(_hours(t, at) for t in window), color=GREEN, lw=0)
        _risk(ax, machines[failure.machine], (low, high), at)
        for alert in _raised(alerts, failure.machine):
            when = time_of(alert.time)
            if low <= when <= high:
                ax.axvline(_hours(when, at), color=ORANGE, lw=1.6)
        ax.axvline(0, color=RED, lw=1.6)
        lead = outcome.lead_s
        verdict = f"-{lead / 3600:.0f} h" if lead is not None else say(outcome.verdict)
        mechanism = say.known("mechanism", failure.mechanism)
        colour = RED if outcome.verdict == "missed" else "black"
        _title(ax, f"{failure.machine}: {mechanism}, {verdict}", colour)
        ax.set(ylim=(0, 1), xlim=(-_BEFORE_H, _AFTER_H))
    for ax in axes[-3:]:
        ax.set_xlabel(say("report.hours"))
    return _uri(figure)


def healthy(
    fleet: Fleet, machines: dict[str, Machine], alerts: Sequence[Alert], say: Phrases
) -> str:
    """Risk of the machines that did not fail, with alarms and broken sensors."""
    failed = {failure.machine for failure in fleet.failures}
    names = [name for name in fleet.machines if name not in failed]
    figure, axes = _grid(len(names), 2, 1.3)
    for ax, name in zip(axes, names, strict=True):
        machine = machines[name]
        for fault in fleet.faults:
            if fault.machine == name:
                span = _span(fault.from_ns, fault.to_ns, fleet)
                ax.axvspan(*span, color=GREY, alpha=0.3, lw=0)
        times = np.array(machine.times, np.int64)
        ax.plot(_days(times, fleet), _gaps(times, machine.risk), color=BLUE, lw=0.9)
        for alert in _raised(alerts, name):
            ax.axvline(float(_days(time_of(alert.time), fleet)), color=ORANGE, lw=1.6)
        _title(ax, name)
        ax.set(ylim=(0, 1), xlim=_span(fleet.start_ns, fleet.end_ns, fleet))
    for ax in axes[-2:]:
        ax.set_xlabel(say("report.day"))
    return _uri(figure)


def training(stages: Sequence[Stage], say: Phrases) -> str:
    """Losses by epoch."""
    figure, axes = _grid(len(stages), max(len(stages), 1), 2.1)
    for ax, stage in zip(axes, stages, strict=True):
        epochs = np.arange(1, len(stage.loss) + 1)
        ax.plot(epochs, stage.loss, color=GREY, lw=1.2, label=say("report.loss"))
        ax.plot(epochs, stage.held_out, color=BLUE, lw=1.6, label=say("report.held"))
        _title(ax, stage.title)
        ax.legend(frameon=False)
    return _uri(figure)


def _risk(ax: Axes, machine: Machine, span: tuple[int, int], at_ns: int) -> None:
    times = np.array(machine.times, np.int64)
    here = (times >= span[0]) & (times <= span[1])
    x = (times[here] - at_ns) / HOUR_NS
    risk = _gaps(times, machine.risk)[here]
    ax.plot(x, risk, color=BLUE, lw=1.2)


def _gaps(time_ns: NDArray[np.int64], values: Sequence[float]) -> NDArray[np.float64]:
    """Values with a break in the line after every long silence."""
    found = np.array(values, np.float64)
    found[1:][np.diff(time_ns) > _SILENCE_NS] = np.nan
    return found


def _title(ax: Axes, text: str, colour: str = "black") -> None:
    ax.set_title(text, loc="left", fontsize=9.5, color=colour)


def _raised(alerts: Sequence[Alert], machine: str) -> list[Alert]:
    return [
        alert
        for alert in alerts
        if alert.machine == machine
        and alert.event == "raised"
        and alert.subject == "machine"
    ]


def _hours(time_ns: int, at_ns: int) -> float:
    return (time_ns - at_ns) / HOUR_NS


def _days(time_ns: ArrayLike, fleet: Fleet) -> NDArray[np.float64]:
    """Days since the fleet's beginning."""
    return (np.asarray(time_ns, np.int64) - fleet.start_ns) / _DAY_NS


def _span(begin_ns: int, end_ns: int, fleet: Fleet) -> tuple[float, float]:
    begin, end = _days([begin_ns, end_ns], fleet).tolist()
    return begin, end


def _grid(count: int, columns: int, height: float) -> tuple[Figure, list[Axes]]:
    rows = -(-max(count, 1) // columns)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, height * rows), layout="constrained")
        FigureCanvasSVG(figure)
        axes = [figure.add_subplot(rows, columns, i + 1) for i in range(count)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.2)
        ax.tick_params(labelsize=8)
    return figure, axes


def _uri(figure: Figure) -> str:
    text = io.StringIO()
    with warnings.catch_warnings(), mpl.rc_context(_STYLE):
        # Letters that our measuring font lacks are the browser's business.
        warnings.filterwarnings("ignore", message="Glyph")
        figure.savefig(text, format="svg", metadata={"Date": None})
    plain = text.getvalue().encode()
    return f"data:image/svg+xml;base64,{base64.b64encode(plain).decode('ascii')}"
