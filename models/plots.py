"""Plots of an evaluation, each as one PNG in a data URI."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.metrics import Tree
from models.trained import Curve, OutOfFold

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, GREY, RED = "#1f5fa8", "#8a8f98", "#b3412e"


def curves(found: Sequence[Curve]) -> str:
    """Learning curves: a line per fold, the autoencoder on its own axis."""
    folds = [c for c in found if c.stage != "autoencoder"]
    rest = [c for c in found if c.stage == "autoencoder"]
    figure, axes = _figure(2)
    for ax, part, title in (
        (axes[0], folds, "risk and remaining life"),
        (axes[1], rest, "autoencoder"),
    ):
        ax.set(title=title, xlabel="epoch", ylabel="loss")
        for i, curve in enumerate(part):
            x = np.arange(1, len(curve.loss) + 1)
            label = ("training", "held-out machines") if i == 0 else (None, None)
            ax.plot(x, curve.loss, color=GREY, lw=1, label=label[0])
            ax.plot(x, curve.held_out, color=BLUE, lw=1.4, label=label[1])
            ax.plot(curve.best + 1, curve.held_out[curve.best], "o", color=BLUE, ms=4)
        if part:
            ax.legend(frameon=False)
        else:
            _say(ax, "no such model in this bundle")
    return _uri(figure)


def scatter(rows: Sequence[Tree], cap: float, axis: str) -> str:
    """Predicted against true remaining life of the test machines, with intervals."""
    rows = [row for row in rows if row["p50"] is not None]
    figure, axes = _figure(2)
    truth = np.array([min(row["truth"], cap) for row in rows])
    low, middle, high = (np.array([r[k] for r in rows]) for k in ("p05", "p50", "p95"))
    ax = axes[0]
    ax.plot([0, cap], [0, cap], color=GREY, lw=1)
    if rows:
        ax.errorbar(
            truth, middle, np.stack([middle - low, high - middle]), fmt="none",
            ecolor=BLUE, alpha=0.25,
        )  # fmt: skip
        ax.plot(truth, middle, "o", color=BLUE, ms=3.5)
    ax.set(
        xlabel=f"true remaining {axis}, held at {cap:g}",
        ylabel="predicted: median, 5-95 %",
        title="test machines",
    )
    ax = axes[1]
    order = np.argsort(truth)
    place = np.arange(len(order))
    if rows:
        ax.fill_between(
            place, low[order], high[order], color=BLUE, alpha=0.2, label="5-95 %", lw=0
        )
        ax.plot(place, middle[order], color=BLUE, lw=1.2, label="median")
        ax.plot(place, truth[order], color=RED, lw=1.4, label="truth")
        ax.legend(frameon=False)
    ax.set(xlabel="test machines, nearest to failure first", ylabel=axis)
    return _uri(figure)


def fans(found: OutOfFold, names: Sequence[str], cap: float, axis: str) -> str:
    """Whole lives of four training machines, by networks that never saw them."""
    usable = np.unique(found.machine[~found.censored])
    chosen = usable[np.linspace(0, len(usable) - 1, min(4, len(usable))).astype(int)]
    figure, axes = _figure(max(2, len(chosen)), height=2.6)
    for ax, machine in zip(axes, chosen, strict=False):
        here = found.machine == machine
        age, rul = found.age[here], found.rul[here]
        ax.fill_between(age, rul[:, 0], rul[:, 2], color=BLUE, alpha=0.2, lw=0)
        ax.plot(age, rul[:, 1], color=BLUE, lw=1.2)
        ax.plot(age, np.minimum(found.life[here], cap), color=RED, lw=1.2)
        name = names[machine] if machine < len(names) else f"machine {machine}"
        ax.set(title=name, xlabel="rows seen", ylim=(0, cap * 1.05))
    axes[0].set_ylabel(f"remaining {axis}")
    return _uri(figure)


def reliability(found: OutOfFold, cap: float, horizon: float) -> str:
    """Is 30 % risk 30 %, and is the 90 % interval 90 %? On held-out machines."""
    figure, axes = _figure(2)
    sure = ~found.censored
    risk, real = found.risk[sure], found.life[sure] <= horizon
    weight = 1.0 / np.bincount(found.machine[sure])[found.machine[sure]]
    edges = np.linspace(0.0, 1.0, 11)
    place = np.clip(np.digitize(risk, edges) - 1, 0, 9)
    said = [_mean(risk, weight, place == b) for b in range(10)]
    seen = [_mean(real.astype(np.float64), weight, place == b) for b in range(10)]
    axes[0].plot([0, 1], [0, 1], color=GREY, lw=1)
    axes[0].plot(said, seen, "o-", color=BLUE, lw=1.2, ms=4)
    axes[0].set(
        title=f"risk of failing within {horizon:g}",
        xlabel="risk said",
        ylabel="share that failed",
    )
    capped = np.minimum(found.life[sure], cap)
    rul = found.rul[sure]
    inside = ((rul[:, 0] <= capped) & (capped <= rul[:, 2])).astype(np.float64)
    bands = np.linspace(0.0, cap, 11)
    band = np.clip(np.digitize(rul[:, 1], bands) - 1, 0, 9)
    middle = (bands[:-1] + bands[1:]) / 2
    covered = [_mean(inside, weight, band == b) for b in range(10)]
    axes[1].axhline(0.9, color=GREY, lw=1)
    axes[1].plot(middle, covered, "o-", color=BLUE, lw=1.2, ms=4)
    axes[1].set(
        title="coverage of the 90 % interval",
        xlabel="predicted median",
        ylabel="share inside",
        ylim=(0.5, 1.02),
    )
    return _uri(figure)


def _mean(values: object, weight: object, here: object) -> float:
    values, weight, here = np.asarray(values), np.asarray(weight), np.asarray(here)
    if not here.any():
        return float("nan")
    return float(np.average(values[here], weights=weight[here]))


def _figure(count: int, height: float = 3.4) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(10.5, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(1, count, i + 1) for i in range(count)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(alpha=0.25)
    return figure, axes


def _say(ax: Axes, text: str) -> None:
    ax.text(0.5, 0.5, text, ha="center", va="center", transform=ax.transAxes)


def _uri(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/png;base64,{text}"
