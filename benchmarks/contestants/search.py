"""Which fetch and batch sizes suit each peer.

    python -m benchmarks.contestants.search [PEER [KNOB=SETTING ...]]

A few points for each, one knob at a time from the program's own defaults, which are
what an earlier search found best.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from benchmarks.end_to_end import PEERS, QUIX_CLIENT, Peer, turn
from benchmarks.servers import bench

_MIB = 1 << 20
KNOBS: dict[str, dict[str, tuple[str, ...]]] = {
    "faust": {
        "batch": ("1024", "16384"),
        "fetch": (str(_MIB), str(64 * _MIB)),
        "records": ("500",),
        "buffer": ("4096",),
        "thread": ("0",),
    },
    "quix": {
        "batch": ("1024", "4096"),
        "fetch": (str(16 * _MIB), str(64 * _MIB)),
        "queue": ("10000",),
        "commit": ("2",),
    },
    "quix_client": {
        "batch": ("1024", "16384"),
        "fetch": (str(_MIB),),
    },
    "bytewax": {
        "batch": ("1000", "4000", "20000"),
        "fetch": (str(_MIB), str(64 * _MIB)),
        "queue": ("10000",),
        "state": ("closure",),
        "processes": ("1",),
    },
}
TICKS, SLOW_TICKS = 500, 150


def variants(peer: Peer) -> list[tuple[str, Peer]]:
    """Return a peer as it is, and with each knob turned alone."""
    turned = [
        (f"{knob}={setting}", _turned(peer, knob, setting))
        for knob, settings in KNOBS[peer.name].items()
        for setting in settings
    ]
    return [("as it is", peer), *turned]


def _turned(peer: Peer, knob: str, setting: str) -> Peer:
    if knob == "processes":
        return replace(peer, processes=int(setting))
    return peer.having(**{knob: setting})


def main() -> None:
    """Measure every point once and print the table; arguments name the peers."""
    with bench() as place:
        for peer in (*PEERS, QUIX_CLIENT):
            if sys.argv[1:] and peer.name not in sys.argv[1:]:
                continue
            for what, variant in variants(peer):
                if sys.argv[2:] and what not in sys.argv[2:]:
                    continue
                done = turn(place, variant, SLOW_TICKS if peer.slow else TICKS)
                took = done.drained
                print(
                    f"{peer.name:<10}{what:<20}{took.rate:>10,.0f}"
                    f"{took.cpu_us:>8.1f} us{took.peak_mib:>8,.0f} MiB  "
                    f"{done.difference or 'equal'}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
