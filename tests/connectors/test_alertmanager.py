"""Alertmanager's API v2, on a scripted server and on the real one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.alertmanager import Alertmanager
from connectors.http_post import HttpPost
from connectors.notices import Declined, Unavailable
from tests.connectors.notice import STARTED, closed, notice
from tests.connectors.scripted_http import Answer, Script, scripted_server
from tests.services import alertmanager as am

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


def told(server: Script) -> list[Any]:
    return [alert for asked in server.asked for alert in json.loads(asked.body)]


def test_an_alert_is_told_with_its_times(server: Script) -> None:
    to = Alertmanager(HttpPost(server.url), "http://grafana", lambda: NOW)
    to.send(notice())
    to.send(closed())
    to.close()
    assert {asked.path for asked in server.asked} == {"/api/v2/alerts"}
    first, second = told(server)
    assert first == {
        "labels": {"alertname": "risk", "machine": "pump-07", "case_id": "case-1"},
        "annotations": {"summary": "pump-07: risk (high)", "severity": "high"},
        "startsAt": "2026-03-01T09:12:00Z",
        "generatorURL": "http://grafana",
    }
    assert second == first | {"endsAt": "2026-03-01T11:00:00.123456Z"}


def test_times_ahead_of_the_clock_are_now(server: Script) -> None:
    early = datetime(2026, 3, 1, 9, tzinfo=UTC)
    to = Alertmanager(HttpPost(server.url), clock=lambda: early)
    to.send(closed())
    to.send(closed(ends_at="2026-03-01T08:00:00Z"))
    to.close()
    for one in told(server):
        assert one["startsAt"] == one["endsAt"] == "2026-03-01T09:00:00Z"
        assert "generatorURL" not in one


def test_reminders_go_out_some_at_a_time_and_one_refusal_stops_none(
    server: Script,
) -> None:
    to = Alertmanager(HttpPost(server.url), clock=lambda: NOW)
    to.remind([])
    assert server.asked == []
    server.next.append(Answer(400, "bad"))
    many = [notice(labels={"case_id": str(n)}) for n in range(450)]
    with pytest.raises(Declined):
        to.remind(many)
    assert [len(json.loads(asked.body)) for asked in server.asked] == [200, 200, 50]
    server.next.append(Answer(503))
    with pytest.raises(Unavailable):
        to.remind(many)
    assert len(server.asked) == 4
    to.close()


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_real_one_takes_it_names_it_alike_and_tells_it_once(
    server: Script, alertmanager: Callable[..., AbstractContextManager[str]]
) -> None:
    with alertmanager(server.url) as url:
        to = Alertmanager(HttpPost(url), "http://grafana")
        named = {**notice().labels, "site": "北厂", "line": ""}
        labels = {name: text for name, text in named.items() if text}
        for _ in range(100):
            to.remind([notice(labels=labels)])
        (found,) = am.alerts(url)
        assert found["labels"] == labels
        assert found["annotations"] == notice().annotations
        assert found["startsAt"] == STARTED
        assert found["fingerprint"] == notice(labels=labels).fingerprint
        assert found["status"]["state"] in ("active", "unprocessed")
        until(lambda: len(server.asked) == 1)
        to.send(closed(labels=labels))
        until(lambda: len(server.asked) == 2)
        assert am.alerts(url) == []
        to.close()
    firing, resolved = (json.loads(asked.body) for asked in server.asked)
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert len(firing["alerts"]) == len(resolved["alerts"]) == 1
    # Its own webhook has the shape that ours has.
    from connectors.webhook import payload

    ours = payload(notice(labels=labels), "hook", "")
    assert firing.keys() == ours.keys()
    assert firing["alerts"][0].keys() == ours["alerts"][0].keys()
    assert {type(v) for v in firing.values()} == {type(v) for v in ours.values()}
    assert firing["groupKey"] == ours["groupKey"]
    assert firing["alerts"][0]["endsAt"] == ours["alerts"][0]["endsAt"]
    assert firing["alerts"][0]["fingerprint"] == ours["alerts"][0]["fingerprint"]


def test_the_real_one_declines_what_has_no_labels(
    alertmanager: Callable[..., AbstractContextManager[str]],
) -> None:
    with alertmanager() as url:
        to = Alertmanager(HttpPost(url))
        with pytest.raises(Declined, match="answered 400"):
            to.send(notice(labels={}))
        to.close()
    with pytest.raises(Unavailable, match="does not answer"):
        to.send(notice())
    to.close()
