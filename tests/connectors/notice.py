"""A notice for the tests of receivers."""

from __future__ import annotations

from typing import Any

from connectors.notices import Notice

SECRET = "hunter2"  # noqa: S105 - no secret
STARTED = "2026-03-01T09:12:00.000Z"
ENDED = "2026-03-01T11:00:00.123456789Z"


def notice(**other: Any) -> Notice:
    """Return a notice; what is not given is that of a case that opens."""
    told: dict[str, Any] = {
        "case": "case-1",
        "key": "case-1/opened/a1/1",
        "step": "opened",
        "labels": {"alertname": "risk", "machine": "pump-07", "case_id": "case-1"},
        "annotations": {"summary": "pump-07: risk (high)", "severity": "high"},
        "starts_at": STARTED,
        "ends_at": "",
        "title": "[HIGH] pump-07: risk",
        "body": "Pump pump-07: bearing temperature above normal.\n轴承温度偏高\n",
    }
    return Notice(**(told | other))


def closed(**other: Any) -> Notice:
    """Return the notice that a case has ended."""
    own = {"step": "closed", "key": "case-1/closed/a1/2", "ends_at": ENDED}
    return notice(**(own | other))
