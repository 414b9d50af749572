"""Windows, to scores: which windows deserve an estimate, and what the model says.

No estimate is given, and a reason in its place, when a window has fewer than
``min_context`` real rows, when more than ``max_masked`` of the sensors are masked (one
is masked when more than half of the window's real rows lack it), or when the model
itself declines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stream.core.readings import MachineType, Tally
from stream.core.windows import Windows

Columns = NDArray[np.float64]


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

    The arrays are as in `Prediction`, NaN where ``why`` gives a reason.
    """

    windows: Windows
    risk: Columns
    rul: Columns
    anomaly: Columns
    health: Columns
    contributions: Columns
    why: list[str]


def score(kind: MachineType, windows: Windows, scorer: Scorer, tally: Tally) -> Scores:
    """Score n >= 1 windows of one machine type."""
    count, sensors = len(windows), len(kind.sensors)
    why = np.where(windows.filled < kind.min_context, "min_context", "").astype(object)
    thin = masked_share(windows) > kind.max_masked
    why[(why == "") & thin] = "masked"
    scores = Scores(
        windows=windows,
        risk=np.full(count, np.nan),
        rul=np.full((count, 3), np.nan),
        anomaly=np.full(count, np.nan),
        health=np.full(count, np.nan),
        contributions=np.full((count, sensors), np.nan),
        why=[],
    )
    asked = np.flatnonzero(why == "")
    if len(asked):
        told = scorer.predict(windows if len(asked) == count else windows.take(asked))
        why[asked] = np.array(scorer.reasons, object)[told.why]
        given = told.why == 0
        at = asked[given]
        for name in ("risk", "rul", "anomaly", "health", "contributions"):
            getattr(scores, name)[at] = getattr(told, name)[given]
    scores.why = why.tolist()
    reasons, counts = np.unique(why.astype(str), return_counts=True)
    for reason, number in zip(reasons.tolist(), counts.tolist(), strict=True):
        name = f"no_estimate.{reason}" if reason else "scored"
        tally.bump(tally.windows, name, number)
    return scores


def masked_share(windows: Windows) -> Columns:
    """Return (n,) share of sensors that more than half of the real rows lack."""
    rows = windows.values.shape[1]
    real = np.arange(rows) >= (rows - windows.filled)[:, None]
    lacking = np.count_nonzero(np.isnan(windows.values) & real[..., None], axis=1)
    share: Columns = np.mean(lacking * 2 > windows.filled[:, None], axis=1)
    return share
