from __future__ import annotations

from typing import Any

import pytest
from aiokafka.errors import MessageSizeTooLargeError

from connectors.memory_log import Log, Record
from stream.core.readings import Reject
from stream.worker.bus import Outbox
from stream.worker.quarantine import headers_of, put_away
from tests.worker.bench import LogProducer


def reject(
    value: bytes | None, key: bytes | None = b"k", detail: str = "found a cat"
) -> Reject:
    record = Record(7, 123, key, value, ((("trace", b"\xff")), ("trace", b"2")))
    return Reject(record, "not_json", detail, position=3)


async def sent(rejected: Reject, producer: LogProducer) -> Record:
    outbox = Outbox(producer)
    await put_away(outbox, "quarantine", 0, rejected, ("readings", 5))
    await outbox.acknowledged()
    (record,) = producer.log.topic("quarantine")[0].records
    return record


def test_headers_are_the_source_s_and_then_ours() -> None:
    headers = headers_of(reject(b"{"), "readings", 5)
    assert headers[:2] == [("trace", b"\xff"), ("trace", b"2")]
    assert dict(headers[2:]) == {
        "foreshock-reason": b"not_json",
        "foreshock-detail": b"found a cat",
        "foreshock-topic": b"readings",
        "foreshock-partition": b"5",
        "foreshock-offset": b"7",
        "foreshock-timestamp-ms": b"123",
        "foreshock-reading": b"3",
    }


def test_a_detail_may_be_long_and_hold_half_a_surrogate_pair() -> None:
    long = dict(headers_of(reject(b"{", detail="\ud800" * 5_000), "readings", 5))
    assert long["foreshock-detail"].startswith(rb"\ud800\ud800")
    assert len(long["foreshock-detail"]) < 5_000


@pytest.mark.parametrize("value", [b"{", b"", None, b"\xff" * 700_000])
async def test_key_and_value_are_kept_to_the_byte(value: bytes | None) -> None:
    record = await sent(reject(value), LogProducer(Log()))
    assert (record.key, record.value) == (b"k", value)
    assert "foreshock-value" not in dict(record.headers)


async def test_neither_key_nor_value_is_kept_as_an_empty_value_that_says_so() -> None:
    record = await sent(reject(None, key=None), LogProducer(Log()))
    assert (record.key, record.value) == (None, b"")
    assert dict(record.headers)["foreshock-value"] == b"null"


class Narrow(LogProducer):
    """Refuses what is large before it is sent, as the client does."""

    async def send(self, *args: Any) -> Any:
        if len(args[2]) > 1_000_000:
            raise RuntimeError("cannot be sent") from MessageSizeTooLargeError()
        return await super().send(*args)


def refuses(topic: str, value: bytes | None) -> Exception | None:
    return MessageSizeTooLargeError() if len(value or b"") > 1_000_000 else None


@pytest.mark.parametrize(
    "producer", [Narrow(Log()), LogProducer(Log(), refuse=refuses)]
)
@pytest.mark.parametrize("key", [b"k", b"k" * 2_000])
async def test_a_record_too_large_for_the_topic_costs_its_value_only(
    producer: LogProducer, key: bytes
) -> None:
    producer.log = Log()
    record = await sent(reject(b"x" * 1_000_001, key=key), producer)
    headers = dict(record.headers)
    assert record.value == b""
    assert record.key == (key if len(key) == 1 else None)
    assert b"left out" in headers["foreshock-value"]
    assert headers["foreshock-offset"] == b"7"
    assert "trace" not in headers


async def test_other_errors_are_not_swallowed() -> None:
    producer = LogProducer(Log(), refuse=lambda *_: OSError("away"))
    with pytest.raises(OSError, match="away"):
        await sent(reject(b"x" * 1_000_001), producer)
