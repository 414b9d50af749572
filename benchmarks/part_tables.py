"""The tables of each part: what of its figures is shown, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from benchmarks.compare import OWN, Interval, against
from benchmarks.tables import Row, Table, is_spread, middle, percent, spaced, text

Section = Mapping[str, Any]

CONTESTANTS = {
    "foreshock": "Foreshock, `reference`",
    "foreshock_default": "Foreshock, `default`",
    "foreshock_one_process": "Foreshock, `reference`, one process",
    "foreshock_archive": "Foreshock, `reference`, with the archive into InfluxDB",
    "faust": "plain Faust",
    "quix": "Quix Streams",
    "quix_client": "Quix Streams, its bare client",
    "bytewax": "Bytewax, two processes",
    "bytewax_one_process": "Bytewax, one process",
    "limit": "the limit",
}
_LABELS = {
    "produce_each": "produce, one call a score (not in the sum)",
    "from_parts": "all cores, from the sum of the parts, readings/s",
    "measured": "all cores, the parts together, measured, readings/s",
    "agreement": "measured / from the sum",
    "ratio_100000_to_100": "rate with 100,000 machines / with 100",
    "two_workers_to_one": "rate of two workers / of one",
    "checkpoint_cpu_share": "share of the CPU time that checkpoints take",
    "rss_mib": "memory of a worker, MiB",
    "state_bytes_per_checkpoint": "state, bytes a checkpoint",
    "seconds": "s to the first new score",
    "seconds_without_static_id": "s without a static member",
    "start": "start, s",
    "join": "join, s",
    "restore": "restore, s",
    "score": "score, s",
    "dump": "checkpoints",
}
"""What `spaced` would not say well."""


def label(name: str) -> str:
    """Return the name of a figure for people."""
    return _LABELS.get(name) or spaced(name)


def of(part: str, section: Section) -> list[Table]:
    """Return the tables of a part; those without rows are left out."""
    return [table for table in _MADE[part](section) if table.rows]


def end_to_end(section: Section) -> list[Table]:
    """Return the contestants, each against Foreshock."""
    rows = [
        (
            CONTESTANTS.get(name, spaced(name)),
            text(entry),
            _times(section, name),
            text(middle(entry.get("cpu_us_per_reading"))),
            text(middle(entry.get("peak_mib"))),
            _outputs(entry),
        )
        for name, entry in section.items()
        if is_spread(entry)
    ]
    columns = (
        "",
        "readings/s",
        "Foreshock is ... times",
        "CPU, µs a reading",
        "memory, MiB",
        "outputs",
    )
    return [Table("End to end", columns, rows)]


def _times(section: Section, name: str) -> str:
    """How many times a contestant's rate Foreshock's is."""
    if name == OWN or OWN not in section:
        return ""
    if name == "limit":  # ran at another time
        own, limit = Interval.read(section[OWN]), Interval.read(section[name])
        return text(own.over_apart(limit).json())
    return text(against(section, name).json())


def _outputs(entry: Section) -> str:
    if "valid" not in entry:
        return ""
    return "equal" if entry["valid"] else "**differ**"


def limit(section: Section) -> list[Table]:
    """Return the parts, what follows from them, and the profile by step."""
    default = section.get("default", {})
    named = {"": section.get("parts", {}), ", `default`": default.get("parts", {})}
    parts = [
        (
            f"{'compiled ' if name == 'networks' else ''}{label(name)}{more}",
            text(part.get("us_per_reading")),
            text(middle(part.get("broker_us_per_reading"))),
            text(middle(part.get("readings_per_s"))),
        )
        for more, found in named.items()
        for name, part in found.items()
    ]
    columns = ("", "CPU, µs a reading", "of it the broker", "readings/s of a core")
    whole = [
        (label(name), text(section[name]))
        for name in ("from_parts", "measured", "agreement")
        if name in section
    ]
    if "from_parts" in default:
        more = f"{label('from_parts')}, `default`"
        whole.append((more, text(default["from_parts"])))
    return [
        Table("Limit: the parts", columns, parts),
        Table("Limit: together", ("", "median"), whole),
        _profile(section.get("profile", {}), default.get("profile", {})),
    ]


def _profile(reference: Section, default: Section) -> Table:
    """CPU time of the real pipeline by step, of both bundles."""
    both = {"`reference`": reference, "`default`": default}
    shown = {n: one["us_per_reading"] for n, one in both.items() if one}
    steps = dict.fromkeys(step for one in shown.values() for step in one)
    rows = [
        (label(step), *(text(one.get(step)) for one in shown.values()))
        for step in steps
    ]
    heads = tuple(f"{name}, µs a reading" for name in shown)
    return Table("Limit: profile of the pipeline", ("step", *heads), rows)


def latency(section: Section) -> list[Table]:
    """Return delays of scores and alerts by rate, those of a rebalance apart."""
    rows = [
        row
        for name, entry in section.items()
        if isinstance(entry, Mapping) and "p99_ms" in entry
        for row in _latency_rows(f"{spaced(name)} readings/s", entry)
    ]
    columns = ("", "p50, ms", "p95, ms", "p99, ms", "max, ms", "count", "missing")
    return [Table("Latency", columns, rows)]


def _latency_rows(name: str, entry: Section) -> Iterator[Row]:
    spans = {"": entry, ", while workers come and go": entry.get("rebalance", {})}
    for when, span in spans.items():
        for what in ("score", "alert"):
            if what not in span:
                continue
            found = [text(span[what].get(k)) for k in ("p50", "p95", "p99", "max")]
            missing = text(span.get("missing")) if what == "score" else ""
            yield f"{name}, {what}{when}", *found, text(span[what]["count"]), missing


def scale(section: Section) -> list[Table]:
    """Return the cases by the number of machines and so on, and their ratios."""
    cases = {n: one for n, one in section.items() if _is_case(one, "readings_per_s")}
    ordered = dict(sorted(cases.items(), key=lambda item: _order(item[0])))
    ratios = {name: one for name, one in section.items() if is_spread(one)}
    rows = [(label(name), text(one)) for name, one in ratios.items()]
    return [general("Scale", ordered), Table("Scale: ratios", ("", "median"), rows)]


def _is_case(entry: Any, key: str) -> bool:
    return isinstance(entry, Mapping) and key in entry


def _order(name: str) -> tuple[str, int, str]:
    what, _, rest = name.partition("_")
    count, _, more = rest.partition("_")
    return what, int(count) if count.isdigit() else 0, more


def recovery(section: Section) -> list[Table]:
    """Return the seconds by the number of machines, and what they were spent on."""
    cases = {
        name: {**one, **one.get("steps", {}), "steps": None}
        for name, one in section.items()
        if _is_case(one, "seconds")
    }
    return [general("Recovery", cases)]


def inference(section: Section) -> list[Table]:
    """Return windows/s by backend, device and batch; those of other bundles apart."""
    columns = ("backend, device, windows a call", "windows/s", "GFLOP/s", "of matmul")
    others = {
        name: entry
        for name, entry in section.items()
        if isinstance(entry, Mapping) and "matmul" in entry
    }
    named = {"Inference": section}
    named |= {f"Inference, bundle {name}": entry for name, entry in others.items()}
    return [
        Table(title, columns, list(_inference(found))) for title, found in named.items()
    ]


def _inference(section: Section) -> Iterator[Row]:
    for name, entry in section.items():
        if not _is_case(entry, "windows_per_s"):
            continue
        backend, device, batch = name.split("_")
        where = f"{backend}, {device.upper()}, {int(batch):,}"
        more = {k: one for k, one in entry.items() if _is_case(one, "windows_per_s")}
        for what, one in {"": entry, **more}.items():
            share = middle(one.get("share_of_matmul"))
            yield (
                f"{where}{': ' if what else ''}{what.replace('_', ' ')}",
                text(one["windows_per_s"]),
                text(middle(one.get("gflop_per_s"))),
                "" if share is None else percent(share),
            )


def general(title: str, section: Section) -> Table:
    """Return every entry that has figures, one row each."""
    found = {
        name: {k: v for k, v in entry.items() if _is_figure(v)}
        for name, entry in section.items()
        if isinstance(entry, Mapping) and not is_spread(entry) and name != "run"
    }
    found = {name: figures for name, figures in found.items() if figures}
    keys = list(dict.fromkeys(key for one in found.values() for key in one))
    rows = [(label(n), *(text(one.get(k)) for k in keys)) for n, one in found.items()]
    return Table(title, ("", *(label(key) for key in keys)), rows)


def _is_figure(value: Any) -> bool:
    return middle(value) is not None or isinstance(value, bool)


_MADE: dict[str, Callable[[Section], list[Table]]] = {
    "end_to_end": end_to_end,
    "limit": limit,
    "latency": latency,
    "scale": scale,
    "recovery": recovery,
    "inference": inference,
}
