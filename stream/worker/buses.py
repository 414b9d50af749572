"""The two buses a worker can run on, ready for `faust.App`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust

from connectors import faust_kafka, faust_memory
from connectors.kafka import Access, tls_context
from connectors.kafka_reader import KafkaReader
from connectors.memory_log import open_log
from connectors.memory_reader import MemoryReader
from stream.worker.bus import TopicReader
from stream.worker.settings import Settings


@dataclass(frozen=True, slots=True)
class Bus:
    """A bus: its address for Faust, the app's settings, and a reader beside Faust.

    Attributes:
        broker: Faust's broker URL.
        options: Settings of every `faust.App` on it.
        reader: Reads whole topics without a group.
        gather_s: Time from one fetch to the next, at least.
    """

    broker: str
    options: dict[str, Any] = field(repr=False)
    reader: TopicReader = field(repr=False)
    gather_s: float = 0.0

    def app(self, group: str, batch_topics: set[str]) -> faust.App:
        """Return a new app: a consumer group that takes some topics in batches."""
        # Faust makes a folder for tables, of which there are none here.
        folder = Path(tempfile.gettempdir()) / f"foreshock-{group}"
        app = faust.App(group, broker=self.broker, datadir=folder, **self.options)
        transport: Any = app.transport
        transport.batch_topics = batch_topics
        transport.gather_s = self.gather_s
        return app


def kafka_bus(settings: Settings, access: Access) -> Bus:
    """Return the bus of the configured brokers."""
    faust_kafka.register()
    kafka = settings.kafka
    options = faust_kafka.app_settings(
        session_timeout_s=kafka.session_timeout_s,
        static_member_id=kafka.static_member_id,
        fetch_max_bytes=kafka.fetch_max_bytes,
        commit_interval_s=kafka.commit_interval_s,
    )
    options |= {
        "broker_heartbeat_interval": kafka.heartbeat_interval_s,
        "broker_request_timeout": kafka.request_timeout_s,
        "broker_max_poll_interval": kafka.max_poll_interval_s,
        "broker_max_poll_records": kafka.max_poll_records,
        "stream_buffer_maxsize": kafka.buffer_batches,
        "producer_linger": kafka.linger_s,
        "producer_max_batch_size": kafka.batch_bytes,
        "producer_max_request_size": kafka.sent_max_bytes,
        "producer_request_timeout": kafka.request_timeout_s,
        # Without a commit a group starts with the oldest reading that there is.
        "consumer_auto_offset_reset": "earliest",
        "topic_allow_declare": False,
    }
    credentials = _credentials(access)
    if credentials is not None:
        options["broker_credentials"] = credentials
    addresses = ";".join(access.brokers)
    broker = f"{faust_kafka.SCHEME}://{addresses}"
    return Bus(broker, options, KafkaReader(access), kafka.gather_s)


def memory_bus(name: str, partitions: int) -> Bus:
    """Return the bus of the log of that name in this process."""
    faust_memory.register()
    options = faust_kafka.app_settings() | {
        "TableManager": faust_memory.QuickTables,
        "topic_partitions": partitions,
    }
    log = open_log(name, partitions)
    return Bus(f"memory://{name}", options, MemoryReader(log))


def _credentials(access: Access) -> Any:
    tls = access.protocol in ("SSL", "SASL_SSL")
    context = tls_context(access) if tls else None
    if access.protocol.startswith("SASL_"):
        return faust.SASLCredentials(
            username=access.username,
            password=access.password,
            mechanism=access.mechanism,
            ssl_context=context,
        )
    return faust.SSLCredentials(context=context) if tls else None
