"""What the commands on alarms and events share: reading, refusing, sending, telling.

The worker hears of it on the topic of events. What the topic of alarms shows to be
impossible is refused here, before anything is sent.
"""

from __future__ import annotations

import getpass
import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from stream.cli_common import access_of, bus_errors, out, print_json, say
from stream.errors import InputError

if TYPE_CHECKING:
    from stream.alarm_desk import Standing
    from stream.core.alert import Alert, Event
    from stream.worker.settings import Settings

MachineName = Annotated[
    str, typer.Argument(metavar="MACHINE", help="Name of the machine.")
]
ByOption = Annotated[
    str,
    typer.Option(
        "--by",
        envvar="FORESHOCK_USER",
        help="Who says so; else the user of this machine.",
        show_default=False,
    ),
]
WhyOption = Annotated[str, typer.Option("--why", help="Why.", show_default=False)]


def zone_of(settings: Settings) -> ZoneInfo:
    """The zone in which people of this plant read and write times."""
    return ZoneInfo(settings.alerts.time_zone)


def who(by: str) -> str:
    """Who acts: as given, else the user of this machine.

    Raises:
        InputError: The user has no name.
    """
    if by.strip():
        return by.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise InputError(
            "expected who says so in --by or FORESHOCK_USER: this user has no name"
        ) from error


def standing_of(settings: Settings) -> Standing:
    """Read the topic of alarms as it stands.

    Raises:
        OutsideError: The brokers do not answer, or there is no such topic.
    """
    from connectors.kafka_follow import follow
    from stream.alarm_desk import standing

    topic = settings.topics.alarms
    records = follow(access_of(settings), topic, from_start=True, to_end=True)
    with bus_errors(), closing(records):
        found = standing((record.key, record.value) for record in records)
    if found.broken:
        say(f"{found.broken} records of {topic} were no alarms and are left out")
    return found


def act(
    settings: Settings, kind: str, aim: dict[str, str], as_json: bool, **parts: str
) -> None:
    """Do something to alarms.

    Args:
        settings: Of the plant.
        kind: One of `alert.EVENT_KINDS`.
        aim: Fields of `alarm_desk.Aim`: which alarms.
        as_json: Whether to print what was sent as JSON.
        parts: Further fields of the event.

    Raises:
        InputError: There are no such alarms, or it cannot be done to any of them.
    """
    from stream.alarm_desk import Aim

    machine, on_instruments = aim.get("machine", ""), is_on_instruments(settings, aim)
    aimed = Aim(**aim, instruments=on_instruments)
    if machine:
        check_name(settings, machine)
    alarms = standing_of(settings).aimed_at(aimed, kind)
    parts["rule"] = aimed.rule
    if aimed.alarm:
        parts["alarm"], machine = alarms[0].id, alarms[0].machine
    sent = send(settings, kind, machine, time.time_ns(), **parts)
    names = ", ".join(alarm.id[:8] for alarm in alarms) or "all alarms"
    tell(settings, sent, f"{names} of {machine}", as_json)


def serve(
    settings: Settings, kind: str, machine: str, as_json: bool, **parts: str
) -> None:
    """Take a machine out of service, or return it.

    Raises:
        InputError: There is no such machine, or it is so already.
    """
    from stream.alarm_desk import check

    check_name(settings, machine)
    # A machine without an open alarm shows nowhere whether it is in service.
    check(standing_of(settings).listed(machine), kind)
    sent = send(settings, kind, machine, time.time_ns(), **parts)
    tell(settings, sent, machine, as_json)


def check_name(settings: Settings, machine: str) -> None:
    """Refuse a machine that no type can take in.

    Raises:
        InputError: Its name fits no type, and no asset register may know it.
    """
    if settings.type_of(machine) is None and not settings.assets.given:
        raise InputError(f"no machine type fits the name {machine!r}")


def is_on_instruments(settings: Settings, aim: dict[str, str]) -> bool:
    """Whether the rule that is aimed at is one on instruments.

    Raises:
        InputError: No machine type has alarms of such a rule or kind.
    """
    from stream.core.readings import FAULTS
    from stream.worker.settings_rules import alarm_rules, watched_by

    rule, known = aim.get("rule", ""), {"no_data": ""}
    known |= {f"sensor.{fault}": "" for fault in FAULTS[1:]}
    for kind in settings.machine_types.values():
        for name, one in alarm_rules(kind.alarms).items():
            known[name] = watched_by(name, one) or ""
    if rule and rule not in known:
        kinds = ", ".join(sorted(known))
        raise InputError(f"--rule: expected one of {kinds}, found {rule!r}")
    return known.get(rule) == "sensor"


def send(
    settings: Settings, kind: str, machine: str, at_ns: int, **parts: str
) -> Event:
    """Send an event; it has arrived when this returns.

    Raises:
        InputError: It cannot be told.
        OutsideError: The brokers did not take it.
    """
    import msgspec

    from connectors.kafka_send import sender
    from stream import alarm_desk

    made = alarm_desk.event(kind, machine, at_ns, **parts)
    with bus_errors(), sender(access_of(settings), settings.topics.events) as sending:
        sending.send(machine.encode(), msgspec.json.encode(made))
    return made


def tell(settings: Settings, sent: Event, of: str, as_json: bool) -> None:
    """Print what was sent."""
    import msgspec

    topic = settings.topics.events
    if as_json:
        print_json({"topic": topic, "event": msgspec.to_builtins(sent)})
        return
    out.print(f"{sent.kind} of {of} sent to {topic}, by {sent.by}", soft_wrap=True)


def table(settings: Settings, stand: Standing, alarms: list[Alert]) -> list[str]:
    """Alarms as lines: columns, and below each alarm its sentence."""
    from rich.cells import cell_len

    from stream.alarm_desk import local, short_ids
    from stream.worker.catalogue import clean
    from stream.worker.words import condition, marks, term

    alerts, zone, short = settings.alerts, zone_of(settings), short_ids(stand.alarms)
    if not alarms:
        return ["no alarms"]
    rows = [["id", "machine", "kind", "severity", "state", "since", "handled"]]
    told = [""]
    for alarm in alarms:
        rows.append(
            [
                clean(short[alarm.id]),
                clean(alarm.machine),
                clean(alarm.kind),
                term("severity", alarm.severity, alerts.language),
                term("state", alarm.state, alerts.language),
                local(alarm.onset, zone),
                marks(alarm, alerts.language, zone) or "-",
            ]
        )
        told.append(condition(alarm, alerts.language, zone, alerts.labels))
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row, sentence in zip(rows, told, strict=True):
        cells = zip(row, widths, strict=True)
        padded = [cell + " " * (width - cell_len(cell)) for cell, width in cells]
        lines.append("  ".join(padded).rstrip())
        if sentence:
            lines.append(f"    {sentence}")
    return lines
