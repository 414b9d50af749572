"""`foreshock backtest`: a history in, the alarms that it would have raised out."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from stream.cli_common import (
    ConfigFile,
    JsonOption,
    SetOption,
    out,
    print_json,
    say,
    settings_from,
)
from stream.cli_lines import Language, line, style
from stream.errors import InputError

if TYPE_CHECKING:
    from stream.core.alert import Alert
    from stream.worker.settings import Settings

_SEEN = (
    "note: models that were trained on this very history know how it ends, and these"
    " figures flatter them; honest ones come from foreshock evaluate, or from a history"
    " that they have not seen: --set dataset.path=FILE --set dataset.failures=FILE"
)
_NO_RISK = (
    "note: these models tell no risk and no remaining life (training saw fewer than 10"
    " failures); alarms come from anomalies and instruments alone"
)
_UNDECIDED = "too soon before the end of the history, or a replacement"
_MOST = 5


class Split(StrEnum):
    """A part of a data set."""

    TRAIN = "train"
    TEST = "test"


def backtest(
    config: ConfigFile,
    split: Annotated[
        Split | None,
        typer.Option(
            "--split",
            help="Part of the data set; without it, machines set apart for the test"
            " where there are any.",
            show_default=False,
        ),
    ] = None,
    machine_type: Annotated[
        str | None, typer.Option("--type", metavar="NAME", help="Only this type.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="The first so many rows.")
    ] = None,
    language: Annotated[
        Language | None,
        typer.Option("--language", help="Of the sentences, else alerts.language."),
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the alarms that a history would have raised, and how many foresaw failures.

    Needs no server: readings and failures of the data set go through the pipeline of
    the worker. An alarm of a machine foresees a failure if it is raised between 1.5
    and 0.1 horizons before it; a case that no failure follows within 1.5 horizons is
    false, and undecided where the history ends before that.

    **Examples**

    foreshock backtest my-plant.yaml

    foreshock backtest configs/cmapss.yaml --split test --json

    foreshock backtest my-plant.yaml --set dataset.path=newer.csv --language zh
    """
    if language is not None:
        overrides = [*(overrides or ()), f"alerts.language={language}"]
    settings = settings_from(config, overrides)
    names = _names(settings, machine_type)
    from stream import backtest as task
    from stream import histories
    from stream.worker.bundles import scorers_of

    part: Any = None if split is None else split.value
    splits = {name: task.split_of(settings, name, part) for name in names}
    scorers = dict(zip(names, scorers_of(settings, names), strict=True))
    found: dict[str, Any] = {}
    for name in names:
        history = histories.load(settings, name, splits[name])
        alerts: list[dict[str, Any]] = []
        tell = _teller(settings, alerts, show=not as_json)
        told = task.backtest(
            settings, name, scorers[name], history, limit=limit, tell=tell
        )
        found[name] = {"split": splits[name], **told, "alerts": alerts}
        if not as_json:
            _summary(name, found[name], ZoneInfo(settings.alerts.time_zone))
        for note in _notes(found[name]):
            say(note)
    if as_json:
        print_json(next(iter(found.values())) if machine_type else found)


def _names(settings: Settings, asked: str | None) -> list[str]:
    known = list(settings.machine_types)
    if asked is not None and asked not in known:
        raise InputError(f"--type: expected one of {', '.join(known)}, found {asked!r}")
    return known if asked is None else [asked]


def _teller(
    settings: Settings, alerts: list[dict[str, Any]], *, show: bool
) -> Callable[[Alert], None]:
    """Return what puts alerts into words, keeps them, and shows them."""
    import msgspec

    from stream.worker.alerting import TOLD
    from stream.worker.words import sentence

    words = settings.alerts
    zone = ZoneInfo(words.time_zone)

    def tell(alert: Alert) -> None:
        if alert.event not in TOLD:
            return
        alert.message = sentence(alert, words.language, zone, words.labels)
        told = msgspec.to_builtins(alert)
        alerts.append(told)
        if show:
            out.print(line(told, zone), style=style(told), soft_wrap=True)

    return tell


def _notes(told: dict[str, Any]) -> list[str]:
    notes = [_SEEN] if told["split"] == Split.TRAIN else []
    return notes if told["risk_told"] or not told["scores"] else [*notes, _NO_RISK]


def _summary(name: str, told: dict[str, Any], zone: ZoneInfo) -> None:
    from stream.alarm_desk import local

    lead = told["median_lead_time_s"]
    missed = [f for f in told["by_failure"] if f["alarm"] is None]
    some = ", ".join(f"{f['machine']} {local(f['time'], zone)}" for f in missed[:_MOST])
    more = f", and {len(missed) - _MOST} more" if len(missed) > _MOST else ""
    reasons = ", ".join(f"{why} {n:,}" for why, n in told["no_estimate"].items())
    horizon = told["horizon"]
    lines = {
        "failures": f"{told['failures']:,}",
        "foreseen": f"{told['foreseen']:,}" + _by_rule(told, "foreseen"),
        "lead time": "none" if lead is None else f"{lead / 3600:,.1f} h (median)",
        "missed": f"{told['missed']:,}" + (f": {some}{more}" if missed else ""),
        "cases": f"{told['cases']:,}" + _by_rule(told, "cases"),
        "false cases": f"{told['false_cases']:,}" + _by_rule(told, "false_cases"),
        "undecided cases": f"{told['undecided_cases']:,}"
        + (f" ({_UNDECIDED})" if told["undecided_cases"] else ""),
        "healthy machines": f"{told['healthy_machines']:,} of {told['machines']:,}",
        "instrument alarms": f"{told['sensor_alarms']:,}",
        "scores": f"{told['scores']:,}"
        + (f", without estimate: {reasons}" if reasons else ""),
        "readings": f"{told['readings']:,} in {told['seconds']:.1f} s"
        f" ({told['readings_per_second']:,.0f}/s)",
    }
    out.print(
        f"\n{name}: {local(told['from'], zone)} to {local(told['to'], zone)}, horizon"
        f" {horizon['value']:g} {horizon['axis']}, split {told['split']}",
        soft_wrap=True,
    )
    for title, text in lines.items():
        out.print(f"  {title:18} {text}", soft_wrap=True)


def _by_rule(told: dict[str, Any], figure: str) -> str:
    """Return a figure rule by rule, where several rules have raised alarms."""
    rules = told["by_rule"]
    each = ", ".join(f"{kind} {one[figure]:,}" for kind, one in rules.items())
    return f" (by rule: {each})" if len(rules) > 1 else ""
