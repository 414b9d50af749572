"""Windows per machine, written by hand as a peer's careful user would: in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.job import ROWS, STRIDE

_SLACK = 34
"""Rows a ring holds beyond the window: how many of a machine go in at one step."""


@dataclass(frozen=True)
class Due:
    """Windows that a batch completed.

    Attributes:
        row: (n,) position in the batch of the reading that completed each.
        values: (n, rows, sensors) float32, oldest first; where fewer readings are
            there, the oldest is repeated to the left.
        filled: (n,) int32 count of real rows.
    """

    row: NDArray[np.intp]
    values: NDArray[np.float32]
    filled: NDArray[np.int32]


class Rings:
    """The newest rows of every machine; one array for all."""

    def __init__(self, sensors: int, rows: int = ROWS, stride: int = STRIDE) -> None:
        """Start with no machines.

        Args:
            sensors: columns.
            rows: of a window.
            stride: a window is due at every so many rows of a machine.
        """
        self._rows, self._stride = rows, stride
        self._size = rows + _SLACK
        self._back = np.arange(rows - 1, -1, -1)
        self._number: dict[str, int] = {}
        self._seen = np.zeros(1024, np.int64)
        self._ring = np.zeros((1024, self._size, sensors), np.float32)

    def push(self, names: list[str], values: NDArray[np.float32]) -> list[Due]:
        """Take rows in order and return the windows that fall due.

        Args:
            names: (n,) machine of each row.
            values: (n, sensors).
        """
        machine = self._numbers(names)
        order = np.argsort(machine, kind="stable")
        machine = machine[order]
        first = np.flatnonzero(np.diff(machine, prepend=-1))
        count = np.diff(first, append=len(machine))
        rank = np.arange(len(machine)) - np.repeat(first, count)
        at = self._seen[machine] + rank
        self._seen[machine[first]] += count
        step = rank // _SLACK
        return [
            self._step(order, machine, at, values, np.flatnonzero(step == turn))
            for turn in range(int(step.max(initial=-1)) + 1)
        ]

    def _numbers(self, names: list[str]) -> NDArray[np.int64]:
        known = self._number
        try:
            return np.array([known[name] for name in names], np.int64)
        except KeyError:
            for name in names:
                known.setdefault(name, len(known))
        while len(known) > len(self._seen):
            self._seen = np.concatenate([self._seen, np.zeros_like(self._seen)])
            self._ring = np.concatenate([self._ring, np.zeros_like(self._ring)])
        return np.array([known[name] for name in names], np.int64)

    def _step(
        self,
        order: NDArray[np.intp],
        machine: NDArray[np.int64],
        at: NDArray[np.int64],
        values: NDArray[np.float32],
        now: NDArray[np.intp],
    ) -> Due:
        """Put in so few rows of each machine that none is overwritten unread."""
        self._ring[machine[now], at[now] % self._size] = values[order[now]]
        due = now[(at[now] + 1) % self._stride == 0]
        # Before a machine's first row stands that row.
        places = np.maximum(at[due, None] - self._back, 0) % self._size
        return Due(
            row=order[due],
            values=self._ring[machine[due, None], places],
            filled=np.minimum(at[due] + 1, self._rows).astype(np.int32),
        )
