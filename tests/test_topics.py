"""Which topics a plant needs."""

from pathlib import Path

from stream.topics import Topic, plan
from stream.worker.settings import load_settings

CONFIG = Path(__file__).parents[1] / "configs" / "cmapss.yaml"


def planned(*overrides: str) -> dict[str, Topic]:
    return {t.setting: t for t in plan(load_settings(CONFIG, overrides, {}))}


def test_every_topic_of_the_settings_is_planned_with_equal_partitions() -> None:
    settings = load_settings(CONFIG, ("topics.partitions=7",), {})
    topics = plan(settings)
    assert {t.setting: t.name for t in topics} == settings.topics.names()
    # Every worker reads these whole, over one connection.
    whole = {t.setting for t in topics if t.partitions == 1}
    assert whole == {"events", "machines"}
    assert {t.partitions for t in topics if t.setting not in whole} == {7}


def test_what_only_its_latest_counts_of_is_compacted() -> None:
    policies = {name: t.config["cleanup.policy"] for name, t in planned().items()}
    compacted = {name for name, policy in policies.items() if policy == "compact"}
    assert compacted == {"state", "alarms", "machines"}
    assert set(policies.values()) == {"compact", "delete"}


def test_compacted_topics_are_never_deleted_by_age() -> None:
    state = planned()["state"].config
    assert "retention.ms" not in state
    assert int(state["segment.bytes"]) == 64 << 20
    assert 0.1 <= float(state["min.cleanable.dirty.ratio"]) <= 0.2
    assert int(state["min.compaction.lag.ms"]) >= 60_000


def test_retention_by_kind() -> None:
    topics = planned("topics.retention=2d")
    assert topics["readings"].config["retention.ms"] == str(2 * 86_400_000)
    assert topics["events"].config["retention.ms"] == "-1"
    unset = planned("topics.retention=null")
    assert "retention.ms" not in unset["readings"].config


def test_the_largest_request_fits_into_every_topic() -> None:
    topics = planned("kafka.request_max_bytes=8MiB")
    sizes = {int(t.config["max.message.bytes"]) for t in topics.values()}
    assert min(sizes) == 8 << 20
    # What is passed on with headers of ours needs a little more.
    assert max(sizes) < 9 << 20
