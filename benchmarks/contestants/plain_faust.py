"""The job in stock Faust: an agent on `stream.take`, the driver it comes with.

As its documentation advises: uvloop, raw values decoded by ourselves, no web server, no
leader topic. A batch is acknowledged by `take` after its scores are, which makes it at
least once; offsets are committed every 2.8 s, the default.
"""

from __future__ import annotations

import asyncio
import tempfile
from typing import Any

import mode.loop

mode.loop.use("uvloop")

import faust  # noqa: E402 - the loop must be chosen before
from faust.types import StreamT  # noqa: E402

from benchmarks.contestants.work import Work, arguments  # noqa: E402


def main() -> None:
    """Run until SIGTERM."""
    given = arguments(
        batch=4096, within=0.1, fetch=16 << 20, records=10_000, buffer=16_384, thread=1
    )
    app = faust.App(
        given.group,
        broker=f"kafka://{given.brokers}",
        datadir=tempfile.mkdtemp(prefix="foreshock-faust-"),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        consumer_max_fetch_size=given.fetch,
        broker_max_poll_records=given.records,
        stream_buffer_maxsize=given.buffer,
        producer_linger=0.005,
    )
    raw: dict[str, Any] = {"key_serializer": "raw", "value_serializer": "raw"}
    source = app.topic(given.source, key_type=bytes, value_type=bytes, **raw)
    scores = app.topic(given.scores, key_type=bytes, value_type=bytes, **raw)
    work = Work(given.bundle, given.sensors)

    async def score(stream: StreamT[bytes]) -> None:
        loop = asyncio.get_running_loop()
        async for batch in stream.take(given.batch, within=given.within):
            if given.thread:
                found = await loop.run_in_executor(None, work, batch)
            else:
                found = work(batch)
            sent = [await scores.send(key=key, value=value) for key, value in found]
            await asyncio.gather(*sent)

    app.agent(source)(score)
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()


if __name__ == "__main__":
    main()
