"""Settings of the brokers, as connectors want them."""

from __future__ import annotations

from connectors.kafka import Access
from stream.worker.settings import Settings


def access_of(settings: Settings) -> Access:
    """Return how to reach and enter the brokers of a plant."""
    kafka, security = settings.kafka, settings.kafka.security
    password, key_password = security.password, security.key_password
    return Access(
        brokers=kafka.brokers,
        protocol=security.protocol,
        mechanism=security.mechanism,
        username=security.username,
        password=password.get_secret_value() if password else None,
        ca_file=security.ca_file,
        cert_file=security.cert_file,
        key_file=security.key_file,
        key_password=key_password.get_secret_value() if key_password else None,
        check_hostname=security.check_hostname,
    )
