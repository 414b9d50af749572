"""When machines were last heard from, by the worker's own clock."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream.core.pipeline import Pipeline
from stream.core.readings import Ints, Readings


class Silence:
    """The time of the last reading of every machine of one partition, in s."""

    def __init__(self) -> None:
        """Start knowing no machine."""
        self._heard: list[NDArray[np.float64]] = []

    def start(self, pipeline: Pipeline, now_s: float) -> None:
        """Count the silence of restored machines from now."""
        self._heard = [np.full(len(names), now_s) for names in pipeline.machines.names]

    def heard(self, readings: Sequence[Readings], now_s: float) -> None:
        """Note the machines that readings came from."""
        for kind, batch in enumerate(readings):
            size = int(batch.machine.max(initial=-1)) + 1
            more = size - len(self._heard[kind])
            if more > 0:
                grown = [self._heard[kind], np.full(more, now_s)]
                self._heard[kind] = np.concatenate(grown)
            self._heard[kind][batch.machine] = now_s

    def machines(self, now_s: float, longer_than_s: Sequence[float]) -> list[Ints]:
        """Return per type the numbers of machines silent for longer than given."""
        pairs = zip(self._heard, longer_than_s, strict=True)
        return [np.flatnonzero(now_s - at > longest) for at, longest in pairs]
