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
    *apps: faust.App, stop: asyncio.Event | None = None, stop_within_s: float = 60.0
) -> int:
    """Run apps until SIGTERM or SIGINT, or until one of them crashes.

    Args:
        apps: not started yet.
        stop: ends the apps as SIGTERM does; by default only signals do.
        stop_within_s: longest time to stop, in seconds. Longer means that something
            hangs; the caller then has to end the process, since the apps will not.

    Returns:
        Exit code: 0 if they were asked to stop and did, 1 if one crashed or hung.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    crashed, stopped = True, False
    try:
        for app in apps:
            await app.start()
        while not (stop.is_set() or any(a.crashed or a.should_stop for a in apps)):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_S):
                    await stop.wait()
        crashed = any(app.crashed for app in apps)
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(stop_within_s):
                await asyncio.gather(*(app.stop() for app in apps))
                stopped = True
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
    return 0 if stopped and not (crashed or any(app.crashed for app in apps)) else 1
