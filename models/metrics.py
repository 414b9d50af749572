"""Figures of merit, with the names the evaluation publishes.

`rul.*` judges the point prediction (the median), `failure.*` the question "does it
fail within the horizon", `interval.*` the 5-95 % interval. All take one prediction per
machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Tree = dict[str, Any]


@dataclass(frozen=True)
class Judged:
    """Predictions for machines whose truth is known, aligned on axis 0.

    Attributes:
        truth: (n,) true remaining life, >= 0, not capped.
        point: (n,) predicted remaining life.
        risk: (n,) probability of failure within the horizon, None where the method
            gives none; `alarm` then says what the point prediction says.
        low: (n,) lower end of the 90 % interval, None where there is none.
        high: (n,) upper end.
        cap: labels and interval are judged up to here.
        horizon: failure means truth <= horizon.
        threshold: a risk from here on predicts a failure.
    """

    truth: Doubles
    point: Doubles
    risk: Doubles | None
    low: Doubles | None
    high: Doubles | None
    cap: float
    horizon: float
    threshold: float = 0.5

    def take(self, index: npt.NDArray[np.intp]) -> Judged:
        """A selection, as the bootstrap draws them."""
        risk, low, high = (
            None if part is None else part[index]
            for part in (self.risk, self.low, self.high)
        )
        return replace(
            self,
            truth=self.truth[index],
            point=self.point[index],
            risk=risk,
            low=low,
            high=high,
        )


def judge(judged: Judged) -> Tree:
    """All figures as nested names; None where there is nothing to judge."""
    capped = np.minimum(judged.truth, judged.cap)
    return {
        "rul": {
            "rmse_capped": rmse(capped, judged.point),
            "rmse_uncapped": rmse(judged.truth, judged.point),
            "nasa_score": nasa_score(capped, judged.point),
            "nasa_score_uncapped": nasa_score(judged.truth, judged.point),
        },
        "failure": _failure(judged),
        "interval": _interval(judged, capped),
    }


def rmse(truth: Doubles, point: Doubles) -> float:
    """Root mean square error, in the unit of the life axis.

    >>> rmse(np.array([1.0, 5.0]), np.array([4.0, 9.0]))
    3.5355339059327378
    """
    return float(np.sqrt(np.mean((point - truth) ** 2)))


def nasa_score(truth: Doubles, point: Doubles) -> float:
    """Sum over machines of exp(-d/13) - 1 if d < 0, else exp(d/10) - 1, d = point - truth.

    Late predictions (d > 0) cost more than early ones (Saxena et al., PHM 2008).
    """  # noqa: E501 - the formula stays on one line
    late = np.clip(point - truth, -1300.0, 1000.0)
    cost = np.where(late < 0, np.exp(-late / 13.0), np.exp(late / 10.0)) - 1.0
    return float(cost.sum())


def average_precision(truth: Bools, score: Doubles) -> float | None:
    """Area under the precision-recall curve, step-wise; None without a positive.

    Sum over thresholds of (recall gained) x precision; equal scores count together.
    """
    if not truth.any():
        return None
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    precision = hits[ends] / (ends + 1)
    gained = np.diff(hits[ends], prepend=0) / truth.sum()
    return float((gained * precision).sum())


def confusion(truth: Bools, said: Bools) -> dict[str, float | None]:
    """Precision, recall, F1 and accuracy; None where the denominator is 0."""
    hit, called, real = int((truth & said).sum()), int(said.sum()), int(truth.sum())
    return {
        "f1": 2 * hit / (called + real) if called + real else None,
        "precision": hit / called if called else None,
        "recall": hit / real if real else None,
        "accuracy": float((truth == said).mean()),
    }


def bootstrap(judged: Judged, *, draws: int, seed: int) -> Tree:
    """95 % intervals of every figure, by drawing machines with replacement.

    Returns:
        The same names as `judge`, each a [low, high], or None where it has no value.
    """
    rng = np.random.default_rng(seed)
    n = len(judged.truth)
    drawn = [judge(judged.take(rng.integers(0, n, n))) for _ in range(draws)]
    return _each(drawn)


def flat(tree: Tree, prefix: str = "") -> dict[str, Any]:
    """Nested names as dotted ones: {"rul": {"a": 1}} to {"rul.a": 1}."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value
    return found


def _failure(judged: Judged) -> Tree:
    real = judged.truth <= judged.horizon
    if judged.risk is not None:
        said, score = judged.risk >= judged.threshold, judged.risk
    else:
        said, score = judged.point <= judged.horizon, -judged.point
    return confusion(real, said) | {"pr_auc": average_precision(real, score)}


def _interval(judged: Judged, capped: Doubles) -> Tree:
    if judged.low is None or judged.high is None:
        return {"coverage": None, "mean_width": None}
    inside = (judged.low <= capped) & (capped <= judged.high)
    return {
        "coverage": float(inside.mean()),
        "mean_width": float((judged.high - judged.low).mean()),
    }


def _each(drawn: list[Tree]) -> Tree:
    found: Tree = {}
    for name, first in drawn[0].items():
        values = [tree[name] for tree in drawn]
        if isinstance(first, dict):
            found[name] = _each(values)
            continue
        numbers = [v for v in values if v is not None]
        ends = np.quantile(numbers, [0.025, 0.975]).tolist() if numbers else None
        found[name] = ends
    return found
