"""The job in Bytewax: its Kafka source and sink around one `stateful_batch`.

Its guide wants whatever a step changes to be the state of a stateful operator, and
whole batches where a step is costly, so the windows of a partition are the state of a
`stateful_batch` under the partition's number. Places are not stored, since that is its
recovery, which is durable state.

`--state closure` keeps the windows in a closure of `flat_map_batch` instead. Its guide
forbids that ("must not mutate"), because nothing then follows a key to its worker; it
is here to show what the rule costs.
"""

from __future__ import annotations

import os
import signal
from itertools import chain, groupby
from operator import attrgetter
from types import FrameType

import bytewax.operators as op
from bytewax.connectors.kafka import (
    KafkaSink,
    KafkaSinkMessage,
    KafkaSource,
    KafkaSourceMessage,
)
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream, StatefulBatchLogic
from bytewax.run import cli_main

from benchmarks.contestants.windows import Rings
from benchmarks.contestants.work import Work, arguments


class Machines(StatefulBatchLogic):  # type: ignore[misc]  # is Any where not installed
    """The windows of one partition's machines."""

    def __init__(self, work: Work, sensors: int) -> None:
        """Start with no machines.

        Args:
            work: decodes and scores; shared by all partitions of a process.
            sensors: of each machine.
        """
        self._work, self._rings = work, Rings(sensors)

    def on_batch(
        self, values: list[list[bytes]]
    ) -> tuple[list[list[KafkaSinkMessage]], bool]:
        """Score what these messages complete; the state stays."""
        found = self._work(list(chain.from_iterable(values)), self._rings)
        return [[KafkaSinkMessage(key, value) for key, value in found]], False

    def snapshot(self) -> None:
        """Without recovery there is nothing to save."""


def main() -> None:
    """Run until SIGTERM."""
    given = arguments(
        state="operator",
        batch=8000,
        fetch=16 << 20,
        queue=100_000,
        process=0,
        addresses="",
    )
    work = Work(given.bundle, given.sensors)
    brokers = [given.brokers]
    source = KafkaSource(
        brokers,
        [given.source],
        batch_size=given.batch,
        add_config={
            "fetch.max.bytes": str(4 * given.fetch),
            "max.partition.fetch.bytes": str(given.fetch),
            "queued.min.messages": str(given.queue),
        },
    )
    flow = Dataflow("job")
    readings = op.input("readings", flow, source)
    scored = (
        _by_rule(readings, work, given.sensors)
        if given.state == "operator"
        else _closed_over(readings, work)
    )
    op.output("scores", scored, KafkaSink(brokers, given.scores))
    signal.signal(signal.SIGTERM, _end)
    addresses = given.addresses.split(",") if given.addresses else None
    cli_main(
        flow,
        process_id=given.process if addresses else None,
        addresses=addresses,
    )


def _by_rule(readings: Stream, work: Work, sensors: int) -> Stream:
    def keyed(batch: list[KafkaSourceMessage]) -> list[tuple[str, list[bytes]]]:
        # One item for all messages: the runtime handles keys item by item.
        return [
            (str(partition), [one.value for one in some if one.value is not None])
            for partition, some in groupby(batch, attrgetter("partition"))
        ]

    def bare(batch: list[tuple[str, list[KafkaSinkMessage]]]) -> list[KafkaSinkMessage]:
        return [sink for _, sinks in batch for sink in sinks]

    of_partition: KeyedStream = op.flat_map_batch("key", readings, keyed)
    scored = op.stateful_batch("score", of_partition, lambda _: Machines(work, sensors))
    return op.flat_map_batch("bare", scored, bare)


def _closed_over(readings: Stream, work: Work) -> Stream:
    def score(batch: list[KafkaSourceMessage]) -> list[KafkaSinkMessage]:
        found = work([one.value for one in batch if one.value is not None])
        return [KafkaSinkMessage(key, value) for key, value in found]

    return op.flat_map_batch("score", readings, score)


def _end(_signal: int, _frame: FrameType | None) -> None:
    """End at once: there is nothing to save."""
    os._exit(0)


if __name__ == "__main__":
    main()
