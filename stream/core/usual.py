"""Records of the usual form, to columns, many at once.

The usual record is an object with exactly the keys ``machine``, ``time`` and
``values``, perhaps ``schema``, and known sensors as numbers. Some hundred records are
joined into one JSON array and decoded by one call; what is not quite usual is left to
`exact.py`, record by record, and a property test holds both to the same verdict.

Joining must not make sense of what makes none by itself. Between two records stands a
comma and a newline, which no JSON text allows within a string, and every record begins
with a brace, which cannot follow a comma within an object: so the commas stand between
records' objects, and equally many objects as records are one each.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain, compress
from typing import Literal, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from stream.core import event_time
from stream.core.exact import Rules, is_machine_name
from stream.core.readings import Ints, RawRecord

_CHUNK = 256
"""Records in one call: the joined text stays in the processor's cache, and an unusual
record costs its neighbours a second look."""

_NO_FORM = msgspec.MsgspecError, ValueError, TypeError


@dataclass(slots=True)
class Column:
    """Readings before they are split by type; ``values`` is (n, all sensors) float64.

    ``record`` is the position of each reading's record in the batch, ``part`` its
    position in that record.
    """

    record: NDArray[np.int64]
    part: NDArray[np.int64]
    machine: list[str]
    time_ns: Ints
    values: NDArray[np.float64]

    @classmethod
    def nothing(cls, sensors: int) -> Column:
        """Return a column without readings."""
        none = np.zeros(0, np.int64)
        return cls(none, none, [], none, np.zeros((0, sensors)))

    def take(self, index: NDArray[np.intp]) -> Column:
        """Return the readings at some positions."""
        return Column(
            self.record[index],
            self.part[index],
            [self.machine[i] for i in index.tolist()],
            self.time_ns[index],
            self.values[index],
        )


class _Form(msgspec.Struct):
    """The form of the struct that `_form` defines, for the type checker."""

    machine: str
    time: str | int | float
    values: msgspec.Struct
    schema: int


_Chunk = tuple[list[_Form], NDArray[np.float64], Sequence[int]]
"""What some records came to: forms, (n, sensors) values, and where they stand."""


class Usual:
    """Decodes usual records.

    Args:
        sensors: Names of the sensors, all types' together.
        rules: What a record may look like.
        known: Machines whose names have been checked before.
    """

    def __init__(
        self, sensors: Sequence[str], rules: Rules, known: Collection[str]
    ) -> None:
        """Build the typed decoders."""
        form = _form(sensors)
        self._one: msgspec.json.Decoder[_Form] = msgspec.json.Decoder(form)
        self._many = msgspec.json.Decoder(list[form])  # type: ignore[valid-type]
        self._rules = rules
        self._known = known
        self._width = len(sensors)

    def read(self, records: Sequence[RawRecord]) -> tuple[Column, list[int]]:
        """Decode what has the usual form; return it, and where the rest stands."""
        if self._rules.form == "telegraf":
            return Column.nothing(self._width), list(range(len(records)))
        found: list[_Form] = []
        index: list[int] = []
        parts: list[NDArray[np.float64]] = []
        for at in range(0, len(records), _CHUNK):
            raw = [record.value for record in records[at : at + _CHUNK]]
            forms, values, where = self._together(raw) or self._each(raw)
            found += forms
            parts.append(values)
            index += [at + i for i in where]
        return self._column(found, np.array(index, np.int64), parts, len(records))

    def _together(self, raw: list[bytes | None]) -> _Chunk | None:
        """Decode records by one call; None unless every one has the usual form."""
        try:
            text = b",\n".join(raw)  # type: ignore[arg-type]  # None raises
            forms: list[_Form] = self._many.decode(b"[%b]" % text)
        except _NO_FORM:
            return None
        lengths = np.fromiter(map(len, raw), np.int64, len(raw))  # type: ignore[arg-type]
        if len(forms) != len(raw) or lengths.max() > self._rules.max_bytes:
            return None
        letters = np.frombuffer(text, np.uint8)
        starts = np.cumsum(lengths + 2) - lengths - 2
        if (letters[starts] != ord("{")).any():
            return None
        values = _values(forms, self._width)
        # A key that stands twice must not pass, nor an escape: count the quotes. No
        # record has fewer than it should, so equal sums are equal terms.
        quotes = np.count_nonzero(letters == ord('"'))
        texts = np.count_nonzero(values == values) + sum(_texts(forms))  # noqa: PLR0124 - NaN
        return (forms, values, range(len(raw))) if quotes == 2 * texts else None

    def _each(self, raw: list[bytes | None]) -> _Chunk:
        """Decode records one by one; those that are not usual are left out."""
        decode, limit = self._one.decode, self._rules.max_bytes
        forms, quotes, where = [], [], []
        for i, value in enumerate(raw):
            try:
                form = decode(value)  # type: ignore[arg-type]  # None raises
            except _NO_FORM:
                continue
            assert value is not None  # noqa: S101 - it was decoded
            if len(value) <= limit:
                forms.append(form)
                quotes.append(value.count(b'"'))
                where.append(i)
        values = _values(forms, self._width)
        texts = np.count_nonzero(~np.isnan(values), axis=1)
        texts += np.array(_texts(forms), np.int64)
        good = (2 * texts == np.array(quotes)).tolist()
        kept = np.flatnonzero(good)
        return list(compress(forms, good)), values[kept], list(compress(where, good))

    def _column(
        self,
        found: list[_Form],
        record: NDArray[np.int64],
        parts: list[NDArray[np.float64]],
        count: int,
    ) -> tuple[Column, list[int]]:
        if not found:
            return Column.nothing(self._width), list(range(count))
        names = [form.machine for form in found]
        times, good = self._times([form.time for form in found])
        bad = {name for name in set(names) if not self._is_name(name)}
        if bad:
            good &= np.array([name not in bad for name in names])
        none = np.zeros_like(record)
        column = Column(record, none, names, times, np.concatenate(parts))
        if not good.all():
            column = column.take(np.flatnonzero(good))
        odd = np.ones(count, np.bool_)
        odd[column.record] = False
        return column, np.flatnonzero(odd).tolist()

    def _is_name(self, name: str) -> bool:
        return name in self._known or is_machine_name(name)

    def _times(self, raw: list[str | int | float]) -> tuple[Ints, NDArray[np.bool_]]:
        """Return the times in ns, and which of them could be understood."""
        times = event_time.parse_many(raw, self._rules.time)
        if times is not None:
            return times, np.ones(len(raw), np.bool_)
        each = [event_time.parse_or_none(one, self._rules.time) for one in raw]
        timed = np.array([one is not None for one in each])
        return np.array([one or 0 for one in each], np.int64), timed


def _texts(forms: list[_Form]) -> list[int]:
    """Count the texts of records beside the names of their sensors."""
    return [4 + form.schema + isinstance(form.time, str) for form in forms]


def _values(forms: list[_Form], width: int) -> NDArray[np.float64]:
    tuples = map(msgspec.structs.astuple, [form.values for form in forms])
    flat = np.fromiter(chain.from_iterable(tuples), np.float64, len(forms) * width)
    return flat.reshape(len(forms), width)


def _form(sensors: Sequence[str]) -> type[_Form]:
    # Field names must be identifiers, sensors' names need not: rename them.
    fields = [(f"f{i}", float, float("nan")) for i in range(len(sensors))]
    rename = {f"f{i}": name for i, name in enumerate(sensors)}
    values = msgspec.defstruct(
        "Values", fields, rename=rename, forbid_unknown_fields=True, gc=False
    )
    return cast(
        "type[_Form]",
        msgspec.defstruct(
            "Usual",
            [
                ("machine", str),
                ("time", str | int | float),
                ("values", values),
                ("schema", Literal[0, 1], 0),
            ],
            forbid_unknown_fields=True,
            gc=False,
        ),
    )
