"""What the figures come to, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmarks import compare
from benchmarks.compare import OWN, Interval
from benchmarks.part_tables import CONTESTANTS
from benchmarks.rates import Figures
from benchmarks.tables import is_spread, middle, number, percent, text

Sections = Mapping[str, Figures]

_PEERS = ("faust", "quix", "bytewax")


def lines(parts: Sections) -> Iterator[str]:
    """Yield a line of Markdown for whatever was measured."""
    yield from _throughput(parts.get("end_to_end", {}))
    yield from _latency(parts.get("latency", {}))
    yield from _scale(parts)


def _throughput(section: Figures) -> Iterator[str]:
    if not is_spread(section.get(OWN)):
        return
    own = Interval.read(section[OWN])
    cores = section["run"]["machine"]["cores"]
    yield (
        f"**{text(section[OWN])} readings/s** on {cores} cores with durable state and "
        "alarms, the broker on the same machine."
    )
    times = {
        CONTESTANTS[name]: compare.against(section, name)
        for name in _PEERS
        if is_spread(section.get(name))
    }
    wrong = [name for name, one in section.items() if not _valid(one)]
    if wrong:
        told = (CONTESTANTS.get(name, name) for name in wrong)
        yield f"**Not valid**, as the outputs differ: {', '.join(told)}."
    if times:
        told = (f"{text(one.json())} times {name}" for name, one in times.items())
        yield f"That is {', '.join(told)}, none of which keeps durable state."
    if is_spread(section.get("limit")):
        share = own.over_apart(Interval.read(section["limit"]))
        yield f"It is {_shares(share)} of what the machine allows."
    if is_spread(section.get("foreshock_default")):
        share = Interval.read(section["foreshock_default"]).over(own)
        yield f"With the models that `train` ships it is {_shares(share)} of that rate."


def _valid(entry: object) -> bool:
    return not isinstance(entry, Mapping) or entry.get("valid", True)


def _shares(one: Interval) -> str:
    return f"{percent(one.median)} ({percent(one.low)} to {percent(one.high)})"


def _latency(section: Figures) -> Iterator[str]:
    rates = {int(name): one for name, one in section.items() if name.isdigit()}
    told = [
        f"{number(p99)} ms at {rate:,} readings/s"
        for rate, one in sorted(rates.items())
        if (p99 := middle(one.get("p99_ms"))) is not None
    ]
    if told:
        yield f"From a reading to its alert, 99 of 100 within {', '.join(told)}."


def _scale(parts: Sections) -> Iterator[str]:
    most = "machines_100000"
    scale, recovery = parts.get("scale", {}), parts.get("recovery", {})
    ratio: Figures | None = scale.get("ratio_100000_to_100")
    if ratio is not None:
        yield (
            "100,000 machines: "
            f"{_shares(Interval.read(ratio))} of the rate of 100, in "
            f"{number(middle(scale[most]['rss_mib']) or 0)} MiB."
        )
    seconds = recovery.get(most, {}).get("seconds")
    if middle(seconds) is not None:
        yield f"After `kill -9` with 100,000 machines, new scores in {text(seconds)} s."
