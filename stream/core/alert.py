"""Alerts and events: the messages about alarms, out of the pipeline and into it.

Plain structs that go onto the wire as they stand, so producers, consumers, the words of
a sentence and the tests all speak of the same fields. Times are ISO 8601 UTC texts.
"""

from __future__ import annotations

import msgspec

SCHEMA = 1

EVENT_KINDS = (
    "failure",
    "replacement",
    "maintenance",
    "out_of_service",
    "return",
    "acknowledge",
    "shelve",
    "unshelve",
    "feedback",
)
"""What an event may say."""


class Reason(msgspec.Struct, gc=False):
    """One sensor's part in an alarm.

    Attributes:
        sensor: Its name.
        sigma: Mean of the window's newest quarter against the machine's own normal,
            in standard deviations; above 0 is higher than normal.
        share: Its share in the anomaly, 0..1.
        since: Since when it has been beyond 2 sigma without a break; None: it is not.
    """

    sensor: str
    sigma: float | None
    share: float | None
    since: str | None = None


class Evidence(msgspec.Struct, gc=False):
    """What an alarm rests on, as of its last change.

    Attributes:
        value: What the rule looks at: risk, median remaining life, or false alarms per
            machine-month; None for instruments and silence.
        limit: The rule's limit; None with ``value``.
        risk: Probability of failure within ``horizon``; None without such a model.
        rul: 5, 50 and 95 % quantiles of the remaining life; None as ``risk``.
        anomaly: Expected false alarms per machine-month at this level.
        reasons: The sensors that say most, first the one that says most.
        axis: ``hours``, ``run_hours`` or ``cycles``.
        horizon: On the life axis.
        cap: Remaining life is told up to here; at the cap it means "more than".
    """

    value: float | None = None
    limit: float | None = None
    risk: float | None = None
    rul: tuple[float, float, float] | None = None
    anomaly: float | None = None
    reasons: list[Reason] = msgspec.field(default_factory=list)
    axis: str = "hours"
    horizon: float = 0.0
    cap: float = 0.0


class Mark(msgspec.Struct, gc=False):
    """Something that somebody did to an alarm.

    Attributes:
        by: Who.
        why: Why.
        at: When.
        until: Until when a shelf holds; empty for anything else.
    """

    by: str
    why: str
    at: str
    until: str = ""


class Alert(msgspec.Struct, gc=False, omit_defaults=False):
    """A change of one alarm, with all that is known of the alarm.

    Attributes:
        id: Of the alarm: the same for all its changes.
        case_id: Shared by all alarms of a machine that are open together.
        machine: Name of the machine.
        type: Its machine type.
        kind: The rule's name; ``sensor.FAULT`` for instruments; ``no_data`` for a
            machine of which nothing comes.
        subject: ``machine``, ``sensor``, or ``pipeline``.
        sensor: The instrument that is at fault; empty for other subjects.
        event: ``raised``, ``updated`` or ``cleared``, which go to the topic of alerts;
            ``acknowledged``, ``shelved``, ``unshelved``, ``suppressed``, ``returned``
            or ``feedback``, which only the topic of alarms tells.
        seq: Counts the changes of an alarm, from 1.
        state: ``active`` or ``cleared``.
        severity: One of `readings.SEVERITIES`.
        onset: End of the window that was first beyond the limit.
        time: Event time of this change.
        cleared_by: ``limit``, or the kind of the event that ended it; empty while open.
        acknowledged: Who has taken note; None: nobody yet.
        shelved: Who has shelved it, and until when; None: it is not.
        out_of_service: Whether its machine is out of service.
        feedback: ``true`` or ``false``, as somebody judged the alarm; else empty.
        backfill: Whether it began too long ago to wake anybody.
        action: What to do.
        failure_mode: Three letters of ISO 14224, or empty.
        message: A sentence; filled in where it is sent.
        evidence: What it rests on.
        model: Name and version of the model.
        source: Topic, partition and offset of the record that completed the window.
        asset: Site, line and criticality of the machine, where they are known.
        schema: Of this message.
    """

    id: str
    case_id: str
    machine: str
    type: str
    kind: str
    subject: str
    sensor: str
    event: str
    seq: int
    state: str
    severity: str
    onset: str
    time: str
    cleared_by: str = ""
    acknowledged: Mark | None = None
    shelved: Mark | None = None
    out_of_service: bool = False
    feedback: str = ""
    backfill: bool = False
    action: str = ""
    failure_mode: str = ""
    message: str = ""
    evidence: Evidence = msgspec.field(default_factory=Evidence)
    model: dict[str, str] = msgspec.field(default_factory=dict)
    source: dict[str, str | int] = msgspec.field(default_factory=dict)
    asset: dict[str, str] = msgspec.field(default_factory=dict)
    schema: int = SCHEMA


class Event(msgspec.Struct, gc=False, frozen=True):
    """Something that happened to a machine, as told on the topic of events.

    Attributes:
        machine: Its name.
        kind: One of `EVENT_KINDS`.
        time: When it happened.
        alarm: Id of the alarm that is meant; empty: all open ones of the machine.
        rule: Kind of the alarms that are meant; empty: all kinds.
        until: Until when a shelf holds.
        by: Who says so.
        why: Why.
        mode: Mode of a failure, free text or three letters of ISO 14224.
        verdict: Of a feedback: ``true`` or ``false``.
        schema: Of this message.
    """

    machine: str
    kind: str
    time: str
    alarm: str = ""
    rule: str = ""
    until: str = ""
    by: str = ""
    why: str = ""
    mode: str = ""
    verdict: str = ""
    schema: int = SCHEMA
