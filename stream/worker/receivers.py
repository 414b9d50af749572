"""The receivers that the settings name, ready to be told."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stream.worker.cases import Wanted
from stream.worker.notify import Route

if TYPE_CHECKING:
    from pydantic import SecretStr

    from connectors.http_post import HttpPost
    from stream.worker import settings_notify
    from stream.worker.settings import Settings


def routes_of(settings: Settings) -> list[Route]:
    """Return one route for each receiver that is set up; contacts nobody."""
    make: dict[str, Callable[[settings_notify.Notify], Route]] = {
        "webhook": _webhook,
        "alertmanager": _alertmanager,
        "email": _email,
    }
    return [make[name](settings.notify) for name in settings.notify.receivers]


def _webhook(notify: settings_notify.Notify) -> Route:
    from connectors.webhook import Webhook  # noqa: PLC0415 - one of three

    own = notify.webhook
    receiver = Webhook(_http(own), own.receiver, own.external_url or "")
    wanted = Wanted(own.subjects, own.min_severity)
    retry = notify.retry
    return Route("webhook", receiver, wanted, retry.first_s, retry.longest_s)


def _alertmanager(notify: settings_notify.Notify) -> Route:
    from connectors.alertmanager import Alertmanager  # noqa: PLC0415 - one of three

    own = notify.alertmanager
    receiver = Alertmanager(_http(own), own.external_url or "")
    return Route(
        "alertmanager",
        receiver,
        Wanted(own.subjects, own.min_severity),
        notify.retry.first_s,
        notify.retry.longest_s,
        receiver.remind,
        own.resend_s,
    )


def _email(notify: settings_notify.Notify) -> Route:
    from connectors.email_smtp import Email, Server  # noqa: PLC0415 - one of three

    own = notify.email
    server = Server(
        host=str(own.host),
        port=own.used_port,
        security=own.security,
        username=own.username or "",
        password=_open(own.password),
        ca_file=own.ca_file,
        timeout_s=own.timeout_s,
    )
    receiver = Email(server, str(own.sender), own.recipients)
    wanted = Wanted(own.subjects, own.min_severity)
    retry = notify.retry
    return Route("email", receiver, wanted, retry.first_s, retry.longest_s)


def _http(own: settings_notify.Webhook | settings_notify.Alertmanager) -> HttpPost:
    from connectors.http_post import HttpPost  # noqa: PLC0415 - as its users

    return HttpPost(
        str(own.url),
        token=_open(own.token),
        username=own.username or "",
        password=_open(own.password),
        timeout_s=own.timeout_s,
        ca_file=own.ca_file,
    )


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
