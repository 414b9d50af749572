"""Running apps without `faust worker`."""

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from connectors import faust_kafka, faust_memory
from connectors.faust_run import running, serve
from connectors.memory_log import drop_log


class Stub:
    """What `serve` sees of an app."""

    def __init__(self, *, starts: bool = True, stops: bool = True) -> None:
        self.starts, self.stops = starts, stops
        self.crashed = False
        self.should_stop = False
        self.up = asyncio.Event()
        self.stopped = 0

    async def start(self) -> None:
        self.up.set()
        if not self.starts:
            raise OSError("no broker")

    async def stop(self) -> None:
        self.stopped += 1
        if not self.stops:
            await asyncio.Event().wait()


def _serve(app: Any, **options: Any) -> asyncio.Task[int]:
    return asyncio.create_task(serve(app, **options))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_app(number: signal.Signals) -> None:
    app = Stub()
    code = _serve(app)
    await app.up.wait()
    os.kill(os.getpid(), number)
    assert await code == 0
    assert app.stopped == 1


async def test_a_crash_ends_with_one() -> None:
    app = Stub()
    code = _serve(app)
    await app.up.wait()
    app.crashed = True
    assert await code == 1
    assert app.stopped == 1


async def test_a_stop_that_hangs_is_given_up() -> None:
    app = Stub(stops=False)
    stop = asyncio.Event()
    stop.set()
    assert await _serve(app, stop=stop, stop_within_s=0.01) == 1


async def test_an_app_that_does_not_start_is_stopped() -> None:
    app: Any = Stub(starts=False)
    with pytest.raises(OSError, match="no broker"):
        await serve(app)
    with pytest.raises(OSError, match="no broker"):
        async with running(app):
            pass
    assert app.stopped == 2


@pytest.fixture
def name() -> Iterator[str]:
    yield "served"
    drop_log("served")


async def test_a_real_app_is_served(name: str) -> None:
    import faust

    faust_memory.register()
    app = faust.App(
        name,
        broker=f"memory://{name}",
        TableManager=faust_memory.QuickTables,
        **faust_kafka.app_settings(static_member_id="one"),
    )
    stop = asyncio.Event()

    async def end() -> None:
        stop.set()

    app.task(end)
    assert await asyncio.wait_for(serve(app, stop=stop), 20) == 0
    assert app.conf.consumer_group_instance_id == "one"


def test_the_group_hears_a_member_three_times_before_it_gives_it_up() -> None:
    settings = faust_kafka.app_settings(session_timeout_s=1.5)
    assert settings["broker_heartbeat_interval"] == 0.5
    assert settings["broker_session_timeout"] == 1.5
