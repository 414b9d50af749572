"""From residuals to one number a user can budget: expected false alarms per month.

Residuals of the autoencoder are whitened with healthy machines, so that sensors which
always move together count once, and squared to one score. How often healthy machines
that were held out reach a score, per machine and month of 30 days, is its meaning.
Beyond the scores seen, a generalised Pareto tail continues the curve (peaks over
threshold); windows overlap, so exceedances come in clusters, and a cluster is one
alarm (extremal index, runs estimator).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]

MONTH_S = 30 * 86_400.0
TAIL_FROM = 0.95
# Share of the covariance that is replaced by its diagonal, so that it can be inverted.
SHRINK = 0.1
# The curve ends here: rarer than once in a million machine-months is only "never".
SMALLEST = 1e-6


@dataclass(frozen=True)
class Whitening:
    """Turns residuals (n, F) into independent ones of variance 1, sensor by sensor.

    Attributes:
        mean: (F,) mean residual of healthy machines.
        matrix: (F, F) inverse square root of their covariance, symmetric, so that
            the i-th number still belongs to the i-th sensor.
    """

    mean: Doubles
    matrix: Doubles


@dataclass(frozen=True)
class Exceedance:
    """How often healthy machines reach a score: a falling curve through knots.

    Attributes:
        scores: (k,) rising scores.
        rates: (k,) expected false alarms per machine-month at that level, falling.
    """

    scores: Doubles
    rates: Doubles

    def rate(self, score: Doubles) -> Doubles:
        """Expected false alarms per machine-month at a level, (n,)."""
        return np.asarray(np.interp(score, self.scores, self.rates), np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain lists."""
        return {"scores": self.scores.tolist(), "rates": self.rates.tolist()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Exceedance:
        """The inverse of `to_json`; ValueError unless the curve falls."""
        scores = np.asarray(data["scores"], np.float64)
        rates = np.asarray(data["rates"], np.float64)
        good = (
            scores.ndim == 1
            and scores.shape == rates.shape
            and len(scores) >= 2
            and bool((np.diff(scores) > 0).all())
            and bool((np.diff(rates) <= 0).all())
            and bool((rates > 0).all())
        )
        if not good:
            raise ValueError("anomaly: expected a falling curve of positive rates")
        return cls(scores, rates)


def fit_whitening(residuals: npt.NDArray[np.float32]) -> Whitening:
    """Learn the whitening from healthy residuals (n, F), n >= 2."""
    values = residuals.astype(np.float64)
    mean = values.mean(axis=0)
    covariance = np.atleast_2d(np.cov(values - mean, rowvar=False))
    diagonal = np.diag(np.diag(covariance) + 1e-9)
    size, axes = np.linalg.eigh((1 - SHRINK) * covariance + SHRINK * diagonal)
    matrix = (axes / np.sqrt(np.maximum(size, 1e-9))) @ axes.T
    return Whitening(mean, matrix)


def total(whitened: npt.NDArray[np.float32]) -> tuple[Doubles, Doubles]:
    """One score (n,) and the shares (n, F) of the sensors in it.

    Sums run sensor by sensor, so a row's result depends on that row alone.

    Args:
        whitened: (n, F) whitened residuals.

    Returns:
        Mean square, about 1 for a healthy machine; shares that sum to 1.
    """
    squares = whitened.astype(np.float64) ** 2
    score = np.zeros(len(squares))
    for column in squares.T:
        score += column
    some = np.where(score > 0, score, 1.0)[:, None]
    even = np.full_like(squares, 1.0 / squares.shape[1])
    shares = np.where(score[:, None] > 0, squares / some, even)
    return score / squares.shape[1], shares


def fit_exceedance(
    score: Doubles, machine: npt.NDArray[np.int32], *, step_s: float, window: int
) -> Exceedance:
    """Learn the curve from healthy windows of held-out machines, in order of time.

    Args:
        score: (n,) scores, n >= 20.
        machine: (n,) machine of each; windows of one machine stand together.
        step_s: seconds from one window to the next.
        window: windows that overlap; exceedances closer than that are one alarm.

    Returns:
        A curve from the lowest score seen to `SMALLEST` per month.
    """
    windows_a_month = MONTH_S / step_s
    body = np.quantile(score, np.linspace(0.0, TAIL_FROM, 96))
    reached = 1.0 - np.linspace(0.0, TAIL_FROM, 96)
    limit = float(body[-1])
    shape, scale = _pareto(score[score > limit] - limit)
    index = extremal_index(score > limit, machine, window)
    floor = SMALLEST / (windows_a_month * index)
    tail = np.geomspace(1.0 - TAIL_FROM, min(floor, 1e-3), 160)[1:]
    ratio = tail / (1.0 - TAIL_FROM)
    beyond = limit + scale * (
        -np.log(ratio) if abs(shape) < 1e-6 else (ratio**-shape - 1.0) / shape
    )
    scores = np.concatenate([body, beyond])
    rates = np.concatenate([reached, tail]) * windows_a_month * index
    rising = np.concatenate([[True], np.diff(np.maximum.accumulate(scores)) > 0])
    return Exceedance(scores[rising], rates[rising])


def extremal_index(
    above: npt.NDArray[np.bool_], machine: npt.NDArray[np.int32], run: int
) -> float:
    """Clusters per exceedance, within (0, 1]; a gap of `run` ends a cluster."""
    at = np.flatnonzero(above)
    if len(at) == 0:
        return 1.0
    fresh = (np.diff(at) >= run) | (np.diff(machine[at]) != 0)
    return float((1 + fresh.sum()) / len(at))


def health(risk: Doubles, rate: Doubles, alarm_rate: float) -> Doubles:
    """Health 0..100 for display: 100 (1 - max(risk, a)), a = 0.5 at the alarm limit.

    Args:
        risk: (n,) within [0, 1], NaN where there is no such model.
        rate: (n,) expected false alarms per machine-month, above 0.
        alarm_rate: the alarm limit on that scale.
    """
    strange = alarm_rate / (alarm_rate + rate)
    return np.asarray(100.0 * (1.0 - np.fmax(risk, strange)), np.float64)


def _pareto(excess: Doubles) -> tuple[float, float]:
    """Shape and scale of the tail by L-moments (Hosking and Wallis 1987)."""
    ordered = np.sort(excess)
    n = len(ordered)
    if n < 5 or ordered[-1] <= 0:
        return 0.0, max(float(ordered.mean()) if n else 0.0, 1e-6)
    mean = float(ordered.mean())
    half = float(((np.arange(n) / (n - 1)) * ordered).mean())
    second = 2 * half - mean
    shape = 2.0 - mean / max(second, 1e-12)
    # A bounded tail would call a score impossible that the next machine shows.
    shape = min(max(shape, 0.0), 0.5)
    return shape, max(mean * (1.0 - shape), 1e-6)
