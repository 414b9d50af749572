"""Running maxima and look-ups within groups of sorted rows, without a loop."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import Ints


def starts(groups: Ints) -> NDArray[np.bool_]:
    """Mark the first row of each run of equal values; (n,) in, (n,) out."""
    first = np.ones(len(groups), np.bool_)
    first[1:] = groups[1:] != groups[:-1]
    return first


def running_max(groups: Ints, values: Ints, floor: Ints) -> Ints:
    """Return the highest value so far within each group.

    Args:
        groups: (n,) ascending group numbers.
        values: (n,) values in the order in which they came.
        floor: (n,) value to start from, the same for all rows of a group.
    """
    values = np.maximum(values, floor)
    rank, order = _ranks(values)
    number = np.cumsum(starts(groups)) - 1
    # Groups ascend, so adding the group's number keeps one group out of the next.
    best = np.maximum.accumulate(number * len(order) + rank)
    result: Ints = order[best - number * len(order)]
    return result


def first_above(groups: Ints, values: Ints, wanted_groups: Ints, wanted: Ints) -> Ints:
    """Return where in its group the first value above each wanted one stands.

    Args:
        groups: (n,) ascending group numbers.
        values: (n,) ascending within each group.
        wanted_groups: (m,) groups, each of which stands in ``groups``.
        wanted: (m,) values to exceed.

    Returns:
        (m,) positions in ``values``, clipped to the last of the group where none
        exceeds.
    """
    rank, order = _ranks(np.concatenate([values, wanted]))
    size = len(order) + 1
    have, want = rank[: len(values)], rank[len(values) :]
    at = np.searchsorted(groups * size + have, wanted_groups * size + want, "right")
    last = np.searchsorted(groups, wanted_groups, "right") - 1
    return np.minimum(at, last)


def _ranks(values: Ints) -> tuple[Ints, Ints]:
    """Return dense ranks and the sorted distinct values: small enough to combine."""
    order, rank = np.unique(values, return_inverse=True)
    return rank, order
