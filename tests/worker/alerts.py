"""Alerts to try words and commands on."""

from __future__ import annotations

from typing import Any

from stream.core.alert import Alert, Evidence, Reason

ONSET = "2026-11-21T09:12:00.000Z"
TIME = "2026-11-21T09:40:00.000Z"
BEARING = Reason("bearing_temperature", 4.1, 0.5, ONSET)
VIBRATION = Reason("vibration", 3.2, 0.3, "2026-11-21T09:20:00.000Z")
FLOW = Reason("flow", -2.2, 0.1, "2026-11-21T09:05:30.000Z")


def evidence(**parts: Any) -> Evidence:
    """Evidence on hours, horizon 24, cap 240."""
    return Evidence(**{"axis": "hours", "horizon": 24.0, "cap": 240.0, **parts})


def alert(**parts: Any) -> Alert:
    """An alarm of pump-07, just raised, unless the parts say otherwise."""
    usual: dict[str, Any] = {
        "id": "3f2a91bc" + "0" * 24,
        "case_id": "c" * 32,
        "machine": "pump-07",
        "type": "pump",
        "kind": "risk",
        "subject": "machine",
        "sensor": "",
        "event": "raised",
        "seq": 1,
        "state": "active",
        "severity": "high",
        "onset": ONSET,
        "time": TIME,
    }
    return Alert(**{**usual, **parts})


def classic() -> Alert:
    """The pump of the first page."""
    return alert(
        evidence=evidence(
            value=0.84,
            limit=0.5,
            risk=0.84,
            rul=(9.0, 16.0, 31.0),
            anomaly=0.02,
            reasons=[BEARING, VIBRATION],
        )
    )
