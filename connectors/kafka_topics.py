"""Topics: make what is missing, and say what does not fit; nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType

from connectors.kafka import Access, BusError, opened

_CLEANUP = "cleanup.policy"
_NO_ERROR = 0
_ALREADY_EXISTS = 36


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be.

    Attributes:
        name: Its name.
        partitions: Its number of partitions.
        replication: Copies of each partition.
        config: Kafka's own settings of a topic, such as cleanup.policy.
    """

    name: str
    partitions: int
    replication: int = 1
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TopicState:
    """A topic as it is: partitions, and whether it is compacted or deleted by age."""

    name: str
    partitions: int
    cleanup: str


def inspect(access: Access, names: Sequence[str]) -> dict[str, TopicState]:
    """Look at topics; those that do not exist are left out.

    Raises:
        Unreachable: No broker answers.
        BusError: We may not look.
    """
    with opened(KafkaAdminClient, access) as admin:
        return _inspect(admin, names)


def partitions_of(access: Access, name: str) -> int | None:
    """Return how many partitions a topic has; None if there is no such topic.

    Raises:
        Unreachable: No broker answers.
    """
    with opened(KafkaAdminClient, access) as admin:
        return _partitions(admin, [name]).get(name)


def create(access: Access, specs: Sequence[TopicSpec]) -> list[str]:
    """Make the topics that do not exist yet; safe to repeat.

    Args:
        access: The brokers.
        specs: The topics wanted.

    Returns:
        Names of the topics that were made now, in the order of `specs`.

    Raises:
        Unreachable: No broker answers.
        BusError: A topic exists with other partitions or another cleanup policy
            (then nothing is made), or the brokers refuse to make one.
    """
    with opened(KafkaAdminClient, access) as admin:
        there = _inspect(admin, [spec.name for spec in specs])
        misfits = {
            reason: spec.name
            for spec in reversed(specs)
            if spec.name in there and (reason := misfit(spec, there[spec.name]))
        }
        if misfits:
            # Ten topics of the same fault are one fault: the first one stands for it.
            text = [f"topic {name}: {why}" for why, name in misfits.items()]
            raise BusError("\n".join(reversed(text)))
        missing = [spec for spec in specs if spec.name not in there]
        if missing:
            _create(admin, missing)
        return [spec.name for spec in missing]


def misfit(spec: TopicSpec, state: TopicState) -> str | None:
    """Say how an existing topic differs in what cannot be changed under way.

    Returns:
        One sentence with the recipe, or None if the topic fits.
    """
    if state.partitions != spec.partitions:
        return (
            f"expected {spec.partitions} partitions, found {state.partitions};"
            " machines are bound to partitions by their key, so either set"
            f" topics.partitions to {state.partitions}, or stop the producers, let the"
            " workers finish, delete all topics of this plant (the state too), create"
            " them anew and replay"
        )
    wanted = spec.config.get(_CLEANUP, "delete")
    if state.cleanup != wanted:
        return (
            f"expected cleanup.policy={wanted}, found {state.cleanup}; put it right"
            f" with kafka-configs --alter --topic {spec.name} --add-config"
            f" cleanup.policy={wanted}"
        )
    return None


def _inspect(admin: Any, names: Sequence[str]) -> dict[str, TopicState]:
    partitions = _partitions(admin, names)
    if not partitions:
        return {}
    resources = [
        ConfigResource(ConfigResourceType.TOPIC, name, [_CLEANUP])
        for name in partitions
    ]
    configs = admin.describe_configs(resources, config_filter="all")["topic"]
    return {
        name: TopicState(name, count, configs[name][_CLEANUP]["value"])
        for name, count in partitions.items()
    }


def _partitions(admin: Any, names: Sequence[str]) -> dict[str, int]:
    # Asking for a topic by name could create it; the list of all never does.
    return {
        topic["name"]: len(topic["partitions"])
        for topic in admin.describe_topics()
        if topic["name"] in names
    }


def _create(admin: Any, specs: Sequence[TopicSpec]) -> None:
    wanted = {
        spec.name: {
            "num_partitions": spec.partitions,
            "replication_factor": spec.replication,
            "configs": dict(spec.config),
        }
        for spec in specs
    }
    answer = admin.create_topics(wanted, raise_errors=False)
    refused = [
        f"topic {topic['name']}: Kafka refused to create it:"
        f" {topic['error_message'] or topic['error_code']}"
        for topic in answer["topics"]
        # Somebody else may have made it in this very moment.
        if topic["error_code"] not in (_NO_ERROR, _ALREADY_EXISTS)
    ]
    if refused:
        raise BusError("\n".join(refused))
    admin.wait_for_topics([spec.name for spec in specs])
