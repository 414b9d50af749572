"""Figures as tables, for the terminal and for the documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table as RichTable

from benchmarks.compare import Verdict

Row = tuple[str, ...]

_UNITS = {
    "per_s": "{}/s",
    "us_per_reading": "{}, µs a reading",
    "us": "{}, µs",
    "ms": "{}, ms",
    "s": "{}, s",
    "mib": "{}, MiB",
    "gib": "{}, GiB",
    "bytes": "{}, bytes",
}


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: what it shows.
        columns: their heads; the first names the rows, the others hold figures.
        rows: as many texts each as there are columns.
    """

    title: str
    columns: Row
    rows: Sequence[Row]

    def markdown(self) -> str:
        """Return it as Markdown, without the title."""
        rule = ("---", *("---:" for _ in self.columns[1:]))
        lines = (self.columns, rule, *self.rows)
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def rich(self) -> RichTable:
        """Return it for the terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="right" if place else "left")
        for row in self.rows:
            table.add_row(*(text.replace("`", "") for text in row))
        return table


def number(value: float) -> str:
    """Return a number with about three digits that mean something.

    >>> number(123456.7), number(12.345), number(0.012345)
    ('123,457', '12.3', '0.0123')
    """
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 1 else f"{value:.3g}"


def percent(value: float) -> str:
    """Return a share as text.

    >>> percent(0.412), percent(0.0123)
    ('41 %', '1.2 %')
    """
    digits = 0 if value >= 0.095 else 1
    return f"{100 * value:.{digits}f} %"


def is_spread(value: Any) -> bool:
    """Tell whether it is a figure of several runs."""
    return isinstance(value, Mapping) and {"median", "low", "high"} <= value.keys()


def middle(value: Any) -> float | None:
    """Return a figure's median, or the figure itself; None if it is none."""
    found = value["median"] if is_spread(value) else value
    fit = isinstance(found, int | float) and not isinstance(found, bool)
    return float(found) if fit else None


def text(value: Any) -> str:
    """Return a figure as text, with its spread if it has one; "" if it is none.

    >>> text({"median": 12.0, "low": 11.5, "high": 13.0, "runs": []})
    '12 (11.5 to 13)'
    """
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, str):
        return value
    found = middle(value)
    if found is None:
        return ""
    if not is_spread(value) or len(value.get("runs", "..")) == 1:
        return number(found)
    return f"{number(found)} ({number(value['low'])} to {number(value['high'])})"


def spaced(name: str) -> str:
    """Return a name for people, its number with separators.

    >>> spaced("machines_100000"), spaced("rss_mib"), spaced("readings_per_s")
    ('100,000 machines', 'memory, MiB', 'readings/s')
    >>> spaced("machines_100000_no_checkpoints")
    '100,000 machines, no checkpoints'
    """
    count = re.fullmatch(r"([a-z]+)_(\d+)(_.*)?", name)
    if count:
        more = (count[3] or "").replace("_", " ")
        return f"{int(count[2]):,} {count[1]}{',' if more else ''}{more}"
    if name.isdigit():
        return f"{int(name):,}"
    for unit, form in _UNITS.items():
        if name.endswith(f"_{unit}"):
            return form.format(spaced(name.removesuffix(f"_{unit}")))
    return {"rss": "memory", "cpu": "CPU"}.get(name) or name.replace("_", " ")


def verdicts(found: Sequence[Verdict]) -> Table:
    """Return ratios beside the stored ones."""
    rows = [
        (
            one.name,
            "not measured" if one.now is None else text(one.now.json()),
            "" if one.stored is None else text(one.stored.json()),
            {"up": "BETTER", "down": "WORSE"}.get(one.moved, _why_not(one)),
        )
        for one in found
    ]
    columns = ("ratio", "now", "stored", "moved")
    return Table("Ratios, against the stored ones", columns, rows)


def _why_not(one: Verdict) -> str:
    if one.now is None:
        return ""
    return "new" if one.stored is None else "no"
