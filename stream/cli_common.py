"""What all commands share: options, settings, the two outputs, errors from outside."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from stream.errors import ConfigError, OutsideError

if TYPE_CHECKING:
    from connectors.kafka import Access
    from stream.worker.settings import Settings

ConfigFile = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="The plant's YAML file.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override one setting."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output.")
]
MachineGlob = Annotated[
    str | None, typer.Option("--machine", metavar="GLOB", help="Only these.")
]
LimitOption = Annotated[
    int | None, typer.Option("--limit", min=1, help="End after so many.")
]
UntilIdle = Annotated[
    float | None,
    typer.Option(
        "--until-idle",
        min=0.0,
        metavar="SECONDS",
        help="End after so long without another.",
    ),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all chance.")]


class _Screen(Console):
    """A console that leaves it to the command line what a broken pipe means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


# Results go to standard output, everything said meanwhile to standard error. Units
# such as [degR] stand in brackets and must not be taken for markup.
out = _Screen(markup=False, highlight=False, emoji=False)
err = _Screen(markup=False, highlight=False, emoji=False, stderr=True)


def say(text: str) -> None:
    """Write one line to standard error."""
    err.print(text, soft_wrap=True)


def print_json(document: Any) -> None:
    """Write one JSON document to standard output."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def settings_from(config: Path, overrides: list[str] | None) -> Settings:
    """Read the settings of a plant.

    Raises:
        ConfigError: They are refused.
    """
    from stream.worker.settings import load_settings

    return load_settings(config, overrides or ())


def access_of(settings: Settings) -> Access:
    """The brokers of a plant as connectors want them.

    Raises:
        ConfigError: The password that the settings ask for was not given.
    """
    from stream.worker import access

    require_secrets(settings, "kafka.")
    return access.access_of(settings)


def require_secrets(settings: Settings, section: str = "") -> None:
    """Refuse to start without the secrets that the settings ask for.

    Raises:
        ConfigError: One is missing; the sentence names its environment variable.
    """
    from stream.worker.settings_sources import variable

    missing = [p for p in settings.missing_secrets() if p.startswith(section)]
    if missing:
        raise ConfigError(
            [
                f"{path}: expected the secret in the environment variable"
                f" {variable(tuple(path.split('.')))} or in a secret file of that"
                " name, found nothing"
                for path in missing
            ]
        )


@contextmanager
def bus_errors() -> Iterator[None]:
    """Turn what connectors say of the bus into an error of ours.

    Raises:
        OutsideError: The bus did not do what was asked.
    """
    from connectors.kafka import BusError

    try:
        yield
    except BusError as error:
        raise OutsideError(str(error)) from error
