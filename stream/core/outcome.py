"""What a batch, or anything else that happened, came to."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream.core.alert import Alert
from stream.core.readings import Reject, Tally


@dataclass(slots=True)
class Outcome:
    """What a batch came to.

    Attributes:
        messages: Key and value of each score, in order for each machine.
        alerts: Changes of alarms, in order for each machine.
        refused: Events that changed nothing, and why.
        rejects: Readings for quarantine.
        tally: How every reading ended.
    """

    messages: list[tuple[bytes, bytes]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
