"""Notices to Alertmanager by its API v2: a case is an alert, its labels the identity.

An open alert is sent again and again (`remind`), for Alertmanager takes one of which it
has not heard for its `resolve_timeout` (5 minutes unless set) as resolved. A rise in
severity changes annotations only: Alertmanager tells of it when it repeats itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.http_post import HttpPost
from connectors.notices import Declined, Notice

PATH = "/api/v2/alerts"
_AT_ONCE = 200
_MICROSECOND_CHARS = 26


class Alertmanager:
    """Sends notices to one Alertmanager.

    Args:
        http: The server; the URL is without ``/api/v2``.
        external_url: Where people find out more; may be empty.
        clock: The time; Alertmanager compares with its own.
    """

    def __init__(
        self,
        http: HttpPost,
        external_url: str = "",
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._http = http
        self._external_url = external_url
        self._clock = clock

    def send(self, notice: Notice) -> None:
        """Send a notice.

        Raises:
            Unavailable: The same notice again, later.
            Declined: It will never be taken.
        """
        self._http.post(PATH, [self._alert(notice)])

    def remind(self, notices: Sequence[Notice]) -> None:
        """Say that cases are still open.

        Raises:
            Unavailable: Some may not have been said; all again, later.
            Declined: Some were not taken; those of the same request neither.
        """
        declined: Declined | None = None
        for start in range(0, len(notices), _AT_ONCE):
            some = notices[start : start + _AT_ONCE]
            try:
                self._http.post(PATH, [self._alert(notice) for notice in some])
            except Declined as error:
                declined = error
        if declined is not None:
            raise declined

    def _alert(self, notice: Notice) -> dict[str, Any]:
        # A start in the future is refused, an end in the future is no end yet, and
        # event times may run ahead of this machine's clock.
        now = self._clock()
        starts = _earlier(notice.starts_at, now)
        alert: dict[str, Any] = {
            "labels": dict(notice.labels),
            "annotations": dict(notice.annotations),
            "startsAt": _text(starts),
        }
        if notice.ends_at:
            alert["endsAt"] = _text(max(starts, _earlier(notice.ends_at, now)))
        if self._external_url:
            alert["generatorURL"] = self._external_url
        return alert

    def close(self) -> None:
        """Close the connections; safe to repeat."""
        self._http.close()


def _earlier(text: str, now: datetime) -> datetime:
    return min(_moment(text), now)


def _moment(text: str) -> datetime:
    # Our times have nanoseconds at most; datetime has microseconds.
    plain = text.removesuffix("Z")[:_MICROSECOND_CHARS]
    return datetime.fromisoformat(plain).replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
