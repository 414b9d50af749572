"""Pictures of the figures: SVG, the same bytes for the same figures.

Colours are those of Okabe and Ito, which people who see few colours tell apart; each
series has a marker of its own besides.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from benchmarks.part_tables import CONTESTANTS
from benchmarks.tables import is_spread, middle, number, spaced

Section = Mapping[str, Any]
Series = Sequence[tuple[float, float]]

_OWN, _OTHER, _BOUND = "#0072B2", "#E69F00", "#999999"
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
_MARKERS = "osD^vP"
_STYLE: dict[Any, Any] = {
    # Texts as texts keep files small; ids must not be drawn by chance.
    "svg.fonttype": "none",
    "svg.hashsalt": "foreshock",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
}


@contextmanager
def _picture(wide: float, high: float) -> Iterator[tuple[Figure, Axes]]:
    with rc_context(_STYLE):
        figure = Figure((wide, high), layout="constrained", facecolor="white")
        yield figure, figure.add_subplot()


def _svg(figure: Figure) -> str:
    written = io.StringIO()
    about = {"Date": None, "Creator": None}
    figure.savefig(written, format="svg", metadata=about)
    # Matplotlib leaves blanks at the ends of lines.
    lines = (line.rstrip() for line in written.getvalue().splitlines())
    return "\n".join(lines) + "\n"


def end_to_end(section: Section) -> str | None:
    """Bars of readings/s, with their spread."""
    shown = {name: one for name, one in section.items() if is_spread(one)}
    if not shown:
        return None
    with _picture(7.0, 0.6 + 0.36 * len(shown)) as (figure, axes):
        for place, (name, one) in enumerate(shown.items()):
            colour = _OWN if name.startswith("foreshock") else _OTHER
            axes.barh(
                place,
                one["median"],
                color=_BOUND if name == "limit" else colour,
                xerr=[[one["median"] - one["low"]], [one["high"] - one["median"]]],
                error_kw={"capsize": 3, "elinewidth": 1},
            )
        names = [CONTESTANTS.get(name, spaced(name)) for name in shown]
        labels = [name.replace("`", "") for name in names]
        axes.set_yticks(range(len(shown)), labels)
        axes.invert_yaxis()
        axes.grid(axis="x", alpha=0.3)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlabel("readings/s (median; line: lowest to highest run)")
        return _svg(figure)


def latency(section: Section) -> str | None:
    """Percentiles of the delay of alerts over the rate."""
    rates = _numbered(section)
    series = {
        f"alert, {what}": _points(rates, partial(_alert, what=what))
        for what in ("p50", "p95", "p99", "max")
    }
    return _lines(series, "readings/s sent", "delay, ms", log=True)


def _alert(entry: Section, what: str) -> float | None:
    return middle(entry.get("alert", {}).get(what))


def scale(section: Section) -> str | None:
    """Readings/s over the number of machines."""
    series = {
        "readings/s": _points(
            _numbered(section, "machines"),
            lambda one: middle(one.get("readings_per_s")),
        )
    }
    return _lines(series, "machines", "readings/s")


def memory(section: Section) -> str | None:
    """Memory over the number of machines."""
    series = {
        "memory": _points(
            _numbered(section, "machines"), lambda one: middle(one.get("rss_mib"))
        )
    }
    return _lines(series, "machines", "resident memory, MiB")


def recovery(section: Section) -> str | None:
    """Seconds from the end of a worker to new scores over the number of machines."""
    series = {
        "recovery": _points(
            _numbered(section, "machines"), lambda one: middle(one.get("seconds"))
        )
    }
    return _lines(series, "machines", "s to the first new score")


def inference(section: Section) -> str | None:
    """Windows/s over windows per call, by backend and device."""
    series: dict[str, list[tuple[float, float]]] = {}
    for name, entry in section.items():
        found = re.fullmatch(r"([a-z]+)_(cpu|gpu)_(\d+)", name)
        if not found:
            continue
        device = f"{found[1]}, {found[2].upper()}"
        for what, one in (
            (device, entry),
            (f"{device}, predict", entry.get("predict")),
        ):
            if one:
                rate = one["windows_per_s"]["median"]
                series.setdefault(what, []).append((float(found[3]), rate))
    return _lines(series, "windows a call", "windows/s", log=True)


def _numbered(section: Section, what: str = "") -> dict[int, Section]:
    """Entries named by a number, such as machines_1000; ascending."""
    prefix = f"{what}_" if what else ""
    found = {
        int(name.removeprefix(prefix)): entry
        for name, entry in section.items()
        if name.startswith(prefix) and name.removeprefix(prefix).isdigit()
    }
    return dict(sorted(found.items()))


def _points(
    entries: Mapping[int, Section], figure: Callable[[Section], float | None]
) -> list[tuple[float, float]]:
    found = ((float(x), figure(entry)) for x, entry in entries.items())
    return [(x, y) for x, y in found if y is not None]


def _lines(
    series: Mapping[str, Series], across: str, up: str, *, log: bool = False
) -> str | None:
    shown = {name: sorted(points) for name, points in series.items() if points}
    if not shown:
        return None
    with _picture(6.0, 3.2) as (figure, axes):
        for place, (name, points) in enumerate(shown.items()):
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=_COLOURS[place % len(_COLOURS)],
                marker=_MARKERS[place % len(_MARKERS)],
                label=name,
            )
        axes.set_xscale("log")
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_minor_locator(NullLocator())
        else:
            highest = max(y for points in shown.values() for _, y in points)
            axes.set_ylim(0, 1.08 * highest or 1)
        ticks = sorted({x for points in shown.values() for x, _ in points})
        axes.set_xticks(ticks, [f"{x:,.0f}" for x in ticks], minor=False)
        axes.xaxis.minorticks_off()
        axes.yaxis.set_major_formatter(lambda y, _: number(y))
        axes.grid(axis="y", alpha=0.3)
        axes.set_xlabel(across)
        axes.set_ylabel(up)
        if len(shown) > 1:
            axes.legend(frameon=False, fontsize=8)
        return _svg(figure)


ALL: dict[str, tuple[str, Callable[[Section], str | None]]] = {
    "end_to_end": ("end_to_end", end_to_end),
    "latency": ("latency", latency),
    "scale": ("scale", scale),
    "memory": ("scale", memory),
    "recovery": ("recovery", recovery),
    "inference": ("inference", inference),
}
"""By name of the picture: the part it shows, and what draws it."""
