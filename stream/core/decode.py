"""Records of one partition, to columns of readings and rejects.

Records of the usual form are decoded many at once (`usual.py`); every other record is
judged by `exact.py`. A property test holds both to the same verdict.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream.core import event_time
from stream.core.exact import (
    REASONS,
    Rejected,
    Rules,
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
from stream.core.usual import Column, Usual

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
        # None where a type has all sensors in their order.
        self._columns_of = [
            None
            if kind.sensor_names == tuple(names)
            else np.array([self._column[n] for n in kind.sensor_names])
            for kind in types
        ]
        self._typed = Usual(tuple(names), rules, lookup)

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

    def _usual(self, records: Sequence[RawRecord]) -> tuple[Column, list[int]]:
        """Decode what has the usual form; return it, and where the rest stands."""
        return self._typed.read(records)

    def _nothing(self) -> Column:
        return Column.nothing(len(self._column))

    def _careful(
        self,
        records: Sequence[RawRecord],
        odd: list[int],
        rejects: list[Reject],
        seen: Counter[str],
    ) -> Column:
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
        return Column(
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
        self, records: Sequence[RawRecord], column: Column, rejects: list[Reject]
    ) -> Column:
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
        return column.take(np.flatnonzero(~future))

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
        self, records: Sequence[RawRecord], column: Column, seen: Counter[str]
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
        column: Column,
        code: Ints,
        tally: Tally,
    ) -> Readings:
        """Return the readings of one type, its values in its units and masked."""
        count = len(self._types)
        of_type = (code >= 0) & (code % count == kind)
        # Nearly always all readings are of one type: then nothing need be copied.
        mine = None if of_type.all() else np.flatnonzero(of_type)
        raw = column.values if mine is None else column.values[mine]
        own = raw
        if self._columns_of[kind] is not None:
            own = raw[:, self._columns_of[kind]]
            foreign = np.count_nonzero(~np.isnan(raw))
            foreign -= np.count_nonzero(~np.isnan(own))
            Tally.bump(tally.values, "unknown_sensor", foreign)
        values = usable_values(self._types[kind], own, tally.values)
        offsets = np.array([r.offset for r in records], np.int64)[column.record]
        found = Readings(code // count, column.time_ns, values, offsets)
        if mine is not None:
            found = Readings(
                code[mine] // count, column.time_ns[mine], values, offsets[mine]
            )
        usable = np.asarray(~np.isnan(values).all(axis=1))
        Tally.bump(tally.readings, "masked_only", np.count_nonzero(~usable))
        return found if usable.all() else found.take(usable)


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
        wide = raw if (scale == 1).all() and not shift.any() else raw * scale + shift
        masked: Floats = wide.astype(np.float32)
    # Complete readings within their ranges, as most are, need no second look.
    if ((wide >= low) & (wide <= high)).all() and np.isfinite(masked).all():
        return masked
    huge = np.abs(wide) > _FLOAT32_LIMIT
    outside = ((wide < low) | (wide > high)) & ~huge
    Tally.bump(seen, "non_finite", np.count_nonzero(huge))
    Tally.bump(seen, "out_of_range", np.count_nonzero(outside))
    masked[huge] = np.nan
    masked[outside] = OUTSIDE
    return masked


def _merged(usual: Column, careful: Column) -> Column:
    """Join two columns in arrival order."""
    if not careful.machine:
        return usual
    record = np.concatenate([usual.record, careful.record])
    order = np.argsort(record, kind="stable")
    names = usual.machine + careful.machine
    return Column(
        record[order],
        np.concatenate([usual.part, careful.part])[order],
        [names[i] for i in order],
        np.concatenate([usual.time_ns, careful.time_ns])[order],
        np.concatenate([usual.values, careful.values])[order],
    )
