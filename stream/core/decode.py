"""Records of one partition, to columns of readings and rejects.

The usual record, an object with exactly the keys ``machine``, ``time`` and ``values``
and known sensors as numbers, takes a typed path of a few C calls; every other record is
judged by `exact.py`. A property test holds both to the same verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.core import event_time
from stream.core.exact import (
    REASONS,
    Rejected,
    Rules,
    is_machine_name,
    readings_of,
)
from stream.core.readings import (
    OUTSIDE,
    REFUSAL,
    Floats,
    Ints,
    MachineType,
    RawRecord,
    Readings,
    Reject,
    Tally,
)

_FLOAT32_LIMIT = float(np.finfo(np.float32).max)
"""Larger values become infinite in the state, which keeps float32."""


@dataclass(slots=True)
class Decoded:
    """What a batch of records came to.

    Attributes:
        readings: One entry per machine type, in the order of the types.
        rejects: Readings that cannot be understood, in arrival order.
        tally: Their count, and that of readings that ended here in another way.
    """

    readings: list[Readings]
    rejects: list[Reject]
    tally: Tally


@dataclass(slots=True)
class _Column:
    """Readings before they are split by type; ``values`` is (n, all sensors) float64.

    ``record`` is the position of each reading's record in the batch, ``part`` its
    position in that record.
    """

    record: NDArray[np.int64]
    part: NDArray[np.int64]
    machine: list[str]
    time_ns: Ints
    values: NDArray[np.float64]


class Decoder:
    """Decodes the records of one partition.

    Args:
        types: The machine types, in the order that machine numbers refer to.
        rules: What a record may look like.
        lookup: Known machines; the value is ``number * len(types) + type``, or a
            refusal (< 0).
        admit: Called with the name of a machine that is not in ``lookup``; returns
            its value, or a refusal.
    """

    def __init__(
        self,
        types: Sequence[MachineType],
        rules: Rules,
        lookup: dict[str, int],
        admit: Callable[[str], int],
    ) -> None:
        """Build the typed decoder for the union of all types' sensors."""
        self._types = types
        self._rules = rules
        self._lookup = lookup
        self._admit = admit
        names = dict.fromkeys(n for kind in types for n in kind.sensor_names)
        self._column = {name: i for i, name in enumerate(names)}
        self._columns_of = [
            np.array([self._column[n] for n in kind.sensor_names]) for kind in types
        ]
        self._typed = _typed_decoder(tuple(names))

    def decode(self, records: Sequence[RawRecord]) -> Decoded:
        """Decode records of one partition, in offset order."""
        tally = Tally(records=len(records))
        rejects: list[Reject] = []
        usual, odd = self._usual(records)
        careful = self._careful(records, odd, rejects, tally.values)
        column = _merged(usual, careful)
        column = self._without_future(records, column, rejects)
        rejects.sort(key=lambda reject: (reject.record.offset, reject.position))
        tally.readings.update(f"quarantined.{reject.reason}" for reject in rejects)
        code = self._numbers(column.machine)
        self._compare_keys(records, column, tally.values)
        readings = [
            self._of_type(kind, records, column, code, tally)
            for kind in range(len(self._types))
        ]
        for refusal, state in REFUSAL.items():
            tally.bump(tally.readings, state, np.count_nonzero(code == refusal))
        return Decoded(readings, rejects, tally)

    def _usual(self, records: Sequence[RawRecord]) -> tuple[_Column, list[int]]:
        """Decode what has the usual form; return it, and where the rest stands."""
        decode, limit = self._typed.decode, self._rules.max_bytes
        index, found, odd = [], [], []
        quotes: list[int] = []
        for i, record in enumerate(records):
            value = record.value
            try:
                found.append(decode(value))  # type: ignore[arg-type]  # None raises
            except (msgspec.MsgspecError, ValueError, TypeError):
                odd.append(i)
                continue
            index.append(i)
            # A key that stands twice must not pass, nor an escape: count the quotes.
            quotes.append(value.count(b'"') if len(value) <= limit else -1)  # type: ignore[union-attr,arg-type]
        if self._rules.form == "telegraf" or not found:
            return self._nothing(), list(range(len(records)))
        tuples = [msgspec.structs.astuple(f.values) for f in found]
        values = np.array(tuples, np.float64).reshape(len(found), len(self._column))
        texts = np.count_nonzero(~np.isnan(values), axis=1)
        texts += [4 + (f.schema != 0) + isinstance(f.time, str) for f in found]
        lookup = self._lookup
        named = [f.machine in lookup or is_machine_name(f.machine) for f in found]
        times, timed = self._times([f.time for f in found])
        good = (2 * texts == np.array(quotes)) & named & timed
        where = np.array(index, np.int64)
        odd += where[~good].tolist()
        names = [f.machine for f, g in zip(found, good, strict=True) if g]
        record = where[good]
        column = _Column(
            record, np.zeros_like(record), names, times[good], values[good]
        )
        return column, odd

    def _times(self, raw: list[str | int | float]) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the times in ns, and which of them could be understood."""
        times = event_time.parse_many(raw, self._rules.time)
        if times is not None:
            return times, np.ones(len(raw), np.bool_)
        each = [event_time.parse_or_none(one, self._rules.time) for one in raw]
        timed = np.array([one is not None for one in each])
        return np.array([one or 0 for one in each], np.int64), timed

    def _nothing(self) -> _Column:
        none = np.zeros(0, np.int64)
        return _Column(none, none, [], none, np.zeros((0, len(self._column))))

    def _careful(
        self,
        records: Sequence[RawRecord],
        odd: list[int],
        rejects: list[Reject],
        seen: Counter[str],
    ) -> _Column:
        where, parts, names, times, rows = [], [], [], [], []
        for i in sorted(odd):
            for part, result in enumerate(readings_of(records[i], self._rules)):
                if isinstance(result, Rejected):
                    reject = Reject(records[i], result.reason, str(result), part)
                    rejects.append(reject)
                    continue
                where.append(i)
                parts.append(part)
                names.append(result.machine)
                times.append(result.time_ns)
                rows.append(self._row(result.values, seen))
                Tally.bump(seen, "duplicate", result.repeated)
        if not rows:
            return self._nothing()
        at = np.array(where, np.int64)
        return _Column(
            at, np.array(parts), names, np.array(times, np.int64), np.stack(rows)
        )

    def _row(
        self, values: dict[str, float | str], seen: Counter[str]
    ) -> NDArray[np.float64]:
        row = np.full(len(self._column), np.nan)
        for name, value in values.items():
            column = self._column.get(name)
            if column is None:
                seen["unknown_sensor"] += 1
            elif isinstance(value, str):
                seen[value] += 1
            else:
                row[column] = value
        return row

    def _without_future(
        self, records: Sequence[RawRecord], column: _Column, rejects: list[Reject]
    ) -> _Column:
        """Reject readings too far ahead of their record's own timestamp."""
        stamps = np.array([r.timestamp for r in records], np.int64)
        # A timestamp is anything its producer says: keep it within ns of 64 bits.
        stamps = np.minimum(stamps, event_time.LAST // 1_000_000)
        stamp = stamps[column.record]
        limit = stamp * 1_000_000 + self._rules.future_ns
        future = (column.time_ns > limit) & (stamp >= 0)
        for i in np.flatnonzero(future):
            ahead = (column.time_ns[i] - stamp[i] * 1_000_000) / event_time.SECOND
            detail = f"{REASONS['future']}: {ahead:.0f} s"
            record = records[column.record[i]]
            rejects.append(Reject(record, "future", detail, int(column.part[i])))
        if not future.any():
            return column
        kept = np.flatnonzero(~future)
        return _Column(
            column.record[kept],
            column.part[kept],
            [column.machine[i] for i in kept],
            column.time_ns[kept],
            column.values[kept],
        )

    def _numbers(self, names: list[str]) -> Ints:
        lookup = self._lookup
        try:
            return np.array([lookup[name] for name in names], np.int64)
        except KeyError:
            known = (lookup.get(name) for name in names)
            pairs = zip(known, names, strict=True)
            codes = [self._admit(n) if k is None else k for k, n in pairs]
            return np.array(codes, np.int64)

    def _compare_keys(
        self, records: Sequence[RawRecord], column: _Column, seen: Counter[str]
    ) -> None:
        """Count records whose key names another machine; the payload is the truth."""
        pairs = zip(column.record.tolist(), column.machine, strict=True)
        differs = sum(
            bool(key := records[i].key) and key != name.encode() for i, name in pairs
        )
        Tally.bump(seen, "key_differs", differs)

    def _of_type(
        self,
        kind: int,
        records: Sequence[RawRecord],
        column: _Column,
        code: Ints,
        tally: Tally,
    ) -> Readings:
        """Return the readings of one type, its values in its units and masked."""
        count = len(self._types)
        mine = np.flatnonzero((code >= 0) & (code % count == kind))
        raw = column.values[mine]
        own = raw[:, self._columns_of[kind]]
        foreign = np.count_nonzero(~np.isnan(raw)) - np.count_nonzero(~np.isnan(own))
        Tally.bump(tally.values, "unknown_sensor", foreign)
        values = usable_values(self._types[kind], own, tally.values)
        usable = ~np.isnan(values).all(axis=1)
        Tally.bump(tally.readings, "masked_only", np.count_nonzero(~usable))
        mine = mine[usable]
        offsets = np.array([r.offset for r in records], np.int64)
        return Readings(
            code[mine] // count,
            column.time_ns[mine],
            values[usable],
            offsets[column.record[mine]],
        )


def usable_values(
    kind: MachineType, raw: NDArray[np.float64], seen: Counter[str]
) -> Floats:
    """Return values in the sensors' units, masked where they cannot be used.

    Args:
        kind: The machine type.
        raw: (n, sensors) values as they came; NaN is absent.
            Outside the instrument's range they become `OUTSIDE`, a NaN of its own.
        seen: Counts ``non_finite`` and ``out_of_range`` values.
    """
    scale, shift, low, high = np.array(
        [(s.scale, s.offset, s.low, s.high) for s in kind.sensors]
    ).T
    with np.errstate(over="ignore"):
        wide = raw * scale + shift
    huge = np.abs(wide) > _FLOAT32_LIMIT
    outside = ((wide < low) | (wide > high)) & ~huge
    Tally.bump(seen, "non_finite", np.count_nonzero(huge))
    Tally.bump(seen, "out_of_range", np.count_nonzero(outside))
    wide[huge] = np.nan
    masked: Floats = wide.astype(np.float32)
    masked[outside] = OUTSIDE
    return masked


class _Usual(msgspec.Struct):
    """The form of the struct that `_typed_decoder` defines, for the type checker."""

    machine: str
    time: str | int | float
    values: msgspec.Struct
    schema: int


def _typed_decoder(sensors: tuple[str, ...]) -> msgspec.json.Decoder[_Usual]:
    # Field names must be identifiers, sensors' names need not: rename them.
    fields = [(f"f{i}", float, float("nan")) for i in range(len(sensors))]
    rename = {f"f{i}": name for i, name in enumerate(sensors)}
    values = msgspec.defstruct(
        "Values", fields, rename=rename, forbid_unknown_fields=True, gc=False
    )
    usual = msgspec.defstruct(
        "Usual",
        [
            ("machine", str),
            ("time", str | int | float),
            ("values", values),
            ("schema", Literal[0, 1], 0),
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(usual)


def _merged(usual: _Column, careful: _Column) -> _Column:
    """Join two columns in arrival order."""
    if not careful.machine:
        return usual
    record = np.concatenate([usual.record, careful.record])
    order = np.argsort(record, kind="stable")
    names = usual.machine + careful.machine
    return _Column(
        record[order],
        np.concatenate([usual.part, careful.part])[order],
        [names[i] for i in order],
        np.concatenate([usual.time_ns, careful.time_ns])[order],
        np.concatenate([usual.values, careful.values])[order],
    )
