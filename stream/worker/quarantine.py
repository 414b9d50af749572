"""Rejected readings, as the records that go to quarantine: the original, byte for byte.

Key, value and headers are those of the source; what is known of the reject stands in
headers beside them, all starting with ``foreshock-``.
"""

from __future__ import annotations

from stream.core.readings import Reject
from stream.worker.bus import Headers

_LONGEST_DETAIL = 300


def headers_of(reject: Reject, topic: str, partition: int) -> Headers:
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
