"""The webhook: its payload, what every answer means, and that secrets stay secret."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.http_post import HttpPost
from connectors.notices import Declined, Unavailable
from connectors.webhook import Webhook
from tests.connectors.notice import ENDED, SECRET, STARTED, closed, notice
from tests.connectors.scripted_http import Answer, Script, scripted_server


@pytest.fixture
def server() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


@pytest.fixture
def hooks() -> Iterator[list[Webhook]]:
    made: list[Webhook] = []
    yield made
    for hook in made:
        hook.close()


def test_the_payload_has_alertmanagers_shape(server: Script) -> None:
    hook = Webhook(HttpPost(f"{server.url}/in"), "plant", "http://grafana")
    hook.send(notice())
    hook.send(closed())
    hook.close()
    first, second = (json.loads(asked.body) for asked in server.asked)
    assert server.asked[0].path == "/in"
    assert server.asked[0].headers["Content-Type"] == "application/json"
    labels = {"alertname": "risk", "machine": "pump-07", "case_id": "case-1"}
    annotations = {"summary": "pump-07: risk (high)", "severity": "high"}
    assert first == {
        "version": "4",
        "groupKey": '{}:{case_id="case-1"}',
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "plant",
        "groupLabels": {"case_id": "case-1"},
        "commonLabels": labels,
        "commonAnnotations": annotations,
        "externalURL": "http://grafana",
        "alerts": [
            {
                "status": "firing",
                "labels": labels,
                "annotations": annotations,
                "startsAt": STARTED,
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://grafana",
                "fingerprint": notice().fingerprint,
            }
        ],
    }
    assert (second["status"], second["alerts"][0]["status"]) == ("resolved",) * 2
    assert second["alerts"][0]["endsAt"] == ENDED
    assert second["alerts"][0]["fingerprint"] == notice().fingerprint


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"token": SECRET}, f"Bearer {SECRET}"),
        ({"username": "u", "password": SECRET}, "Basic dTpodW50ZXIy"),
        ({}, None),
    ],
)
def test_the_server_is_told_who_we_are(
    server: Script, given: dict[str, Any], expected: str | None
) -> None:
    hook = Webhook(HttpPost(server.url, **given), "plant")
    hook.send(notice())
    hook.close()
    assert server.asked[0].headers.get("Authorization") == expected


@pytest.mark.parametrize("status", [200, 202, 204])
def test_what_is_taken_is_taken(server: Script, status: int) -> None:
    server.next.append(Answer(status))
    hook = Webhook(HttpPost(server.url), "plant")
    hook.send(notice())
    hook.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (408, "408"),
        (429, "429"),
        (500, "500"),
        (503, "503"),
        (401, "check token"),
        (403, "check token"),
        (404, "check its URL"),
        (405, "check its URL"),
    ],
)
def test_a_server_that_does_not_take_it_now_is_asked_again(
    server: Script, hooks: list[Webhook], status: int, expected: str
) -> None:
    hooks.append(Webhook(HttpPost(server.url, token=SECRET), "plant"))
    server.next.append(Answer(status, f"no {SECRET}\nfor you"))
    with pytest.raises(Unavailable) as caught:
        hooks[0].send(notice())
    assert expected in str(caught.value)
    assert "no *** for you" in str(caught.value).replace("\\n", " ")
    hooks[0].send(notice())
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_a_notice_that_is_refused_is_declined(
    server: Script, hooks: list[Webhook], status: int
) -> None:
    hooks.append(Webhook(HttpPost(server.url), "plant"))
    server.next.append(Answer(status, "bad label"))
    with pytest.raises(Declined, match=f"answered {status}: .*bad label"):
        hooks[0].send(notice())


def test_a_redirection_is_not_followed(server: Script, hooks: list[Webhook]) -> None:
    with scripted_server() as elsewhere:
        away = {"Location": f"{elsewhere.url}/stolen"}
        server.next.append(Answer(307, headers=away))
        hooks.append(Webhook(HttpPost(server.url, token=SECRET), "plant"))
        with pytest.raises(Unavailable, match="redirections are not followed"):
            hooks[0].send(notice())
        assert elsewhere.asked == []


IN_90_S = "in 90 s"


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        (IN_90_S, 60, 90),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 0, 0),
    ],
)
def test_a_wait_that_is_asked_for_is_told(
    server: Script, hooks: list[Webhook], header: str, low: float, high: float
) -> None:
    if header == IN_90_S:
        later = datetime.now(UTC) + timedelta(seconds=90)
        header = format_datetime(later, usegmt=True)
    server.next.append(Answer(503, headers={"Retry-After": header}))
    hooks.append(Webhook(HttpPost(server.url), "plant"))
    with pytest.raises(Unavailable) as caught:
        hooks[0].send(notice())
    assert caught.value.after_s is not None
    assert low <= caught.value.after_s <= high


def test_a_wait_that_cannot_be_understood_is_none(
    server: Script, hooks: list[Webhook]
) -> None:
    hooks.append(Webhook(HttpPost(server.url), "plant"))
    for headers in ({"Retry-After": "soon"}, {}):
        server.next.append(Answer(503, headers=headers))
        with pytest.raises(Unavailable) as caught:
            hooks[0].send(notice())
        assert caught.value.after_s is None


def test_a_server_that_hangs_up_is_away(server: Script, hooks: list[Webhook]) -> None:
    server.next.append(Answer(hang_up=True))
    hooks.append(Webhook(HttpPost(f"{server.url}/{SECRET}"), "plant"))
    with pytest.raises(Unavailable, match="does not answer") as caught:
        hooks[0].send(notice())
    assert SECRET not in str(caught.value)
    hooks[0].send(notice())


def test_a_server_that_is_silent_is_away(hooks: list[Webhook]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        hooks.append(Webhook(HttpPost(url, timeout_s=0.1), "plant"))
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1.* timed out") as caught:
            hooks[0].send(notice())
        assert SECRET not in str(caught.value)


def test_nobody_there_is_away(hooks: list[Webhook]) -> None:
    with socket.socket() as closed_port:
        closed_port.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed_port.getsockname()[1]}/{SECRET}"
        hooks.append(Webhook(HttpPost(url), "plant"))
        with pytest.raises(Unavailable, match="does not answer") as caught:
            hooks[0].send(notice())
    assert SECRET not in str(caught.value)


def test_a_secret_that_is_no_header_is_not_told(
    server: Script, hooks: list[Webhook]
) -> None:
    for wrong in (f"{SECRET}\n", f"{SECRET}轴"):
        hooks.append(Webhook(HttpPost(server.url, token=wrong), "plant"))
        with pytest.raises(Unavailable, match="token or password") as caught:
            hooks[-1].send(notice())
        assert SECRET not in str(caught.value)
        assert caught.value.__cause__ is None
    assert server.asked == []


def test_certificates_that_are_not_there_are_told(
    hooks: list[Webhook], tmp_path: Path
) -> None:
    absent = tmp_path / "ca.pem"
    hooks.append(Webhook(HttpPost("https://127.0.0.1:9", ca_file=absent), "plant"))
    with pytest.raises(Unavailable, match="check ca_file"):
        hooks[0].send(notice())
