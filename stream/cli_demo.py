"""`foreshock demo`: a made-up fleet of pumps, from the first signal to the report."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from stream.cli_common import JsonOption, SetOption, err, out, print_json, settings_from

_OURS = (
    # One process on a log of its own: nobody else could claim a machine, and one
    # partition makes the largest batches.
    "input.settle=0s",
    "topics.partitions=1",
    # The past is played as if it were now.
    "alerts.page_within=36500d",
)


class Language(StrEnum):
    """What the demo speaks."""

    EN = "en"
    ZH = "zh"


def demo(
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the fleet that is watched.")
    ] = 1,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds",
            min=1,
            metavar="N",
            help="Watch N fleets from --seed on, and print their figures as JSON.",
        ),
    ] = None,
    fast: Annotated[
        bool, typer.Option("--fast", help="As fast as it goes, without pauses.")
    ] = False,
    trained: Annotated[
        bool, typer.Option("--trained", help="Use the models of the last run.")
    ] = False,
    language: Annotated[
        Language, typer.Option("--language", help="Of screen, alerts and report.")
    ] = Language.EN,
    output: Annotated[
        Path, typer.Option("--output", metavar="DIR", help="Folder for what is made.")
    ] = Path("build/demo"),
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="The plant's YAML file.")
    ] = Path("configs/demo.yaml"),
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Simulate pumps, train on one fleet, and watch another through the real agents.

    Needs no server: Kafka is a log in memory here. Takes two to three minutes on two
    cores, half of it training, and writes report.html, the models and a log.

    **Examples**

    foreshock demo

    foreshock demo --trained --seed 7 --language zh

    foreshock demo --seeds 20 > figures.json
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A letter that the terminal does not have must not end the demo.
            stream.reconfigure(errors="replace")
    figures = as_json or seeds is not None
    version = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    ours = [*_OURS, f"bundle.path={output / 'bundle'}", f"alerts.language={language}"]
    settings = settings_from(config, [*ours, *(overrides or ())])
    from stream.demonstration import Demonstration

    made = Demonstration.of(settings, err if figures else out, output, version)
    if seeds is not None:
        result = made.several(seed, seeds, trained=trained)
    else:
        result = made.one(seed, trained=trained, fast=fast, command=_command())
    if figures:
        print_json(result)


def _command() -> str:
    """How the user called us: with its folder where that is not in the PATH."""
    called = Path(sys.argv[0])
    if called.name != "foreshock" or not called.is_file():
        return "foreshock"
    try:
        return str(called.absolute().relative_to(Path.cwd()))
    except ValueError:
        return "foreshock"
