"""Alerts as they come from the bus, and notifications as they go out to people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from connectors.notices import Notice
from stream.core.alert import Alert, Evidence
from stream.core.encode import iso_times
from stream.core.event_time import TimeRule, parse_or_none
from stream.core.readings import RawRecord
from stream.worker.cases import Notification

_LABELS_OF_ASSET = ("site", "line")
_ABSENT: dict[str, Any] = {
    "case_id": "",
    "type": "",
    "subject": "machine",
    "sensor": "",
    "event": "raised",
    "seq": 1,
    "state": "active",
    "severity": "high",
    "onset": "",
    "time": "",
}
_NS_PER_MS = 10**6


def alert_of(record: RawRecord) -> Alert:
    """Read an alert; what older or simpler messages lack has a default.

    Times that are absent or cannot be understood become the record's own.

    Args:
        record: Of the topic of alerts.

    Raises:
        ValueError: The record holds no alert.
    """
    told = msgspec.json.decode(record.value or b"", type=dict[str, Any])
    alert = msgspec.convert(_ABSENT | told, Alert)
    if not (alert.id and alert.machine and alert.kind):
        raise ValueError("expected id, machine and kind, found one of them empty")
    fallback = max(0, record.timestamp) * _NS_PER_MS
    onset_ns, time_ns = _time(alert.onset, fallback), _time(alert.time, fallback)
    alert.onset, alert.time = iso_times(np.array([onset_ns, time_ns], np.int64))
    return alert


def _time(text: str, fallback_ns: int) -> int:
    at_ns = parse_or_none(text, TimeRule())
    return fallback_ns if at_ns is None else at_ns


def notice_of(notification: Notification) -> Notice:
    """Return a notification in words.

    Its labels come from the alert that first made the case loud, so that they stay the
    same for the whole case; severity is an annotation, since it changes.
    """
    face, alert = notification.face, notification.alert
    closed = notification.step == "closed"
    cause = f"{notification.cause.id}/{notification.cause.seq}"
    mark = "CLOSED" if closed else alert.severity.upper()
    where = {name: face.asset.get(name, "") for name in _LABELS_OF_ASSET}
    labels = {
        "alertname": face.kind,
        "machine": face.machine,
        "machine_type": face.type,
        **where,
        "case_id": notification.case,
    }
    what = f"{alert.kind} {alert.sensor}".strip()
    annotations = {
        "summary": f"{face.machine}: {what} ({alert.severity})",
        "description": alert.message,
        "severity": alert.severity,
        "action": alert.action,
        "failure_mode": alert.failure_mode,
    }
    return Notice(
        case=notification.case,
        key=f"{notification.case}/{notification.step}/{cause}",
        step=notification.step,
        labels=_given(labels),
        annotations=_given(annotations),
        starts_at=face.onset,
        ends_at=alert.time if closed else "",
        title=f"[{mark}] {face.machine}: {what}",
        body="\n".join(_body(notification)) + "\n",
    )


def _given(pairs: dict[str, str]) -> dict[str, str]:
    # An empty label is none: Alertmanager takes it away, and its fingerprint with it.
    return {name: text for name, text in pairs.items() if text}


def _body(notification: Notification) -> Iterator[str]:
    alert = notification.alert
    yield alert.message or f"{alert.machine}: {alert.kind}"
    yield ""
    if alert.action and alert.action not in alert.message:
        yield f"Action: {alert.action}"
    if alert.failure_mode:
        yield f"Failure mode: {alert.failure_mode}"
    yield f"Severity: {alert.severity}"
    yield f"Since: {notification.face.onset}"
    if notification.step == "closed":
        yield f"Until: {alert.time}"
    evidence = list(_evidence(alert.evidence))
    if evidence:
        yield "Evidence:"
        yield from (f"  {line}" for line in evidence)
    yield f"Case: {notification.case}"


def _evidence(evidence: Evidence) -> Iterator[str]:
    axis = evidence.axis
    if evidence.risk is not None:
        within = f"{evidence.horizon:g} {axis}"
        yield f"risk of failure within {within}: {evidence.risk:.0%}"
    if evidence.rul is not None:
        low, middle, high = evidence.rul
        yield f"remaining life in {axis}: {low:g} to {high:g}, median {middle:g}"
    if evidence.anomaly is not None:
        yield f"expected false alarms per machine-month: {evidence.anomaly:g}"
    for reason in evidence.reasons:
        sigma = "" if reason.sigma is None else f" {reason.sigma:+.1f} sigma"
        since = f" since {reason.since}" if reason.since else ""
        yield f"{reason.sensor}{sigma}{since}"
