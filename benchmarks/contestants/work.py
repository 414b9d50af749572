"""What all peers call: raw messages in, keyed score messages out."""

from __future__ import annotations

import argparse
import gc
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.contestants.windows import Due, Rings
from benchmarks.job import Job
from models import bundle as bundles
from models.windows import WindowArrays

Keyed = tuple[bytes, bytes]
"""Key and value of a score."""


class Rul(msgspec.Struct):
    """Quantiles of the remaining life."""

    p05: float
    p50: float
    p95: float


class Score(msgspec.Struct):
    """A score message."""

    machine: str
    time: str
    risk: float
    rul: Rul
    anomaly: float


class Readings:
    """Decodes a batch of messages in one call, into typed structs."""

    def __init__(self, sensors: int) -> None:
        """Compile the decoder.

        Args:
            sensors: of each machine, all in one message.
        """
        names = [(name, float, np.nan) for name in Job(sensors=sensors).names]
        inner = msgspec.defstruct("Values", names, gc=False)
        fields = [("machine", str), ("time", str), ("values", inner)]
        reading = msgspec.defstruct("Reading", fields, gc=False)
        self._decoder = msgspec.json.Decoder(list[reading])  # type: ignore[valid-type]
        self._sensors = sensors

    def __call__(
        self, payloads: Sequence[bytes]
    ) -> tuple[list[str], list[str], NDArray[np.float32]]:
        """Return machines, times and (n, sensors) values of some messages."""
        found: list[Any] = self._decoder.decode(b"[" + b",".join(payloads) + b"]")
        astuple, count = msgspec.structs.astuple, len(found) * self._sensors
        numbers = chain.from_iterable([astuple(one.values) for one in found])
        values = np.fromiter(numbers, np.float32, count).reshape(-1, self._sensors)
        return [one.machine for one in found], [one.time for one in found], values


class Work:
    """Decodes, windows, scores and encodes micro-batches; one call at a time."""

    def __init__(self, bundle: Path, sensors: int) -> None:
        """Load and compile both models.

        Args:
            bundle: its folder.
            sensors: of each machine.
        """
        self._readings = Readings(sensors)
        self._rings = Rings(sensors)
        self._predictor = bundles.load(bundle).predictor()
        self._predictor.warm_up()
        self._encode = msgspec.json.Encoder().encode
        # What TensorFlow made stays; no collection need look at it again.
        gc.freeze()

    def __call__(
        self, payloads: Sequence[bytes], rings: Rings | None = None
    ) -> list[Keyed]:
        """Score the windows that these messages complete.

        Args:
            payloads: messages of any machines, in order.
            rings: these machines' newest rows; None: of all machines in one place.
        """
        if not payloads:
            return []
        names, times, values = self._readings(payloads)
        out: list[Keyed] = []
        for due in (rings or self._rings).push(names, values):
            if len(due.row):
                out += self._scores(due, names, times)
        return out

    def _scores(self, due: Due, names: list[str], times: list[str]) -> list[Keyed]:
        n, rows, sensors = due.values.shape
        windows = WindowArrays(
            values=due.values,
            filled=due.filled,
            times_ns=np.zeros((n, rows), np.int64),
            baseline=np.zeros((n, 0, sensors), np.float32),
            n_base=np.zeros(n, np.int32),
            age=np.full(n, np.nan),
        )
        found = self._predictor.predict(windows)
        columns = zip(
            due.row.tolist(),
            found.risk.tolist(),
            found.rul.tolist(),
            found.anomaly.tolist(),
            strict=True,
        )
        return [
            (
                names[row].encode(),
                self._encode(Score(names[row], times[row], risk, Rul(*rul), anomaly)),
            )
            for row, risk, rul, anomaly in columns
        ]


class Behind:
    """Work in a thread of its own: the next batch is collected meanwhile."""

    def __init__(self, work: Work) -> None:
        """Start the thread with its first batch.

        Args:
            work: what it does.
        """
        self._work = work
        self._pool = ThreadPoolExecutor(1)
        self._last: Future[list[Keyed]] | None = None

    def give(self, payloads: Sequence[bytes]) -> list[Keyed]:
        """Return the scores of the batch before, and begin with this one."""
        done = self.rest()
        self._last = self._pool.submit(self._work, payloads)
        return done

    def rest(self) -> list[Keyed]:
        """Wait for the scores of the last batch."""
        last, self._last = self._last, None
        return [] if last is None else last.result()


def arguments(**defaults: int | float | str) -> argparse.Namespace:
    """Read a contestant's command line.

    Args:
        defaults: further options and their defaults, by name; their types follow.
    """
    parser = argparse.ArgumentParser()
    for name in ("brokers", "source", "scores", "group"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--sensors", type=int, default=14)
    for name, default in defaults.items():
        flag = "--" + name.replace("_", "-")
        parser.add_argument(flag, type=type(default), default=default)
    return parser.parse_args()
