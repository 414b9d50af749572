"""Curves in letters: sparklines of eighths, and plots of braille dots."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_EIGHTHS = " ▁▂▃▄▅▆▇█"
_BRAILLE = 0x2800
# Bits of the dots of one letter, from the bottom: left column, right column.
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))


def thinned(values: ArrayLike, count: int) -> NDArray[np.float64]:
    """Means of so many equal parts, NaN where a part holds nothing."""
    given = np.asarray(values, np.float64)
    parts = np.array_split(given, count) if len(given) else [given] * count
    return np.array([np.nan if np.isnan(p).all() else np.nanmean(p) for p in parts])


def spark(values: ArrayLike, width: int, low: float, high: float) -> str:
    """A curve as one line of blocks; blank where there is nothing.

    Example:
        >>> spark([0, 1, 2, 3], 4, 0, 3)
        '▁▃▆█'
    """
    found = thinned(values, width)
    share = np.clip((found - low) / max(high - low, 1e-12), 0.0, 1.0)
    return "".join(
        " " if np.isnan(s) else _EIGHTHS[1 + round(float(s) * 7)] for s in share
    )


def bar(share: float, width: int) -> str:
    """A bar in eighths of a letter, as wide as `width` at 1.

    Example:
        >>> bar(0.5, 4)
        '██  '
    """
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    part = "" if full == width else "▏▎▍▌▋▊▉"[rest - 1] if rest else ""
    return f"{'█' * full + part:{width}}"


def plot(values: ArrayLike, width: int, height: int) -> list[str]:
    """A curve as lines of braille, between its least and its greatest value.

    Args:
        values: In order of time; NaN leaves a gap.
        width: Letters, of two dots each.
        height: Lines, of four dots each.
    """
    found = thinned(values, 2 * width)
    grid = np.full((height, width), _BRAILLE)
    if not np.isnan(found).all():
        low, high = np.nanmin(found), np.nanmax(found)
        share = (found - low) / max(high - low, 1e-12)
        levels = np.round(share * (4 * height - 1))
        last = np.nan
        for x, level in enumerate(levels.tolist()):
            if not np.isnan(level):
                _stroke(grid, x, int(level), int(level if np.isnan(last) else last))
            last = level
    return ["".join(map(chr, row)) for row in grid.tolist()]


def _stroke(grid: NDArray[np.int64], x: int, level: int, last: int) -> None:
    """Draw a point, and the upright line from the one before."""
    low, high = sorted((level, last))
    # The line joins the two levels without hiding the last point.
    for y in range(low, high + 1):
        if y == last and y != level:
            continue
        line, dot = divmod(y, 4)
        grid[len(grid) - 1 - line, x // 2] |= _DOTS[x % 2][dot]
