"""Scores, alerts and readings as InfluxDB line protocol.

Format: docs.influxdata.com, "Line protocol", section "Special characters".
Pure: nothing is written here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\ ", "\r": r"\ "})
_KEY = str.maketrans(
    {",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ ", "\r": r"\ ", "\t": r"\ "}
)
# The server loses count of quotes when a text holds both \" and a line end.
_TEXT = str.maketrans({'"': r"\"", "\\": r"\\", "\n": " ", "\r": " "})
# In the key of a field it takes a quote for the start of a text, and reads \\ as one
# character, unlike in tags; neither can be escaped.
_PLAIN_KEY = str.maketrans({'"': "'", "\\": "/"})
_NS_DIGITS = 9
_ALERT_TAGS = ("type", "subject", "sensor", "severity", "event")
_ALERT_TEXTS = (
    "case_id",
    "state",
    "message",
    "onset",
    "cleared_by",
    "action",
    "failure_mode",
)


_NOWHERE: Mapping[str, str] = MappingProxyType({})


def score_line(score: Mapping[str, Any], place: Mapping[str, str] = _NOWHERE) -> str:
    """One score as a line of measurement `score`.

    Args:
        score: A decoded message of the scores topic. Tags: machine, type, model.
            Fields: risk, rul_p05, rul_p50, rul_p95, anomaly, health,
            contribution_<sensor>, why, id; null ones are left out.
        place: Tags more: where the machine stands, such as site and line.

    Returns:
        The line, time in ns.

    Raises:
        ValueError: It is no score; says what is missing or wrong.
    """
    try:
        rul = score.get("rul") or {}
        model = score.get("model") or {}
        tags = {
            "machine": score["machine"],
            "type": score["type"],
            "model": model.get("name"),
            **place,
        }
        fields: dict[str, Any] = {
            "risk": _number(score.get("risk")),
            "rul_p05": _number(rul.get("p05")),
            "rul_p50": _number(rul.get("p50")),
            "rul_p95": _number(rul.get("p95")),
            "anomaly": _number(score.get("anomaly")),
            "health": _number(score.get("health")),
            "why": score.get("why"),
            "id": score["id"],
        }
        for sensor, share in (score.get("contributions") or {}).items():
            fields[f"contribution_{sensor}"] = _number(share)
        line = point("score", tags, fields, time_ns(score["time"]))
    except (KeyError, TypeError, AttributeError) as error:
        text = f"not a score: {type(error).__name__}: {error}"
        raise ValueError(text) from error
    if line is None:
        raise ValueError("not a score: it has no fields")
    return line


def alert_line(
    alert: Mapping[str, Any],
    place: Mapping[str, str] = _NOWHERE,
    received_ns: int | None = None,
) -> str:
    """One change of an alarm as a line of measurement `alert`.

    Args:
        alert: A decoded message of the alerts topic. Tags: machine, type, kind,
            subject, sensor, severity, event. Fields: id, case_id, state, message,
            onset, cleared_by, action and failure_mode (texts), seq, value, limit,
            risk, rul_p05, rul_p50, rul_p95 and anomaly (floats), backfill and
            out_of_service (booleans); null and empty ones are left out.
        place: Tags more: where the machine stands, such as site and line.
        received_ns: Time of an alert without one, such as that of its record; None
            refuses it.

    Returns:
        The line, time in ns. Two changes of one machine and kind are one point if they
        agree in all tags and in time; changes of one alarm never do.

    Raises:
        ValueError: It is no alert; says what is missing or wrong.
    """
    try:
        evidence = alert.get("evidence") or {}
        p05, p50, p95 = evidence.get("rul") or (None, None, None)
        tags = {name: alert.get(name) for name in _ALERT_TAGS}
        tags |= {"machine": alert["machine"], "kind": alert["kind"], **place}
        fields: dict[str, Any] = {
            name: _words(alert.get(name)) for name in _ALERT_TEXTS
        }
        fields |= {
            "id": alert["id"],
            "seq": _number(alert["seq"]),
            "value": _number(evidence.get("value")),
            "limit": _number(evidence.get("limit")),
            "risk": _number(evidence.get("risk")),
            "rul_p05": _number(p05),
            "rul_p50": _number(p50),
            "rul_p95": _number(p95),
            "anomaly": _number(evidence.get("anomaly")),
            "backfill": alert.get("backfill") is True,
            "out_of_service": alert.get("out_of_service") is True,
        }
        dated = "time" in alert or received_ns is None
        at_ns = time_ns(alert["time"]) if dated else received_ns
        line = point("alert", tags, fields, at_ns or 0)
    except (KeyError, TypeError, AttributeError) as error:
        text = f"not an alert: {type(error).__name__}: {error}"
        raise ValueError(text) from error
    assert line is not None  # noqa: S101 - it has flags
    return line


def reading_line(
    machine: str,
    machine_type: str,
    at_ns: int,
    values: Mapping[str, float | None],
    place: Mapping[str, str] = _NOWHERE,
) -> str | None:
    """One reading as a line of measurement `reading`; None if all values are absent.

    Args:
        machine: Its name (tag).
        machine_type: Its type (tag).
        at_ns: Event time, UTC nanoseconds since 1970.
        values: Sensor -> value; None and NaN are left out.
        place: Tags more: where the machine stands, such as site and line.
    """
    tags = {"machine": machine, "type": machine_type, **place}
    return point("reading", tags, {k: _number(v) for k, v in values.items()}, at_ns)


def point(
    measurement: str,
    tags: Mapping[str, str | None],
    fields: Mapping[str, float | str | None],
    at_ns: int,
) -> str | None:
    r"""One point.

    Args:
        measurement: Its name.
        tags: Sorted by key in the line; None and empty ones are left out.
        fields: Floats, booleans or texts; None and values that are not finite are left
            out.
        at_ns: UTC nanoseconds since 1970.

    Returns:
        The line, or None if no field is left (such a line is not allowed).

    Example:
        >>> point("score", {"machine": "pump 7"}, {"risk": 0.25, "why": None}, 1)
        'score,machine=pump\\ 7 risk=0.25 1'
    """
    written = [
        f"{_escaped(key.translate(_PLAIN_KEY))}={text}"
        for key, value in fields.items()
        if (text := _field(value)) is not None
    ]
    if not written:
        return None
    head = [measurement.translate(_MEASUREMENT)]
    head += [
        f"{_escaped(k.translate(_PLAIN_KEY))}={_escaped(v)}"
        for k, v in sorted(tags.items())
        if v
    ]
    return f"{','.join(head)} {','.join(written)} {at_ns}"


@lru_cache(maxsize=65_536)
def _escaped(text: str) -> str:
    # For keys, and values of tags. A backslash at the end would escape
    # what follows the text, and the format has no way to write it: a blank parts them.
    shown = text.translate(_KEY)
    return f"{shown}\\ " if shown.endswith("\\") else shown


def _field(value: float | str | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_TEXT)}"'
    if value is None or not math.isfinite(value):
        return None
    return repr(value)


def _number(value: Any) -> float | None:
    # Always a float: a field keeps the type of its first point, and 1 would make it an
    # integer that refuses 0.5 later.
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        text = f"expected a number, found {type(value).__name__}"
        raise TypeError(text)
    return float(value)


def _words(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        text = f"expected a text, found {type(value).__name__}"
        raise TypeError(text)
    return value or None


def time_ns(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time with an offset, to the nanosecond.

    Raises:
        ValueError: It is no such time.

    Example:
        >>> time_ns("1970-01-01T00:00:01.000000002Z")
        1000000002
    """
    head, dot, rest = text.partition(".")
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))] if dot else ""
    moment = datetime.fromisoformat(head + rest[len(digits) :])
    if moment.tzinfo is None or len(digits) > _NS_DIGITS or (dot and not digits):
        fault = f"expected a time with offset and at most 9 decimals, found {text!r}"
        raise ValueError(fault)
    since = moment - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    return seconds * 10**9 + int(digits.ljust(_NS_DIGITS, "0") or 0)
