"""The Faust transport `foreshock-kafka://HOST:PORT`: Kafka, delivered in batches.

Faust's own Kafka driver (aiokafka, in a thread of its own), with one event per fetched
batch for the topics named in `Transport.batch_topics`, exact commits, partitions held
until the seek is done, and a drain before they are handed over: see
`connectors.faust_batches`, `connectors.faust_hold` and `connectors.commits`.

A minimal agent. It must acknowledge by itself, in order, after its outputs are
acknowledged; whatever fails must crash the app, since Faust would never deliver the
failed batch again:

    register()
    broker = "foreshock-kafka://127.0.0.1:9092"
    app = faust.App("plant", broker=broker, **app_settings())
    app.transport.batch_topics = {"readings"}
    topic = app.topic("readings", key_serializer="raw", value_serializer="raw")

    @app.agent(topic)
    async def score(stream):
        async for event in stream.noack().events():
            message = event.message      # BatchMessage: tp, first, offset, skipped
            if message.generation_id != app.consumer_generation_id:
                continue                 # of an old generation: somebody else's now
            try:
                sent = [
                    await app.producer.send(
                        "scores", record.key, work(record), message.partition,
                        None, None,
                    )
                    for record in event.value
                ]
                await asyncio.gather(*sent)
            except Exception as exc:
                app.consumer.abandon()   # commit nothing any more
                await app.crash(exc)
                raise
            event.ack()

    sys.exit(asyncio.run(serve(app)))    # connectors.faust_run

An agent that acknowledges later, at checkpoints, also sets `app.transport.drain` to a
coroutine function that makes one, and asks `app.consumer.still_owner` before it writes
state that another worker may own by now.
"""

from collections.abc import Awaitable, Iterable, Mapping
from typing import Any, ClassVar, cast

from faust.transport.consumer import RecordMap
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.transports import ConsumerT, ProducerT

from connectors.faust_batches import BatchConsumer, BatchTransport

__all__ = [
    "SCHEME",
    "KafkaConsumer",
    "KafkaProducer",
    "Transport",
    "app_settings",
    "register",
]

#: Scheme of the broker's URL.
SCHEME = "foreshock-kafka"


def register() -> None:
    """Teach Faust the scheme, also where the project is not installed."""
    TRANSPORTS.aliases[SCHEME] = f"{__name__}:Transport"


def app_settings(
    *,
    session_timeout_s: float = 10.0,
    static_member_id: str | None = None,
    fetch_max_bytes: int = 16 * 2**20,
    commit_interval_s: float = 1.0,
) -> dict[str, Any]:
    """Return the settings of `faust.App` for a worker that reads in batches.

    Measured under kill -9, stalls and rebalances; Faust's defaults wait a minute for
    a dead worker and fetch batches that are far too small.

    Args:
        session_timeout_s: after so long without a heartbeat the group gives a
            worker's partitions away. The broker's least is 6 s.
        static_member_id: unique per worker. A worker that is killed and restarted
            within the session timeout gets its partitions back at once and the others
            do not notice. The price: one that stops for good keeps its partitions
            until the timeout. For fleets of fixed size.
        fetch_max_bytes: of one partition and fetch. Up to 4 fetches wait in
            memory per worker.
        commit_interval_s: how often acknowledged offsets are committed.
    """
    settings: dict[str, Any] = {
        # Group.
        "broker_session_timeout": session_timeout_s,
        # A member notices a rebalance by its heartbeat.
        "broker_heartbeat_interval": min(1.0, session_timeout_s / 3),
        "broker_commit_interval": commit_interval_s,
        "broker_max_poll_interval": 300.0,
        # Fetching: few large batches; the buffer counts batches.
        "broker_max_poll_records": 20_000,
        "consumer_max_fetch_size": fetch_max_bytes,
        "stream_buffer_maxsize": 4,
        # Rebalance and stop wait for the drain.
        "stream_wait_empty": True,
        # Sending.
        "producer_linger": 0.005,
        "producer_max_batch_size": 256 * 2**10,
        "producer_max_request_size": 4 * 2**20,
        # Faust's 20 minutes would hold a checkpoint as long as the broker is away.
        "producer_request_timeout": 60.0,
        # Nothing that a worker of ours does not use.
        "table_standby_replicas": 0,
        "topic_disable_leader": True,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "store": "memory://",
    }
    if static_member_id is not None:
        settings["consumer_group_instance_id"] = static_member_id
    return settings


def _as_it_is(tp: TP, record: Any) -> Any:
    return record


class _Thread(driver.AIOKafkaConsumerThread):
    """The thread that talks to the broker, with the question of ownership."""

    async def ask_owner(self, tp: TP, offset: int, generation_id: int) -> bool:
        """Commit `offset` in the consumer's thread; True if it counted."""
        answer: bool = await self.call_thread(
            self._ask_owner, tp, offset, generation_id
        )
        return answer

    async def _ask_owner(self, tp: TP, offset: int, generation_id: int) -> bool:
        # A member that was thrown out commits without a generation, and a group that
        # has become empty accepts that: hence the look at it, before and after.
        if self._generation() != generation_id:
            return False
        committed = await self._commit({tp: offset})
        return committed and self._generation() == generation_id

    def _generation(self) -> int:
        generation: int = self._ensure_consumer()._coordinator.generation  # noqa: SLF001 - no public way
        return generation

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> RecordMap:
        self._leave_as_they_are()
        found: RecordMap = await super()._fetch_records(*args, **kwargs)
        return found

    def _leave_as_they_are(self) -> None:
        """Have records of batch topics delivered as aiokafka's parser made them.

        They have offset, timestamp, key, value and headers already. Packing each into
        a `ConsumerRecord` takes longer than parsing it did, and half of the memory.
        What arrives while a fetch is waited for may still come packed; both will do.
        """
        transport = cast("BatchTransport", self.consumer.transport)
        batches = transport.batch_topics
        fetcher = self._ensure_consumer()._fetcher  # noqa: SLF001 - no public way
        for tp, result in fetcher._records.items():  # noqa: SLF001
            parsed = getattr(result, "_partition_records", None)
            if parsed is not None and tp.topic in batches:
                parsed._consumer_record = _as_it_is  # noqa: SLF001

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        # The assignment may have changed on the way to this thread. Without a
        # partition there is nothing to ask the broker, and Faust's way would crash.
        mine = {tp: at for tp, at in offsets.items() if tp in self.assignment()}
        if not mine:
            return False
        return await super()._commit(mine)


class KafkaConsumer(BatchConsumer, driver.Consumer):
    """Faust's Kafka consumer with batches, exact commits and drain."""

    _thread: _Thread

    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)

    async def _ask_owner(self, tp: TP, offset: int, generation_id: int) -> bool:
        return await self._thread.ask_owner(tp, offset, generation_id)


class KafkaProducer(driver.Producer):
    """Faust's Kafka producer, which also sends many messages at once."""

    async def send_many(
        self, topic: str, partition: int, messages: Iterable[tuple[bytes, bytes]]
    ) -> list[Awaitable[Any]]:
        """Send keys and values to one partition, in order.

        A future for each message would cost more than the message.

        Returns:
            What acknowledges them: one awaitable for each batch that they filled.
        """
        producer = self._ensure_producer()
        sent: list[Awaitable[Any]] = []
        batch = None
        for key, value in messages:
            if batch is not None:
                if batch.append(key=key, value=value, timestamp=None) is not None:
                    continue
                sent.append(
                    await producer.send_batch(batch, topic, partition=partition)
                )
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
        if batch is not None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        return sent


class Transport(BatchTransport, driver.Transport):
    """`foreshock-kafka://HOST:PORT`, several brokers separated by `;`."""

    Producer: ClassVar[type[ProducerT]] = KafkaProducer
    Consumer: ClassVar[type[ConsumerT]] = KafkaConsumer
