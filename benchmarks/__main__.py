"""Measure, print and keep the figures.

    python -m benchmarks [PART...] [--quick] [--out FILE]

Parts are end_to_end, limit, latency, scale, recovery and inference; all of them if none
is named, and with --quick those that fit into three minutes. What is found goes into
benchmarks/results/latest.json, part by part, beside what other runs have found.

A quick run of the usual parts is compared with the ratios in results/stored.json;
--strict makes a ratio that is worse an error, --store stores this run's.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import compare, part_tables, report, results, tables
from benchmarks.rates import Figures

QUICK = ("end_to_end", "limit", "inference", "latency")
"""What shall fit into three minutes."""

_QUICK_S = 180

_BUSY = 0.25
"""Load of a core by others above which figures are not to be trusted."""

_LONGEST = 500
"""Characters of an error that are kept; all of it stands on the terminal."""

Measure = Callable[..., Figures]
_console = Console(highlight=False, width=None if sys.stdout.isatty() else 110)


def run(
    parts: Sequence[str],
    servers: AbstractContextManager[Any],
    *,
    quick: bool,
    out: Path,
    measured: Callable[[str], Measure],
) -> list[str]:
    """Measure some parts and merge what is found into a file.

    A part that fails does not keep the others from being measured.

    Args:
        parts: of `results.PARTS`.
        servers: yields what each `measure` takes, for all of them.
        quick: as each part's `measure` takes it.
        out: the file of results.
        measured: gives a part's `measure` by its name.

    Returns:
        The parts that failed.
    """
    about = results.describe(quick=quick)
    _introduce(about)
    failed = []
    with servers as bench:
        for part in parts:
            began = time.monotonic()
            _console.rule(f"{part}{', quick' if quick else ''}")
            found = _tried(measured, part, bench, quick=quick)
            took = round(time.monotonic() - began, 1)
            # Read anew: someone may have measured another part meanwhile.
            document = results.load(out) | about
            results.put(document, part, found, about | {"seconds": took})
            results.save(out, document)
            if "error" in found:
                failed.append(part)
                _console.print(f"{part} failed: {found['error']}", markup=False)
            else:
                _show(part, document[part])
            _console.print(f"{took:.0f} s, written to {out}")
    return failed


def _introduce(about: Figures) -> None:
    machine = about["machine"]
    _console.print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"commit {about['commit'] or 'unknown'}"
    )
    load = about["load_before"][0]
    if load > _BUSY * machine["cores"]:
        _console.print(f"The machine is busy (load {load}): figures will be too low.")


def _show(part: str, section: Figures) -> None:
    try:
        for table in part_tables.of(part, section):
            _console.print(table.rich())
    except Exception:  # noqa: BLE001 - figures are kept; other parts shall be measured
        traceback.print_exc()


def _measure(part: str) -> Measure:
    # Each part loads a lot that the others do without.
    found: Measure = import_module(f"benchmarks.{part}").measure
    return found


def _tried(
    measured: Callable[[str], Measure], part: str, bench: object, *, quick: bool
) -> Figures:
    try:
        return measured(part)(bench, quick=quick)
    except Exception as problem:  # noqa: BLE001 - of a part, whatever it is
        traceback.print_exc()
        return {"error": _said(f"{type(problem).__name__}: {problem}")}


def _said(text: str) -> str:
    """Its beginning, without the folders of this machine: results are shared."""
    for place in (f"{results.ROOT}/", f"{sys.prefix}/", f"{Path.home()}/"):
        text = text.replace(place, "")
    return text[:_LONGEST]


def compared(out: Path, stored: Path) -> list[compare.Verdict]:
    """Print and return the ratios of a file of results beside the stored ones."""
    found = compare.judge(compare.ratios(results.load(out)), compare.load(stored))
    _console.print(tables.verdicts(found).rich())
    moved = [one.name for one in found if one.moved]
    _console.print(
        "Moved: both intervals lie apart, and the medians by more than "
        f"{100 * compare.MARGIN:.0f} %: {', '.join(moved) or 'none'}."
    )
    return found


def _store(out: Path, stored: Path) -> None:
    document = results.load(out)
    new = compare.store(stored, compare.ratios(document), document)
    stored.write_text(json.dumps(results.rounded(new), indent=1) + "\n")
    _console.print(f"stored in {stored}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; return the exit status: 1 if a part failed."""
    usage, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        "python -m benchmarks",
        description=usage,
        epilog=more,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", choices=[[], *results.PARTS]
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter runs")
    parser.add_argument("--out", type=Path, default=results.LATEST, help="results")
    parser.add_argument("--stored", type=Path, default=compare.STORED, help="ratios")
    parser.add_argument("--strict", action="store_true", help="worse is an error")
    parser.add_argument("--store", action="store_true", help="store this run's ratios")
    parser.add_argument(
        "--take", type=Path, help="measure nothing; take what inference.py --json wrote"
    )
    given = parser.parse_args(arguments)
    if given.take is not None:
        return _take(given.take, given.out)
    if given.store and (given.parts or not given.quick):
        parser.error("--store: expected --quick and no parts, so that none is missing")
    # Whoever ends us ends what we have started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    began = time.monotonic()
    parts = given.parts or (QUICK if given.quick else results.PARTS)
    servers = import_module("benchmarks.servers").bench()
    failed = run(parts, servers, quick=given.quick, out=given.out, measured=_measure)
    found = compared(given.out, given.stored) if given.quick else []
    if given.store and not failed:
        _store(given.out, given.stored)
    if given.out.resolve() == results.LATEST:
        report.write(report.DOCS)
    took = time.monotonic() - began
    slow = given.quick and not given.parts and took > _QUICK_S
    too_long = f", more than the {_QUICK_S} it should take" if slow else ""
    _console.print(f"{took:.0f} s in all{too_long}")
    if failed:
        _console.print(f"failed: {', '.join(failed)}")
    return int(bool(failed) or (given.strict and compare.worse(found)))


def _take(file: Path, out: Path) -> int:
    """Merge figures of inference that were measured on another machine."""
    figures = json.loads(file.read_text())
    document = results.load(out)
    results.take(document, figures, results.describe(quick=False))
    results.save(out, document)
    _show("inference", document["inference"])
    if out.resolve() == results.LATEST:
        report.write(report.DOCS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
