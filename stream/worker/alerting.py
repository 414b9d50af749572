"""Alerts, to messages: the sentence, the flag of the backlog, and CloudEvents' headers.

Each change of an alarm goes to the compacted topic of alarms, keyed by the alarm's id.
Those that consumers of alerts are told of (`raised`, `updated`, `cleared`) go to the
topic of alerts as well, keyed by the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from stream.core.alert import Alert
from stream.core.event_time import TimeRule, parse
from stream.worker.bus import Headers
from stream.worker.catalogue import Labels
from stream.worker.settings import Settings
from stream.worker.words import sentence

TOLD = ("raised", "updated", "cleared")
"""The changes that go to the topic of alerts."""

_TYPE = "io.foreshock.alert"


class Told(NamedTuple):
    """One message about an alarm.

    Attributes:
        setting: Key of its topic under `topics`.
        key: Of the record.
        value: JSON of the alert.
        headers: CloudEvents' attributes, in binary mode.
    """

    setting: str
    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Telling:
    """How alerts are put into words.

    Attributes:
        source: What CloudEvents calls the source: this deployment.
        language: Of the sentence.
        zone: Of the times in it.
        labels: What sensors and types are called, by name, then by language.
        page_within_ns: A change that is told later than this is backlog.
    """

    source: str
    language: str
    zone: tzinfo
    labels: Labels
    page_within_ns: int

    @classmethod
    def of(cls, settings: Settings) -> Telling:
        """Return how a plant tells its alerts."""
        alerts = settings.alerts
        return cls(
            source=f"/foreshock/{settings.app.id}",
            language=alerts.language,
            zone=ZoneInfo(alerts.time_zone),
            labels=alerts.labels,
            page_within_ns=alerts.page_within_ns,
        )

    def messages(self, alert: Alert, now_ns: int) -> list[Told]:
        """Return the messages that one change of an alarm gives.

        Args:
            alert: The change; what is sent has its sentence and its backlog flag.
            now_ns: The time of telling.
        """
        late = now_ns - parse(alert.time, TimeRule()) > self.page_within_ns
        alert = msgspec.structs.replace(alert, backfill=late)
        alert.message = sentence(alert, self.language, self.zone, self.labels)
        value = msgspec.json.encode(alert)
        headers = self._headers(alert)
        told = [Told("alarms", alert.id.encode(), value, headers)]
        if alert.event in TOLD:
            told.append(Told("alerts", alert.machine.encode(), value, headers))
        return told

    def _headers(self, alert: Alert) -> Headers:
        attributes = {
            "ce_specversion": "1.0",
            "ce_id": f"{alert.id}-{alert.seq}",
            "ce_source": self.source,
            "ce_type": f"{_TYPE}.{alert.event}.v1",
            "ce_subject": alert.machine,
            "ce_time": alert.time,
            "ce_severity": alert.severity,
            "content-type": "application/json",
        }
        return [(name, text.encode()) for name, text in attributes.items()]
