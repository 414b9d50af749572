"""Topics, sending and following, on a real broker; errors also without one."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import kafka.record.default_records
import pytest
from kafka import KafkaAdminClient
from kafka.record._crc32c import crc as slow_checksum

import connectors.kafka
from connectors import kafka_send
from connectors.kafka import Access, BusError, Unreachable, client_config, opened
from connectors.kafka_follow import Record, follow
from connectors.kafka_send import partition_of, sender
from connectors.kafka_topics import TopicSpec, create, inspect

SECRET = "hunter2"  # noqa: S105 - no secret
COMPACT = {"cleanup.policy": "compact"}


@pytest.fixture
def access(kafka: str) -> Access:
    return Access((kafka,))


@pytest.fixture
def topic(access: Access, topic_prefix: str) -> str:
    name = f"{topic_prefix}t"
    create(access, [TopicSpec(name, 4)])
    return name


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def silent_server() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_an_absent_broker_is_named_at_once() -> None:
    ports = [closed_port(), closed_port()]
    access = Access(tuple(f"127.0.0.1:{port}" for port in ports))
    start = time.monotonic()
    with pytest.raises(Unreachable) as caught:
        inspect(access, ["t"])
    assert time.monotonic() - start < 5
    assert str(caught.value) == (
        f"no Kafka broker answers at 127.0.0.1:{ports[0]} (connection refused),"
        f" 127.0.0.1:{ports[1]} (connection refused)"
    )


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(Unreachable, match=r"nobody\.invalid:9092 \(unknown host\)"):
        inspect(Access(("nobody.invalid:9092",)), ["t"])


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a user waits for: about 10 s. A test need not.
    assert 1000 * connectors.kafka._CONNECT_S + connectors.kafka._BOOTSTRAP_MS <= 10_000
    monkeypatch.setattr(connectors.kafka, "_BOOTSTRAP_MS", 300)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_says_nothing_is_named_and_leaves_no_thread() -> None:
    before = threading.active_count()
    told = pytest.raises(Unreachable, match=r"Kafka at .* does not let us in")
    with silent_server() as address, told as caught:
        inspect(Access((address,)), ["t"])
    assert address in str(caught.value)
    assert threading.active_count() == before


@pytest.mark.usefixtures("impatient")
def test_a_password_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    with silent_server() as address:
        access = Access(
            (address,), "SASL_PLAINTEXT", "PLAIN", username="u", password=SECRET
        )
        with caplog.at_level(logging.DEBUG), pytest.raises(Unreachable) as caught:
            inspect(access, ["t"])
    assert SECRET not in f"{access!r} {caught.value!r} {caplog.text}"


def test_security_in_the_words_of_kafka_python() -> None:
    plain = client_config(Access(("h:1", "h:2")))
    assert plain["bootstrap_servers"] == ["h:1", "h:2"]
    assert plain["security_protocol"] == "PLAINTEXT"
    assert not [key for key in plain if key.startswith(("sasl", "ssl"))]
    full = client_config(
        Access(("h:1",), "SASL_SSL", "SCRAM-SHA-256", "u", "p", check_hostname=False)
    )
    assert full["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (full["sasl_plain_username"], full["sasl_plain_password"]) == ("u", "p")
    assert full["ssl_context"].check_hostname is False
    assert full["ssl_check_hostname"] is False


def test_unusable_certificate_files_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "ca.pem"
    with pytest.raises(BusError, match=r"cannot read the CA file .*ca\.pem"):
        client_config(Access(("h:1",), "SSL", ca_file=missing))
    broken = tmp_path / "cert.pem"
    broken.write_text("no certificate")
    with pytest.raises(BusError, match=r"cannot use the certificate .*cert\.pem"):
        client_config(Access(("h:1",), "SSL", cert_file=broken, key_file=broken))


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [
        # From the tests of Kafka's own Java client.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    ],
)
def test_partitions_are_those_of_java(key: bytes, murmur2: int) -> None:
    for partitions in (1, 3, 4, 12):
        assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


def test_topics_are_made_once(access: Access, topic_prefix: str) -> None:
    specs = [
        TopicSpec(f"{topic_prefix}a", 3),
        TopicSpec(f"{topic_prefix}b", 2, 1, COMPACT | {"segment.bytes": "67108864"}),
    ]
    assert create(access, specs[:1]) == [f"{topic_prefix}a"]
    assert create(access, specs) == [f"{topic_prefix}b"]
    assert create(access, specs) == []
    states = inspect(access, [*(spec.name for spec in specs), f"{topic_prefix}c"])
    found = {name: (state.partitions, state.cleanup) for name, state in states.items()}
    assert found == {
        f"{topic_prefix}a": (3, "delete"),
        f"{topic_prefix}b": (2, "compact"),
    }


def test_a_changed_partition_count_is_refused_with_the_recipe(
    access: Access, topic: str, topic_prefix: str
) -> None:
    other = f"{topic_prefix}new"
    with pytest.raises(BusError) as caught:
        create(access, [TopicSpec(other, 5), TopicSpec(topic, 5)])
    text = str(caught.value)
    assert text.startswith(f"topic {topic}: expected 5 partitions, found 4; ")
    assert "either set topics.partitions to 4, or stop the producers" in text
    assert "\n" not in text
    assert inspect(access, [other]) == {}


def test_another_cleanup_policy_is_refused_with_the_recipe(
    access: Access, topic: str
) -> None:
    with pytest.raises(
        BusError, match=r"expected cleanup\.policy=compact, found delete"
    ):
        create(access, [TopicSpec(topic, 4, 1, COMPACT)])


def test_what_the_broker_refuses_is_told(access: Access, topic_prefix: str) -> None:
    with pytest.raises(BusError, match=r"Kafka refused to create it: .*replica"):
        create(access, [TopicSpec(f"{topic_prefix}r", 1, 9)])


def test_what_is_sent_is_followed_in_order_and_partition(
    access: Access, topic: str
) -> None:
    sent = [(b"pump-%d" % (i % 7), b"value %d" % i) for i in range(25_000)]
    with sender(access, topic) as sending:
        for key, value in sent:
            sending.send(key, value)
        assert sending.sent == len(sent)
    got = list(follow(access, topic, from_start=True, until_idle_s=0.5))
    assert len(got) == len(sent)
    assert {(r.key, r.partition) for r in got} == {
        (key, partition_of(key, 4)) for key, _ in sent
    }
    for machine in {key for key, _ in sent}:
        mine = [value for key, value in sent if key == machine]
        assert [r.value for r in got if r.key == machine] == mine


def test_following_from_now_skips_what_was_there(access: Access, topic: str) -> None:
    with sender(access, topic) as sending:
        sending.send(b"k", b"old")
    seen: list[Record] = []
    with closing(follow(access, topic, until_idle_s=10)) as records:
        started = threading.Event()

        def write() -> None:
            # Until it is seen: the follower takes its place some time after its start.
            while not started.wait(0.05):
                with sender(access, topic) as sending:
                    sending.send(b"k", b"new")

        thread = threading.Thread(target=write)
        thread.start()
        try:
            seen.append(next(records))
        finally:
            started.set()
            thread.join()
    assert seen[0].value == b"new"


def test_a_missing_topic_is_named(access: Access, topic_prefix: str) -> None:
    sentence = f"there is no topic {topic_prefix}nope: foreshock topics create makes it"
    with pytest.raises(BusError, match=sentence), sender(access, f"{topic_prefix}nope"):
        pass
    with pytest.raises(BusError, match=sentence):
        next(follow(access, f"{topic_prefix}nope"))


def test_a_record_that_is_too_large_is_an_error_and_not_a_silence(
    access: Access, topic_prefix: str
) -> None:
    name = f"{topic_prefix}small"
    create(access, [TopicSpec(name, 1, 1, {"max.message.bytes": "1000"})])
    with (
        pytest.raises(BusError, match=f"Kafka did not take a record for {name}"),
        sender(access, name) as sending,
    ):
        sending.send(b"k", b"x" * 5_000)


def test_no_client_leaves_a_thread(access: Access, topic: str) -> None:
    before = threading.active_count()
    with sender(access, topic) as sending:
        sending.send(b"k", b"v")
    assert len(list(follow(access, topic, from_start=True, until_idle_s=0.2))) == 1
    inspect(access, [topic])
    assert threading.active_count() == before


def test_errors_of_kafka_become_sentences(access: Access) -> None:
    from kafka.errors import KafkaTimeoutError, TopicAuthorizationFailedError

    (address,) = access.brokers
    for error, sentence in (
        (KafkaTimeoutError("late"), f"Kafka at {address} stopped answering"),
        (
            TopicAuthorizationFailedError("t"),
            f"Kafka at {address} does not permit this",
        ),
    ):
        with pytest.raises(BusError, match=sentence), opened(KafkaAdminClient, access):
            raise error


def test_checksums_are_the_fast_ones_and_the_same() -> None:
    kafka_send._use_fast_checksums()
    fast = kafka.record.default_records.calc_crc32c
    for data in (b"", b"123456789", bytes(range(256)) * 9):
        assert fast(data) == slow_checksum(data)
        assert fast(memoryview(data)) == slow_checksum(data)
    large = bytes(1 << 20)
    start = time.perf_counter()
    fast(large)
    # Pure Python takes more than ten times as long.
    assert time.perf_counter() - start < 0.05
