"""What stands before and after the live table: the signals, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from stream.demo.glyphs import plot, spark
from stream.demo.phrases import Phrases
from stream.demo.signals import Signal
from stream.demo.summary import Summary

_TWO_COLUMNS = 84


def lively(console: Console) -> bool:
    """Whether things may move."""
    return console.is_terminal and not console.is_dumb_terminal


def opening(
    console: Console, signals: Sequence[Signal], say: Phrases, about: str
) -> None:
    """Show what is simulated."""
    console.print(Text(say("title"), "bold"), Text(say("advises"), "dim"))
    console.print(Text(about))
    if not lively(console):
        for signal in signals:
            low, high = float(np.nanmin(signal.values)), float(np.nanmax(signal.values))
            console.print(f"  {signal.title(say)} ({_range(signal, say)})")
            console.print(f"  {spark(signal.values, 64, low, high)}")
        return
    columns = 2 if console.width >= _TWO_COLUMNS else 1
    grid = Table.grid(expand=True, padding=(0, 1))
    for _ in range(columns):
        grid.add_column(ratio=1)
    width = console.width // columns - 5
    height = 5 if columns == 2 else 3
    panels = [_panel(signal, width, height, say) for signal in signals]
    for at in range(0, len(panels), columns):
        grid.add_row(*panels[at : at + columns])
    console.print(grid)


def _panel(signal: Signal, width: int, height: int, say: Phrases) -> Panel:
    colour = {"failing": "red", "fault": "magenta"}.get(signal.kind, "cyan")
    lines = plot(signal.values, width, height)
    return Panel(
        Text("\n".join(lines), colour, no_wrap=True),
        title=Text(signal.title(say)),
        title_align="left",
        subtitle=Text(_range(signal, say), "dim"),
        subtitle_align="right",
        border_style="dim",
    )


def _range(signal: Signal, say: Phrases) -> str:
    low, high = np.nanmin(signal.values), np.nanmax(signal.values)
    unit = signal.unit.replace("Cel", "°C").strip("{}")
    return f"{low:.3g} … {high:.3g} {unit}, {say('days', days=signal.days)}"


def closing(
    console: Console,
    summary: Summary,
    say: Phrases,
    report: str,
    following: Sequence[tuple[str, str]],
) -> None:
    """Say what it came to, and what to do next.

    Args:
        console: Where.
        summary: Of the run.
        say: In which words.
        report: Path of the report.
        following: Commands, and what they are for.
    """
    lines = [*summary.lines(say), (say("sum.report"), report)]
    console.print()
    console.print(Text(say("summary"), "bold"))
    _pairs(console, lines, "bold")
    console.print(Text(say("next"), "bold"))
    _pairs(console, following, "cyan")


def _pairs(console: Console, pairs: Sequence[tuple[str, str]], style: str) -> None:
    width = max((Text(left).cell_len for left, _ in pairs), default=0)
    for left, right in pairs:
        pad = " " * (width - Text(left).cell_len)
        if lively(console):
            grid = Table.grid(padding=(0, 2))
            grid.add_column(width=width + 2)
            grid.add_column()
            grid.add_row(Text(f"  {left}", style), Text(right))
            console.print(grid)
        else:
            console.print(f"  {left}{pad}  {right}", soft_wrap=True)
