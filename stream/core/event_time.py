"""Event times as they are written, to UTC nanoseconds.

Numbers count from 1970 UTC in `TimeRule.unit`; with ``auto`` the unit is the one that
puts the number into the years 2001 to 2100, in which seconds, milli-, micro- and
nanoseconds cannot be confused. Texts are ISO 8601 with an offset; naive ones need
`TimeRule.zone`. Digits beyond the nanosecond are cut off.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stream.core.readings import Ints

SECOND = 1_000_000_000
UNITS = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
AUTO_FROM = 978_307_200 * SECOND
AUTO_TO = 4_102_444_800 * SECOND
LAST = 9_214_646_400 * SECOND
"""Event times must lie before the year 2262, where 64-bit nanoseconds end."""

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?"
    r"([Zz]|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SHORTEST = len("2026-01-01T00:00:00Z")
_LONGEST = len("2026-01-01T00:00:00.123456789Z")
_DIGITS = np.array([0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18])
_MARKS = {4: "-", 7: "-", 10: "T", 13: ":", 16: ":"}


@dataclass(frozen=True, slots=True)
class TimeRule:
    """How to read times: the unit of numbers and the zone of naive texts."""

    unit: str = "auto"
    zone: dt.tzinfo | None = None


class BadTime(ValueError):
    """A time that cannot be understood; ``reason`` is the reject's reason."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason beside the words."""
        super().__init__(detail)
        self.reason = reason


def parse(value: object, rule: TimeRule) -> int:
    """Return one event time in ns.

    Raises:
        BadTime: with reason ``bad_time``, or ``naive_time`` for a text without offset
            where no zone is set.
    """
    if isinstance(value, str):
        at = _parse_text(value, rule)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        at = _parse_number(value, rule)
    else:
        kind = type(value).__name__
        raise BadTime(
            "bad_time", f"expected a number or an ISO 8601 text, found {kind}"
        )
    if not 0 <= at < LAST:
        raise BadTime("bad_time", "expected a time from 1970 to 2261")
    return at


def parse_or_none(value: object, rule: TimeRule) -> int | None:
    """Return `parse`, or None for a time that cannot be understood."""
    try:
        return parse(value, rule)
    except BadTime:
        return None


def to_text(at_ns: int) -> str:
    """Return an ISO 8601 UTC text with as many digits as it needs, at least ms.

    Example:
        >>> to_text(1_700_000_000_000_000_000)
        '2023-11-14T22:13:20.000Z'
    """
    text = str(np.datetime64(at_ns, "ns"))
    return f"{text[:23]}{text[23:].rstrip('0')}Z"


def _parse_number(value: float, rule: TimeRule) -> int:
    # An integer of any length is finite, but isfinite() takes only what fits a float.
    if not isinstance(value, int) and not math.isfinite(value * SECOND):
        raise BadTime("bad_time", "expected a finite number")
    for unit in UNITS if rule.unit == "auto" else (rule.unit,):
        at = _to_ns(value, UNITS[unit])
        if rule.unit != "auto" or AUTO_FROM <= at < AUTO_TO:
            return at
    raise BadTime("bad_time", "expected a time from 2001 to 2100 in s, ms, us or ns")


def _to_ns(value: float, factor: int) -> int:
    if isinstance(value, int):
        return value * factor
    # A float of seconds is exact to about 0.2 us only: keep the microsecond.
    return round(value * factor / 1000) * 1000 if factor > 1 else int(value)


def _parse_text(text: str, rule: TimeRule) -> int:
    found = _ISO.fullmatch(text)
    if found is None:
        raise BadTime(
            "bad_time", "expected an ISO 8601 time such as 2026-01-31T09:00:00Z"
        )
    *fields, fraction, offset = found.groups()
    try:
        year, month, day, hour, minute, second = map(int, fields)
        moment = dt.datetime(  # noqa: DTZ001 - the zone follows
            year, month, day, hour, minute, second
        )
    except ValueError as error:
        raise BadTime("bad_time", f"no such time: {error}") from error
    since = moment.replace(tzinfo=_zone(offset, rule)) - _EPOCH
    ns = int((fraction or "")[:9].ljust(9, "0"))
    return (since.days * 86_400 + since.seconds) * SECOND + ns


def _zone(offset: str | None, rule: TimeRule) -> dt.tzinfo:
    if offset is None:
        if rule.zone is None:
            raise BadTime(
                "naive_time", "expected an offset or Z, since no time zone is set"
            )
        return rule.zone
    if offset in "Zz":
        return dt.UTC
    hours, minutes = int(offset[1:3]), int(offset[-2:])
    if hours > 23 or minutes > 59:
        raise BadTime("bad_time", f"no such offset: {offset}")
    shift = dt.timedelta(hours=hours, minutes=minutes)
    return dt.timezone(-shift if offset[0] == "-" else shift)


def parse_many(values: Sequence[object], rule: TimeRule) -> Ints | None:
    """Return (n,) event times in ns where all values have one usual form, else None.

    The usual forms are ISO texts in UTC with a capital ``T`` and ``Z``, and whole
    numbers; what this returns equals `parse` on each value. None means: go one by one.
    """
    kinds = set(map(type, values))
    if kinds == {str}:
        return _parse_texts(values)
    if kinds == {int}:
        return _parse_whole_numbers(values, rule)
    return None


def _parse_whole_numbers(values: Sequence[object], rule: TimeRule) -> Ints | None:
    try:
        numbers: Ints = np.array(values, np.int64)
    except OverflowError:
        return None
    low, high = int(numbers.min()), int(numbers.max())
    for unit in UNITS if rule.unit == "auto" else (rule.unit,):
        factor = UNITS[unit]
        first, end = (AUTO_FROM, AUTO_TO) if rule.unit == "auto" else (0, LAST)
        if first <= low * factor and high * factor < end:
            return numbers * factor
    return None


def _parse_texts(values: Sequence[object]) -> Ints | None:
    lengths = np.array([len(text) for text in values])  # type: ignore[arg-type]  # all are str here
    if lengths.min() < _SHORTEST or lengths.max() > _LONGEST:
        return None
    try:
        texts = np.array(values, f"S{_LONGEST}")
    except UnicodeEncodeError:
        return None
    letters = texts.view(np.uint8).reshape(len(values), _LONGEST)
    if not _usual_form(letters):
        return None
    last = np.argmax(letters == ord("Z"), axis=1)
    # NUL characters after the Z cannot be told from numpy's padding.
    if (last + 1 != lengths).any():
        return None
    letters[np.arange(len(values)), last] = 0
    try:
        at: Ints = texts.astype("U").astype("M8[ns]").astype(np.int64)
    except ValueError:
        return None
    return at


def _usual_form(letters: np.ndarray) -> bool:
    """Tell whether all rows are YYYY-MM-DDTHH:MM:SS[.digits]Z, of 1970 to 2261."""
    digit = (letters >= ord("0")) & (letters <= ord("9"))
    if not digit[:, _DIGITS].all():
        return False
    if any((letters[:, at] != ord(mark)).any() for at, mark in _MARKS.items()):
        return False
    year = (letters[:, :4].astype(np.int64) - ord("0")) @ np.array([1000, 100, 10, 1])
    if (year < 1970).any() or (year > 2261).any():  # see LAST
        return False
    tail = letters[:, 19:]
    ends = tail == ord("Z")
    at = np.argmax(ends, axis=1)
    rest = np.arange(tail.shape[1])
    fraction = (rest > 0) & (rest < at[:, None])
    after = rest > at[:, None]
    point = (at == 0) | ((at > 1) & (tail[:, 0] == ord(".")))
    return bool(
        ends.any(axis=1).all()
        and point.all()
        and (digit[:, 19:] | ~fraction).all()
        and ((tail == 0) | ~after).all()
    )
