"""Run Faust apps in a process of one's own, without `faust worker`.

`serve` is a worker's main loop; `running` is for tests and for programs that do
something else besides. An app object can be started once only: build it by a function.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import faust

__all__ = ["running", "serve"]

# Faust's consumer thread may report a crash without waking this loop.
_LOOK_S = 0.5


@asynccontextmanager
async def running(app: faust.App) -> AsyncIterator[faust.App]:
    """Start an app and stop it in any case.

    An app that is not stopped keeps its event loop from ending: its supervisors answer
    a cancellation by starting their services again.
    """
    try:
        await app.start()
        yield app
    finally:
        await app.stop()


async def serve(
    app: faust.App, stop: asyncio.Event | None = None, stop_within_s: float = 60.0
) -> int:
    """Run an app until SIGTERM or SIGINT, or until it crashes.

    Args:
        app: not started yet.
        stop: ends the app as SIGTERM does; by default only signals do.
        stop_within_s: longest time to stop, in seconds. Longer means that something
            hangs; the caller then has to end the process, since the app will not.

    Returns:
        Exit code: 0 if it was asked to stop and did, 1 if it crashed or hung.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    crashed, stopped = True, False
    try:
        await app.start()
        while not (stop.is_set() or app.crashed or app.should_stop):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await stop.wait()
        crashed = app.crashed
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(stop_within_s):
                await app.stop()
                stopped = True
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return 0 if stopped and not (crashed or app.crashed) else 1
