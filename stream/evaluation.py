"""`foreshock evaluate`: how good each machine type's bundle is, beside baselines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import ModelsError
from models.options import Examples
from models.windows import WindowArrays
from stream import histories
from stream.errors import InputError
from stream.training import examples_of
from stream.worker import bundles
from stream.worker.settings import Settings


def test_examples_of(settings: Settings, name: str) -> Examples | None:
    """Return the windows of the machines set apart for the test; None without any."""
    if not histories.has_test(settings, name):
        return None
    history = histories.load(settings, name, "test")
    # The last window of every machine counts: let each row complete one.
    cut = histories.cut(settings, name, history, most=len(history.code))
    return Examples(
        windows=WindowArrays.of(cut.windows),
        machine=cut.windows.machine.astype(np.int32),
        life=cut.life,
        censored=cut.censored,
        names=cut.names,
    )


def evaluate(
    settings: Settings,
    *,
    seed: int,
    output: Path,
    progress: Callable[[str], None] = lambda stage: None,
) -> dict[str, Any]:
    """Judge the bundle of every machine type.

    Args:
        settings: The plant's.
        seed: Seed of bootstrap and cuts.
        output: Folder for the report as JSON and as a page with plots: NAME.json and
            NAME.html for each machine type.
        progress: Told what is being done.

    Returns:
        The report of `models.evaluate`; of several types, one under each name.

    Raises:
        InputError: if a history is not as it must be.
        UserError: if a bundle is missing or does not fit.
    """
    from models.evaluate import evaluate as judge  # noqa: PLC0415 - loads Keras
    from models.report import render  # noqa: PLC0415 - loads matplotlib

    reports: dict[str, Any] = {}
    pages: dict[str, str] = {}
    for name in settings.machine_types:
        bundle = bundles.load(settings, name)
        examples = examples_of(settings, name)
        test = test_examples_of(settings, name)

        def step(stage: str, name: str = name) -> None:
            progress(f"{name}: {stage}")

        try:
            reports[name] = judge(bundle, examples, test, seed=seed, progress=step)
        except ModelsError as error:
            raise InputError(f"machine type {name!r}: {error}") from error
        pages[name] = render(reports[name], bundle, examples.names)
    _write(reports, pages, output)
    return next(iter(reports.values())) if len(reports) == 1 else reports


def _write(reports: dict[str, Any], pages: dict[str, str], output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for name, report in reports.items():
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        (output / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        (output / f"{name}.html").write_text(pages[name], encoding="utf-8")
