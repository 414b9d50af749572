"""`foreshock train`, `foreshock evaluate`: learn from histories, and say how well."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.table import Table

from stream.cli_common import (
    ConfigFile,
    JsonOption,
    SeedOption,
    SetOption,
    err,
    out,
    print_json,
    say,
    settings_from,
)


def train(
    config: ConfigFile,
    seed: SeedOption = 0,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train the models of every machine type and write their bundles.

    **Examples**

    foreshock train configs/cmapss.yaml --seed 1

    foreshock train configs/cmapss.yaml --set dataset.subset=FD002 --json
    """
    settings = settings_from(config, overrides)
    from stream import training

    version = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    with steps() as progress:
        result = training.train(settings, seed=seed, version=version, progress=progress)
    for told in result.values():
        for note in told["notes"]:
            say(note)
    _report(result, as_json)


def evaluate(
    config: ConfigFile,
    seed: SeedOption = 0,
    output: Annotated[
        Path,
        typer.Option("--output", metavar="DIR", help="Folder for JSON and HTML."),
    ] = Path("build/evaluate"),
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure the models beside the classical baselines.

    Writes, for each machine type, TYPE.json and TYPE.html (one page with plots).

    **Examples**

    foreshock evaluate configs/cmapss.yaml

    foreshock evaluate configs/cmapss.yaml --json > metrics.json
    """
    settings = settings_from(config, overrides)
    from stream import evaluation

    result = evaluation.evaluate(settings, seed=seed, output=output, progress=say)
    if as_json:
        print_json(result)
        return
    several = len(settings.machine_types) > 1
    for name in settings.machine_types:
        _figures(name, result[name] if several else result)
    say(f"reports: {output}")


def _figures(name: str, report: dict[str, Any]) -> None:
    """Print a report's figures beside their twins and baselines."""
    others = {"cross-validated": report["cross_validated"], **report["baselines"]}
    table = Table(title=name, title_justify="left")
    for column in ("figure", "bundle", "95 % interval", *others):
        table.add_column(column, justify="left" if column == "figure" else "right")
    ends = report.get("bootstrap") or {}
    for part in ("rul", "failure", "interval"):
        for figure, value in (report.get(part) or {}).items():
            beside = [_cell((o.get(part) or {}).get(figure)) for o in others.values()]
            interval = (ends.get(part) or {}).get(figure)
            span = " to ".join(map(_cell, interval)) if interval else ""
            table.add_row(f"{part}.{figure}", _cell(value), span, *beside)
    out.print(table)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


@contextmanager
def steps() -> Iterator[Callable[[str, Any], None]]:
    """Show the progress of training on standard error: a bar per stage.

    Yields:
        Called with the machine type and a step of `models`.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
    )
    with RichProgress(*columns, console=err) as bars:
        tasks: dict[str, TaskID] = {}

        def show(name: str, step: Any) -> None:
            title = f"{name}: {step.stage}"
            if title not in tasks:
                tasks[title] = bars.add_task(title, total=step.total, told="")
                if not err.is_terminal:
                    say(title)
            told = f"loss {step.loss:.4f}, held out {step.held_out:.4f}"
            bars.update(
                tasks[title],
                completed=step.done,
                total=step.total,
                told=told if step.done else "",
            )

        yield show


def _report(result: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(result)
        return
    for name, value in flat(result):
        out.print(f"{name:48} {value}", soft_wrap=True)


def flat(tree: dict[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Nested figures as dotted names with short texts, in their order.

    Example:
        >>> flat({"rul": {"rmse_capped": 12.345678}})
        [('rul.rmse_capped', '12.35')]
    """
    found: list[tuple[str, str]] = []
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, dict):
            found += flat(value, f"{name}.")
        elif isinstance(value, float):
            found.append((name, f"{value:.4g}"))
        else:
            found.append((name, str(value)))
    return found
