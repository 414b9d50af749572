"""Classical methods, trained anew at every evaluation and shown beside the networks.

They are never deployed. **Boosting** is frozen: per-regime z-scores of the varying
sensors; per row the value, causal means over 5, 15, 30 and 60 rows, the 30-row mean
minus the mean of the machine's own first 20 rows, and the age; 300 trees of 31 leaves,
learning rate 0.04, L2 1.0, a random 30 % of the features per split, two seeds
averaged, trained on every row with the remaining life capped. **PCA** gives Hotelling's
T2 and the residual Q (Jackson and Mudholkar 1979) of the newest row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingRegressor

from models import features
from models.features import FeatureSpec
from models.options import Examples
from models.windows import Floats, WindowArrays

Doubles = npt.NDArray[np.float64]

SPANS = (5, 15, 30, 60)
EARLY = 0.95


@dataclass(frozen=True)
class Boosting:
    """A trained boosting baseline.

    Attributes:
        spec: the preprocessing, learnt from the same machines.
        cap: labels were capped here.
        trees: one regressor per seed.
    """

    spec: FeatureSpec
    cap: float
    trees: tuple[HistGradientBoostingRegressor, ...]

    def predict(self, windows: WindowArrays) -> Doubles:
        """Remaining life, (n,), within [0, cap]."""
        table = boosting_table(self.spec, windows)
        mean = np.mean([tree.predict(table) for tree in self.trees], axis=0)
        return np.asarray(np.clip(mean, 0.0, self.cap), np.float64)


def fit_boosting(
    spec: FeatureSpec, examples: Examples, cap: float, seeds: tuple[int, ...] = (0, 1)
) -> Boosting:
    """Train on every window's newest row of the machines that failed.

    Args:
        spec: preprocessing learnt from these machines.
        examples: their windows.
        cap: labels are capped here.
        seeds: one ensemble each, averaged.
    """
    seen = examples.take(np.flatnonzero(~examples.censored))
    table = boosting_table(spec, seen.windows)
    label = np.minimum(seen.life, cap)
    trees = tuple(
        HistGradientBoostingRegressor(
            max_iter=300,
            learning_rate=0.04,
            max_leaf_nodes=31,
            l2_regularization=1.0,
            max_features=0.3,
            early_stopping=False,
            random_state=seed,
        ).fit(table, label)
        for seed in seeds
    )
    return Boosting(spec, cap, trees)


def boosting_table(spec: FeatureSpec, windows: WindowArrays) -> Doubles:
    """(n, 6 F + 1) features of the newest row of each window."""
    scores, _ = features.normalise(spec, windows.values)
    rows = scores.shape[1]
    place = np.arange(rows)
    real = place >= (rows - windows.filled)[:, None]
    parts = [scores[:, -1].astype(np.float64)]
    means = {}
    for span in SPANS:
        used = real & (place >= rows - span)
        means[span] = _mean(scores, used)
        parts.append(means[span])
    first = np.arange(windows.baseline.shape[1]) < windows.n_base[:, None]
    own, _ = features.normalise(spec, windows.baseline)
    parts += [means[30] - _mean(own, first), windows.age[:, None]]
    return np.hstack(parts)


@dataclass(frozen=True)
class Pca:
    """A healthy subspace: T2 within it and Q beside it, each by its healthy limit.

    Attributes:
        mean: (F,) of healthy rows.
        axes: (F, k) principal directions holding 95 % of the variance.
        variance: (k,) along them.
        limits: healthy 99 % quantiles of T2 and Q.
    """

    mean: Doubles
    axes: Doubles
    variance: Doubles
    limits: tuple[float, float]

    def score(self, rows: Doubles) -> Doubles:
        """The larger of T2 and Q in units of their limits, (n,); above 1 is strange."""
        t2, q = self._parts(rows)
        return np.asarray(np.maximum(t2 / self.limits[0], q / self.limits[1]))

    def _parts(self, rows: Doubles) -> tuple[Doubles, Doubles]:
        centred = rows - self.mean
        along = centred @ self.axes
        t2 = (along**2 / self.variance).sum(axis=1)
        q = ((centred - along @ self.axes.T) ** 2).sum(axis=1)
        return t2, q


def fit_pca(rows: Doubles) -> Pca:
    """Learn from healthy rows (n, F), without absent values."""
    mean = rows.mean(axis=0)
    _, size, directions = np.linalg.svd(rows - mean, full_matrices=False)
    variance = size**2 / max(len(rows) - 1, 1)
    share = np.cumsum(variance) / max(float(variance.sum()), 1e-12)
    count = int(np.searchsorted(share, EARLY)) + 1
    draft = Pca(mean, directions[:count].T, variance[:count] + 1e-12, (1.0, 1.0))
    t2, q = draft._parts(rows)  # noqa: SLF001 - its own limits
    limits = (float(np.quantile(t2, 0.99)), max(float(np.quantile(q, 0.99)), 1e-12))
    return Pca(draft.mean, draft.axes, draft.variance, limits)


def pca_table(spec: FeatureSpec, windows: WindowArrays, recent: int = 10) -> Doubles:
    """(n, F) mean of the newest rows less the own baseline, as the autoencoder sees."""
    inputs = features.transform(spec, windows)
    mean: Floats = inputs.sequence[:, -recent:].mean(axis=1)
    own = inputs.static[:, : len(spec.columns)]
    return np.asarray(mean - own, np.float64)


def _mean(values: npt.NDArray[np.float32], used: npt.NDArray[np.bool_]) -> Doubles:
    """Mean over the rows in use, NaN where none has a value, (n, F)."""
    usable = used[..., None] & np.isfinite(values)
    count = usable.sum(axis=1)
    total = np.where(usable, values, 0.0).sum(axis=1, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
