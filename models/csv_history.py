"""Histories in CSV files of the user's own: readings, and failures beside them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from models.datasets import MAX_BYTES, History, assemble
from models.errors import ColumnError, DataError

KINDS = ("failure", "replacement", "return")
ABSENT = {"", "nan", "null", "none", "na"}

ToNs = Callable[[str], int]
"""Text of a time to UTC nanoseconds; ValueError, with what was expected, if it is none.

Whoever calls knows the time unit and zone that the configuration gives."""


@dataclass(frozen=True)
class CsvLayout:
    """Which column holds what.

    Attributes:
        sensors: names of the sensors, in the order wanted.
        machine: column of the machine's name.
        time: column of the time.
        columns: column of a sensor where it differs from its name.
        failure_machine: column of the machine in the failures' file.
        failure_at: column of the time there.
        failure_kind: column of failure, replacement or return; None: all are failures.
        failure_mode: column of the mode, used where it exists.
        delimiter: character between fields.
        decimal: "." or ",".
    """

    sensors: tuple[str, ...]
    machine: str = "machine"
    time: str = "time"
    columns: dict[str, str] = field(default_factory=dict)
    failure_machine: str = "machine"
    failure_at: str = "at"
    failure_kind: str | None = "kind"
    failure_mode: str = "mode"
    delimiter: str = ","
    decimal: str = "."


def load(path: Path, failures: Path | None, layout: CsvLayout, to_ns: ToNs) -> History:
    """Read a history.

    Args:
        path: readings, one row per machine and time. An empty field, or NaN, is an
            absent value.
        failures: failures, replacements and returns; None: nothing ever failed.
        layout: which column holds what.
        to_ns: reads a time.

    Returns:
        Lives by machine (in order of first appearance) and time.

    Raises:
        DataError: naming file and line of the first thing that is not as expected.
    """
    names: dict[str, int] = {}
    codes: list[int] = []
    times: list[int] = []
    values: list[list[float]] = []
    wanted = [layout.columns.get(name, name) for name in layout.sensors]
    for place, row in _rows(path, [layout.machine, layout.time, *wanted], layout):
        codes.append(names.setdefault(_name(row[0], place), len(names)))
        times.append(_time(row[1], place, to_ns))
        values.append(
            [
                _number(text, place, column, layout.decimal)
                for text, column in zip(row[2:], wanted, strict=True)
            ]
        )
    if not codes:
        raise DataError(f"{path}: expected rows of readings, found none")
    events = _events(failures, layout, names, to_ns) if failures else []
    return assemble(
        layout.sensors,
        list(names),
        np.array(codes, np.int32),
        np.array(times, np.int64),
        np.array(values, np.float32).reshape(len(codes), len(wanted)),
        events,
    )


def _events(
    path: Path, layout: CsvLayout, names: dict[str, int], to_ns: ToNs
) -> list[tuple[int, int, str, str | None]]:
    columns = [layout.failure_machine, layout.failure_at]
    if layout.failure_kind is not None:
        columns.append(layout.failure_kind)
    found = []
    for place, row in _rows(path, columns, layout, layout.failure_mode):
        machine = _name(row[0], place)
        if machine not in names:
            raise DataError(f"{place}: machine {machine!r} has no readings")
        kind = row[2] if layout.failure_kind is not None else "failure"
        if kind not in KINDS:
            raise DataError(
                f"{place}: expected one of {', '.join(KINDS)}, found {kind!r}"
            )
        mode = row[len(columns)] or None
        found.append((names[machine], _time(row[1], place, to_ns), kind, mode))
    return found


def _rows(
    path: Path, columns: Sequence[str], layout: CsvLayout, optional: str | None = None
) -> Iterator[tuple[str, list[str]]]:
    """(place, fields) of each row; `optional`, if asked for, is the last field."""
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    if path.stat().st_size > MAX_BYTES:
        raise DataError(f"{path}: expected at most {MAX_BYTES} bytes")
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file, delimiter=layout.delimiter, strict=True)
        try:
            header = [name.strip() for name in next(reader, [])]
            at = _positions(path, header, columns)
            extra = header.index(optional) if optional in header else None
            for row in reader:
                if not row:
                    continue
                place = f"{path}, line {reader.line_num}"
                if len(row) != len(header):
                    raise DataError(
                        f"{place}: expected {len(header)} fields, found {len(row)}"
                    )
                fields = [row[i].strip() for i in at]
                if optional is not None:
                    fields.append(row[extra].strip() if extra is not None else "")
                yield place, fields
        except (csv.Error, UnicodeDecodeError) as problem:
            place = f"{path}, line {reader.line_num + 1}"
            raise DataError(f"{place}: no readable CSV: {problem}") from problem


def _positions(path: Path, header: list[str], columns: Sequence[str]) -> list[int]:
    for name in columns:
        count = header.count(name)
        if count != 1:
            what = f"two columns {name!r}" if count else f"no column {name!r}"
            there = ", ".join(header) or "no columns at all"
            text = f"{path}, line 1: {what} among {there}"
            raise ColumnError(text, name, tuple(header))
    return [header.index(name) for name in columns]


def _name(text: str, place: str) -> str:
    if not 1 <= len(text) <= 128 or not text.isprintable():
        raise DataError(f"{place}: expected a machine of 1-128 characters: {text!r}")
    return text


def _time(text: str, place: str, to_ns: ToNs) -> int:
    try:
        return to_ns(text)
    except ValueError as problem:
        raise DataError(f"{place}: expected a time, found {text!r}: {problem}") from (
            problem
        )


def _number(text: str, place: str, column: str, decimal: str) -> float:
    if text.lower() in ABSENT:
        return float("nan")
    try:
        value = float(text.replace(",", ".") if decimal == "," else text)
    except ValueError as problem:
        raise DataError(
            f"{place}: expected a number in {column!r}, found {text[:40]!r}"
        ) from problem
    # What a float32 cannot hold is as absent as what the instrument did not say.
    return value if abs(value) < 3.4e38 else float("nan")
