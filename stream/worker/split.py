"""Reports of machines whose readings come from more than one partition."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import msgspec
import structlog

from stream.core.alert import Alert
from stream.worker.bus import Outbox, Producer
from stream.worker.claims import Claims
from stream.worker.words import second_partition

_log = structlog.get_logger()

_KIND = "second_partition"


async def report(
    claims: Claims, producer: Producer, alerts: str, source: str, language: str = "en"
) -> None:
    """Send an alert on the pipeline for each split machine, once.

    Args:
        claims: The register of machines.
        producer: Where alerts go.
        alerts: Name of their topic.
        source: Topic of the readings.
        language: Of the sentences.
    """
    found = claims.unreported()
    if not found:
        return
    outbox = Outbox(producer)
    for machine, partitions in found:
        _log.error(_KIND, machine=machine, partitions=list(partitions))
        message = second_partition(machine, partitions, source, language)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        alert = _alert(machine, message, source, now.replace("+00:00", "Z"))
        value = msgspec.json.encode(alert)
        await outbox.send(alerts, None, machine.encode(), value)
    await outbox.acknowledged()
    await claims.mark_reported(machine for machine, _ in found)


def _alert(machine: str, message: str, source: str, now: str) -> Alert:
    # No time in its id: a report that is repeated after a crash is the same alert.
    text = f"{machine}\n{_KIND}".encode()
    name = hashlib.blake2b(text, digest_size=16).hexdigest()
    return Alert(
        id=name,
        case_id=name,
        machine=machine,
        type="",
        kind=_KIND,
        subject="pipeline",
        sensor="",
        event="raised",
        seq=1,
        state="active",
        severity="high",
        onset=now,
        time=now,
        message=message,
        source={"topic": source},
    )
