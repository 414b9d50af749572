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
    return _summed(whitened.astype(np.float64) ** 2)


def total_of_sound(
    whitening: Whitening,
    whitened: npt.NDArray[np.float32],
    hidden: npt.NDArray[np.bool_],
) -> tuple[Doubles, Doubles]:
    """As `total`, where some sensors say nothing of the machine.

    The residual of a hidden sensor is replaced by what the others let expect, so that
    only they are judged; to the score it adds 1, as a healthy one does on average.

    Args:
        whitening: how the residuals were whitened.
        whitened: (n, F) whitened residuals.
        hidden: (n, F) sensors that do not count; their shares are 0.
    """
    squares = whitened.astype(np.float64) ** 2
    score, shares = _summed(squares)
    some = np.flatnonzero(hidden.any(axis=1))
    if len(some) == 0:
        return score, shares
    width = whitened.shape[1]
    patterns, which = np.unique(hidden[some], axis=0, return_inverse=True)
    for k, pattern in enumerate(patterns):
        here = some[which.reshape(-1) == k]
        turned = _times(whitened[here].astype(np.float64), _blind(whitening, pattern))
        sound = np.where(pattern, 0.0, turned**2)
        distance, shares[here] = _summed(turned**2)
        if not pattern.all():
            shares[here] = _summed(sound)[1]
        shares[np.ix_(here, np.flatnonzero(pattern))] = 0.0
        score[here] = distance + pattern.sum() / width
    return score, shares


def _summed(squares: Doubles) -> tuple[Doubles, Doubles]:
    score = np.zeros(len(squares))
    for column in squares.T:
        score += column
    some = np.where(score > 0, score, 1.0)[:, None]
    even = np.full_like(squares, 1.0 / squares.shape[1])
    shares = np.where(score[:, None] > 0, squares / some, even)
    return score / squares.shape[1], shares


def _blind(whitening: Whitening, hidden: npt.NDArray[np.bool_]) -> Doubles:
    """(F, F): whitened residuals to those with the hidden sensors as expected."""
    # As a bundle holds it, so that it does not matter whether it came from one.
    matrix = whitening.matrix.astype(np.float32).astype(np.float64)
    precision = _times(matrix, matrix)
    expected = np.diag(np.where(hidden, 0.0, 1.0))
    block = precision[np.ix_(hidden, hidden)]
    across = precision[np.ix_(hidden, ~hidden)]
    expected[np.ix_(~hidden, hidden)] = -np.linalg.solve(block, across).T
    back = _times(np.asarray(np.linalg.inv(matrix), np.float64), expected)
    return _times(back, matrix)


def _times(left: Doubles, right: Doubles) -> Doubles:
    """A matrix product in a fixed order of sums, the same bits for any rows."""
    found = np.zeros((len(left), right.shape[1]))
    for k in range(right.shape[0]):
        found += left[:, k, None] * right[k]
    return found


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
