"""Judging the anomaly score, with PCA T2 and Q beside it.

Healthy test windows (more than the cap left) must stay quiet, those within the horizon
of the failure must not. Alarms are exceedances of the alarm limit; exceedances closer
than one window are one alarm.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models import baselines
from models.anomaly import MONTH_S, extremal_index
from models.bundle import Bundle
from models.metrics import Tree, average_precision
from models.options import Examples, Layout
from models.prediction import Prediction

Doubles = npt.NDArray[np.float64]


def figures(
    bundle: Bundle, train: Examples, test: Examples, said: Prediction
) -> tuple[Tree, Tree]:
    """Figures of the bundle's anomaly score and of PCA on the same windows.

    Args:
        bundle: the bundle.
        train: training windows, for the PCA.
        test: all windows of the test machines.
        said: the bundle's predictions for them.
    """
    layout, spec = bundle.trained.layout, bundle.trained.features
    known = said.why == 0
    ours = -np.log(np.where(known, said.anomaly, np.inf))
    strange = judge(ours, said.anomaly <= layout.alarm_rate, test, layout)
    well = train.life > min(layout.cap, float(train.life.max()) / 2)
    pca = baselines.fit_pca(
        baselines.pca_table(spec, train.windows.take(np.flatnonzero(well)))
    )
    score = pca.score(baselines.pca_table(spec, test.windows))
    return strange, judge(score, score > 1.0, test, layout)


def judge(
    score: Doubles, alarm: npt.NDArray[np.bool_], test: Examples, layout: Layout
) -> Tree:
    """Figures of one anomaly score.

    Args:
        score: (n,) higher is stranger.
        alarm: (n,) whether it is beyond its alarm limit.
        test: the windows.
        layout: cap, horizon and time between windows.

    Returns:
        `false_alarms` per machine-month on healthy windows, `false_alarm_share` of
        the healthy windows, `detected` share of the windows within the horizon,
        `pr_auc` of telling the two apart; None where there are no such windows.
    """
    well = test.life > layout.cap
    near = test.life <= layout.horizon
    both = well | near
    count = float((alarm & well).sum())
    index = extremal_index(alarm & well, test.machine, layout.window)
    months = float(well.sum()) * layout.step_s / MONTH_S
    return {
        "false_alarms": count * index / months if months else None,
        "false_alarm_share": float(alarm[well].mean()) if well.any() else None,
        "detected": float(alarm[near].mean()) if near.any() else None,
        "pr_auc": average_precision(near[both], score[both]) if well.any() else None,
        "healthy_windows": int(well.sum()),
        "windows_near_failure": int(near.sum()),
    }
