"""Ratios of a quick run, against those that were stored: what has moved?

Readings per second depend on the machine and on what else it does; ratios of things
that ran side by side do so far less. Compared are

- Foreshock against each peer and against the limit, and its `default` bundle against
  `reference` (end to end; of contestants, each round gives one ratio, since those of a
  round ran next to each other);
- the models' share of the machine's matrix product, by batch size.

Each ratio has an interval, from the least to the greatest of its runs. A ratio has
moved if the interval of now and the stored one lie apart, *and* the medians differ by
more than 5 % of the stored one. The first alone would not do: of two runs against three
of the very same program, all of one side lie beyond all of the other in one case of
five.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rates import Figures

STORED = Path(__file__).parent / "results" / "stored.json"
MARGIN = 0.05
OWN = "foreshock"
_PEERS = ("faust", "quix", "bytewax")
_PREDICT = "predict"


@dataclass(frozen=True)
class Interval:
    """A ratio, and between which bounds its runs lie.

    Attributes:
        median: of the runs.
        low: the least.
        high: the greatest.
        runs: all of them, if each was taken by itself.
    """

    median: float
    low: float
    high: float
    runs: tuple[float, ...] = ()

    @staticmethod
    def of(runs: Sequence[float]) -> Interval:
        """Return that of some runs."""
        return Interval(statistics.median(runs), min(runs), max(runs), tuple(runs))

    @staticmethod
    def read(figure: Mapping[str, Any]) -> Interval:
        """Return that of a figure of a file of results."""
        low, high = float(figure["low"]), float(figure["high"])
        runs = tuple(float(run) for run in figure.get("runs", ()))
        return Interval(float(figure["median"]), low, high, runs)

    def json(self) -> Figures:
        """Return it as a figure."""
        bounds = {"median": self.median, "low": self.low, "high": self.high}
        return bounds | ({"runs": list(self.runs)} if self.runs else {})

    def over(self, other: Interval) -> Interval:
        """Return this by another that ran in the same rounds, or apart from it."""
        if self.runs and len(self.runs) == len(other.runs):
            pairs = zip(self.runs, other.runs, strict=True)
            return Interval.of([mine / theirs for mine, theirs in pairs])
        return self.over_apart(other)

    def over_apart(self, other: Interval) -> Interval:
        """Return this by another: any run of the one may meet any of the other."""
        return Interval(
            self.median / other.median, self.low / other.high, self.high / other.low
        )


@dataclass(frozen=True)
class Verdict:
    """A ratio beside the stored one.

    Attributes:
        name: of the ratio.
        now: this run's; None where it was not measured.
        stored: None where nothing was.
        moved: "up" and "down" beyond the noise; else "".
    """

    name: str
    now: Interval | None
    stored: Interval | None
    moved: str


def ratios(document: Mapping[str, Any]) -> dict[str, Interval]:
    """Return the ratios of the last run of a file of results, by name.

    Only if it was a quick one: a full run's are no match for those that are stored, as
    its contestants have longer to warm up.
    """
    return dict(_end_to_end(document)) | dict(_inference(document))


def _quick(document: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    section: Mapping[str, Any] = document.get(part, {})
    run = section.get("run", {})
    fit = "error" not in section and run.get("quick", False)
    return section if fit and run["date"] == document.get("date") else {}


def _end_to_end(document: Mapping[str, Any]) -> Iterator[tuple[str, Interval]]:
    section = _quick(document, "end_to_end")
    if OWN not in section:
        return
    own = Interval.read(section[OWN])
    for peer in _PEERS:
        if peer in section:
            yield f"{OWN} / {peer}", against(section, peer)
    if "foreshock_default" in section:
        yield (
            "default / reference",
            Interval.read(section["foreshock_default"]).over(own),
        )
    limit = _quick(document, "limit").get("readings_per_s")
    if isinstance(limit, Mapping):
        yield f"{OWN} / limit", own.over_apart(Interval.read(limit))


def against(section: Mapping[str, Any], name: str) -> Interval:
    """Return Foreshock's rate by that of another contestant, round by round.

    Args:
        section: figures of the part `end_to_end`.
        name: of the other one.
    """
    told = section.get("ratios", {}).get(name)
    if told is not None:
        return Interval.read(told)
    return Interval.read(section[OWN]).over(Interval.read(section[name]))


def _inference(document: Mapping[str, Any]) -> Iterator[tuple[str, Interval]]:
    share = "share_of_matmul"
    for name, entry in _quick(document, "inference").items():
        if not isinstance(entry, Mapping) or share not in entry or "_cpu_" not in name:
            continue
        yield f"{name} / matmul", Interval.read(entry[share])
        if _PREDICT in entry:
            yield f"{name} {_PREDICT} / matmul", Interval.read(entry[_PREDICT][share])


def load(file: Path) -> dict[str, Interval]:
    """Return what a file has stored; nothing if there is none."""
    if not file.exists():
        return {}
    found = json.loads(file.read_text())["ratios"]
    return {name: Interval.read(figure) for name, figure in found.items()}


def judge(now: Mapping[str, Interval], stored: Mapping[str, Interval]) -> list[Verdict]:
    """Put every ratio beside the stored one, by the rule above."""
    names = [*now, *(name for name in stored if name not in now)]
    return [
        Verdict(name, now.get(name), stored.get(name), _moved(now, stored, name))
        for name in names
    ]


def _moved(
    now: Mapping[str, Interval], stored: Mapping[str, Interval], name: str
) -> str:
    if name not in now or name not in stored:
        return ""
    new, old = now[name], stored[name]
    if abs(new.median - old.median) <= MARGIN * old.median:
        return ""
    if new.low > old.high:
        return "up"
    return "down" if new.high < old.low else ""


def worse(verdicts: Sequence[Verdict]) -> bool:
    """Tell whether any has moved for the worse: of all ratios, more is better."""
    return any(one.moved == "down" for one in verdicts)


def joined(
    now: Mapping[str, Interval], stored: Mapping[str, Interval]
) -> dict[str, Interval]:
    """Return the intervals of all runs of the same code, now and before.

    How runs scatter within some minutes tells little of how they do from hour to hour.
    """
    found = dict(stored)
    for name, one in now.items():
        before = stored.get(name)
        if before is None:
            found[name] = one
        elif one.runs and before.runs:
            found[name] = Interval.of([*before.runs, *one.runs])
        else:
            low, high = min(one.low, before.low), max(one.high, before.high)
            found[name] = Interval((one.median + before.median) / 2, low, high)
    return found


def store(file: Path, now: Mapping[str, Interval], run: Mapping[str, Any]) -> Figures:
    """Return what is to be stored: with earlier runs of the same code and machine.

    Args:
        file: what was stored before.
        now: ratios.
        run: as `results.describe` gave it.
    """
    before = json.loads(file.read_text()) if file.exists() else {}
    same = all(before.get(key) == run[key] for key in ("commit", "machine"))
    known = run["commit"] and not run["commit"].endswith("-dirty")
    found = joined(now, load(file)) if same and known else dict(now)
    kept = {key: run[key] for key in ("date", "commit", "machine")}
    return {
        "schema": 1,
        **kept,
        "ratios": {name: one.json() for name, one in found.items()},
    }
