"""`foreshock alerts`: follow the alerts in the terminal, one sentence a line."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import msgspec
import typer

from stream.cli_common import (
    ConfigFile,
    LimitOption,
    MachineGlob,
    SetOption,
    UntilIdle,
    access_of,
    bus_errors,
    out,
    say,
    settings_from,
)
from stream.cli_lines import Language, line, style

if TYPE_CHECKING:
    from stream.core.alert import Alert
    from stream.worker.settings import Settings


def alerts(
    config: ConfigFile,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest alert.")
    ] = False,
    follow_on: Annotated[
        bool,
        typer.Option(
            "--follow/--no-follow",
            help="Go on until interrupted, or end with the newest alert that is there.",
        ),
    ] = True,
    machine: MachineGlob = None,
    limit: LimitOption = None,
    until_idle: UntilIdle = None,
    language: Annotated[
        Language | None,
        typer.Option("--language", help="Instead of the one it was told in."),
    ] = None,
    overrides: SetOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document per line.")
    ] = False,
) -> None:
    """Follow the alerts as they come, until interrupted.

    Moves no consumer group's offsets; anybody may watch. Without --follow it shows
    all alerts that are there. Times are in alerts.time_zone.

    **Examples**

    foreshock alerts plant.yaml

    foreshock alerts plant.yaml --from-start --machine 'pump-*' --language zh

    foreshock alerts plant.yaml --no-follow --json > alerts.ndjson
    """
    from connectors.kafka_follow import follow

    settings, shown = settings_from(config, overrides), 0
    records = follow(
        access_of(settings),
        settings.topics.alerts,
        from_start=from_start or not follow_on,
        until_idle_s=until_idle,
        to_end=not follow_on,
    )
    show = _show_json if as_json else _shower(settings)
    with bus_errors(), closing(records):
        for record in records:
            told = read(record.value)
            if told is None:
                where = f"{settings.topics.alerts}[{record.partition}]@{record.offset}"
                say(f"{where} is no alert and is not shown")
                continue
            if machine and not fnmatchcase(told["machine"], machine):
                continue
            if language is not None:
                _say_again(told, settings, language.value)
            show(told)
            shown += 1
            if limit is not None and shown >= limit:
                break


def read(value: bytes | None) -> dict[str, Any] | None:
    """Return an alert as plain values; None if it cannot be told.

    Alerts of later versions may say more, and those on the pipeline say less.
    """
    try:
        told = msgspec.json.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if not isinstance(told, dict):
        return None
    texts = [told.get(name) for name in ("machine", "event", "message")]
    return told if all(isinstance(text, str) for text in texts) else None


def _alert_of(told: dict[str, Any]) -> Alert | None:
    from stream.core.alert import Alert

    try:
        return msgspec.convert(told, Alert)
    except msgspec.ValidationError:
        return None


def _say_again(told: dict[str, Any], settings: Settings, language: str) -> None:
    from stream.worker.words import sentence

    alert = _alert_of(told)
    if alert is None:
        return
    zone = ZoneInfo(settings.alerts.time_zone)
    told["message"] = sentence(alert, language, zone, settings.alerts.labels)


def _show_json(told: dict[str, Any]) -> None:
    typer.echo(msgspec.json.encode(told))


def _shower(settings: Settings) -> Callable[[dict[str, Any]], None]:
    zone = ZoneInfo(settings.alerts.time_zone)

    def show(told: dict[str, Any]) -> None:
        out.print(line(told, zone), style=style(told), soft_wrap=True)

    return show
