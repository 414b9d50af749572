"""Rejected readings, as the records that go to quarantine: the original, byte for byte.

Key, value and headers are those of the source; what is known of the reject stands in
headers beside them, all starting with ``foreshock-``. Two things cannot be copied, and
the header ``foreshock-value`` says so: neither key nor value, for which Kafka's client
has no form (the value is empty then), and a record for which this topic's limit is too
low (what is known of it is kept, and it lies where the headers say).
"""

from __future__ import annotations

from stream.core.readings import Reject
from stream.worker.bus import Message, Outbox

_LONGEST_DETAIL = 300
_LONGEST_KEY = 1024
_MAY_BE_TOO_LARGE = 512 << 10
"""Fewer bytes than this are taken everywhere: Kafka's own limit is twice that."""


async def put_away(
    outbox: Outbox,
    quarantine: str,
    partition: int | None,
    reject: Reject,
    source: tuple[str, int],
) -> None:
    """Send a rejected reading's record to quarantine.

    Args:
        outbox: What sends it and keeps its acknowledgement.
        quarantine: Name of the topic.
        partition: Its partition; None leaves it to the key.
        reject: The rejected reading.
        source: Topic and partition of its record.
    """
    record, headers = reject.record, headers_of(reject, *source)
    key, value = record.key, record.value
    if key is None and value is None:
        value, headers = b"", [*headers, ("foreshock-value", b"null")]
    size = len(key or b"") + len(value or b"")
    instead = None
    if size > _MAY_BE_TOO_LARGE:
        told = f"left out: {size} bytes and headers are too large for this topic"
        ours = [*headers[len(record.headers) :], ("foreshock-value", told.encode())]
        short = key if key is not None and len(key) <= _LONGEST_KEY else None
        instead = Message(short, b"", ours)
    await outbox.send(quarantine, partition, key, value, headers, instead)


def headers_of(reject: Reject, topic: str, partition: int) -> list[tuple[str, bytes]]:
    """Return the headers of a quarantined record: the source's, then ours."""
    record = reject.record
    told = {
        "reason": reject.reason,
        "detail": reject.detail[:_LONGEST_DETAIL],
        "topic": topic,
        "partition": str(partition),
        "offset": str(record.offset),
        "timestamp-ms": str(record.timestamp),
        "reading": str(reject.position),
    }
    # A detail may quote the record, and a record may hold half a surrogate pair.
    ours = [
        (f"foreshock-{k}", v.encode(errors="backslashreplace")) for k, v in told.items()
    ]
    return [*record.headers, *ours]
