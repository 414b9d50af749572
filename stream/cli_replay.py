"""`foreshock replay`: send a history to Kafka as if it happened now."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stream.cli_common import (
    ConfigFile,
    JsonOption,
    SetOption,
    access_of,
    bus_errors,
    err,
    out,
    print_json,
    say,
    settings_from,
)
from stream.errors import InputError

if TYPE_CHECKING:
    from connectors.kafka_send import Sender
    from stream.replay import History, Selection
    from stream.worker.settings import Settings

# Below this there is no use in waiting; the next records are due as well.
_NAP_S = 0.002
_PROGRESS_EVERY = 500


class Split(StrEnum):
    """A part of a data set."""

    TRAIN = "train"
    TEST = "test"


def replay(
    config: ConfigFile,
    speed: Annotated[
        float,
        typer.Option("--speed", min=0.0, help="Times as fast as it happened."),
    ] = 1.0,
    flat_out: Annotated[
        bool, typer.Option("--flat-out", help="As fast as Kafka takes it.")
    ] = False,
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move the last row to now.")
    ] = False,
    machines: Annotated[
        str | None, typer.Option("--machines", metavar="GLOB", help="Only these.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="The first so many rows.")
    ] = None,
    split: Annotated[
        Split, typer.Option("--split", help="Part of the data set.")
    ] = Split.TEST,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send a data set or a CSV history to the readings topic.

    Rows of all machines go out in the order of their times, keyed by machine, at the
    pace at which they happened; one cycle counts as life.period. Times stay as they
    were unless shifted.

    **Examples**

    foreshock replay configs/cmapss.yaml --flat-out

    foreshock replay configs/cmapss.yaml --speed 36000 --shift-to-now

    foreshock replay my-plant.yaml --machines 'pump-*' --limit 1000
    """
    from stream.replay import select

    if speed <= 0:
        raise InputError(f"--speed: expected a number above 0, found {speed:g}")
    settings = settings_from(config, overrides)
    history = _history(settings, split)
    selection = select(history, machines, limit)
    if selection is None:
        where = f"machine fits --machines {machines!r}" if machines else "row is there"
        raise InputError(f"nothing to replay: no {where}")
    shift_ns = time.time_ns() - selection.last_ns if shift_to_now else 0
    _warn_of_retention(settings, selection.first_ns + shift_ns)
    pace = float("inf") if flat_out else speed
    result = _send_all(settings, history, selection, shift_ns, pace)
    if as_json:
        print_json(result)
        return
    out.print(
        f"{result['records']} readings of {result['machines']} machines sent to"
        f" {result['topic']} in {result['seconds']:.1f} s"
        f" ({result['records_per_second']:,.0f}/s)"
    )


def _history(settings: Settings, split: Split) -> History:
    from stream.histories import load_for_replay

    return load_for_replay(settings, "train" if split is Split.TRAIN else "test")


def _send_all(
    settings: Settings,
    history: History,
    selection: Selection,
    shift_ns: int,
    speed: float,
) -> dict[str, Any]:
    from connectors.kafka_send import sender

    topic = settings.topics.readings
    with bus_errors(), sender(access_of(settings), topic) as sending:
        started = time.monotonic()
        with _progress(selection.rows.size) as advance:
            _pump(sending, history, selection, shift_ns, speed, advance)
        sending.flush()
        seconds = time.monotonic() - started
    return {
        "topic": topic,
        "records": sending.sent,
        "machines": selection.machines,
        "first_time_ns": selection.first_ns + shift_ns,
        "last_time_ns": selection.last_ns + shift_ns,
        "seconds": round(seconds, 3),
        "records_per_second": round(sending.sent / max(seconds, 1e-9), 1),
    }


def _pump(
    sending: Sender,
    history: History,
    selection: Selection,
    shift_ns: int,
    speed: float,
    advance: Any,
) -> None:
    from stream.replay import due_s, readings

    started, first_ns = time.monotonic(), selection.first_ns + shift_ns
    for reading in readings(history, selection, shift_ns):
        wait = started + due_s(reading.at_ns, first_ns, speed) - time.monotonic()
        if wait > _NAP_S:
            advance(sending.sent)
            time.sleep(wait)
        sending.send(reading.key, reading.value)
        if sending.sent % _PROGRESS_EVERY == 0:
            advance(sending.sent)
    advance(sending.sent)


@contextmanager
def _progress(total: int) -> Iterator[Any]:
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("replay"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=not err.is_terminal) as bar:
        task = bar.add_task("replay", total=total)
        yield lambda sent: bar.update(task, completed=sent)


def _warn_of_retention(settings: Settings, first_ns: int) -> None:
    from stream.replay import retention_warning

    influx = settings.influx
    if influx.url is None:
        return
    retention_ns = influx.retention_ns or _asked_retention_ns(settings)
    text = retention_warning(first_ns, retention_ns, time.time_ns(), str(influx.bucket))
    if text:
        say(f"warning: {text}")


def _asked_retention_ns(settings: Settings) -> int | None:
    from connectors.influx import retention_ns

    influx = settings.influx
    if influx.url is None or influx.token is None:
        return None
    return retention_ns(
        url=influx.url,
        org=str(influx.org),
        bucket=str(influx.bucket),
        token=influx.token.get_secret_value(),
        timeout_s=influx.timeout_s,
    )
