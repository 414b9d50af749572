"""What a model says of a batch of windows, and how its numbers are finished.

Everything after the networks happens here, in numpy and double precision, row by row.
Rounding comes last: what is published is then short, and the same on every run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models import anomaly, distribution
from models.distribution import Doubles, LifeAxis
from models.instruments import Judged
from models.trained import AnomalyModel, LifeModel

WHY = ("", "unknown_regime")
"""Why there is no estimate; `Prediction.why` holds positions in it."""


@dataclass(frozen=True)
class Prediction:
    """Predictions for n windows, aligned on axis 0.

    Attributes:
        risk: (n,) probability of failure within the horizon, 6 decimals; NaN where
            the bundle has no such model.
        rul: (n, 3) 5, 50 and 95 % quantiles of the remaining life on the life axis,
            4 decimals; the cap means "more than the cap"; NaN as risk.
        anomaly: (n,) expected false alarms per machine-month at this level, 6
            digits; small is strange.
        health: (n,) 0..100, 2 decimals, for display.
        contributions: (n, S) share of each sensor in the anomaly, 4 decimals, >= 0,
            summing to 1 before rounding; 0 for sensors the model does not use.
        faults: (n, S) int8, 0 for a sound instrument, else a position in
            `instruments.FAULTS`; told with an estimate and without.
        deviation: (n, S) newest quarter against the machine's own normal, in sigma, 2
            decimals, NaN unknown; told as `faults`.
        why: (n,) int8, 0 for an estimate, else a position in `WHY`; every other
            column is NaN there.
    """

    risk: Doubles
    rul: Doubles
    anomaly: Doubles
    health: Doubles
    contributions: Doubles
    faults: npt.NDArray[np.int8]
    deviation: Doubles
    why: npt.NDArray[np.int8]


@dataclass(frozen=True)
class Finish:
    """The numbers that turn network outputs into a `Prediction`.

    Attributes:
        life: the life model, None without one.
        strange: the anomaly model.
        columns: positions of the F used sensors among all S.
        sensors: S.
        alarm_rate: the alarm limit on the anomaly's scale.
    """

    life: LifeModel | None
    strange: AnomalyModel
    columns: tuple[int, ...]
    sensors: int
    alarm_rate: float

    def __call__(
        self,
        cdf: npt.NDArray[np.float32] | None,
        whitened: npt.NDArray[np.float32],
        known: npt.NDArray[np.bool_],
        judged: Judged,
    ) -> Prediction:
        """Finish n windows.

        Args:
            cdf: (n, bins + 1) the ensemble's F at the edges; None without life model.
            whitened: (n, F) whitened residuals.
            known: (n,) whether the regime is known.
            judged: what was found of the instruments.
        """
        n = len(known)
        risk, rul = np.full(n, np.nan), np.full((n, 3), np.nan)
        if self.life is not None and cdf is not None:
            risk, rul = read_life(self.life, cdf)
        score, shares = anomaly.total_of_sound(
            self.strange.whitening, whitened, judged.hidden
        )
        rate = self.strange.exceedance.rate(score)
        contributions = np.zeros((n, self.sensors))
        contributions[:, list(self.columns)] = np.round(shares, 4)
        health = anomaly.health(risk, rate, self.alarm_rate)
        unknown = ~known
        for column in (risk, rul, rate, health, contributions):
            column[unknown] = np.nan
        return Prediction(
            risk=np.round(risk, 6),
            rul=np.round(rul, 4),
            anomaly=_digits(rate),
            health=np.round(health, 2),
            contributions=contributions,
            faults=judged.faults,
            deviation=judged.deviation,
            why=unknown.astype(np.int8),
        )


def mixed(
    model: LifeModel,
    logits: npt.NDArray[np.float32],
    aged: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float32]:
    """F at the edges, (n, bins + 1): the members' mean, or the ageless network's.

    Args:
        model: the life model.
        logits: (n, networks, classes), the ageless network's last, if there is one.
        aged: (n,) whether the machine's age is known.
    """
    odds = np.exp(logits - logits.max(axis=2, keepdims=True))
    sums = np.cumsum(odds, axis=2, dtype=np.float64)
    cdf = sums[:, :, :-1] / sums[:, :, -1:]
    members = len(model.members)
    # One by one, so that no window's sum depends on how many stand beside it.
    mean = cdf[:, 0].copy()
    for k in range(1, members):
        mean += cdf[:, k]
    mean /= members
    if model.ageless is not None:
        mean[~aged] = cdf[~aged, members]
    return mean.astype(np.float32)


def read_life(
    model: LifeModel, cdf: npt.NDArray[np.float32]
) -> tuple[Doubles, Doubles]:
    """Calibrated risk (n,) and quantiles (n, 3) from the networks' F."""
    axis: LifeAxis = model.axis
    calibrated = model.pit.apply(distribution.clean(cdf), axis)
    risk = distribution.at(calibrated, axis, axis.horizon)
    return risk, distribution.quantiles(calibrated, axis)


def _digits(values: Doubles) -> Doubles:
    """Six significant digits, by exact decimal rounding."""
    return np.array([float(f"{v:.5e}") for v in values.tolist()], np.float64)
