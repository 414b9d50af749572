"""A process that runs one part of the job whenever it is told to.

    python -m benchmarks.limit_child PART GIVEN

It gets ready, says "ready", and runs once for every line that it reads; each run is
answered with one line of JSON: readings, CPU time of all its threads, and time. The
part "made" is none: it makes the scores and the state that the others send, and ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import profile_steps
from benchmarks.job import ROWS, Job
from benchmarks.limit_parts import PARTS, Given, Made, Part, Place
from stream.worker.settings import Settings, load_settings


def made(settings: Settings) -> Made:
    """Return scores as the pipeline makes them, and the state that goes with them.

    State is written on its own interval, whatever came in meanwhile; here it is spread
    over the readings of the rate that `profile_steps` names.
    """
    line = profile_steps.pipeline(settings)
    job = Job(machines=profile_steps.MACHINES, partitions=1)
    given = profile_steps.records(job, job.machines * ROWS)
    messages = list(line.run(line.decode(given)).messages)
    due = settings.state.interval_s * profile_steps.RATE / profile_steps.PARTITIONS
    written = profile_steps.state(line, len(given) - 1)
    return Made(messages, sum(map(len, written)) / due)


async def serve(part: Part, lines: Callable[[], Coroutine[Any, Any, str]]) -> None:
    """Run a part once for every line, after a run to get warm."""
    await part.start()
    await part.run()
    # Nothing here stands in a circle, so nothing has to be looked for.
    gc.disable()
    print("ready", flush=True)
    while await lines():
        wall, cpu = time.monotonic(), time.process_time()
        readings = await part.run()
        told = {
            "readings": readings,
            "cpu_s": time.process_time() - cpu,
            "wall_s": time.monotonic() - wall,
        }
        print(msgspec.json.encode(told).decode(), flush=True)


def main(name: str, text: str) -> None:
    """Serve until the end of the input."""
    profile_steps.one_core_a_call()
    given = msgspec.json.decode(text, type=Given)
    place = Place(given, load_settings(Path(given.config)))
    if name == "made":
        kept = msgspec.msgpack.encode(made(place.settings))
        Path(given.made).write_bytes(kept)
        return

    async def line() -> str:
        # In a thread: connections are kept up meanwhile.
        return await asyncio.to_thread(sys.stdin.readline)

    asyncio.run(serve(PARTS[name](place), line))
    # Connections end with the process; what was sent has been acknowledged.
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
