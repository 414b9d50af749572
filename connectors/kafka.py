"""The bus, seen by our commands: a connection that answers or says why not.

`opened` makes any client of kafka-python from one description of the brokers and
closes it again. An absent or unwilling broker is an error within about ten
seconds, naming the address; kafka-python alone would retry for half a minute and
then say no more than "unable to bootstrap". Topics, sending and following live in
the modules `kafka_topics`, `kafka_send` and `kafka_follow`.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kafka import errors
from kafka.net.compat import KafkaNetClient

_CONNECT_S = 3.0
_BOOTSTRAP_MS = 7_000
# Warnings of a failed first contact are raised again as one error.
_BOOTSTRAP_LOG = "kafka.net.manager"


class BusError(Exception):
    """The bus cannot do what was asked; the text is one sentence for the user."""


class Unreachable(BusError):
    """No broker answers, or none lets us in. Trying later may help."""


@dataclass(frozen=True)
class Access:
    """The brokers and how to enter, in Kafka's own words.

    Attributes:
        brokers: Addresses host:port; one that answers is enough.
        protocol: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL.
        mechanism: PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512; None without SASL.
        username: SASL's user; None without SASL.
        password: SASL's password; None without SASL. Never part of the repr.
        ca_file: Authority of the brokers' certificates; None trusts the system's.
        cert_file: Our own certificate, for mutual TLS.
        key_file: Its key.
        key_password: The key's password. Never part of the repr.
        check_hostname: Whether a broker's name must stand in its certificate.
    """

    brokers: tuple[str, ...]
    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)
    check_hostname: bool = True


def client_config(access: Access) -> dict[str, Any]:
    """The connection settings in kafka-python's spelling.

    Raises:
        BusError: A certificate or key file cannot be used.
    """
    config: dict[str, Any] = {
        "bootstrap_servers": list(access.brokers),
        "security_protocol": access.protocol,
        "bootstrap_timeout_ms": _BOOTSTRAP_MS,
    }
    if access.protocol in ("SSL", "SASL_SSL"):
        config["ssl_context"] = tls_context(access)
        config["ssl_check_hostname"] = access.check_hostname
    if access.protocol.startswith("SASL_"):
        config["sasl_mechanism"] = access.mechanism
        config["sasl_plain_username"] = access.username
        config["sasl_plain_password"] = access.password
    return config


def tls_context(access: Access) -> ssl.SSLContext:
    """Return the TLS context of an access that uses certificates.

    Raises:
        BusError: A certificate or key file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=access.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise BusError(f"cannot read the CA file {access.ca_file}: {error}") from error
    context.check_hostname = access.check_hostname
    if access.cert_file is None:
        return context
    try:
        context.load_cert_chain(
            access.cert_file, access.key_file, access.key_password or ""
        )
    except (OSError, ssl.SSLError) as error:
        where = f"{access.cert_file} with key {access.key_file}"
        raise BusError(f"cannot use the certificate {where}: {error}") from error
    return context


def check_reachable(access: Access) -> None:
    """Return as soon as one broker accepts a connection.

    Raises:
        Unreachable: None does within 3 seconds each.
    """
    reasons = []
    for address in access.brokers:
        host, _, port = address.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), _CONNECT_S).close()
        except OSError as error:
            reasons.append(f"{address} ({_reason(error)})")
        else:
            return
    raise Unreachable(f"no Kafka broker answers at {', '.join(reasons)}")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer"
    if isinstance(error, socket.gaierror):
        return "unknown host"
    return (error.strerror or str(error)).lower()


class _LastWarning(logging.Handler):
    """Keeps what kafka-python says while it tries for the first contact."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        # The delay until the next try comes last and explains nothing.
        causes = [arg for arg in record.args or () if isinstance(arg, Exception)]
        if causes:
            self.text = str(causes[-1])


@contextmanager
def opened(make: Callable[..., Any], access: Access, **options: Any) -> Iterator[Any]:
    """Open a client, and close it whatever happens.

    Args:
        make: KafkaAdminClient, KafkaProducer or KafkaConsumer.
        access: The brokers and how to enter.
        options: Further settings of the client.

    Yields:
        The client, connected.

    Raises:
        Unreachable: No broker answers or lets us in; after at most 10 seconds for
            one broker, 3 more for each further one.
        BusError: The broker refused what the body of the `with` asked for.
    """
    config = client_config(access) | options
    # At debug level kafka-python logs its configuration, the password included.
    logging.getLogger("kafka.admin.client").setLevel(logging.INFO)
    check_reachable(access)
    client = _open(make, config, access)
    try:
        yield client
    except errors.KafkaError as error:
        raise BusError(_sentence(error, access)) from error
    finally:
        client.close()


def _open(make: Callable[..., Any], config: dict[str, Any], access: Access) -> Any:
    made: list[Any] = []

    def remember(**settings: Any) -> Any:
        made.append(KafkaNetClient(**settings))
        return made[-1]

    warnings, log = _LastWarning(), logging.getLogger(_BOOTSTRAP_LOG)
    log.addHandler(warnings)
    try:
        return make(**config, kafka_client=remember)
    except errors.KafkaError as error:
        # The half-made client keeps a thread that nobody else can stop.
        for client in made:
            with suppress(errors.KafkaError, RuntimeError):
                client.close()
                client._manager._net.stop()  # noqa: SLF001 - has no public way
        where = ", ".join(access.brokers)
        cause = warnings.text or f"no answer that fits within {_BOOTSTRAP_MS / 1e3:g} s"
        text = f"Kafka at {where} does not let us in with {access.protocol}: {cause}"
        raise Unreachable(text) from error
    finally:
        log.removeHandler(warnings)


def _sentence(error: errors.KafkaError, access: Access) -> str:
    where = ", ".join(access.brokers)
    if isinstance(error, errors.AuthorizationError):
        return f"Kafka at {where} does not permit this: {error}"
    if isinstance(error, errors.KafkaTimeoutError | errors.KafkaConnectionError):
        return f"Kafka at {where} stopped answering: {error}"
    return f"Kafka at {where} refused: {type(error).__name__}: {error}"
