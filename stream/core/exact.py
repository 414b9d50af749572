"""One record, judged carefully: the slow and exact half of decoding.

Every rule of what a reading may look like is stated here; `decode.py` has a fast path
for the usual record and must agree with this file on it. Records that cannot be
understood become rejects; single values that cannot be used are masked.

Decisions where JSON leaves room: a sensor named twice in one reading keeps its first
value (as of any duplicate, the first wins); any other key twice makes the record
ambiguous, so it is rejected. ``NaN`` and ``Infinity`` are no JSON, but many producers
write them: as a sensor's value they are masked, anywhere else they are rejected.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

from stream.core import event_time
from stream.core.readings import RawRecord

SCHEMAS = (1,)
LONGEST_NAME = 128
_LARGEST = sys.float_info.max

REASONS = {
    "empty": "the record has no value",
    "too_large": "the record is larger than input.max_record_bytes",
    "not_utf8": "the record is not UTF-8",
    "not_json": "the record is not one JSON value",
    "too_deep": "the JSON is nested too deeply",
    "not_object": "the JSON is not an object of the expected form",
    "duplicate_key": "a key that may stand once stands twice",
    "unknown_schema": "the schema version is not one that this release reads",
    "no_machine": "the machine's name is missing or not a text",
    "bad_machine": "the machine's name is not 1 to 128 printable characters",
    "no_time": "the time is missing",
    "bad_time": "the time cannot be understood",
    "naive_time": "the time has no offset, and input.time_zone is not set",
    "no_values": "the values are missing or not an object",
    "future": "the time lies too far ahead of the record's own timestamp",
}
"""Every reason for which a record goes to quarantine."""


class Rejected(ValueError):
    """Why one reading cannot be understood."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason, one of `REASONS`, beside the words."""
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Telegraf:
    """How Telegraf's JSON is read.

    Attributes:
        machine_tag: The tag that holds the machine's name.
        unit: Unit of its timestamps: s, ms, us or ns.
        prefix_name: Whether a sensor is called ``name_field`` instead of ``field``.
    """

    machine_tag: str = "machine"
    unit: str = "s"
    prefix_name: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What a record may look like.

    Attributes:
        form: ``foreshock``, ``telegraf``, or ``auto`` to tell them apart by their keys.
        time: How times are read.
        max_bytes: Largest record, in bytes.
        future_ns: How far ahead of the record's timestamp a reading may lie, in ns.
        telegraf: How Telegraf's JSON is read.
    """

    form: str = "auto"
    time: event_time.TimeRule = field(default_factory=event_time.TimeRule)
    max_bytes: int = 1 << 20
    future_ns: int = 300 * event_time.SECOND
    telegraf: Telegraf = field(default_factory=Telegraf)


@dataclass(slots=True)
class Exact:
    """One reading, understood.

    ``values`` holds float for a usable value and the reason of masking for others;
    ``repeated`` counts sensors that stood twice.
    """

    machine: str
    time_ns: int
    values: dict[str, float | str]
    repeated: int = 0


class _Object(dict[str, object]):
    """A JSON object that remembers which of its keys stood twice."""

    repeated: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, object]]) -> _Object:
    made = _Object(reversed(pairs))  # reversed, so that the first of a key wins
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        made.repeated = tuple(n for i, n in enumerate(names) if n in names[:i])
    return made


def readings_of(record: RawRecord, rules: Rules) -> Iterator[Exact | Rejected]:
    """Yield each reading of a record, or why it cannot be understood; never raises."""
    try:
        parts = _split(_parse(record.value, rules), rules)
    except Rejected as error:
        yield error
        return
    for part, telegraf in parts:
        try:
            body = _an_object(part, "each metric to be an object")
            yield _telegraf(body, rules) if telegraf else _reading(body, rules)
        except Rejected as error:
            yield error
        except event_time.BadTime as error:
            yield Rejected(error.reason, str(error))


def _parse(value: bytes | None, rules: Rules) -> object:
    if not value:
        raise Rejected("empty", REASONS["empty"])
    if len(value) > rules.max_bytes:
        raise Rejected(
            "too_large", f"expected at most {rules.max_bytes} bytes, found {len(value)}"
        )
    try:
        return json.loads(value.decode(), object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        raise Rejected("not_utf8", f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise Rejected("too_deep", REASONS["too_deep"]) from error
    except ValueError as error:  # also raised for numbers of thousands of digits
        raise Rejected("not_json", str(error)) from error


def _split(parsed: object, rules: Rules) -> list[tuple[object, bool]]:
    """Return what should each hold one reading, and whether it is Telegraf's."""
    body = _an_object(parsed, "a JSON object")
    telegraf = rules.form == "telegraf" or (
        rules.form == "auto"
        and "machine" not in body
        and ("fields" in body or "metrics" in body)
    )
    if not (telegraf and "metrics" in body):
        return [(body, telegraf)]
    _once(body)
    metrics = body["metrics"]
    if not isinstance(metrics, list) or not metrics:
        raise Rejected(
            "not_object", "expected 'metrics' to be a list that is not empty"
        )
    return [(metric, True) for metric in metrics]


def _an_object(value: object, expected: str) -> _Object:
    if not isinstance(value, _Object):
        raise Rejected(
            "not_object", f"expected {expected}, found {type(value).__name__}"
        )
    return value


def _once(body: _Object) -> None:
    if body.repeated:
        raise Rejected("duplicate_key", f"key {body.repeated[0]!a} stands twice")


def _reading(body: _Object, rules: Rules) -> Exact:
    _once(body)
    schema = body.get("schema", 1)
    if isinstance(schema, bool) or schema not in SCHEMAS:
        raise Rejected(
            "unknown_schema", f"expected one of {SCHEMAS}, found {schema!a:.40}"
        )
    machine = _machine(body.get("machine"))
    if body.get("time") is None:
        raise Rejected("no_time", "expected a key 'time'")
    at = event_time.parse(body["time"], rules.time)
    values = body.get("values")
    if not isinstance(values, _Object):
        raise Rejected(
            "no_values", "expected 'values' to be an object of sensor: number"
        )
    quality = body.get("quality")
    if isinstance(quality, _Object):
        _once(quality)
    elif quality is not None:
        raise Rejected(
            "not_object", "expected 'quality' to be an object of sensor: text"
        )
    good = {name: judge(value) for name, value in values.items()}
    for name, label in (quality or {}).items():
        if name in good and label not in ("good", "uncertain"):
            good[name] = "bad_quality"
    return Exact(machine, at, good, len(values.repeated))


def _telegraf(body: _Object, rules: Rules) -> Exact:
    _once(body)
    tags, fields = body.get("tags"), body.get("fields")
    if not isinstance(tags, _Object):
        raise Rejected("no_machine", "expected 'tags' to be an object")
    _once(tags)
    machine = _machine(tags.get(rules.telegraf.machine_tag))
    if body.get("timestamp") is None:
        raise Rejected("no_time", "expected a key 'timestamp'")
    rule = event_time.TimeRule(rules.telegraf.unit, rules.time.zone)
    at = event_time.parse(body["timestamp"], rule)
    if not isinstance(fields, _Object):
        raise Rejected("no_values", "expected 'fields' to be an object")
    prefix = f"{body.get('name')}_" if rules.telegraf.prefix_name else ""
    values = {prefix + name: judge(value) for name, value in fields.items()}
    return Exact(machine, at, values, len(fields.repeated))


def _machine(name: object) -> str:
    if not isinstance(name, str):
        raise Rejected(
            "no_machine", f"expected the machine's name, found {type(name).__name__}"
        )
    if not is_machine_name(name):
        raise Rejected(
            "bad_machine",
            f"expected 1 to {LONGEST_NAME} printable characters, found {name!a:.60}",
        )
    return name


def is_machine_name(name: str) -> bool:
    """Tell whether a text may name a machine: 1 to 128 printable characters."""
    return 0 < len(name) <= LONGEST_NAME and name.isprintable()


def judge(value: object) -> float | str:
    """Return a sensor's value as a float, or the reason why it is masked."""
    if value is None:
        return "null"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "not_a_number"
    # NaN compares false; an int too large for a float does not overflow a comparison.
    return float(value) if -_LARGEST <= value <= _LARGEST else "non_finite"
