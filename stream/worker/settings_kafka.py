"""Settings of the bus: brokers, security, topics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from stream.worker.settings_base import Fault, Section
from stream.worker.settings_units import (
    Bytes,
    FilePath,
    PositiveNs,
    PositiveSeconds,
    Seconds,
    Whole,
    refuse,
)

_BROKER = re.compile(r"(?:\[[0-9a-fA-F:.]+\]|[^\s:/@\[\]]+):(\d{1,5})")
_KAFKA_NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_MAX_PORT = 65_535
_HEARTBEATS_PER_SESSION = 3
_OUR_HEADERS_BYTES = 64 << 10


def kafka_name(name: str) -> str:
    """Return `name` if Kafka takes it as the name of a topic, a group or a member."""
    if not _KAFKA_NAME.fullmatch(name) or name in (".", ".."):
        refuse("1 to 249 of the characters a-z A-Z 0-9 . _ -")
    return name


def _broker(address: str) -> str:
    match = _BROKER.fullmatch(address)
    if match is None or not 0 < int(match[1]) <= _MAX_PORT:
        refuse("an address host:port, such as 127.0.0.1:9092")
    return address


def _split(value: Any) -> Any:
    # An environment variable can hold only text: host1:9092,host2:9092.
    return [a.strip() for a in value.split(",")] if isinstance(value, str) else value


KafkaName = Annotated[str, AfterValidator(kafka_name)]
Broker = Annotated[str, AfterValidator(_broker)]


class Security(Section):
    """How to reach the brokers safely, in the words of Kafka's own clients."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    ca_file: FilePath | None = None
    cert_file: FilePath | None = None
    key_file: FilePath | None = None
    key_password: SecretStr | None = None
    check_hostname: bool = True
    allow_plaintext_password: bool = False

    @property
    def uses_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.protocol in ("SSL", "SASL_SSL")

    @property
    def uses_sasl(self) -> bool:
        """Whether a user name and a password are asked for."""
        return self.protocol.startswith("SASL_")

    def faults(self) -> Iterator[Fault]:
        """Protocol, credentials and certificates that contradict each other."""
        yield from self._sasl_faults()
        yield from self._tls_faults()

    def _sasl_faults(self) -> Iterator[Fault]:
        for name in ("mechanism", "username"):
            given = getattr(self, name) is not None
            if self.uses_sasl and not given:
                yield Fault((name,), f"a value, since protocol is {self.protocol}")
            if given and not self.uses_sasl:
                yield Fault((name,), f"null, since protocol is {self.protocol}")
        if self.password is not None and not self.uses_sasl:
            text = f"no password, since protocol is {self.protocol}"
            yield Fault(("password",), text, "one")
        if self.protocol == "SASL_PLAINTEXT" and not self.allow_plaintext_password:
            text = (
                "SASL_SSL, since SASL_PLAINTEXT sends the password unprotected"
                " (allow_plaintext_password: true permits it)"
            )
            yield Fault(("protocol",), text)

    def _tls_faults(self) -> Iterator[Fault]:
        for name in ("ca_file", "cert_file", "key_file", "key_password"):
            if getattr(self, name) is not None and not self.uses_tls:
                text = f"null, since protocol {self.protocol} uses no certificates"
                yield Fault((name,), text)
        if (self.cert_file is None) != (self.key_file is None):
            lacking = "key_file" if self.key_file is None else "cert_file"
            text = "a path, since cert_file and key_file belong together"
            yield Fault((lacking,), text)


class Kafka(Section):
    """The brokers and how the worker's clients talk to them."""

    brokers: Annotated[
        tuple[Broker, ...], BeforeValidator(_split), Field(min_length=1)
    ] = ("127.0.0.1:9092",)
    security: Security = Field(default_factory=Security)
    static_member_id: KafkaName | None = None
    session_timeout_s: PositiveSeconds = Field(10.0, alias="session_timeout")
    heartbeat_interval_s: PositiveSeconds = Field(1.0, alias="heartbeat_interval")
    request_timeout_s: PositiveSeconds = Field(60.0, alias="request_timeout")
    max_poll_interval_s: PositiveSeconds = Field(300.0, alias="max_poll_interval")
    commit_interval_s: PositiveSeconds = Field(1.0, alias="commit_interval")
    max_poll_records: Annotated[Whole, Field(ge=1)] = 20_000
    fetch_max_bytes: Bytes = 16 << 20
    buffer_batches: Annotated[Whole, Field(ge=1, le=4096)] = 4
    gather_s: Seconds = Field(0.02, alias="gather")
    linger_s: Seconds = Field(0.005, alias="linger")
    batch_bytes: Bytes = 256 << 10
    request_max_bytes: Bytes = 4 << 20

    @property
    def sent_max_bytes(self) -> int:
        """The largest record we may send: the largest received, with our headers."""
        return self.request_max_bytes + _OUR_HEADERS_BYTES

    def faults(self) -> Iterator[Fault]:
        """Timeouts that would defeat each other."""
        if self.session_timeout_s > self.request_timeout_s:
            text = f"at most kafka.request_timeout ({self.request_timeout_s:g} s)"
            yield Fault(("session_timeout",), text)
        if self.heartbeat_interval_s * _HEARTBEATS_PER_SESSION > self.session_timeout_s:
            text = (
                "at most a third of kafka.session_timeout"
                f" ({self.session_timeout_s:g} s)"
            )
            yield Fault(("heartbeat_interval",), text)
        if self.session_timeout_s > self.max_poll_interval_s:
            text = f"at least kafka.session_timeout ({self.session_timeout_s:g} s)"
            yield Fault(("max_poll_interval",), text)
        if self.batch_bytes > self.request_max_bytes:
            text = f"at most kafka.request_max_bytes ({self.request_max_bytes} bytes)"
            yield Fault(("batch_bytes",), text)


class Topics(Section):
    """Names of the topics, and how `foreshock topics create` makes them."""

    readings: KafkaName = "foreshock.readings.v1"
    scores: KafkaName = "foreshock.scores.v1"
    alerts: KafkaName = "foreshock.alerts.v1"
    alarms: KafkaName = "foreshock.alarms.v1"
    events: KafkaName = "foreshock.events.v1"
    quarantine: KafkaName = "foreshock.quarantine.v1"
    keyed: KafkaName = "foreshock.readings.keyed.v1"
    state: KafkaName = "foreshock.state.v1"
    machines: KafkaName = "foreshock.machines.v1"
    audit: KafkaName = "foreshock.audit.v1"
    partitions: Annotated[Whole, Field(ge=1, le=10_000)] = 4
    replication: Annotated[Whole, Field(ge=1, le=100)] = 1
    retention_ns: PositiveNs | None = Field(7 * 86_400 * 10**9, alias="retention")

    def names(self) -> dict[str, str]:
        """Setting -> topic, in the order of the file."""
        return {
            field: value
            for field in type(self).model_fields
            if isinstance(value := getattr(self, field), str)
        }

    def faults(self) -> Iterator[Fault]:
        """Two settings for one topic, or names that Kafka cannot tell apart."""
        seen: dict[str, str] = {}
        for field, topic in self.names().items():
            # Kafka refuses a.b beside a_b, since its metrics write both as a_b.
            key = topic.replace(".", "_")
            if key in seen:
                text = f"a name that differs from topics.{seen[key]} in more than . _"
                yield Fault((field,), text)
            seen.setdefault(key, field)
