"""A worker process with the tiny model: `python -m tests.integration.tiny_worker`.

Everything but the model is the real thing, and it starts in two seconds.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from connectors.faust_run import serve
from stream.worker import log
from stream.worker.access import access_of
from stream.worker.app import check_topics, make_roles
from stream.worker.buses import kafka_bus
from stream.worker.settings import load_settings
from tests.worker.tiny import TinyScorer


async def main(config: Path, roles: list[str], overrides: list[str]) -> int:
    settings = load_settings(config, overrides)
    log.set_up(settings)
    bus = kafka_bus(settings, access_of(settings))
    await check_topics(settings, bus, roles)
    scorers = [TinyScorer() for _ in settings.machine_types]
    made = make_roles(roles, settings, bus, scorers)
    return await serve(*(role.app for role in made))


if __name__ == "__main__":
    path, named, *given = sys.argv[1:]
    code = asyncio.run(main(Path(path), named.split(","), given))
    sys.stdout.flush()
    os._exit(code)
