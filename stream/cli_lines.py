"""How alerts look in the terminal: a line each, in a colour that says how grave."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from enum import StrEnum
from typing import Any

_STYLES = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "cleared": "green",
}


class Language(StrEnum):
    """A language that there are words in."""

    EN = "en"
    ZH = "zh"


def style(told: Mapping[str, Any]) -> str | None:
    """The colour of an alert; None for one of no known severity."""
    cleared = told["event"] == "cleared"
    return _STYLES.get("cleared" if cleared else str(told.get("severity")))


def line(told: Mapping[str, Any], zone: tzinfo) -> str:
    """One alert as one line: time, severity, change, and the sentence.

    Args:
        told: An alert as plain values, with at least ``machine``, ``event`` and
            ``message`` as texts.
        zone: Of the time.
    """
    from stream.alarm_desk import local
    from stream.worker.catalogue import clean

    time = local(str(told.get("time") or ""), zone)
    severity = clean(str(told.get("severity") or "-"))
    sentence = clean(told["message"]) or clean(told["machine"])
    return f"{time:16}  {severity:8}  {clean(told['event']):8}  {sentence}"
