"""`foreshock event`: tell what happened to a machine."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from stream.cli_common import ConfigFile, JsonOption, SetOption, settings_from
from stream.cli_desk import (
    ByOption,
    MachineName,
    WhyOption,
    check_name,
    send,
    tell,
    who,
    zone_of,
)
from stream.errors import InputError

# Clocks of two machines differ a little.
_AHEAD_NS = 300 * 10**9


class Happening(StrEnum):
    """What may have happened to a machine."""

    FAILURE = "failure"
    REPLACEMENT = "replacement"
    MAINTENANCE = "maintenance"


def event(
    config: ConfigFile,
    machine: MachineName,
    what: Annotated[Happening, typer.Argument(metavar="WHAT", help="What happened.")],
    at: Annotated[
        str, typer.Option("--at", metavar="TIME", help="When it happened, or now.")
    ],
    mode: Annotated[
        str, typer.Option("--mode", help="How it failed: words, or ISO 14224's code.")
    ] = "",
    by: ByOption = "",
    why: WhyOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what happened to a machine: failure, replacement or maintenance.

    A time without an offset is in alerts.time_zone.

    **Examples**

    foreshock event plant.yaml pump-07 failure --at 2026-11-21T09:40 --mode VIB

    foreshock event plant.yaml pump-07 maintenance --at now --why "new bearing"
    """
    from stream.alarm_desk import moment

    settings, now_ns = settings_from(config, overrides), time.time_ns()
    at_ns = now_ns if at == "now" else moment(at, zone_of(settings), "--at")
    if at_ns > now_ns + _AHEAD_NS:
        raise InputError(f"--at: expected a time that has been, found {at!r}")
    if mode and what is not Happening.FAILURE:
        raise InputError("--mode: only a failure has one")
    check_name(settings, machine)
    parts = {"by": who(by), "why": why, "mode": mode}
    sent = send(settings, what.value, machine, at_ns, **parts)
    tell(settings, sent, machine, as_json)
