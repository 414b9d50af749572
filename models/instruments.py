"""Which instruments are at fault, told apart from what is wrong with the machine.

A verdict rests on one window and on numbers that were frozen at training, so it is the
same in training, in a backtest and live. What a faulty instrument says is taken out
before the networks see it. Of each sensor the first of these that holds is said:

- **out_of_range**: only values outside the instrument's range came of it.
- **no_data**: nothing came of it for longer than its usual gaps, of others something.
- **stuck**: one value for much longer than it ever stood still in training.
- **noisy**, **spiking**: see `models.instruments_rough`.
- **drifting**: see `models.instruments_drift`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from models import features, instruments_drift, instruments_rough
from models.features import FeatureSpec, Inputs, Rows
from models.instruments_drift import DriftSpec
from models.instruments_rough import RoughSpec
from models.windows import Doubles, Floats, Windows

FAULTS = (
    "",
    "no_data",
    "stuck",
    "out_of_range",
    "spiking",
    "noisy",
    "drifting",
)
"""What may be wrong with an instrument; `Judged.faults` holds positions in it."""

NO_DATA, STUCK, OUT_OF_RANGE, SPIKING, NOISY, DRIFTING = range(1, 7)

# Fewer rows than these say nothing; see `InstrumentSpec.gap` and `run`.
LEAST_GAP, LEAST_RUN = 3, 6
# Windows judged at once; bounds memory, and changes no result.
CHUNK = 1024

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class InstrumentSpec:
    """Usual behaviour of each instrument; 0 in a limit means that it is never judged.

    Attributes:
        gap: (S,) rows without a value that are too many.
        run: (S,) rows of one value that are too many.
        rough: how much sensors scatter from row to row.
        drift: what sensors say of each other.
    """

    gap: Ints
    run: Ints
    rough: RoughSpec
    drift: DriftSpec

    def to_json(self) -> dict[str, Any]:
        """Plain lists and numbers, exact for float64."""
        return {
            "gap": self.gap.tolist(),
            "run": self.run.tolist(),
            "rough": self.rough.to_json(),
            "drift": self.drift.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], spec: FeatureSpec) -> InstrumentSpec:
        """The inverse of `to_json`.

        Raises:
            ValueError: if a table does not fit the sensors and regimes.
        """
        sensors, width = len(spec.sensors), len(spec.columns)
        tables = {name: np.asarray(data[name], np.int64) for name in ("gap", "run")}
        for name, table in tables.items():
            if table.shape != (sensors,) or (table < 0).any():
                raise ValueError(
                    f"instruments.{name}: expected {sensors} numbers >= 0, "
                    f"found {table.shape}"
                )
        return cls(
            rough=RoughSpec.from_json(data["rough"], len(spec.mean), width),
            drift=DriftSpec.from_json(data["drift"], width),
            **tables,
        )


@dataclass(frozen=True)
class Judged:
    """What was found of the instruments in n windows.

    Attributes:
        faults: (n, S) int8 positions in `FAULTS`.
        deviation: (n, S) mean of the window's newest quarter against the machine's own
            normal, in standard deviations of healthy machines, 2 decimals; NaN for
            settings, constant sensors, and instruments that are mute or stuck.
        hidden: (n, F) sensors that say nothing of the machine: the faulty ones but
            those that spike, and such as are about to be called faulty.
    """

    faults: npt.NDArray[np.int8]
    deviation: Doubles
    hidden: Bools

    @classmethod
    def nothing(cls, spec: FeatureSpec, n: int) -> Judged:
        """No verdict on any of n windows."""
        sensors = len(spec.sensors)
        return cls(
            np.zeros((n, sensors), np.int8),
            np.full((n, sensors), np.nan),
            np.zeros((n, len(spec.columns)), np.bool_),
        )

    def part(self, some: slice) -> Judged:
        """Some windows; views, which may be written to."""
        return Judged(self.faults[some], self.deviation[some], self.hidden[some])


def examine(
    health: InstrumentSpec | None, spec: FeatureSpec, windows: Windows
) -> tuple[Inputs, Judged]:
    """Judge the instruments, and return network inputs without the faulty ones.

    A window's result does not depend on the other windows.

    Args:
        health: what was learned of the instruments; None judges nothing.
        spec: what was learned of the sensors.
        windows: n >= 0 raw windows; never altered.
    """
    n = len(windows.filled)
    rows = features.prepare(spec, windows)
    judged = Judged.nothing(spec, n)
    if health is not None:
        for at in range(0, n, CHUNK):
            some = slice(at, min(at + CHUNK, n))
            z = masked(health, spec, Part.of(windows, rows, some), judged.part(some))
            _drifts(health.drift, spec, z, rows.scores[some], judged.part(some))
    return features.finish(spec, windows, rows), judged


@dataclass(frozen=True)
class Part:
    """Some windows on their way; `scores` and what is judged are written in place."""

    values: Floats
    filled: npt.NDArray[np.int32]
    outside: Bools | None
    n_base: npt.NDArray[np.int32]
    rows: Rows

    @classmethod
    def of(cls, windows: Windows, rows: Rows, some: slice) -> Part:
        """The windows at `some`."""
        outside = getattr(windows, "outside", None)
        return cls(
            windows.values[some],
            windows.filled[some],
            None if outside is None else outside[some],
            windows.n_base[some],
            Rows(rows.scores[some], rows.code[some], rows.own[some], rows.share[some]),
        )


@dataclass(frozen=True)
class Recent:
    """The newest quarter of n windows.

    Attributes:
        z: (n, F) its mean less the own baseline, z-scores; 0 unknown.
        known: (n, F) whether at least half of its rows have a value.
        ready: (n,) whether the machine's own normal is known, and enough rows.
        unsure: (n, F) sensors that may be noisy: what they say counts, but it is no
            drift.
    """

    z: Doubles
    known: Bools
    ready: Bools
    unsure: Bools


def masked(
    health: InstrumentSpec, spec: FeatureSpec, part: Part, judged: Judged
) -> Recent:
    """Judge all but drifts, take the faulty values out, and sum up what remains."""
    columns, scores = list(spec.columns), part.rows.scores
    _silent(health, part, judged.faults)
    lost = _stuck(health, spec, part, judged.faults)
    lost |= np.isin(judged.faults[:, columns], (NO_DATA, OUT_OF_RANGE))
    found = instruments_rough.find(health.rough, part.rows, part.filled)
    free = judged.faults[:, columns] == 0
    for fault, which in ((NOISY, found.noisy), (SPIKING, found.spiking)):
        at, column = np.nonzero(which & free)
        judged.faults[at, np.array(columns)[column]] = fault
    recent = _recent(spec, part, found.unsure)
    known = recent.known & ~lost
    judged.deviation[:, columns] = instruments_drift.sigmas(
        health.drift, recent.z, known
    )
    # Noise is told of as it stands, and then taken out as a whole.
    noise = found.noisy | found.unsure
    at, column = np.nonzero(noise)
    scores[at, :, column] = np.nan
    judged.hidden[:] = lost | noise
    return replace(recent, known=known & ~found.noisy)


def _drifts(
    drift: DriftSpec, spec: FeatureSpec, recent: Recent, scores: Floats, judged: Judged
) -> None:
    found = instruments_drift.find(drift, recent.z, recent.known, recent.ready)
    at, column = np.nonzero(found.drifting & ~recent.unsure)
    place = np.array(spec.columns)[column]
    quiet = judged.faults[at, place] == 0
    judged.faults[at[quiet], place[quiet]] = DRIFTING
    judged.hidden[:] |= found.lone
    at, column = np.nonzero(found.lone)
    scores[at, :, column] = np.nan


def _silent(health: InstrumentSpec, part: Part, faults: npt.NDArray[np.int8]) -> None:
    """Mark sensors of which nothing came, or nothing within the range."""
    if not np.isnan(part.values[:, -1]).any():
        return
    gap = trailing_gap(part.values, part.filled)
    others = (gap == 0).any(axis=1)[:, None]
    faults[(health.gap > 0) & (gap >= health.gap) & others] = NO_DATA
    if part.outside is not None:
        faults[part.outside & (gap >= LEAST_GAP)] = OUT_OF_RANGE


def trailing_gap(values: Floats, filled: npt.NDArray[np.int32]) -> Ints:
    """How many of the newest rows lack each sensor, (n, S), of the real rows."""
    lacking = np.isnan(values[:, ::-1])
    gap = np.where(lacking.all(axis=1), values.shape[1], np.argmin(lacking, axis=1))
    return np.asarray(np.minimum(gap, filled[:, None]), np.int64)


def _stuck(
    health: InstrumentSpec, spec: FeatureSpec, part: Part, faults: npt.NDArray[np.int8]
) -> Bools:
    """Mark sensors that stand still, and take their run of values out, (n, F)."""
    values = part.values
    early = np.maximum(LEAST_RUN * 2 // 3, health.run * 2 // 3)
    # Nearly always the newest two values differ, and nothing more is to be done.
    maybe = (values[:, -1] == values[:, -2]) | np.isnan(values[:, -2:]).any(axis=1)
    maybe &= health.run > 0
    at, sensor = np.nonzero(maybe)
    run, first = trailing_run(values[at, :, sensor], part.filled[at])
    still = run >= early[sensor]
    at, sensor, run, first = at[still], sensor[still], run[still], first[still]
    named = (run >= health.run[sensor]) & (faults[at, sensor] == 0)
    faults[at[named], sensor[named]] = STUCK
    lost = np.zeros(part.rows.own.shape, np.bool_)
    position = np.full(values.shape[2], -1)
    position[list(spec.columns)] = np.arange(len(spec.columns))
    for row, column, since in zip(at, position[sensor], first, strict=True):
        if column >= 0:
            lost[row, column] = True
            part.rows.scores[row, since:, column] = np.nan
    return lost


def trailing_run(
    values: Floats, filled: npt.NDArray[np.int32]
) -> tuple[Ints, npt.NDArray[np.intp]]:
    """How often the newest value stands at the end of (p, W) rows, and since when.

    Rows that lack the value neither count nor end the run; copies of the first row
    that fill a short window do not count.
    """
    width = values.shape[1]
    rows = np.arange(width)
    real = rows >= (width - filled)[:, None]
    there = np.isfinite(values) & real
    newest = width - 1 - np.argmax(there[:, ::-1], axis=1)
    other = there & (values != values[np.arange(len(values)), newest][:, None])
    ended = np.where(other.any(axis=1), width - np.argmax(other[:, ::-1], axis=1), 0)
    mine = there & (rows >= ended[:, None])
    count = np.count_nonzero(mine, axis=1)
    first = np.where(count > 0, np.argmax(mine, axis=1), width)
    # A run that fills all real rows fills the copies before them as well.
    first = np.where(first <= width - filled, 0, first)
    return count.astype(np.int64), first


def _recent(spec: FeatureSpec, part: Part, unsure: Bools) -> Recent:
    """Mean of the newest quarter against the own baseline, sums in a fixed order."""
    scores, filled = part.rows.scores, part.filled
    width = scores.shape[1]
    quarter = np.minimum(np.maximum(filled // 4, 3), width)
    total = np.zeros(part.rows.own.shape)
    count = np.zeros_like(total)
    for back in range(int(quarter.max(initial=0))):
        row = scores[:, width - 1 - back]
        there = np.isfinite(row) & (back < quarter)[:, None]
        total += np.where(there, row, 0.0)
        count += there
    known = 2 * count >= quarter[:, None]
    z = np.where(known, total / np.maximum(count, 1) - part.rows.own, 0.0)
    ready = (2 * filled >= width) | (filled >= ENOUGH)
    return Recent(z, known, ready & (part.n_base >= spec.baseline_rows), unsure)


# Rows that are enough for a mean, in a window that seldom fills.
ENOUGH = 20
