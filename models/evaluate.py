"""Evaluation of a bundle: test figures, their cross-validated twin, baselines.

One prediction per machine, after its last row; a machine shorter than the window is
padded, never dropped. The twin asks the same of the training machines by networks that
never saw them: each life is cut at a uniformly drawn row, one prediction per machine,
and the figures are means over many such drawings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from models import baselines, distribution, evaluate_anomaly, metrics
from models.bundle import Bundle
from models.metrics import Judged, Tree
from models.options import Examples, Layout
from models.prediction import Prediction
from models.trained import OutOfFold

SCHEMA = 1
DRAWS = 1000
CUTS = 50
THRESHOLD = 0.5
BANDS = 5


def evaluate(
    bundle: Bundle,
    train: Examples,
    test: Examples | None,
    *,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Callable[[str], None] = lambda stage: None,
) -> Tree:
    """Judge a bundle.

    Args:
        bundle: what `foreshock train` wrote.
        train: all windows of its training machines, for the baselines.
        test: all windows of the test machines in order of time, `life` being the
            truth; None where there are none, and the test figures are None.
        seed: of bootstrap and cuts; baselines have fixed seeds.
        draws: bootstrap draws.
        progress: told what is being done.

    Returns:
        Plain JSON values: the figures `rul`, `failure` and `interval` of the test
        machines, `bootstrap` with their 95 % intervals; the same names under
        `cross_validated` and `baselines.boosting`; `anomaly`; `protocol`, `bundle`,
        and `machines` with one row per test machine.
    """
    layout = bundle.trained.layout
    report: Tree = {
        "schema": SCHEMA,
        "bundle": _about(bundle),
        "protocol": _protocol(layout, train, test, draws, seed),
        **_nothing(layout),
        "cross_validated": _nothing(layout),
        "baselines": {},
        "anomaly": None,
        "machines": [],
    }
    if bundle.trained.life is not None:
        progress("cross-validated figures")
        found = bundle.trained.life.out_of_fold
        report["cross_validated"] = cross_validated(found, layout, seed, draws)
    if test is not None:
        progress("test machines")
        predictor = bundle.predictor()
        all_rows = predictor.predict(test.windows)
        judged = _judged(all_rows, test, layout)
        if judged is not None:
            report |= _figures(judged, seed, draws)
        report["machines"] = _rows(all_rows, test)
        progress("baseline: boosting")
        if judged is not None:
            report["baselines"]["boosting"] = _boosting(
                bundle, train, test, judged, seed, draws
            )
        progress("baseline: PCA T2 and Q")
        strange, pca = evaluate_anomaly.figures(bundle, train, test, all_rows)
        report["anomaly"] = strange
        report["baselines"]["pca"] = _nothing(layout) | {"anomaly": pca}
    return report


def summarise(reports: list[Tree]) -> Tree:
    """Mean and standard deviation of every figure over bundles of several seeds.

    Returns:
        {"count": n, "rul": {"rmse_capped": {"mean", "sd", "values"}, …}, …}; None
        where a figure has no value.
    """
    result: Tree = {"count": len(reports)}
    for part in ("rul", "failure", "interval"):
        result[part] = {}
        for name in reports[0][part]:
            values = [report[part][name] for report in reports]
            numbers = [v for v in values if v is not None]
            result[part][name] = (
                {
                    "mean": float(np.mean(numbers)),
                    "sd": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
                    "values": numbers,
                }
                if numbers
                else None
            )
    return result


def cross_validated(found: OutOfFold, layout: Layout, seed: int, draws: int) -> Tree:
    """The figures of training machines, each cut at a uniformly drawn row.

    Args:
        found: out-of-fold predictions for every window.
        layout: cap and horizon.
        seed: of the cuts and the bootstrap.
        draws: bootstrap draws, spread over the cuts.

    Returns:
        As the test figures, and `bands`: coverage and width in bands of the
        predicted median, each machine weighing the same.
    """
    rng = np.random.default_rng(seed)
    usable = np.flatnonzero(~found.censored)
    cuts = [_cut(found, usable, layout, rng) for _ in range(CUTS)]
    trees = [metrics.judge(cut) for cut in cuts]
    result = _mean(trees)
    each = max(1, draws // CUTS)
    n = len(cuts[0].truth)
    drawn = [
        metrics.judge(cut.take(rng.integers(0, n, n)))
        for cut in cuts
        for _ in range(each)
    ]
    result["bootstrap"] = _ends(drawn)
    result["machines"] = n
    result["bands"] = _bands(found, usable, layout)
    return result


def _cut(
    found: OutOfFold,
    usable: npt.NDArray[np.intp],
    layout: Layout,
    rng: np.random.Generator,
) -> Judged:
    machine = found.machine[usable]
    start = np.flatnonzero(np.diff(machine, prepend=-1))
    length = np.diff(np.append(start, len(machine)))
    at = usable[start + (rng.random(len(start)) * length).astype(np.intp)]
    rul = found.rul[at].astype(np.float64)
    return Judged(
        truth=found.life[at].astype(np.float64),
        point=rul[:, 1],
        risk=found.risk[at].astype(np.float64),
        low=rul[:, 0],
        high=rul[:, 2],
        cap=layout.cap,
        horizon=layout.horizon,
        threshold=THRESHOLD,
    )


def _judged(said: Prediction, test: Examples, layout: Layout) -> Judged | None:
    """The last prediction of each test machine; None without a life model."""
    last = test.last()
    if np.isnan(said.risk).all():
        return None
    # A machine without an estimate is not dropped: it counts as "beyond the cap".
    rul = np.where(np.isnan(said.rul[last]), layout.cap, said.rul[last])
    return Judged(
        truth=test.life[last],
        point=rul[:, 1],
        risk=np.nan_to_num(said.risk[last], nan=0.0),
        low=rul[:, 0],
        high=rul[:, 2],
        cap=layout.cap,
        horizon=layout.horizon,
        threshold=THRESHOLD,
    )


def _figures(judged: Judged, seed: int, draws: int) -> Tree:
    bootstrap = metrics.bootstrap(judged, draws=draws, seed=seed)
    return metrics.judge(judged) | {"bootstrap": bootstrap}


def _boosting(
    bundle: Bundle,
    train: Examples,
    test: Examples,
    judged: Judged,
    seed: int,
    draws: int,
) -> Tree:
    layout = bundle.trained.layout
    model = baselines.fit_boosting(bundle.trained.features, train, layout.cap)
    point = model.predict(test.windows.take(test.last()))
    other = Judged(
        truth=judged.truth,
        point=point,
        risk=None,
        low=None,
        high=None,
        cap=layout.cap,
        horizon=layout.horizon,
    )
    return _figures(other, seed, draws) | {
        "rmse_difference": _difference(judged, other, seed, draws),
        "predictions": np.round(point, 3).tolist(),
    }


def _difference(ours: Judged, other: Judged, seed: int, draws: int) -> Tree:
    """RMSE of the bundle less that of a baseline on the same machines, capped."""
    rng = np.random.default_rng(seed)
    capped = np.minimum(ours.truth, ours.cap)
    first, second = (ours.point - capped) ** 2, (other.point - capped) ** 2
    n = len(capped)
    index = rng.integers(0, n, (draws, n))
    drawn = np.sqrt(first[index].mean(axis=1)) - np.sqrt(second[index].mean(axis=1))
    value = float(np.sqrt(first.mean()) - np.sqrt(second.mean()))
    return {"value": value, "interval": np.quantile(drawn, [0.025, 0.975]).tolist()}


def _bands(
    found: OutOfFold, usable: npt.NDArray[np.intp], layout: Layout
) -> list[Tree]:
    rul = found.rul[usable].astype(np.float64)
    capped = np.minimum(found.life[usable].astype(np.float64), layout.cap)
    machine = found.machine[usable]
    weight = 1.0 / np.bincount(machine)[machine]
    inside = (rul[:, 0] <= capped) & (capped <= rul[:, 2])
    edges = np.linspace(0.0, layout.cap, BANDS + 1)
    place = np.clip(np.searchsorted(edges, rul[:, 1], side="right") - 1, 0, BANDS - 1)
    bands = []
    for b in range(BANDS):
        here = place == b
        if not here.any():
            continue
        bands.append(
            {
                "from": float(edges[b]),
                "to": float(edges[b + 1]),
                "machines": len(np.unique(machine[here])),
                "coverage": float(np.average(inside[here], weights=weight[here])),
                "mean_width": float(
                    np.average((rul[:, 2] - rul[:, 0])[here], weights=weight[here])
                ),
            }
        )
    return bands


def _rows(said: Prediction, test: Examples) -> list[Tree]:
    """One row per test machine: its name, the truth, what the bundle says."""
    rows = []
    for i in test.last().tolist():
        low, middle, high = (_plain(v) for v in said.rul[i])
        rows.append(
            {
                "machine": test.names[test.machine[i]] if test.names else None,
                "time_ns": int(test.windows.times_ns[i, -1]),
                "truth": float(test.life[i]),
                "p05": low,
                "p50": middle,
                "p95": high,
                "risk": _plain(said.risk[i]),
                "anomaly": _plain(said.anomaly[i]),
                "health": _plain(said.health[i]),
            }
        )
    return rows


def _plain(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


def _nothing(layout: Layout) -> Tree:
    """The figures' names without values."""
    blank = np.zeros(1)
    tree = metrics.judge(
        Judged(blank, blank, None, None, None, layout.cap, layout.horizon)
    )
    return {part: dict.fromkeys(names) for part, names in tree.items()}


def _mean(trees: list[Tree]) -> Tree:
    found: Tree = {}
    for name, first in trees[0].items():
        values = [tree[name] for tree in trees]
        if isinstance(first, dict):
            found[name] = _mean(values)
            continue
        numbers = [v for v in values if v is not None]
        found[name] = float(np.mean(numbers)) if numbers else None
    return found


def _ends(trees: list[Tree]) -> Tree:
    found: Tree = {}
    for name, first in trees[0].items():
        values = [tree[name] for tree in trees]
        if isinstance(first, dict):
            found[name] = _ends(values)
            continue
        numbers = [v for v in values if v is not None]
        found[name] = np.quantile(numbers, [0.025, 0.975]).tolist() if numbers else None
    return found


def _about(bundle: Bundle) -> Tree:
    return {
        "name": bundle.name,
        "version": bundle.version,
        "digest": bundle.digest,
        "fingerprint": bundle.manifest.get("fingerprint"),
        "trained_on": bundle.manifest["trained_on"],
        "seed": bundle.trained.options.seed,
        "notes": list(bundle.trained.notes),
    }


def _protocol(
    layout: Layout, train: Examples, test: Examples | None, draws: int, seed: int
) -> Tree:
    return {
        "axis": layout.axis,
        "cap": layout.cap,
        "horizon": layout.horizon,
        "failure": f"fails within {layout.horizon:g} {layout.axis}: risk >= "
        f"{THRESHOLD:g}; baselines: point prediction <= {layout.horizon:g}",
        "point": "median (p50)",
        "interval": "5-95 %, 90 % nominal, against labels held at the cap",
        "rmse_capped": f"labels held at {layout.cap:g}",
        "rmse_uncapped": "labels as they are",
        "nasa_score": "sum over machines, labels held at the cap",
        "test": "one prediction per machine after its last row",
        "cross_validated": f"training machines held out in folds, each life cut at a "
        f"uniformly drawn row; means over {CUTS} drawings",
        "bootstrap": f"95 %, {draws} drawings of machines, seed {seed}",
        "train_machines": len(np.unique(train.machine)),
        "train_windows": len(train.life),
        "test_machines": 0 if test is None else len(np.unique(test.machine)),
        "levels": list(distribution.LEVELS),
    }
