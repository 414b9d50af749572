"""Notices to a webhook, in the shape of Alertmanager's webhook, version 4.

Whatever takes Alertmanager's webhook takes ours: one POST for each notice, with one
alert in it, since a case is one thing to look after.
"""

from __future__ import annotations

from typing import Any

from connectors.http_post import HttpPost
from connectors.notices import Notice

VERSION = "4"
_NOT_YET = "0001-01-01T00:00:00Z"


class Webhook:
    """Sends notices to one URL.

    Args:
        http: The server.
        receiver: What the payload calls the receiver.
        external_url: Where people find out more; may be empty.
    """

    def __init__(self, http: HttpPost, receiver: str, external_url: str = "") -> None:
        self._http = http
        self._receiver = receiver
        self._external_url = external_url

    def send(self, notice: Notice) -> None:
        """Send a notice.

        Raises:
            Unavailable: The same notice again, later.
            Declined: It will never be taken.
        """
        self._http.post("", payload(notice, self._receiver, self._external_url))

    def close(self) -> None:
        """Close the connections; safe to repeat."""
        self._http.close()


def payload(notice: Notice, receiver: str, external_url: str) -> dict[str, Any]:
    """Return a notice as Alertmanager's webhook would send it.

    Example:
        >>> labels = {"alertname": "risk", "case_id": "c1"}
        >>> notice = Notice("c1", "k", "opened", labels, {}, "2026-01-01T00:00:00Z",
        ...     "", "", "")
        >>> payload(notice, "webhook", "")["status"]
        'firing'
    """
    status = "resolved" if notice.ends_at else "firing"
    group = {"case_id": notice.labels.get("case_id", notice.case)}
    labels, annotations = dict(notice.labels), dict(notice.annotations)
    return {
        "version": VERSION,
        "groupKey": f'{{}}:{{case_id="{group["case_id"]}"}}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": receiver,
        "groupLabels": group,
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": external_url,
        "alerts": [
            {
                "status": status,
                "labels": labels,
                "annotations": annotations,
                "startsAt": notice.starts_at,
                "endsAt": notice.ends_at or _NOT_YET,
                "generatorURL": external_url,
                "fingerprint": notice.fingerprint,
            }
        ],
    }
