"""`foreshock alarm`: see the alarms, and say what has been done about them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from stream.cli_common import (
    ConfigFile,
    JsonOption,
    SetOption,
    out,
    print_json,
    settings_from,
)
from stream.cli_desk import (
    ByOption,
    MachineName,
    WhyOption,
    act,
    serve,
    standing_of,
    table,
    who,
    zone_of,
)
from stream.errors import InputError

if TYPE_CHECKING:
    from stream.worker.settings import Settings

AlarmId = Annotated[
    str, typer.Argument(metavar="ALARM_ID", help="As much of it as is its own.")
]
MaybeAlarmId = Annotated[
    str,
    typer.Argument(
        metavar="ALARM_ID", help="As much of it as is its own.", show_default=False
    ),
]
MachineOption = Annotated[
    str, typer.Option("--machine", help="All open alarms of this machine.")
]
RuleOption = Annotated[
    str, typer.Option("--rule", help="With --machine: alarms of this kind only.")
]
RequiredWhy = Annotated[str, typer.Option("--why", help="Why.")]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="See the alarms, and say what you have done about them.",
)


@app.callback()
def _group() -> None:
    """See the alarms, and say what you have done about them."""


@app.command("list")
def list_alarms(
    config: ConfigFile,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are over too.")
    ] = False,
    machine: Annotated[str, typer.Option("--machine", help="Of this one.")] = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the alarms, the most urgent first.

    **Examples**

    foreshock alarm list plant.yaml

    foreshock alarm list plant.yaml --all --machine pump-07 --json
    """
    import msgspec

    settings = settings_from(config, overrides)
    stand = standing_of(settings)
    alarms = stand.listed(machine, closed=everything)
    if as_json:
        print_json({"alarms": [msgspec.to_builtins(alarm) for alarm in alarms]})
        return
    for line in table(settings, stand, alarms):
        out.print(line, soft_wrap=True)


@app.command()
def ack(
    config: ConfigFile,
    alarm: MaybeAlarmId = "",
    machine: MachineOption = "",
    rule: RuleOption = "",
    by: ByOption = "",
    why: WhyOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Acknowledge an alarm, or all open ones of a machine: I have taken note.

    **Examples**

    foreshock alarm ack plant.yaml 3f2a91bc --by ann --why "bearing ordered"

    foreshock alarm ack plant.yaml --machine pump-07 --rule risk
    """
    settings = settings_from(config, overrides)
    aim = {"alarm": alarm, "machine": machine, "rule": rule}
    act(settings, "acknowledge", aim, as_json, by=who(by), why=why)


@app.command()
def shelve(
    config: ConfigFile,
    why: RequiredWhy,
    alarm: MaybeAlarmId = "",
    machine: MachineOption = "",
    rule: RuleOption = "",
    lasting: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="Such as 8h or 2d.")
    ] = "",
    until: Annotated[
        str, typer.Option("--until", metavar="TIME", help="Such as 2026-11-21T18:00.")
    ] = "",
    by: ByOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Silence an alarm, or all open ones of a machine, until some time.

    A time without an offset is in alerts.time_zone.

    **Examples**

    foreshock alarm shelve plant.yaml 3f2a91bc --for 8h --why "spare comes tonight"

    foreshock alarm shelve plant.yaml --machine pump-07 --until 2026-11-23T06:00 --why x
    """
    from stream.core.event_time import to_text

    settings, now_ns = settings_from(config, overrides), time.time_ns()
    end_ns = _end_ns(settings, lasting, until, now_ns)
    if not why.strip():
        raise InputError("--why: expected a reason, found nothing")
    aim = {"alarm": alarm, "machine": machine, "rule": rule}
    parts = {"by": who(by), "why": why, "until": to_text(end_ns)}
    act(settings, "shelve", aim, as_json, **parts)


@app.command()
def unshelve(
    config: ConfigFile,
    alarm: MaybeAlarmId = "",
    machine: MachineOption = "",
    rule: RuleOption = "",
    by: ByOption = "",
    why: WhyOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a shelf before its time.

    **Examples**

    foreshock alarm unshelve plant.yaml 3f2a91bc --by ann
    """
    settings = settings_from(config, overrides)
    aim = {"alarm": alarm, "machine": machine, "rule": rule}
    act(settings, "unshelve", aim, as_json, by=who(by), why=why)


@app.command()
def feedback(
    config: ConfigFile,
    alarm: AlarmId,
    verdict: Annotated[
        bool, typer.Option("--true/--false", help="Whether it was a true alarm.")
    ],
    by: ByOption = "",
    why: WhyOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge an alarm, open or over: it was a true one, or a false one.

    **Examples**

    foreshock alarm feedback plant.yaml 3f2a91bc --false --why "valve was being tested"
    """
    settings = settings_from(config, overrides)
    parts = {"by": who(by), "why": why, "verdict": "true" if verdict else "false"}
    act(settings, "feedback", {"alarm": alarm}, as_json, **parts)


@app.command()
def outofservice(
    config: ConfigFile,
    machine: MachineName,
    why: RequiredWhy,
    by: ByOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a machine out of service: it raises no alarms until it returns.

    **Examples**

    foreshock alarm outofservice plant.yaml pump-07 --by ann --why "overhaul"
    """
    if not why.strip():
        raise InputError("--why: expected a reason, found nothing")
    settings = settings_from(config, overrides)
    serve(settings, "out_of_service", machine, as_json, by=who(by), why=why)


@app.command("return")
def return_(
    config: ConfigFile,
    machine: MachineName,
    by: ByOption = "",
    why: WhyOption = "",
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Return a machine to service.

    **Examples**

    foreshock alarm return plant.yaml pump-07 --by ann
    """
    settings = settings_from(config, overrides)
    serve(settings, "return", machine, as_json, by=who(by), why=why)


def _end_ns(settings: Settings, lasting: str, until: str, now_ns: int) -> int:
    from pydantic_core import PydanticCustomError

    from stream.alarm_desk import moment
    from stream.worker.settings_units import parse_duration_ns

    if bool(lasting) == bool(until):
        raise InputError("a shelf needs an end: expected either --for or --until")
    if until:
        end_ns = moment(until, zone_of(settings), "--until")
        if end_ns <= now_ns:
            raise InputError(f"--until: expected a time to come, found {until!r}")
        return end_ns
    try:
        length_ns = parse_duration_ns(lasting)
    except PydanticCustomError as error:
        wanted = error.message()
        raise InputError(f"--for: expected {wanted}, found {lasting!r}") from error
    if not length_ns:
        raise InputError(f"--for: expected a duration above 0, found {lasting!r}")
    return now_ns + length_ns
