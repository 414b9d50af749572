"""Settings of the notifier, and the receivers that are made of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from connectors.alertmanager import Alertmanager
from connectors.email_smtp import Email
from connectors.webhook import Webhook
from stream.worker.app import make_roles
from stream.worker.buses import memory_bus
from stream.worker.receivers import routes_of
from stream.worker.settings import ConfigError, Settings, load_settings
from tests.connectors.notice import SECRET, notice
from tests.connectors.scripted_http import scripted_server
from tests.services import mail
from tests.worker.tiny import CONFIG

MAIL = (
    "notify.email.host=127.0.0.1",
    "notify.email.sender=foreshock@plant.example",
    "notify.email.recipients=shift@plant.example",
)


def load(folder: Path, *overrides: str, **secrets: str) -> Settings:
    path = folder / "tiny.yaml"
    path.write_text(CONFIG)
    env = {f"FORESHOCK_NOTIFY__{name}": text for name, text in secrets.items()}
    return load_settings(path, overrides, env)


def test_nobody_is_told_unless_somebody_is_named(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.notify.receivers == ()
    assert settings.missing_secrets() == []
    assert routes_of(settings) == []


def test_each_receiver_that_is_named_gets_a_group_of_its_own(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        "notify.webhook.url=http://127.0.0.1:1/in",
        "notify.alertmanager.url=http://127.0.0.1:2",
        "notify.alertmanager.resend=30s",
        "notify.retry.longest=5s",
        *MAIL,
    )
    bus = memory_bus(f"notify-{tmp_path.name}", 1)
    roles = make_roles(["notify"], settings, bus, [])
    assert [role.app.conf.id for role in roles] == [
        f"tiny-notify-{name}" for name in ("webhook", "alertmanager", "email")
    ]
    web, manager, post = routes_of(settings)
    assert isinstance(web.receiver, Webhook)
    assert isinstance(manager.receiver, Alertmanager)
    assert isinstance(post.receiver, Email)
    assert (manager.remind, manager.remind_s) == (manager.receiver.remind, 30.0)
    assert web.remind is post.remind is None
    assert {route.longest_s for route in (web, manager, post)} == {5.0}
    # By day a message to machines says all, at night a mail says what is grave.
    assert web.wanted.subjects == ("machine", "sensor", "pipeline")
    assert (web.wanted.min_severity, manager.wanted.min_severity) == ("low", "low")
    assert post.wanted.subjects == ("machine", "pipeline")
    assert post.wanted.min_severity == "high"


def test_receivers_are_made_as_the_settings_say(tmp_path: Path) -> None:
    with scripted_server() as web, mail.serve() as box:
        settings = load(
            tmp_path,
            f"notify.webhook.url={web.url}/in/",
            "notify.webhook.receiver=plant",
            "notify.webhook.external_url=http://grafana",
            f"notify.alertmanager.url={web.url}/am",
            "notify.alertmanager.username=u",
            f"notify.email.port={box.port}",
            "notify.email.security=none",
            *MAIL,
            WEBHOOK__TOKEN=SECRET,
            ALERTMANAGER__PASSWORD=SECRET,
        )
        for route in routes_of(settings):
            route.receiver.send(notice())
            route.receiver.close()
    hook, manager = web.asked
    assert hook.path == "/in"
    assert hook.headers["Authorization"] == f"Bearer {SECRET}"
    assert json.loads(hook.body)["receiver"] == "plant"
    assert json.loads(hook.body)["externalURL"] == "http://grafana"
    assert manager.path == "/am/api/v2/alerts"
    assert manager.headers["Authorization"].startswith("Basic ")
    assert box.mails[0]["To"] == "shift@plant.example"


@pytest.mark.parametrize(
    ("security", "port"), [("none", 25), ("starttls", 587), ("tls", 465)]
)
def test_the_port_follows_the_security(
    tmp_path: Path, security: str, port: int
) -> None:
    settings = load(tmp_path, *MAIL, f"notify.email.security={security}")
    assert settings.notify.email.used_port == port
    own = load(tmp_path, *MAIL, "notify.email.port=2525")
    assert own.notify.email.used_port == 2525


@pytest.mark.parametrize("host", ["mail", "mail.plant.example", "10.0.0.1", "::1"])
def test_a_host_may_be_a_name_or_an_address(tmp_path: Path, host: str) -> None:
    settings = load(tmp_path, *MAIL, f"notify.email.host={host}")
    assert settings.notify.email.host == host


def test_a_password_that_is_missing_is_named(tmp_path: Path) -> None:
    named = (*MAIL, "notify.email.username=u", "notify.webhook.username=u")
    settings = load(tmp_path, *named, "notify.webhook.url=http://h/in")
    assert settings.missing_secrets() == [
        "notify.webhook.password",
        "notify.email.password",
    ]


@pytest.mark.parametrize(
    ("overrides", "secrets", "expected"),
    [
        (
            ("notify.webhook.url=http://h/in", "notify.webhook.username=u"),
            {"WEBHOOK__TOKEN": SECRET},
            "notify.webhook.username: expected null, since a token is given",
        ),
        (
            ("notify.webhook.url=http://h/in",),
            {"WEBHOOK__PASSWORD": SECRET},
            "notify.webhook.username: expected a value, since a password is given",
        ),
        (
            MAIL,
            {"EMAIL__PASSWORD": SECRET},
            "notify.email.username: expected a value, since a password is given",
        ),
    ],
)
def test_secrets_that_do_not_fit_are_refused_and_not_told(
    tmp_path: Path,
    overrides: tuple[str, ...],
    secrets: dict[str, str],
    expected: str,
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, *overrides, **secrets)
    assert caught.value.faults[0].startswith(expected)
    assert SECRET not in str(caught.value)
