"""Alerts of an imagined pump, as the scoring agent would tell them."""

from __future__ import annotations

from typing import Any

import msgspec

from stream.core.alert import Alert, Evidence, Mark, Reason

ONSET = "2026-03-01T09:12:00.000Z"
LATER = "2026-03-01T11:00:00.000Z"
SHELF = Mark("ann", "known", ONSET, until=LATER)
NOTED = Mark("ann", "on it", ONSET)


def alert(alarm: str = "a1", seq: int = 1, **other: Any) -> Alert:
    """Return an alert; what is not given is that of an active machine alarm."""
    told: dict[str, Any] = {
        "case_id": "case-1",
        "machine": "pump-07",
        "type": "pump",
        "kind": "risk",
        "subject": "machine",
        "sensor": "",
        "event": "raised" if seq == 1 else "updated",
        "state": "active",
        "severity": "high",
        "onset": ONSET,
        "time": ONSET,
        "message": "Pump pump-07: bearing temperature above normal since 09:12.",
        "action": "Check the bearing.",
        "failure_mode": "OHE",
        "asset": {"site": "north", "line": "2", "criticality": "A"},
        "evidence": Evidence(
            value=0.84,
            limit=0.5,
            risk=0.84,
            rul=(9.0, 16.0, 31.0),
            anomaly=0.02,
            reasons=[Reason("bearing_temperature", 4.1, 0.6, ONSET)],
            horizon=24.0,
        ),
    } | other
    return Alert(id=alarm, seq=seq, **told)


def cleared(alarm: str = "a1", seq: int = 2, **other: Any) -> Alert:
    """Return the alert that ends an alarm."""
    own = {"event": "cleared", "state": "cleared", "cleared_by": "limit"}
    return alert(alarm, seq, **{**own, "time": LATER, **other})


def wire(told: Alert) -> bytes:
    """Return an alert as it stands on the topic."""
    return msgspec.json.encode(told)
