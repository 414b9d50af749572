"""A record, by machine: itself, or its parts where it holds several machines.

Only Telegraf's batches hold several. Each machine's metrics go into a batch of their
own, written as they were; what cannot be understood goes into one without a machine,
so that scoring judges it as it would have judged the whole.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any, NamedTuple

import msgspec

from stream.core.exact import Exact, Rules, readings_of
from stream.core.readings import RawRecord


class Keyed(NamedTuple):
    """A record on its way to the partition of its machine.

    Attributes:
        machine: The machine's name; empty for none.
        time_ns: Event time of its first reading; -1 for none.
        value: The payload.
        source: The record that it comes from.
    """

    machine: str
    time_ns: int
    value: bytes | None
    source: RawRecord


def keyed(record: RawRecord, rules: Rules) -> list[Keyed]:
    """Return a record by machine; at least one part, never raises."""
    found = list(readings_of(record, rules))
    times: dict[str, int] = {}
    for part in found:
        name, at = (part.machine, part.time_ns) if isinstance(part, Exact) else ("", -1)
        times[name] = min(at, times.get(name, at))
    if len(times) == 1:
        ((name, at),) = times.items()
        return [Keyed(name, at, record.value, record)]
    texts = _metrics(record.value or b"")
    if len(texts) != len(found):
        # Not to be cut: the machines that are not at home where it goes are refused.
        return [Keyed("", -1, record.value, record)]
    mine = defaultdict(list)
    for part, text in zip(found, texts, strict=True):
        mine[part.machine if isinstance(part, Exact) else ""].append(text)
    return [
        Keyed(name, times[name], b'{"metrics":[' + b",".join(own) + b"]}", record)
        for name, own in mine.items()
    ]


class _Metrics(msgspec.Struct):
    metrics: list[msgspec.Raw]


def _metrics(value: bytes) -> list[bytes]:
    """Return the text of each metric of a batch; nothing if that cannot be done."""
    try:
        return [bytes(m) for m in msgspec.json.decode(value, type=_Metrics).metrics]
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # what only Python takes for JSON, such as NaN
    try:
        pairs = json.loads(
            value.decode(),
            object_pairs_hook=_Pairs,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
        )
        (metrics,) = (inner for name, inner in pairs if name == "metrics")
        return [_text(metric).encode() for metric in metrics]
    except (TypeError, ValueError, RecursionError):
        return []


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with the keys that stand twice."""


class _Number(str):
    """A number's own digits."""

    __slots__ = ()


def _text(value: Any) -> str:
    if isinstance(value, _Pairs):
        inner = (f"{json.dumps(name)}:{_text(part)}" for name, part in value)
        return "{" + ",".join(inner) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_text(part) for part in value) + "]"
    return value if isinstance(value, _Number) else json.dumps(value)
