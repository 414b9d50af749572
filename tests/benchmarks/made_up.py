"""Made-up figures of every part, in the shapes that the parts return."""

from collections.abc import Sequence
from typing import Any

RUN = {
    "date": "2026-11-21T12:00:00Z",
    "quick": False,
    "commit": "abc1234",
    "machine": {"cpu": "A chip", "cores": 2, "memory_gib": 7.8, "kernel": "Linux 6"},
    "versions": {"foreshock": "0.1.0", "python": "3.11.7"},
    "load_before": [0.1, 0.2, 0.3],
    "seconds": 61.0,
}


def spread(*runs: float) -> dict[str, Any]:
    ordered: Sequence[float] = sorted(runs)
    middle = ordered[len(ordered) // 2]
    return {"median": middle, "low": ordered[0], "high": ordered[-1], "runs": [*runs]}


def _contestant(*rates: float) -> dict[str, Any]:
    return {
        "readings_per_s": spread(*rates),
        "cpu_us_per_reading": spread(12.0, 12.5, 13.0),
        "peak_mib": spread(900.0, 910.0, 920.0),
        "valid": True,
        "differences": [],
    }


def _inference(rate: float) -> dict[str, Any]:
    found = {
        "windows_per_s": spread(rate, 1.1 * rate, 0.9 * rate),
        "gflop_per_s": spread(70.0, 71.0, 72.0),
        "share_of_matmul": spread(0.4, 0.41, 0.39),
    }
    return {**found, "predict": dict(found)}


def _delays(p99: float) -> dict[str, Any]:
    return {"p50": p99 / 4, "p95": p99 / 2, "p99": p99, "max": 2 * p99, "count": 4000}


def _rate(p99: float) -> dict[str, Any]:
    return {
        "p99_ms": p99,
        "score": _delays(0.9 * p99),
        "alert": _delays(p99),
        "missing": 0,
        "repeated": 0,
        "rebalance": {"seconds": 75.1, "score": _delays(5000), "alert": _delays(5100)},
    }


def _case(rate: float, mib: float, state: float) -> dict[str, Any]:
    return {
        "readings_per_s": spread(rate, 0.98 * rate, 1.02 * rate),
        "cpu_us_per_reading": spread(12.0, 12.1, 12.2),
        "rss_mib": spread(mib, mib + 1, mib - 1),
        "state_bytes_per_checkpoint": spread(state, state + 1, state - 1),
    }


def _limit_part(us: float) -> dict[str, Any]:
    return {
        "us_per_reading": spread(us, 0.9 * us, 1.1 * us),
        "own_us_per_reading": spread(0.9 * us, 0.8 * us, us),
        "broker_us_per_reading": spread(0.1 * us, 0.1 * us, 0.1 * us),
        "readings_per_s": spread(1e6 / us),
    }


def figures(part: str) -> dict[str, Any]:
    """Return what that part's `measure` might return; a new object each time."""
    made: dict[str, dict[str, Any]] = {
        "end_to_end": {
            "foreshock": _contestant(120_000, 125_000, 118_000),
            "foreshock_default": _contestant(80_000, 82_000, 79_000),
            "faust": _contestant(6_000, 6_100, 5_900),
            "quix": _contestant(40_000, 42_000, 41_000),
            "bytewax": _contestant(60_000, 61_000, 59_000),
            "ratios": {"faust": spread(20.0, 20.5, 20.0)},
            "machines": 1000,
            "ticks": 1500,
        },
        "limit": {
            "parts": {
                name: _limit_part(us)
                for name, us in (("fetch", 2.0), ("decode", 2.1), ("networks", 7.0))
            },
            "from_parts": spread(170_000, 172_000, 168_000),
            "measured": spread(160_000, 162_000, 158_000),
            "readings_per_s": spread(160_000, 162_000, 158_000),
            "agreement": spread(0.94, 0.95, 0.93),
            "profile": {
                "us_per_reading": {"decode": 3.0, "networks": 7.5, "all": 10.5},
                "readings_per_s": 95_000,
                "state_bytes_per_machine": 2_500,
            },
            "default": {
                "parts": {"networks": _limit_part(11.0)},
                "from_parts": spread(120_000, 121_000, 119_000),
                "profile": {
                    "us_per_reading": {"decode": 3.0, "networks": 12.5, "all": 15.5}
                },
            },
        },
        "latency": {"1000": _rate(30.0), "10000": _rate(60.0), "50000": _rate(200.0)},
        "scale": {
            "machines_100": _case(125_000, 900, 250_000),
            "machines_100000": _case(105_000, 1_400, 250_000_000),
            "machines_1000": _case(124_000, 905, 2_500_000),
            "machines_100000_no_checkpoints": _case(110_000, 1_390, 0),
            "sensors_5": _case(150_000, 900, 2_500_000),
            "workers_2": _case(130_000, 800, 2_500_000),
            "ratio_100000_to_100": spread(0.84, 0.85, 0.83),
            "two_workers_to_one": spread(1.05, 1.06, 1.04),
            "memory_100000": {"windows_mib": 160.2, "bound_mib": 1776, "within": True},
        },
        "recovery": {
            f"machines_{n}": {
                "seconds": spread(s, s + 0.1, s + 0.2),
                "steps": {"start": spread(4.0), "restore": spread(s - 4)},
                "seconds_without_static_id": spread(s + 9),
            }
            for n, s in ((1000, 5.0), (10_000, 6.0), (100_000, 12.0))
        },
        "inference": {
            "tensorflow_cpu_32": _inference(18_000),
            "tensorflow_cpu_1024": _inference(30_000),
            "matmul": {
                "tensorflow_cpu": spread(180.0, 181.0, 179.0),
                "numpy_cpu": spread(178.0, 179.0, 177.0),
            },
            "about": {
                "tensorflow_cpu": {
                    "chip": "A chip",
                    "threads": 2,
                    "why_no_gpu": "this machine has no NVIDIA driver",
                }
            },
        },
    }
    return made[part]


def gpu() -> dict[str, Any]:
    """Return figures of inference that were taken on a machine with a GPU."""
    return {
        "tensorflow_gpu_1024": _inference(500_000),
        "matmul": {"tensorflow_gpu": spread(40_000.0)},
        "about": {"tensorflow_gpu": {"chip": "A GPU", "threads": 16}},
    }
