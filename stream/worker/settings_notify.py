"""Settings of the notifier: who is told about alarms, and of which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from stream.worker.settings_base import Fault, Section
from stream.worker.settings_units import (
    FilePath,
    Name,
    PositiveSeconds,
    Url,
    Whole,
    one_or_many,
    refuse,
)

Subject = Literal["machine", "sensor", "pipeline"]
Severity = Literal["critical", "high", "medium", "low"]

_ADDRESS = re.compile(r"[\x21-\x3b\x3d\x3f\x41-\x7e]+@[A-Za-z0-9.-]+")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_MAX_PORT = 65_535
_PORTS = {"none": 25, "starttls": 587, "tls": 465}


def _address(text: str) -> str:
    if not _ADDRESS.fullmatch(text):
        refuse("an address such as shift@plant.example")
    return text


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        refuse("a host's name or address, without a port")
    return text


Address = Annotated[str, AfterValidator(_address)]
Subjects = Annotated[
    tuple[Subject, ...], BeforeValidator(one_or_many), Field(min_length=1)
]


class _Receiver(Section):
    """What every receiver can be told to hear of."""

    subjects: Subjects = ("machine", "sensor", "pipeline")
    min_severity: Severity = "low"
    timeout_s: PositiveSeconds = Field(10.0, alias="timeout")
    ca_file: FilePath | None = None


class _HttpReceiver(_Receiver):
    """A receiver that takes HTTP, and how it knows us."""

    url: Url | None = None
    token: SecretStr | None = None
    username: Name | None = None
    password: SecretStr | None = None
    external_url: Url | None = None

    def faults(self) -> Iterator[Fault]:
        """Two ways to be known, or half of one."""
        if self.username is not None and self.token is not None:
            text = "null, since a token is given"
            yield Fault(("username",), text)
        if self.password is not None and self.username is None:
            yield Fault(("username",), "a value, since a password is given")
        if self.username is not None and self.url is None:
            yield Fault(("username",), "null, since url is not set")


class Webhook(_HttpReceiver):
    """Somebody who takes Alertmanager's webhook."""

    receiver: Name = "foreshock"


class Alertmanager(_HttpReceiver):
    """An Alertmanager, by its API v2."""

    resend_s: PositiveSeconds = Field(60.0, alias="resend")


class Email(_Receiver):
    """Mail over SMTP."""

    # Of a faulty instrument nobody needs to read at night.
    subjects: Subjects = ("machine", "pipeline")
    min_severity: Severity = "high"
    host: Annotated[str, AfterValidator(_host)] | None = None
    port: Annotated[Whole, Field(ge=1, le=_MAX_PORT)] | None = None
    security: Literal["none", "starttls", "tls"] = "starttls"
    username: Name | None = None
    password: SecretStr | None = None
    sender: Address | None = None
    recipients: Annotated[tuple[Address, ...], BeforeValidator(one_or_many)] = ()

    @property
    def used_port(self) -> int:
        """The port, by default the usual one of `security`."""
        return self.port or _PORTS[self.security]

    def faults(self) -> Iterator[Fault]:
        """A server without addresses, or a password in the clear."""
        if self.host is not None and self.sender is None:
            yield Fault(("sender",), "a value, since host is set")
        if self.host is not None and not self.recipients:
            text = "at least one address, since host is set"
            yield Fault(("recipients",), text, "none")
        if self.password is not None and self.username is None:
            yield Fault(("username",), "a value, since a password is given")
        if self.username is not None and self.security == "none":
            text = "starttls or tls, since none sends the password unprotected"
            yield Fault(("security",), text)


class Retry(Section):
    """How long to wait before a receiver that was away is asked again."""

    first_s: PositiveSeconds = Field(1.0, alias="first")
    longest_s: PositiveSeconds = Field(60.0, alias="longest")

    def faults(self) -> Iterator[Fault]:
        """A first wait above the longest."""
        if self.first_s > self.longest_s:
            text = f"at most notify.retry.longest ({self.longest_s:g} s)"
            yield Fault(("first",), text)


class Notify(Section):
    """Who is told about alarms; each receiver goes its own pace."""

    webhook: Webhook = Field(default_factory=Webhook)
    alertmanager: Alertmanager = Field(default_factory=Alertmanager)
    email: Email = Field(default_factory=Email)
    retry: Retry = Field(default_factory=Retry)

    @property
    def receivers(self) -> tuple[str, ...]:
        """Names of the receivers that are set up."""
        given = {
            "webhook": self.webhook.url,
            "alertmanager": self.alertmanager.url,
            "email": self.email.host,
        }
        return tuple(name for name, where in given.items() if where is not None)

    def missing_secrets(self) -> list[str]:
        """Dotted paths of passwords that user names ask for, but nobody gave."""
        users: dict[str, _HttpReceiver | Email] = {
            "webhook": self.webhook,
            "alertmanager": self.alertmanager,
            "email": self.email,
        }
        return [
            f"notify.{name}.password"
            for name, one in users.items()
            if one.username is not None and one.password is None
        ]
