"""`foreshock assets`: look at the asset register, and publish it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli_common import (
    ConfigFile,
    JsonOption,
    SetOption,
    access_of,
    bus_errors,
    out,
    print_json,
    say,
    settings_from,
)
from stream.errors import InputError

if TYPE_CHECKING:
    from stream.worker.settings import Settings
    from stream.worker.settings_assets import Asset

_NO_SITE = "(no site)"
_IDLE_S = 1.0

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look at the asset register, and publish it.",
)


@app.callback()
def _group() -> None:
    """Look at the asset register, and publish it."""


@app.command()
def check(
    config: ConfigFile,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="This file instead of the one of the settings."),
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a register's file and count its machines.

    Contacts nothing; exit code 2 if an entry is wrong, all faults at once.

    **Examples**

    foreshock assets check plant.yaml

    foreshock assets check plant.yaml --file assets.csv --json
    """
    settings = settings_from(config, overrides)
    assets, path = _register(settings, file)
    sites = Counter(asset.site or _NO_SITE for asset in assets)
    kinds = Counter(a.type or settings.type_of(a.machine) or "" for a in assets)
    document = {
        "ok": True,
        "file": str(path),
        "machines": len(assets),
        "types": dict(sorted(kinds.items())),
        "sites": dict(sorted(sites.items())),
    }
    if as_json:
        print_json(document)
        return
    for title, counts in (("type", kinds), ("site", sites)):
        for name, count in sorted(counts.items()):
            out.print(f"{count:8}  {title} {name}")
    _warn_of_budget(settings, sites)
    out.print(f"{path}: fine, {_machines(len(assets))}")


@app.command()
def publish(
    config: ConfigFile,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: that of settings.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Take machines off that are not in the file."),
    ] = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a register's file, and send it to the register's topic.

    Workers with `assets.topic: true` follow it. Safe to repeat; a machine's last entry
    counts. Another type of a machine is taken when the workers start again.

    **Examples**

    foreshock assets publish plant.yaml assets.csv

    foreshock assets publish plant.yaml assets.csv --replace
    """
    from connectors.kafka_send import sender
    from stream.worker.settings_assets import write_entry

    settings = settings_from(config, overrides)
    assets, _ = _register(settings, file)
    topic, access = settings.topics.machines, access_of(settings)
    with bus_errors():
        gone = _others(settings, assets) if replace else []
        with sender(access, topic) as sending:
            for asset in assets:
                sending.send(asset.machine.encode(), write_entry(asset))
            for name in gone:
                sending.send(name.encode(), None)
    if not settings.assets.topic:
        say("note: assets.topic is not set, so that no worker follows the topic")
    if as_json:
        print_json({"topic": topic, "sent": len(assets), "removed": gone})
        return
    left = f", {_machines(len(gone))} taken off" if replace else ""
    out.print(f"{_machines(len(assets))} sent to {topic}{left}")


def _register(settings: Settings, file: Path | None) -> tuple[list[Asset], Path]:
    from stream.worker.settings_assets import read_register

    path = file or settings.assets.file
    if path is None:
        text = "no register to read: name a file, or set assets.file"
        raise InputError(text)
    return read_register(path, settings.machine_types, settings.type_of), path


def _others(settings: Settings, assets: list[Asset]) -> list[str]:
    """Return the machines that the topic has, and the file has not."""
    from connectors.kafka_follow import follow
    from stream.worker.assets import machine_of

    access, topic = access_of(settings), settings.topics.machines
    there: dict[str, Any] = {}
    for record in follow(access, topic, from_start=True, until_idle_s=_IDLE_S):
        name = machine_of(record.key)
        if name is not None:
            there[name] = record.value
    listed = {asset.machine for asset in assets}
    return sorted(name for name, value in there.items() if value and name not in listed)


def _warn_of_budget(settings: Settings, sites: Counter[str]) -> None:
    budget = settings.alerts.budget
    if budget is None or not sites:
        return
    site, most = sites.most_common(1)[0]
    if most != budget.machines:
        say(
            f"note: alerts.budget is shared over {_machines(budget.machines)}, but"
            f" {site} has {most}"
        )


def _machines(count: int) -> str:
    return "1 machine" if count == 1 else f"{count} machines"
