"""`foreshock worker`: run the agents."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from stream.cli_common import ConfigFile, SetOption, require_secrets, settings_from


class Role(StrEnum):
    """What a worker process does."""

    SCORE = "score"
    ARCHIVE = "archive"
    REPARTITION = "repartition"
    NOTIFY = "notify"


def worker(
    config: ConfigFile,
    only: Annotated[
        list[Role] | None,
        typer.Option("--only", help="Do only this; may be given several times."),
    ] = None,
    alive: Annotated[
        Path | None,
        typer.Option("--alive", help="Touch this file while there is progress."),
    ] = None,
    processes: Annotated[
        int,
        typer.Option(min=1, help="As many workers side by side: one for each core."),
    ] = 1,
    overrides: SetOption = None,
) -> None:
    """Run the agents until SIGTERM: score readings, archive scores, notify people.

    Without --only one process does all that the configuration asks for.

    **Examples**

    foreshock worker configs/cmapss.yaml

    foreshock worker plant.yaml --only score --set kafka.static_member_id=worker-1

    foreshock worker plant.yaml --only score --processes 4
    """
    settings = settings_from(config, overrides)
    require_secrets(settings)
    if processes > 1:
        from stream.worker.processes import run_all

        files = [] if alive is None else [_numbered(alive, n) for n in range(processes)]
        command = [sys.executable, "-m", "stream.cli", "worker", str(config)]
        command += [f"--only={role}" for role in only or ()]
        command += [f"--set={one}" for one in overrides or ()]
        member = settings.kafka.static_member_id
        commands = []
        for n in range(processes):
            own = [f"--set=kafka.static_member_id={member}-{n}"] if member else []
            own += [f"--alive={files[n]}"] if files else []
            commands.append([*command, *own])
        raise typer.Exit(run_all(commands, [alive, *files] if alive else []))
    told = settings.notify.receivers
    roles = _roles(only, repartition=settings.input.repartition, notify=bool(told))
    from stream.worker.app import run

    raise typer.Exit(run(settings, roles, alive))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _roles(
    only: list[Role] | None, *, repartition: bool, notify: bool = False
) -> tuple[str, ...]:
    if only:
        return tuple(str(role) for role in dict.fromkeys(only))
    rest = ("repartition",) if repartition else ()
    return ("score", "archive", *rest, *(("notify",) if notify else ()))
