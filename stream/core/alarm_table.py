"""The one table of an alarm's life, and beside it that of what people do to alarms.

`ALARM` says how an alarm comes and goes. Its inputs are where the newest value lies
(``above`` the limit, ``between`` limit and clear, ``below`` clear; for remaining life
and false-alarm rates, where little is bad, read "beyond" and "back within"), ``due``
when the delay that runs is over, and ``ended`` when an event ends it.

The overlay of ISA-18.2 lies beside it, in three tables that know nothing of each other:
`NOTE` (has anybody taken note), `SHELF` and `SERVICE`. Every pair of state and input
that no table allows stands in its ``refused`` with the reason, in words.

`diagram` draws all four; the documentation's picture is what it returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

NORMAL, PENDING, ACTIVE, CLEARING = "normal", "pending", "active", "clearing"
ABOVE, BETWEEN, BELOW, DUE, ENDED = "above", "between", "below", "due", "ended"
CLOSED, UNACKNOWLEDGED, ACKNOWLEDGED = "closed", "unacknowledged", "acknowledged"
UNSHELVED, SHELVED = "unshelved", "shelved"
IN_SERVICE, OUT_OF_SERVICE, FAILED = "in_service", "out_of_service", "failed"

OPEN = (ACTIVE, CLEARING)
"""States in which an alarm has been told of and is not over."""


class Step(NamedTuple):
    """What follows a legal input.

    Attributes:
        state: The next state.
        action: What is told of it, as `alert.Alert.event` names it; empty: nothing.
    """

    state: str
    action: str = ""


class IllegalStep(ValueError):
    """An input that does not fit the state; nothing has changed."""


@dataclass(frozen=True, slots=True)
class Table:
    """States, inputs, and what follows each pair of them.

    Attributes:
        name: What the table is about.
        states: Its states, the first one first.
        inputs: Its inputs.
        legal: What follows a state and an input.
        refused: Why nothing follows; every pair stands in exactly one of the two.
    """

    name: str
    states: tuple[str, ...]
    inputs: tuple[str, ...]
    legal: Mapping[tuple[str, str], Step]
    refused: Mapping[tuple[str, str], str]

    def step(self, state: str, given: str) -> Step:
        """Return what follows.

        Raises:
            IllegalStep: with the reason, if the table does not allow it.
        """
        found = self.legal.get((state, given))
        if found is None:
            unknown = f"there is no step from {state!r} by {given!r}"
            raise IllegalStep(self.refused.get((state, given), unknown))
        return found


_NO_DELAY = "no delay is running"
_NOTHING = "there is no alarm to end"

ALARM = Table(
    "alarm",
    (NORMAL, PENDING, ACTIVE, CLEARING),
    (ABOVE, BETWEEN, BELOW, DUE, ENDED),
    {
        (NORMAL, ABOVE): Step(PENDING),
        (NORMAL, BETWEEN): Step(NORMAL),
        (NORMAL, BELOW): Step(NORMAL),
        (PENDING, ABOVE): Step(PENDING),
        (PENDING, BETWEEN): Step(NORMAL),
        (PENDING, BELOW): Step(NORMAL),
        (PENDING, DUE): Step(ACTIVE, "raised"),
        (PENDING, ENDED): Step(NORMAL),
        (ACTIVE, ABOVE): Step(ACTIVE),
        (ACTIVE, BETWEEN): Step(ACTIVE),
        (ACTIVE, BELOW): Step(CLEARING),
        (ACTIVE, ENDED): Step(NORMAL, "cleared"),
        (CLEARING, ABOVE): Step(ACTIVE),
        (CLEARING, BETWEEN): Step(ACTIVE),
        (CLEARING, BELOW): Step(CLEARING),
        (CLEARING, DUE): Step(NORMAL, "cleared"),
        (CLEARING, ENDED): Step(NORMAL, "cleared"),
    },
    {
        (NORMAL, DUE): _NO_DELAY,
        (NORMAL, ENDED): _NOTHING,
        (ACTIVE, DUE): _NO_DELAY,
    },
)

_NOT_ACTIVE = "the alarm is not active"

NOTE = Table(
    "acknowledgement",
    (CLOSED, UNACKNOWLEDGED, ACKNOWLEDGED),
    ("raise", "acknowledge", "feedback", "clear"),
    {
        (CLOSED, "raise"): Step(UNACKNOWLEDGED),
        (CLOSED, "feedback"): Step(CLOSED, "feedback"),
        (UNACKNOWLEDGED, "acknowledge"): Step(ACKNOWLEDGED, "acknowledged"),
        (UNACKNOWLEDGED, "feedback"): Step(UNACKNOWLEDGED, "feedback"),
        (UNACKNOWLEDGED, "clear"): Step(CLOSED),
        (ACKNOWLEDGED, "feedback"): Step(ACKNOWLEDGED, "feedback"),
        (ACKNOWLEDGED, "clear"): Step(CLOSED),
    },
    {
        (CLOSED, "acknowledge"): _NOT_ACTIVE,
        (CLOSED, "clear"): _NOT_ACTIVE,
        (UNACKNOWLEDGED, "raise"): "the alarm is active already",
        (ACKNOWLEDGED, "raise"): "the alarm is active already",
        (ACKNOWLEDGED, "acknowledge"): "the alarm is acknowledged already",
    },
)

SHELF = Table(
    "shelf",
    (UNSHELVED, SHELVED),
    ("shelve", "unshelve", "expire"),
    {
        (UNSHELVED, "shelve"): Step(SHELVED, "shelved"),
        # A shelf may be given another end.
        (SHELVED, "shelve"): Step(SHELVED, "shelved"),
        (SHELVED, "unshelve"): Step(UNSHELVED, "unshelved"),
        (SHELVED, "expire"): Step(UNSHELVED, "unshelved"),
    },
    {
        (UNSHELVED, "unshelve"): "the alarm is not shelved",
        (UNSHELVED, "expire"): "the alarm is not shelved",
    },
)

SERVICE = Table(
    "service",
    (IN_SERVICE, OUT_OF_SERVICE, FAILED),
    ("out_of_service", "failure", "return"),
    {
        (IN_SERVICE, "out_of_service"): Step(OUT_OF_SERVICE, "suppressed"),
        (IN_SERVICE, "failure"): Step(FAILED),
        (OUT_OF_SERVICE, "failure"): Step(OUT_OF_SERVICE),
        (OUT_OF_SERVICE, "return"): Step(IN_SERVICE, "returned"),
        (FAILED, "out_of_service"): Step(OUT_OF_SERVICE, "suppressed"),
        # Two people may report one failure.
        (FAILED, "failure"): Step(FAILED),
        (FAILED, "return"): Step(IN_SERVICE),
    },
    {
        (IN_SERVICE, "return"): "the machine is in service",
        (OUT_OF_SERVICE, "out_of_service"): "the machine is out of service already",
    },
)

TABLES = (ALARM, NOTE, SHELF, SERVICE)


def check_shelf(at_ns: int, until_ns: int) -> None:
    """Refuse a shelf without an end in its future.

    Raises:
        IllegalStep: if it would end before, or as, it begins.
    """
    if until_ns <= at_ns:
        raise IllegalStep("a shelf needs an end later than its time")


def diagram() -> str:
    """Return the state diagrams of all tables as text for mermaid."""
    lines = ["stateDiagram-v2"]
    for table in TABLES:
        lines += [f"    state {table.name} {{", f"        [*] --> {table.states[0]}"]
        edges: dict[tuple[str, str, str], list[str]] = {}
        for (state, given), (following, action) in table.legal.items():
            # Staying where one is without a word would only clutter the picture.
            if state != following or action:
                edges.setdefault((state, following, action), []).append(given)
        for (state, following, action), inputs in edges.items():
            told = f" / {action}" if action else ""
            lines.append(
                f"        {state} --> {following}: {' or '.join(inputs)}{told}"
            )
        lines.append("    }")
    return "\n".join(lines) + "\n"
