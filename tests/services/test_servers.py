"""The servers do what the tests rely on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import UnknownTopicOrPartitionError

from tests.services import influx as influx_server
from tests.services import kafka as kafka_server
from tests.services.cache import PROJECT
from tests.services.errors import Missing
from tests.services.influx import Influx


def test_a_produced_record_is_consumed(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}readings"
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1}})
    producer = KafkaProducer(bootstrap_servers=kafka)
    sent = producer.send(topic, b"value", key=b"pump-07", partition=1).get(30)
    producer.close()

    consumer = KafkaConsumer(
        bootstrap_servers=kafka, auto_offset_reset="earliest", consumer_timeout_ms=30000
    )
    consumer.assign([TopicPartition(topic, 1)])
    record = next(consumer)
    consumer.close()
    admin.close()

    assert (record.key, record.value, record.offset) == (b"pump-07", b"value", 0)
    assert sent.offset == 0


def test_a_topic_is_not_created_by_asking_for_it(kafka: str, topic_prefix: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka)
    topic = f"{topic_prefix}never-created"
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.list_partition_offsets({TopicPartition(topic, 0): "latest"})
    assert topic not in admin.list_topics()
    admin.close()


def test_a_written_point_is_read_back(influx_bucket: Influx) -> None:
    at = influx_bucket
    with InfluxDBClient(at.url, at.token, org=at.org) as client:
        line = "score,machine=pump-07 risk=0.25 1700000000000000000"
        client.write_api(SYNCHRONOUS).write(at.bucket, record=line)
        query = f'from(bucket: "{at.bucket}") |> range(start: 0)'
        (table,) = client.query_api().query(query)
    assert [record.get_value() for record in table.records] == [0.25]


def test_a_fresh_bucket_is_gone_afterwards(influx: Influx) -> None:
    with influx_server.fresh_bucket(influx) as server:
        name = server.bucket
        assert name in _buckets(influx)
    assert name not in _buckets(influx)


def _buckets(server: Influx) -> set[str]:
    found = influx_server.call(server, "GET", "/api/v2/buckets?limit=100")
    return {bucket["name"] for bucket in found["buckets"]}


def test_a_token_is_not_shown(influx: Influx) -> None:
    assert influx.token not in repr(influx)


def test_a_named_broker_is_used_instead_of_an_own_one(
    kafka: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kafka_server.ADDRESS, kafka)
    with kafka_server.serve() as address:
        assert address == kafka
    assert kafka_server.answers(kafka)  # we did not start it, so we did not stop it


def test_a_named_broker_that_is_down_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(kafka_server.ADDRESS, "127.0.0.1:1")
    with pytest.raises(Missing, match=r"127\.0\.0\.1:1 does not answer"):
        kafka_server.serve().__enter__()


def test_a_half_named_database_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for part in ("ORG", "BUCKET", "TOKEN"):
        monkeypatch.delenv(f"{influx_server.ADDRESS}_{part}", raising=False)
    monkeypatch.setenv(f"{influx_server.ADDRESS}_URL", "http://127.0.0.1:1")
    with pytest.raises(Missing, match=r"ORG, .*BUCKET, .*TOKEN is not"):
        influx_server.serve().__enter__()


@pytest.fixture
def without_servers(tmp_path: Path) -> dict[str, str]:
    """An environment whose cache is empty and which names no server."""
    names = {name for name in os.environ if name.startswith("FORESHOCK_TEST_")}
    kept = {k: v for k, v in os.environ.items() if k not in names | {"CI"}}
    return {**kept, "FORESHOCK_CACHE": str(tmp_path)}


def _closing_lines(env: dict[str, str]) -> tuple[int, list[str]]:
    node = f"{Path(__file__).relative_to(PROJECT)}::test_a_token_is_not_shown"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", node],
        cwd=PROJECT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()[-3:]


def test_a_missing_server_skips_with_its_cure_and_is_counted_last(
    without_servers: dict[str, str],
) -> None:
    code, (reason, closing, last) = _closing_lines(without_servers)
    assert code == 0
    assert "python -m tests.services fetch" in reason
    assert "1 skipped" in closing
    assert last == "skipped: 1"


def test_a_missing_server_fails_in_ci(without_servers: dict[str, str]) -> None:
    code, (_, closing, last) = _closing_lines({**without_servers, "CI": "true"})
    assert code == 1
    assert "1 error" in closing
    assert last == "skipped: 0"
