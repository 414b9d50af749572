"""The composition root: builds what a worker process does and runs it.

Each role is a Faust app and a consumer group of its own (`ID-score`, `ID-archive`,
`ID-repartition`, `ID-notify-RECEIVER`), so that a slow archive holds up no score,
whether they share a process or not.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import faust
import structlog

from connectors.faust_run import serve
from connectors.kafka import BusError, check_reachable
from stream.core.scoring import Scorer
from stream.errors import OutsideError, UserError
from stream.worker import log
from stream.worker.access import access_of
from stream.worker.alive import keep
from stream.worker.archive import ArchiveRole, Sink
from stream.worker.buses import Bus, kafka_bus
from stream.worker.notify import NotifyRole
from stream.worker.receivers import routes_of
from stream.worker.repartition import RepartitionRole
from stream.worker.score import ScoreRole
from stream.worker.settings import Settings

_log = structlog.get_logger()


_GARBAGE = 100_000, 20, 20
"""When Python looks for garbage; its own 700 is what comes within milliseconds."""


class Role(Protocol):
    """Something a worker does: a Faust app, ready to start."""

    app: faust.App


def run(settings: Settings, roles: Sequence[str], alive: Path | None = None) -> int:
    """Run roles until SIGTERM or SIGINT; returns the process's exit code.

    Args:
        settings: The plant's.
        roles: Of ``score``, ``archive``, ``repartition`` and ``notify``.
        alive: A file to touch while there is progress.

    Raises:
        UserError: if topics or bundles do not fit the settings.
        OutsideError: if the brokers cannot be reached.
    """
    log.set_up(settings)
    # Until the loop handles signals: nothing has been taken yet, so just go.
    signal.signal(signal.SIGTERM, _leave)
    access = access_of(settings)
    try:
        check_reachable(access)
    except BusError as error:
        raise OutsideError(str(error)) from error
    bus = kafka_bus(settings, access)
    asyncio.run(check_topics(settings, bus, roles))
    scorers = _scorers(settings) if "score" in roles else []
    # What is there now stays: looking through all of it for garbage would stop the
    # worker for a quarter of a second every now and then.
    gc.collect()
    gc.freeze()
    # Records come by ten thousands and die young, without a cycle among them.
    gc.set_threshold(*_GARBAGE)
    code = asyncio.run(_serve(settings, bus, roles, scorers, alive))
    _log.info("stopped", code=code)
    if code:
        # A service of Faust that hangs must not keep a dead worker alive.
        os._exit(code)
    return code


def _leave(*_: object) -> None:
    raise SystemExit(0)


async def _serve(
    settings: Settings,
    bus: Bus,
    roles: Sequence[str],
    scorers: Sequence[Scorer],
    alive: Path | None,
) -> int:
    running = make_roles(roles, settings, bus, scorers)
    _log.info("starting", roles=list(roles), brokers=list(settings.kafka.brokers))
    if alive is None:
        return await serve(*(role.app for role in running))
    try:
        await asyncio.to_thread(alive.touch)
    except OSError as error:
        raise UserError(f"{alive}: expected a file to touch: {error}") from error
    touching = asyncio.create_task(keep(alive, running, settings.state.interval_s))
    try:
        return await serve(*(role.app for role in running))
    finally:
        touching.cancel()


def make_roles(
    names: Sequence[str], settings: Settings, bus: Bus, scorers: Sequence[Scorer]
) -> list[Role]:
    """Build roles, not started yet; ``notify`` is one for each receiver.

    Raises:
        UserError: if there is nobody to notify.
    """
    made = [make_role(n, settings, bus, scorers) for n in names if n != "notify"]
    return made + (_notifiers(settings, bus) if "notify" in names else [])


def _notifiers(settings: Settings, bus: Bus) -> list[Role]:
    routes = routes_of(settings)
    if not routes:
        raise UserError(
            "notify: expected a receiver (notify.webhook.url, notify.alertmanager.url"
            " or notify.email.host), found none"
        )
    # Workers that lose a receiver together shall not all come back at once.
    rng = random.Random()  # noqa: S311 - spreads waits, keeps no secret
    return [NotifyRole(settings, bus, route, rng) for route in routes]


def make_role(
    name: str, settings: Settings, bus: Bus, scorers: Sequence[Scorer]
) -> Role:
    """Build a role, not started yet."""
    if name == "score":
        return ScoreRole(settings, bus, scorers, settings.input.settle_s)
    if name == "archive":
        return ArchiveRole(settings, bus, make_sink(settings))
    return RepartitionRole(settings, bus)


def make_sink(settings: Settings) -> Sink:
    """Return where the archive writes: InfluxDB, or files where none is named."""
    influx = settings.influx
    if influx.url is None:
        from connectors.line_files import FileSink  # noqa: PLC0415 - one of two

        return FileSink(influx.directory, influx.file_bytes)
    from connectors.influx import InfluxSink  # noqa: PLC0415 - one of two

    token = influx.token.get_secret_value() if influx.token else ""
    return InfluxSink(
        url=influx.url,
        org=str(influx.org),
        bucket=str(influx.bucket),
        token=token,
        batch_lines=influx.batch_lines,
        timeout_s=influx.timeout_s,
    )


def _scorers(settings: Settings) -> list[Scorer]:
    # Partitions are scored side by side, each call on one core, instead of in calls
    # that spread over the cores and wait for each other. Read at TensorFlow's import.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    device = settings.compute.device
    if device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
        os.environ["JAX_PLATFORMS"] = "cpu"
    # Both load TensorFlow.
    from models.backend import gpu, why_no_gpu  # noqa: PLC0415
    from stream.worker.bundles import scorers_of  # noqa: PLC0415

    chip = gpu()
    if chip or device != "gpu":
        _log.info("models", computed_by=chip or "CPU")
    else:
        _log.warning("no GPU: the CPU computes", reason=why_no_gpu())
    return scorers_of(settings)


async def check_topics(settings: Settings, bus: Bus, roles: Sequence[str]) -> None:
    """Make sure that the topics are there and equally partitioned.

    Raises:
        UserError: naming the topic, what was expected and what was found.
        OutsideError: if the brokers cannot be reached.
    """
    names = settings.topics.names()
    wanted = {
        "score": (
            *("scores", "quarantine", "state", "machines", "audit"),
            *("alerts", "alarms", "events"),
        ),
        "archive": ("scores", "alerts", "quarantine"),
        "repartition": ("readings", "keyed"),
        "notify": ("alerts",),
    }
    source = "keyed" if settings.input.repartition else "readings"
    needed = dict.fromkeys([source, *(t for role in roles for t in wanted[role])])
    try:
        count = {t: await bus.reader.partitions(names[t]) for t in needed}
    except Exception as error:
        brokers = ", ".join(settings.kafka.brokers)
        raise OutsideError(f"cannot reach the brokers {brokers}: {error}") from error
    for setting, partitions in count.items():
        if not partitions:
            raise UserError(
                f"topics.{setting}: there is no topic {names[setting]!r};"
                " make the topics with: foreshock topics create CONFIG"
            )
    for setting in {"scores", "quarantine", "state"} & set(count):
        if "score" in roles and count[setting] != count[source]:
            raise UserError(
                f"topics.{setting}: expected {count[source]} partitions, as many as"
                f" {names[source]!r} has, found {count[setting]}. A changed partition"
                " count moves machines away from their state: make new topics under"
                " new names and a new app.id"
            )
