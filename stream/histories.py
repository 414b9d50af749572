"""Histories of a plant: found, read, and cut into windows by the pipeline itself.

Training and evaluation see history as the worker would have seen it: the same masks,
the same rows, the same windows, made by the very same code.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from models import cmapss, csv_history
from models.datasets import History, remaining
from models.errors import ColumnError, DataError
from stream.core.decode import usable_values
from stream.core.event_time import BadTime, TimeRule, parse
from stream.core.pipeline import windows_of
from stream.core.readings import MachineType, Readings, Tally
from stream.core.snapshot import TypeState
from stream.core.windows import Windows
from stream.demo import fleet, parameters
from stream.errors import InputError
from stream.worker.assets import types_of
from stream.worker.plant import kinds_of
from stream.worker.settings import Settings
from stream.worker.settings_data import CmapssDataset, CsvDataset, FleetDataset

_EPOCH_NS = 1_577_836_800 * 10**9
"""C-MAPSS has cycles and no dates: all engines start with the year 2020."""

_RUN_TO_FAILURE: Literal["train"] = "train"

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Cut:
    """The windows of a history.

    Attributes:
        windows: Windows of the machines, together and in time order; their
            ``machine`` counts into ``names``.
        life: (n,) remaining life after each, on the type's life axis, >= 0.
        censored: (n,) whether the life went on beyond what is known.
        names: Names of the lives.
        groups: (lives,) the physical machine behind each.
        tally: What was masked and dropped.
    """

    windows: Windows
    life: NDArray[np.float64]
    censored: NDArray[np.bool_]
    names: tuple[str, ...]
    groups: NDArray[np.int32]
    tally: Tally

    def last(self) -> NDArray[np.intp]:
        """Return where each life's last window stands."""
        machine = self.windows.machine
        return np.flatnonzero(np.append(machine[1:] != machine[:-1], [True]))


def load(settings: Settings, name: str, split: Split) -> History:
    """Read the history of one machine type.

    Raises:
        InputError: if there is none, or it is not as it must be.
    """
    dataset = settings.dataset_of(name)
    if dataset is None:
        raise InputError(
            f"machine type {name!r}: expected a dataset to learn from, found none;"
            f" set dataset, or machine_types.{name}.dataset"
        )
    try:
        if isinstance(dataset, CmapssDataset):
            period_ns = settings.machine_types[name].life.period_ns
            return cmapss.load(
                _folders(dataset),
                dataset.subset,
                split,
                epoch_ns=_EPOCH_NS,
                period_ns=period_ns,
            )
        if isinstance(dataset, FleetDataset):
            laws = parameters.read(dataset.parameters)
            return fleet.history(fleet.simulate(laws, dataset.seed, "train"))
        return _csv(settings, name, dataset)
    except DataError as error:
        raise InputError(str(error)) from error


def load_for_replay(settings: Settings, split: Split) -> History:
    """Read the history of the type that has one, to be replayed.

    Raises:
        InputError: if no machine type has a data set, or several have different ones.
    """
    names = [n for n in settings.machine_types if settings.dataset_of(n) is not None]
    sets = {repr(settings.dataset_of(n)) for n in names}
    if len(sets) > 1:
        raise InputError(
            "expected one data set to replay, found one for each of: "
            + ", ".join(names)
        )
    first = names[0] if names else next(iter(settings.machine_types))
    return load(settings, first, split)


def has_test(settings: Settings, name: str) -> bool:
    """Whether a type's data set has machines set apart for the test."""
    return isinstance(settings.dataset_of(name), CmapssDataset)


def cut(settings: Settings, name: str, history: History, most: int) -> Cut:
    """Run a history through the pipeline's own rows and windows.

    Args:
        settings: The plant's.
        name: The machine type; lives of machines of other types are left out.
        history: Its history.
        most: About how many windows at most. Below, every row completes one, whatever
            the type's own stride is, since history is short; above, every so many.

    Raises:
        InputError: if no machine of the history is of this type, or a sensor is
            missing.
    """
    position = list(settings.machine_types).index(name)
    kind = kinds_of(settings)[position]
    type_of = types_of(settings)
    mine = [type_of(_machine(m)) == name for m in history.machines]
    if not any(mine):
        patterns = ", ".join(settings.machine_types[name].match) or "(none)"
        raise InputError(
            f"machine type {name!r}: no machine of the history fits its pattern"
            f" {patterns}; the first is {history.machines[0]!r}"
        )
    tally = Tally()
    readings = _readings(kind, history, np.array(mine)[history.code], tally)
    windows = _windows(kind, readings, most, tally)
    period_ns = settings.machine_types[name].life.unit_ns
    code = windows.machine.astype(np.int32)
    life, censored = remaining(history, code, windows.time_ns, period_ns)
    names = history.machines
    return Cut(windows, life, censored, names, history.groups, tally)


def _windows(kind: MachineType, readings: Readings, most: int, tally: Tally) -> Windows:
    machines = int(readings.machine.max(initial=-1)) + 1
    first = TypeState(kind)
    first.grow(machines)
    rows = first.rows.push(readings, tally)
    state = TypeState(replace(kind, stride=-(-max(len(rows.machine), 1) // most)))
    state.grow(machines)
    pieces = list(windows_of(state, rows))
    if not pieces:
        raise InputError(f"machine type {kind.name!r}: the history gives no window")
    joined = Windows(
        *(
            np.concatenate([getattr(piece, column.name) for piece in pieces])
            for column in fields(Windows)
        )
    )
    order = np.lexsort((joined.time_ns, joined.machine))
    # Windows at which a machine stands still say nothing.
    running = joined.take(order[joined.filled[order] > 0])
    if not len(running):
        raise InputError(f"machine type {kind.name!r}: no machine of the history runs")
    return running


def _readings(
    kind: MachineType, history: History, mine: NDArray[np.bool_], tally: Tally
) -> Readings:
    missing = [n for n in kind.sensor_names if n not in history.sensors]
    if missing:
        raise InputError(
            f"machine type {kind.name!r}: the history has no column for the sensors"
            f" {', '.join(missing)}; it has {', '.join(history.sensors)}"
        )
    columns = [history.sensors.index(n) for n in kind.sensor_names]
    seen: Counter[str] = tally.values
    values = usable_values(kind, history.values[:, columns].astype(np.float64), seen)
    rows = np.flatnonzero(mine & ~np.isnan(values).all(axis=1))
    return Readings(
        machine=history.code[rows].astype(np.int64),
        time_ns=history.time_ns[rows],
        values=values[rows],
        offset=np.arange(len(rows)),
    )


def _machine(life: str) -> str:
    """Return the machine's name of a life such as ``pump-07#2``."""
    name, mark, number = life.rpartition("#")
    return name if mark and number.isdigit() else life


def _folders(dataset: CmapssDataset) -> Sequence[Path]:
    if dataset.path is not None:
        return [dataset.path]
    named = os.environ.get("FORESHOCK_DATA")
    if not named:
        raise InputError(
            "expected the folder of NASA's C-MAPSS files in FORESHOCK_DATA or in"
            " dataset.path, found neither"
        )
    return [Path(named) / "cmapss", Path(named)]


def _csv(settings: Settings, name: str, dataset: CsvDataset) -> History:
    rule = TimeRule(
        dataset.time_unit, ZoneInfo(dataset.time_zone) if dataset.time_zone else None
    )

    def to_ns(text: str) -> int:
        try:
            number: int | float | str = float(text) if "." in text else int(text)
        except ValueError:
            number = text
        try:
            return parse(number, rule)
        except BadTime as error:
            raise ValueError(str(error)) from error

    layout = csv_history.CsvLayout(
        sensors=tuple(settings.machine_types[name].sensors),
        machine=dataset.columns.machine,
        time=dataset.columns.time,
        columns=dict(dataset.columns.sensors),
        failure_machine=dataset.failure_columns.machine,
        failure_at=dataset.failure_columns.at,
        failure_kind=dataset.failure_columns.kind,
        delimiter=dataset.delimiter,
        decimal=dataset.decimal,
    )
    try:
        return csv_history.load(dataset.path, dataset.failures, layout, to_ns)
    except ColumnError as error:
        raise InputError(f"{error}; {_hint(dataset, error)}") from error
    except DataError as error:
        path = str(dataset.path)
        named = path in str(error) or str(dataset.failures) in str(error)
        raise InputError(str(error) if named else f"{path}: {error}") from error


def _hint(dataset: CsvDataset, error: ColumnError) -> str:
    """Return which setting helps where a column is not found."""
    if len(error.header) == 1:
        return "dataset.delimiter says what stands between the fields"
    if error.column == dataset.failure_columns.kind:
        return "dataset.failure_columns.kind: null takes every row for a failure"
    return "dataset.columns and dataset.failure_columns say which column holds what"
