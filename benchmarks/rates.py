"""Rates, taken in several runs, and their spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Figures = dict[str, Any]


@dataclass
class Case:
    """Something that is timed.

    Attributes:
        call: does it once, and waits for the result.
        per_call: windows of one call.
        flop: floating-point operations of one window.
        more: figures beside the rates.
        rates: windows per second of each run.
    """

    call: Callable[[], Any]
    per_call: int
    flop: int
    more: Figures = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)

    def time(self, seconds: float) -> None:
        """Add one run of at least that long."""
        self.rates.append(rate(self.call, seconds) * self.per_call)

    def figures(self, products: Sequence[float]) -> Figures:
        """Spreads of windows/s, GFLOP/s and the share of `products` (GFLOP/s)."""
        gflop = [r * self.flop / 1e9 for r in self.rates]
        shares = [g / p for g, p in zip(gflop, products, strict=True)]
        return {
            "windows_per_s": spread(self.rates, 1),
            "gflop_per_s": spread(gflop, 3),
            "share_of_matmul": spread(shares, 5),
            **self.more,
        }


def spread(runs: Sequence[float], digits: int) -> Figures:
    """Median, low (least), high (most) and the runs themselves, rounded."""
    rounded = [round(run, digits) for run in runs]
    return {
        "median": round(statistics.median(runs), digits),
        "low": min(rounded),
        "high": max(rounded),
        "runs": rounded,
    }


def rate(call: Callable[[], Any], seconds: float) -> float:
    """Calls per second, over at least `seconds` and one call."""
    calls, start = 0, time.perf_counter()
    while True:
        call()
        calls += 1
        took = time.perf_counter() - start
        if took >= seconds:
            return calls / took
