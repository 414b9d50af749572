"""A small fleet, and the plant that watches it, without a model to be trained."""

from __future__ import annotations

from pathlib import Path

import msgspec

from stream.demo.fleet import Fleet, simulate
from stream.demo.parameters import Parameters
from stream.worker.settings import Settings, load_settings

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"
OURS = ("input.settle=0s", "topics.partitions=1", "alerts.page_within=36500d")


def small_fleet(laws: Parameters, seed: int = 7) -> Fleet:
    """Six pumps for a fortnight: one spare, three failures, two broken sensors."""
    replace = msgspec.structs.replace
    demo = replace(laws.demo, machines=6, spares=1, days=15, failures=3, after_h=150)
    faults = replace(laws.faults, after_h=160, drift_lasting_h=(24, 30))
    return simulate(replace(laws, demo=demo, faults=faults), seed, "demo")


def demo_settings(*overrides: str) -> Settings:
    return load_settings(CONFIG, [*OURS, *overrides], environ={})
