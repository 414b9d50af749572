"""`foreshock config`: what a configuration means, before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from stream.cli_common import JsonOption, SetOption, out, print_json, say, settings_from
from stream.errors import ConfigError

if TYPE_CHECKING:
    from stream.worker.settings import MachineType, Settings

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Look at configurations."
)


@app.callback()
def _group() -> None:
    """Look at configurations."""


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The YAML file.")],
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a configuration and print what was understood.

    Contacts nothing; exit code 2 if a setting is refused, all faults at once.

    **Examples**

    foreshock config check configs/cmapss.yaml

    foreshock config check plant.yaml --set kafka.brokers=host:9092 --json
    """
    try:
        settings = settings_from(file, overrides)
    except ConfigError as error:
        if as_json:
            print_json({"ok": False, "faults": list(error.faults)})
        raise
    missing = settings.missing_secrets()
    if as_json:
        document = {
            "ok": True,
            "missing_secrets": missing,
            "settings": settings.model_dump(mode="json"),
        }
        print_json(document)
        return
    _show(settings)
    for path in missing:
        say(f"note: {path} is not set yet; the worker will ask for it")
    out.print(f"{file}: fine")


def _show(settings: Settings) -> None:
    table = _table("machine type", "machines", "sensors", "rows", "window", "life")
    for name, kind in settings.machine_types.items():
        table.add_row(*(Text(cell) for cell in (name, *_describe(kind))))
    out.print(table)
    topics = _table("topic", "name")
    for setting, topic in settings.topics.names().items():
        topics.add_row(setting, topic)
    out.print(topics)
    out.print(
        f"{settings.topics.partitions} partitions x {settings.topics.replication}"
        f" at {', '.join(settings.kafka.brokers)} ({settings.kafka.security.protocol})"
    )
    influx = settings.influx
    archive = f"{influx.url}, bucket {influx.bucket}" if influx.url else "files in "
    out.print(f"archive: {archive}{'' if influx.url else influx.directory}")
    out.print(f"bundles: {settings.bundle.path}/<machine type>")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _describe(kind: MachineType) -> tuple[str, ...]:
    roles = [sensor.role for sensor in kind.sensors.values()]
    sensors, regimes = roles.count("sensor"), roles.count("setting")
    every = kind.rows.every_ns
    window = kind.window
    length = f"{duration(window.length_ns)}, up to " if window.length_ns else ""
    return (
        ", ".join(kind.match),
        f"{sensors} + {regimes} settings" if regimes else str(sensors),
        f"every {duration(every)}" if every else "one per message",
        f"{length}{window.capacity} rows, stride {window.stride}",
        f"horizon {kind.life.horizon:g}, cap {kind.life.cap:g} {kind.life.axis}",
    )


def duration(ns: Any) -> str:
    """Nanoseconds in the largest unit that leaves a whole number, such as 5min."""
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    for unit, seconds in units:
        if ns and ns % (seconds * 10**9) == 0:
            return f"{ns // (seconds * 10**9)}{unit}"
    return f"{ns / 1e6:g}ms"
