"""Percentiles of delays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Figures = dict[str, Any]


def percentiles(delays_ms: Sequence[float] | NDArray[np.float64]) -> Figures:
    """Return p50, p95, p99 and max of delays in ms, and their count.

    A percentile is the least of the delays that so many of a hundred do not exceed;
    none is made up between two of them. Without delays all are None.
    """
    delays = np.asarray(delays_ms, np.float64)
    if not len(delays):
        return {"p50": None, "p95": None, "p99": None, "max": None, "count": 0}
    found = np.percentile(delays, [50, 95, 99, 100], method="inverted_cdf")
    p50, p95, p99, highest = (round(float(x), 2) for x in found)
    return {"p50": p50, "p95": p95, "p99": p99, "max": highest, "count": len(delays)}
