"""Reports of machines whose readings come from more than one partition."""

from __future__ import annotations

import hashlib

import msgspec
import structlog

from stream.worker.bus import Outbox, Producer
from stream.worker.claims import Claims

_log = structlog.get_logger()


async def report(claims: Claims, producer: Producer, alerts: str, source: str) -> None:
    """Send an alert on the pipeline for each split machine, once.

    Args:
        claims: The register of machines.
        producer: Where alerts go.
        alerts: Name of their topic.
        source: Topic of the readings.
    """
    found = claims.unreported()
    if not found:
        return
    outbox = Outbox(producer)
    for machine, partitions in found:
        message = sentence(machine, partitions, source)
        _log.error("second_partition", machine=machine, partitions=list(partitions))
        text = f"{machine}\nsecond_partition".encode()
        alert = {
            "schema": 1,
            "id": hashlib.blake2b(text, digest_size=16).hexdigest(),
            "machine": machine,
            "kind": "second_partition",
            "subject": "pipeline",
            "severity": "high",
            "state": "active",
            "event": "raised",
            "seq": 1,
            "message": message,
            "evidence": {"topic": source, "partitions": list(partitions)},
        }
        value = msgspec.json.encode(alert)
        await outbox.send(alerts, None, machine.encode(), value)
    await outbox.acknowledged()
    await claims.mark_reported(machine for machine, _ in found)


def sentence(machine: str, partitions: tuple[int, ...], source: str) -> str:
    """Say what is wrong and what to do, for whoever looks after the pipeline."""
    where = ", ".join(map(str, partitions))
    return (
        f"Machine {machine} sends to partitions {where} of {source}: it is refused,"
        " since scores from a part of its readings would be wrong. Let all producers"
        " place it in one partition by its key, or set input.repartition: true."
    )
