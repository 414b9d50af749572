"""From the results to the documentation: pages and pictures.

    python -m benchmarks.report

writes docs/benchmarks.md, docs/benchmarks/*.svg and the figures in docs/sizing.md, all
a function of benchmarks/results/latest.json alone.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from benchmarks import compare, part_tables, plots, results, sizing, summary, tables
from benchmarks.job import ROWS, STRIDE, Job
from benchmarks.part_tables import CONTESTANTS
from benchmarks.rates import Figures
from benchmarks.tables import Table, middle, number, text

DOCS = results.ROOT / "docs"
TEMPLATE = Path(__file__).parent / "benchmarks.md.j2"

Sections = Mapping[str, Figures]

_MISSING = "Not measured yet: `python -m benchmarks {}`.\n"
_ALT = {
    "end_to_end": "Bars of readings/s by contestant",
    "latency": "Percentiles of the delay of alerts over the rate",
    "scale": "Readings/s over the number of machines",
    "memory": "Memory over the number of machines",
    "recovery": "Seconds to recover over the number of machines",
    "inference": "Windows/s over windows a call",
}

OTHERS = {"faust": 8_000, "quix": 55_000}
"""Readings/s of an earlier measurement on another machine; typed by hand."""

_OTHERS_GFLOPS = 182
"""What that machine's matrix product gave."""


def sections(document: Figures) -> Sections:
    """Return the figures of each part that go into the documentation."""
    found = ((part, results.best(document, part)) for part in results.PARTS)
    return {part: section for part, section in found if section is not None}


def pictures(parts: Sections) -> dict[str, str]:
    """Return the SVG of every picture that there are figures for, by name."""
    drawn = {
        name: draw(parts[part])
        for name, (part, draw) in plots.ALL.items()
        if part in parts
    }
    return {name: svg for name, svg in drawn.items() if svg is not None}


def benchmarks(parts: Sections, drawn: Iterable[str]) -> str:
    """Return docs/benchmarks.md.

    Args:
        parts: figures.
        drawn: names of the pictures that there are.
    """
    shown = set(drawn)
    # Markdown for people, made from our own figures: nothing to escape.
    environment = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        quick=[part for part, section in parts.items() if section["run"]["quick"]],
        machines=_machines(parts),
        runs=_runs(parts).markdown() if parts else "Nothing yet.\n",
        versions=_versions(parts),
        job=Job(),
        rows=ROWS,
        stride=STRIDE,
        tables={part: _table(part, parts) for part in results.PARTS},
        plots={name: _plot(name) if name in shown else "" for name in plots.ALL},
        short=list(summary.lines(parts)),
        published=_published(parts),
        devices=list(_devices(parts.get("inference", {}))),
        margin=f"{100 * compare.MARGIN:.0f} %",
    )
    # What was not measured leaves lines empty.
    return re.sub(r"\n{3,}", "\n\n", page.rstrip()) + "\n"


def _table(part: str, parts: Sections) -> str:
    if part not in parts:
        return _MISSING.format(part)
    found = part_tables.of(part, parts[part])
    return "\n".join(table.markdown() for table in found)


def _plot(name: str) -> str:
    return f"![{_ALT[name]}](benchmarks/{name}.svg)\n"


def _machines(parts: Sections) -> str:
    found: dict[str, list[str]] = {}
    for part, section in parts.items():
        one = section["run"]["machine"]
        line = (
            f"{one['cpu']}, {one['cores']} cores, {number(one['memory_gib'])} GiB of "
            f"memory, {one['kernel']}"
        )
        found.setdefault(line, []).append(part)
    if len(found) < 2:
        return "".join(f"Machine: {line}.\n" for line in found)
    return "".join(f"* {', '.join(who)}: {line}.\n" for line, who in found.items())


def _runs(parts: Sections) -> Table:
    rows = [
        (
            part.replace("_", " "),
            run["date"].replace("T", " "),
            f"`{run['commit']}`" if run["commit"] else "",
            "quick" if run["quick"] else "full",
            number(run["load_before"][0]),
            text(run.get("seconds")),
        )
        for part, section in parts.items()
        for run in (section["run"],)
    ]
    columns = ("part", "date", "commit", "run", "load before", "took, s")
    return Table("Runs", columns, rows)


def _versions(parts: Sections) -> str:
    """Releases that took part; of several runs, all of them."""
    found: dict[str, dict[str, None]] = {}
    for section in parts.values():
        for name, release in section["run"]["versions"].items():
            found.setdefault(name, {})[release] = None
    told = (f"{name} {' and '.join(releases)}" for name, releases in found.items())
    return f"Versions: {', '.join(told)}.\n" if found else ""


def _devices(section: Figures) -> Iterator[str]:
    for name, about in section.get("about", {}).items():
        product = section.get("matmul", {}).get(name)
        yield (
            f"{name.replace('_', ', ')}: {about['chip']}; matrix product "
            f"{text(product)} GFLOP/s; {about['date'][:10]}"
            + (f"; no GPU: {about['why_no_gpu']}" if about.get("why_no_gpu") else "")
        )


def _published(parts: Sections) -> str:
    """What others have measured, beside ours."""
    section = parts.get("end_to_end", {})
    both = {
        name: (theirs, section[name])
        for name, theirs in OTHERS.items()
        if tables.is_spread(section.get(name))
    }
    if not both:
        return ""
    rows = [
        (
            CONTESTANTS[name],
            number(theirs),
            text(ours),
            f"{ours['median'] / theirs:.2f}",
        )
        for name, (theirs, ours) in both.items()
    ]
    columns = ("", "there, readings/s", "here, readings/s", "here / there")
    table = Table("Others", columns, rows).markdown()
    lower = [
        CONTESTANTS[name]
        for name, (theirs, ours) in both.items()
        if ours["high"] < theirs
    ]
    why = f"\n{_why_lower(lower, parts)}" if lower else ""
    return (
        "### Beside an earlier measurement\n\n"
        "Of the same readings, windows and LSTM, on another machine with two cores; "
        "with hand-written micro-batches and without durable state, too.\n\n"
        f"{table}{why}"
    )


def _why_lower(names: list[str], parts: Sections) -> str:
    """Say what is known of why ours are lower."""
    lines = [
        f"Lower here: {', '.join(names)}. What differs:",
        "",
        "* There a window went through the LSTM alone. Here it goes through the "
        "autoencoder and the calibration as well"
        + _models_cost(parts)
        + "; and what comes out is five numbers, encoded and sent.",
    ]
    product = parts.get("inference", {}).get("matmul", {}).get("tensorflow_cpu")
    if product is not None:
        lines.append(
            f"* That machine's matrix product gave {_OTHERS_GFLOPS} GFLOP/s, this "
            f"one's {text(product)}."
        )
    return "\n".join(lines) + "\n"


def _models_cost(parts: Sections) -> str:
    cost = sizing.window_us(parts)
    if cost is None:
        return ""
    found = [f"{number(cost / STRIDE)} µs of CPU a reading"]
    section = parts.get("end_to_end", {})
    for name in OTHERS:
        whole = middle(section.get(name, {}).get("cpu_us_per_reading"))
        if whole is not None:
            found.append(f"of {number(whole)} in all with {CONTESTANTS[name]}")
    return f" ({', '.join(found)})"


def pages(document: Figures, old_sizing: str) -> dict[str, str]:
    """Return all that is made from a file of results, by path under docs/.

    Args:
        document: as `results.load` gave it.
        old_sizing: docs/sizing.md as it is: only what lies between its marks is made.
    """
    parts = sections(document)
    drawn = pictures(parts)
    return {
        "benchmarks.md": benchmarks(parts, drawn),
        "sizing.md": sizing.filled(old_sizing, parts),
    } | {f"benchmarks/{name}.svg": svg for name, svg in drawn.items()}


def write(docs: Path, file: Path = results.LATEST) -> list[Path]:
    """Write all of it.

    Args:
        docs: the folder; its sizing.md must be there.
        file: of results.

    Returns:
        What was written. Pictures that are no longer made are removed.
    """
    made = pages(results.load(file), (docs / "sizing.md").read_text(encoding="utf-8"))
    folder = docs / "benchmarks"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.svg"):
        if f"benchmarks/{old.name}" not in made:
            old.unlink()
    for name, content in made.items():
        (docs / name).write_text(content, encoding="utf-8")
    return [docs / name for name in made]


def main() -> int:
    """Run as a command."""
    for path in write(DOCS):
        print(path.relative_to(results.ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
