"""Records of the topic of events, judged: an event, or what is wrong with it in words.

Keys that this release does not know are ignored, so that newer producers can add some;
a key that it does know must hold what `alert.Event` says. Texts are bounded and
printable, since they are shown to people.
"""

from __future__ import annotations

import msgspec

from stream.core.alert import EVENT_KINDS, SCHEMA, Event
from stream.core.event_time import BadTime, TimeRule, parse_or_none
from stream.core.event_time import parse as parse_time
from stream.core.exact import LONGEST_NAME, is_machine_name

MOST_BYTES = 16_384
LONGEST = {
    "alarm": 64,
    "rule": 128,
    "by": 128,
    "why": 1000,
    "mode": 200,
}
"""Most characters of each free text."""

_RULE = TimeRule()
_DECODE = msgspec.json.Decoder(Event).decode


def parse(value: bytes | None) -> Event | str:
    """Return the event in a record, or in words why there is none; never raises.

    Example:
        >>> parse(b'{"machine": "pump-07", "kind": "failure", "time": "now"}')
        "time: expected an ISO 8601 time such as 2026-01-31T09:00:00Z, found 'now'"
    """
    if not value:
        return "the record has no value"
    if len(value) > MOST_BYTES:
        return f"expected at most {MOST_BYTES} bytes, found {len(value)}"
    try:
        event = _DECODE(value)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"the record is no event: {error}"
    return _fault_of(event) or event


def time_ns(event: Event) -> int:
    """Return when an event that `parse` gave has happened, in ns.

    Raises:
        BadTime: for an event that `parse` has not seen.
    """
    return parse_time(event.time, _RULE)


def _fault_of(event: Event) -> str:
    """Return what is wrong with an event, or nothing."""
    if event.schema != SCHEMA:
        return f"schema: expected {SCHEMA}, found {event.schema}"
    if not is_machine_name(event.machine):
        return (
            f"machine: expected 1 to {LONGEST_NAME} printable characters, found"
            f" {event.machine!a:.60}"
        )
    if event.kind not in EVENT_KINDS:
        kinds = ", ".join(EVENT_KINDS)
        return f"kind: expected one of {kinds}, found {event.kind!a:.60}"
    try:
        at = time_ns(event)
    except BadTime as error:
        return f"time: {error}, found {event.time!a:.60}"
    return _fault_of_texts(event) or _fault_of_kind(event, at)


def _fault_of_texts(event: Event) -> str:
    for name, most in LONGEST.items():
        text = getattr(event, name)
        if len(text) > most:
            return f"{name}: expected at most {most} characters, found {len(text)}"
        if not text.isprintable():
            return f"{name}: expected printable characters, found {text!a:.60}"
    return ""


def _fault_of_kind(event: Event, at_ns: int) -> str:
    if event.kind == "shelve":
        until = parse_or_none(event.until, _RULE)
        if until is None or until <= at_ns:
            return (
                "until: a shelf needs an end later than its time, with an offset, found"
                f" {event.until!a:.60}"
            )
    if event.kind == "feedback" and event.verdict not in {"true", "false"}:
        return f"verdict: expected 'true' or 'false', found {event.verdict!a:.60}"
    return ""
