"""The contract of the Faust transports: one list of checks, run on every bus.

Each check takes a `Bus`, builds its own apps, and raises if the promise is broken.
"""

from tests.contracts import transport_delivery, transport_group
from tests.contracts.bus import Check

__all__ = ["CHECKS"]

CHECKS: list[Check] = [*transport_delivery.CHECKS, *transport_group.CHECKS]
