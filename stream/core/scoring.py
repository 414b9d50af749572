"""Windows, to scores: which windows deserve an estimate, and what the model says.

No estimate is given, and a reason in its place, when a machine does not run or is out
of service, when a window has fewer than ``min_context`` real rows, when more than
``max_masked`` of the sensors are masked (one is masked when more than half of the
window's real rows lack it, or when the model finds its instrument at fault), or when
the model itself declines. What is wrong with the
instruments is told of every window of enough rows, with an estimate or without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import FAULTS, MachineType, Tally
from stream.core.windows import Windows

Columns = NDArray[np.float64]

_SPIKING = FAULTS.index("spiking")


class Prediction(Protocol):
    """What a model says of n windows; see `models`."""

    @property
    def risk(self) -> Columns:
        """(n,) probability of failure within the horizon, 0..1; NaN without model."""

    @property
    def rul(self) -> Columns:
        """(n, 3) 5, 50 and 95 % quantiles of the remaining life; NaN without model."""

    @property
    def anomaly(self) -> Columns:
        """(n,) expected false alarms per machine-month at this level, >= 0."""

    @property
    def health(self) -> Columns:
        """(n,) health for display, 0..100."""

    @property
    def contributions(self) -> Columns:
        """(n, sensors) share of each sensor in the anomaly, 0..1."""

    @property
    def faults(self) -> NDArray[np.int8]:
        """(n, sensors) positions in `readings.FAULTS`, 0 for a sound instrument."""

    @property
    def deviation(self) -> Columns:
        """(n, sensors) sigma against the machine's own normal; NaN unknown."""

    @property
    def why(self) -> NDArray[np.int8]:
        """(n,) 0 for an estimate, else a position in `Scorer.reasons`."""


class Scorer(Protocol):
    """A model as the pipeline sees it: pure, one call for a whole batch."""

    @property
    def name(self) -> str:
        """Name of the model."""

    @property
    def version(self) -> str:
        """Version of the model."""

    @property
    def digest(self) -> str:
        """Digest of the bundle; part of every score's id."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons for which the model declines; the first is empty."""

    @property
    def about(self) -> dict[str, Any]:
        """What a score says of the model beside its name, such as the horizon."""

    def predict(self, windows: Any) -> Prediction:
        """Predict for n >= 1 windows; a row's result depends on that row alone."""


@dataclass(slots=True)
class Scores:
    """Scores of windows; ``why`` is empty where there is an estimate.

    The arrays are as in `Prediction`, NaN where ``why`` gives a reason; ``faults`` and
    ``deviation`` stand even then, but where there are too few rows (0 and NaN).
    """

    windows: Windows
    risk: Columns
    rul: Columns
    anomaly: Columns
    health: Columns
    contributions: Columns
    faults: NDArray[np.int8]
    deviation: Columns
    why: list[str]


def score(
    kind: MachineType,
    windows: Windows,
    scorer: Scorer,
    tally: Tally,
    out: NDArray[np.bool_] | None = None,
) -> Scores:
    """Score n >= 1 windows of one machine type.

    Args:
        kind: The machine type.
        windows: The windows.
        scorer: Its model.
        tally: Counts what became of the windows.
        out: (n,) whether the machine is out of service; None: none is.
    """
    count, sensors = len(windows), len(kind.sensors)
    why = np.where(windows.filled < kind.min_context, "min_context", "").astype(object)
    why[windows.filled == 0] = "not_running"
    if out is not None:
        why[out] = "out_of_service"
    scores = Scores(
        windows=windows,
        risk=np.full(count, np.nan),
        rul=np.full((count, 3), np.nan),
        anomaly=np.full(count, np.nan),
        health=np.full(count, np.nan),
        contributions=np.full((count, sensors), np.nan),
        faults=np.zeros((count, sensors), np.int8),
        deviation=np.full((count, sensors), np.nan),
        why=[],
    )
    asked = np.flatnonzero(why == "")
    if len(asked):
        told = scorer.predict(windows if len(asked) == count else windows.take(asked))
        scores.faults[asked], scores.deviation[asked] = told.faults, told.deviation
        why[asked] = np.array(scorer.reasons, object)[told.why]
        why[asked[_thin(kind, windows, scores.faults)[asked]]] = "masked"
        given = why[asked] == ""
        at = asked[given]
        for name in ("risk", "rul", "anomaly", "health", "contributions"):
            getattr(scores, name)[at] = getattr(told, name)[given]
    scores.why = why.tolist()
    reasons, counts = np.unique(why.astype(str), return_counts=True)
    for reason, number in zip(reasons.tolist(), counts.tolist(), strict=True):
        name = f"no_estimate.{reason}" if reason else "scored"
        tally.bump(tally.windows, name, number)
    return scores


def _thin(
    kind: MachineType, windows: Windows, faults: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Return (n,) whether too many sensors are masked for an estimate."""
    # Of a spiking sensor the spikes alone are masked.
    broken = (faults > 0) & (faults != _SPIKING)
    share = np.mean(lacking(windows) | broken, axis=1)
    return np.asarray(share > kind.max_masked)


def lacking(windows: Windows) -> NDArray[np.bool_]:
    """Return (n, sensors) where more than half of the real rows lack the sensor."""
    rows = windows.values.shape[1]
    real = np.arange(rows) >= (rows - windows.filled)[:, None]
    absent = np.count_nonzero(np.isnan(windows.values) & real[..., None], axis=1)
    return np.asarray(absent * 2 > windows.filled[:, None])
