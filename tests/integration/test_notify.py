"""Notifying by a worker process: a real broker, Alertmanager, mail and web servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from tests.connectors.scripted_http import Answer, Asked, Script, scripted_server
from tests.integration.plant import Plant, Worker, wait_until
from tests.services import alertmanager as am
from tests.services import mail
from tests.services.process import free_ports
from tests.worker.case_alerts import alert, cleared, wire

SECRET = "hunter2"  # noqa: S105 - no secret
QUICK = ("notify.retry.first=50ms", "notify.retry.longest=500ms")
MAIL = (
    "notify.email.host=127.0.0.1",
    "notify.email.security=none",
    "notify.email.sender=foreshock@plant.example",
    "notify.email.recipients=[shift@plant.example]",
)


def tell(plant: Plant, *alerts: Any) -> None:
    records = [(None, one.machine.encode(), wire(one)) for one in alerts]
    plant.produce(plant.settings.topics.alerts, records)


def committed(plant: Plant, receiver: str) -> dict[int, int]:
    group = f"{plant.settings.app.id}-notify-{receiver}"
    topic = plant.settings.topics.alerts
    return asyncio.run(plant.reader.committed(group, topic))


def wait_done(plant: Plant, worker: Worker, *receivers: str) -> None:
    """Wait until receivers have been told of every alert."""

    def done() -> bool:
        ends = {
            n: len(records) for n, records in enumerate(plant.by_partition("alerts"))
        }
        return all(committed(plant, name) == ends for name in receivers)

    wait_until(done, lambda: worker.told[-3000:])


def shown(server: Script) -> list[tuple[str, str, int]]:
    """Return status, fingerprint and count of alerts of each webhook received."""
    found = [json.loads(asked.body) for asked in server.asked]
    return [
        (f["status"], f["alerts"][0]["fingerprint"], len(f["alerts"])) for f in found
    ]


def test_each_receiver_hears_of_a_case_once_also_after_it_was_away(
    tiny_plant: Callable[..., Plant],
    alertmanager: Callable[..., AbstractContextManager[str]],
) -> None:
    web_port, am_port = free_ports(2)
    with mail.serve() as box, scripted_server() as hook:
        plant = tiny_plant(
            f"notify.webhook.url=http://127.0.0.1:{web_port}/in",
            f"notify.alertmanager.url=http://127.0.0.1:{am_port}",
            "notify.alertmanager.resend=1s",
            f"notify.email.port={box.port}",
            *QUICK,
            *MAIL,
        )
        worker = plant.worker("notify")
        wait_done(plant, worker, "webhook", "alertmanager", "email")
        # Nobody takes HTTP so far: mail is not held up.
        many = [alert(f"a{n % 10}", n // 10 + 1) for n in range(100)]
        tell(plant, *many)
        wait_done(plant, worker, "email")
        assert [m["Subject"] for m in box.mails] == ["[HIGH] pump-07: risk"]
        assert worker.told.count("receiver is away") > 1

        # What could not be delivered is delivered after.
        with alertmanager(hook.url, am_port) as url:
            wait_done(plant, worker, "alertmanager")
            (found,) = am.alerts(url)
            name = found["fingerprint"]
            wait_until(lambda: shown(hook) == [("firing", name, 1)], lambda: url)
        # An Alertmanager that has forgotten all is told again what is open.
        with alertmanager(hook.url, am_port) as url:
            wait_until(lambda: bool(am.alerts(url)), lambda: worker.told[-3000:])
            (found,) = am.alerts(url)
            assert found["fingerprint"] == name
            with scripted_server(web_port) as web:
                wait_done(plant, worker, "webhook")
                assert shown(web) == [("firing", name, 1)]
                tell(plant, *(cleared(f"a{n}", 11) for n in range(10)))
                wait_done(plant, worker, "webhook", "alertmanager", "email")
                assert shown(web)[1:] == [("resolved", name, 1)]
            wait_until(lambda: not am.alerts(url), lambda: url)
        assert [m["Subject"] for m in box.mails[1:]] == ["[CLOSED] pump-07: risk"]
        assert worker.stop() == 0


def test_a_worker_killed_before_it_could_commit_repeats_the_same_web_notice(
    tiny_plant: Callable[..., Plant],
) -> None:
    with scripted_server() as web:
        plant = tiny_plant(f"notify.webhook.url={web.url}/in", *QUICK)
        plant.environment["FORESHOCK_NOTIFY__WEBHOOK__TOKEN"] = SECRET
        worker = plant.worker("notify")
        wait_done(plant, worker, "webhook")

        def deadly(asked: Asked) -> Answer:
            assert SECRET in asked.headers["Authorization"]
            if len(web.asked) == 1:
                return Answer(401, f"who is {SECRET}")
            worker.kill()
            return Answer()

        web.judge = deadly
        tell(plant, alert())
        wait_until(lambda: worker.process.poll() is not None, lambda: worker.told)
        web.judge = lambda asked: Answer()
        second = plant.worker("notify")
        wait_done(plant, second, "webhook")
        # The first answer was no; the two that got through are one and the same.
        _, one, again = (json.loads(asked.body) for asked in web.asked)
        assert one == again
        told = worker.told + second.told
        assert "who is ***" in told
        assert SECRET not in told
        assert second.stop() == 0


def test_a_worker_killed_before_it_could_commit_repeats_the_same_mail(
    tiny_plant: Callable[..., Plant],
) -> None:
    with mail.serve() as box:
        plant = tiny_plant(f"notify.email.port={box.port}", *QUICK, *MAIL)
        worker = plant.worker("notify")
        wait_done(plant, worker, "email")
        box.on_taken = worker.kill
        tell(plant, alert(), alert("b1", case_id="case-2", machine="pump-08"))
        wait_until(lambda: worker.process.poll() is not None, lambda: worker.told)
        box.on_taken = lambda: None
        second = plant.worker("notify")
        wait_done(plant, second, "email")
        ids = [m["Message-ID"] for m in box.mails]
        assert len(ids) == 3
        assert ids[0] in ids[1:]
        assert len(set(ids)) == 2
        assert second.stop() == 0


def test_a_worker_without_a_receiver_says_what_is_missing(
    tiny_plant: Callable[..., Plant],
) -> None:
    worker = tiny_plant().worker("notify")
    wait_until(lambda: worker.process.poll() is not None, lambda: worker.told)
    assert "notify: expected a receiver" in worker.told
