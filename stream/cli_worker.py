"""`foreshock worker`: run the agents."""

from __future__ import annotations

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
    overrides: SetOption = None,
) -> None:
    """Run the agents until SIGTERM: score readings, archive scores, notify people.

    Without --only one process does all that the configuration asks for.

    **Examples**

    foreshock worker configs/cmapss.yaml

    foreshock worker plant.yaml --only score --set kafka.static_member_id=worker-1
    """
    settings = settings_from(config, overrides)
    require_secrets(settings)
    told = settings.notify.receivers
    roles = _roles(only, repartition=settings.input.repartition, notify=bool(told))
    from stream.worker.app import run

    raise typer.Exit(run(settings, roles, alive))


def _roles(
    only: list[Role] | None, *, repartition: bool, notify: bool = False
) -> tuple[str, ...]:
    if only:
        return tuple(str(role) for role in dict.fromkeys(only))
    rest = ("repartition",) if repartition else ()
    return ("score", "archive", *rest, *(("notify",) if notify else ()))
