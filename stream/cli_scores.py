"""`foreshock scores`: follow the scores in the terminal."""

from __future__ import annotations

from contextlib import closing
from fnmatch import fnmatchcase
from typing import Annotated, Any

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

_HEADER = (
    f"{'time':24} {'machine':16} {'risk':>6} {'RUL':>8} {'5 % to 95 %':>17}"
    f" {'anomaly':>9} {'health':>6}  reason"
)


def scores(
    config: ConfigFile,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Begin with the oldest score.")
    ] = False,
    machine: MachineGlob = None,
    limit: LimitOption = None,
    until_idle: UntilIdle = None,
    overrides: SetOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document per line.")
    ] = False,
) -> None:
    """Follow the scores as they come, until interrupted.

    Moves no consumer group's offsets; anybody may watch.

    **Examples**

    foreshock scores configs/cmapss.yaml --from-start --machine 'FD001*'

    foreshock scores plant.yaml --json --from-start --until-idle 5 > scores.ndjson
    """
    from connectors.kafka_follow import follow

    settings = settings_from(config, overrides)
    topic, shown, broken = settings.topics.scores, 0, 0
    if not as_json:
        out.print(_HEADER, soft_wrap=True)
    records = follow(
        access_of(settings), topic, from_start=from_start, until_idle_s=until_idle
    )
    with bus_errors(), closing(records):
        for record in records:
            score = _decode(record.value)
            if score is None:
                broken += 1
                continue
            if machine and not fnmatchcase(str(score["machine"]), machine):
                continue
            _show(score, as_json)
            shown += 1
            if limit is not None and shown >= limit:
                break
    if broken:
        say(f"{broken} records of {topic} were no scores and are not shown")


def _decode(value: bytes | None) -> dict[str, Any] | None:
    try:
        score = msgspec.json.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return score if isinstance(score, dict) and "machine" in score else None


def _show(score: dict[str, Any], as_json: bool) -> None:
    if as_json:
        typer.echo(msgspec.json.encode(score))
        return
    out.print(line(score), soft_wrap=True)


def line(score: dict[str, Any]) -> str:
    """One score as one line of the table; what is absent shows as a dash."""
    rul = score.get("rul") or {}
    low, middle, high = (_number(rul.get(p), 1) for p in ("p05", "p50", "p95"))
    shares = score.get("contributions") or {}
    top = sorted(shares.items(), key=lambda item: -(item[1] or 0))[:2]
    reason = score.get("why") or ", ".join(f"{n} {share:.0%}" for n, share in top if n)
    return (
        f"{score.get('time') or '-':24} {score['machine']!s:16}"
        f" {_number(score.get('risk'), 3):>6} {middle:>8} {f'{low} to {high}':>17}"
        f" {_number(score.get('anomaly'), 3):>9} {_number(score.get('health'), 0):>6}"
        f"  {reason}"
    )


def _number(value: Any, digits: int) -> str:
    return f"{value:.{digits}f}" if isinstance(value, int | float) else "-"
