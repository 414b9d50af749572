"""The file of results: what was measured, on what, when; runs are merged into it.

`latest.json` has the newest figures of every part, each under its own name:

    end_to_end.CONTESTANT.median ...       readings/s; `limit` is copied from that part
    latency.RATE.p99_ms
    scale.machines_N.readings_per_s, .rss_mib
    recovery.machines_N.seconds
    inference.BACKEND_DEVICE_BATCH.windows_per_s
    limit....

A figure of several runs is an object of `median`, `low`, `high` and `runs`.

A part also has `run`: when, on what and from which commit it was measured, and whether
in a hurry (`quick`). Quick or failed runs displace the figures of a full run from their
names, but they do not lose them: these are kept under `full` until the next full run,
and the documentation is made from them.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.rates import Figures
from tests.services import kafka

SCHEMA = 1
ROOT = Path(__file__).resolve().parents[1]
LATEST = Path(__file__).parent / "results" / "latest.json"
PARTS = ("end_to_end", "limit", "latency", "scale", "recovery", "inference")
LIMIT = "limit"
"""Name of the part, of what is copied from it, and where to."""

_PACKAGES = (
    "tensorflow",
    "keras",
    "jax",
    "numpy",
    "msgspec",
    "aiokafka",
    "faust-streaming",
    "quixstreams",
    "confluent-kafka",
    "bytewax",
)
_PEERS = ROOT / ".venv-bench"
_BY_DEVICE = ("about", "matmul")
"""Of the part `inference`: further figures by backend and device."""


def describe(*, quick: bool) -> Figures:
    """Return what a run has to say of itself; call it before the run loads the machine.

    Args:
        quick: whether it is a quick one.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "quick": quick,
        "commit": commit(),
        "machine": machine(),
        "versions": versions(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def machine() -> Figures:
    """Return the chip, the cores a process may use, memory in GiB and the kernel."""
    return {
        "cpu": _field(Path("/proc/cpuinfo"), "model name") or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(_memory_gib(), 1),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _field(file: Path, name: str) -> str:
    """Value of the first `name : value` of a file; "" without."""
    for line in file.read_text().splitlines() if file.exists() else ():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def versions() -> dict[str, str]:
    """Return releases of what takes part; of peers, those in their own environment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = {
        "foreshock": str(project["project"]["version"]),
        "python": platform.python_version(),
        "kafka broker": kafka.VERSION,
    }
    elsewhere = [str(path) for path in _PEERS.glob("lib/python*/site-packages")]
    for name in _PACKAGES:
        release = _release(name) or _release(name, elsewhere)
        if release:
            found[name] = release
    return found


def _release(name: str, path: list[str] | None = None) -> str:
    if path is None:
        path = sys.path
    found = next(iter(metadata.distributions(name=name, path=path)), None)
    return "" if found is None else str(found.version)


def commit() -> str:
    """Return the commit measured, "-dirty" if code differs; "" outside a repository."""
    # Results and what is made from them change by measuring.
    code = ["--", ".", ":!benchmarks/results", ":!docs"]
    name = _git("describe", "--always", "--tags")
    return f"{name}-dirty" if name and _git("status", "--porcelain", *code) else name


def _git(*words: str) -> str:
    try:
        done = subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def load(file: Path) -> Figures:
    """Return what a file of results holds; only the schema if there is none.

    Raises:
        ValueError: it is of another schema, or no JSON.
    """
    if not file.exists():
        return {"schema": SCHEMA}
    found: Figures = json.loads(file.read_text())
    if found.get("schema") != SCHEMA:
        raise ValueError(
            f"{file}: expected schema {SCHEMA}, found {found.get('schema')!r}"
        )
    return found


def save(file: Path, document: Mapping[str, Any]) -> None:
    """Write a file of results, whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(rounded(document), indent=1, allow_nan=False) + "\n")
    new.replace(file)


def rounded(value: Any) -> Any:
    """Return a JSON value with numbers of at most six digits; NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(key): rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if not isinstance(value, float):
        return value
    short = float(f"{value:.6g}")
    return short if abs(short) < float("inf") else None


def put(document: Figures, part: str, figures: Mapping[str, Any], run: Figures) -> None:
    """Put what a run has found for a part into the document, in place.

    Args:
        document: as `load` gave it.
        part: one of `PARTS`.
        figures: as the part's `measure` gave them, or {"error": ...}.
        run: as `describe` gave it.
    """
    before = document.get(part)
    kept = document.setdefault("full", {})
    if before is not None and is_full(before):
        kept[part] = before
    found = _flat(figures) if part == "end_to_end" else dict(figures)
    if part == "inference" and "error" not in found:
        failed = before is None or "error" in before
        base = best(document, part) if failed else before
        found = _beside(base or {}, found, run)
    document[part] = {"run": run, **found}
    if is_full(document[part]):
        kept.pop(part, None)
    if not kept:
        del document["full"]
    _copy_limit(document)


def take(document: Figures, figures: Mapping[str, Any], run: Figures) -> None:
    """Put figures of inference from another machine beside those that are there.

    Args:
        document: as `load` gave it.
        figures: as `benchmarks/inference.py --json` wrote them.
        run: as `describe` gave it.
    """
    places = [
        (place, place["inference"])
        for place in (document, document.get("full", {}))
        if "error" not in place.get("inference", {"error": ""})
    ]
    if not places:
        put(document, "inference", figures, run)
    for place, section in places:
        merged = _beside(section, dict(figures), run)
        place["inference"] = {"run": section["run"], **merged}


def is_full(section: Mapping[str, Any]) -> bool:
    """Tell whether a part's figures are those of a full run that did not fail."""
    return "error" not in section and not section["run"]["quick"]


def best(document: Mapping[str, Any], part: str) -> Figures | None:
    """Return a part's figures: of its last full run, else of a quick one, else None."""
    kept: Figures | None = document.get("full", {}).get(part)
    found: Figures | None = document.get(part)
    if kept is not None:
        return kept
    return found if found is not None and "error" not in found else None


def _flat(figures: Mapping[str, Any]) -> Figures:
    """Put each contestant's readings/s themselves under its name."""
    found: Figures = {}
    for name, one in figures.items():
        if isinstance(one, Mapping) and isinstance(one.get("readings_per_s"), Mapping):
            rest = {k: v for k, v in one.items() if k != "readings_per_s"}
            found[name] = {**one["readings_per_s"], **rest}
        else:
            found[name] = one
    return found


def _beside(before: Figures, found: Figures, run: Figures) -> Figures:
    """Keep the figures of devices that this run did not measure."""
    devices = tuple(found.get("about", {}))
    stamp = {"date": run["date"], "quick": run["quick"]}
    found["about"] = {
        name: {**one, **stamp} for name, one in found.get("about", {}).items()
    }
    kept: Figures = {}
    for name, one in before.items():
        if name in _BY_DEVICE:
            kept[name] = {k: v for k, v in one.items() if not k.startswith(devices)}
        elif name not in {"run", "error"} and not _of(name, devices):
            kept[name] = one
    merged = kept | found
    for name in _BY_DEVICE:
        merged[name] = kept.get(name, {}) | found.get(name, {})
    return merged


def _of(name: str, devices: Iterable[str]) -> bool:
    return any(name.startswith(f"{device}_") for device in devices)


def _copy_limit(document: Figures) -> None:
    """Copy what the parts allow to the side of what was reached."""
    for place in (document, document.get("full", {})):
        section, limit = place.get("end_to_end"), best(document, LIMIT)
        if section is not None and "error" not in section and limit is not None:
            rate = limit.get("readings_per_s")
            if rate is not None:
                section[LIMIT] = rate
