"""Any sequence of windows and events, against a model of one alarm in few lines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.core.alarm_helpers import RISK, Bench, Score, iso
from tests.core.helpers import NAN, NS

ON, OFF = 20, 30
LIMITED = replace(RISK, on_delay_ns=ON * NS, off_delay_ns=OFF * NS, severity="high")
RENEWING = st.sampled_from(["failure", "replacement", "maintenance"])


class OneAlarm(RuleBasedStateMachine):
    """One rule on one machine.

    The model keeps the stretch of windows on one side of a limit that may come to
    something: for how long it has lasted, and up to when that is known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(LIMITED)
        self.now = 0
        self.open = False
        self.lasted: int | None = None
        self.known: int | None = None
        self.noted = False
        self.out = False
        self.failed = False
        self.silent = False
        self.until: int | None = None
        self.waiting: int | None = None

    def _expired(self) -> list[str]:
        """Return what is told of a shelf that has ended by now."""
        if self.waiting is not None and self.waiting <= self.now:
            self.waiting = None
        if self.until is None or self.until > self.now:
            return []
        self.until = None
        return ["unshelved risk"]

    def _side(self, value: float) -> bool:
        """Whether a value is on the side that may come to something."""
        return value < 0.4 if self.open else value >= 0.5

    def _last(self, value: float) -> bool:
        """Take a value; return whether it has been on its side for long."""
        if not self._side(value):
            self.lasted, self.known = None, self.now
            return False
        if self.lasted is None:
            self.lasted = 0
        elif self.known is not None:
            self.lasted += self.now - self.known
        self.known = self.now
        return self.lasted >= (OFF if self.open else ON)

    def _change(self, value: float) -> list[str]:
        if not self._last(value):
            return []
        self.open, self.lasted = not self.open, None
        self.noted = False
        self.until = self.waiting if self.open else None
        return ["raised risk"] if self.open else ["cleared risk"]

    @rule(
        gap=st.integers(1, 60),
        value=st.sampled_from([0.1, 0.1, 0.45, 0.6, 0.6, NAN]),
        given=st.sampled_from([True, True, True, False]),
    )
    def window(self, gap: int, value: float, given: bool) -> None:
        self.now += gap
        told = [] if self.out else self._expired()
        back = bool(told)
        if self.silent and not self.out:
            self.silent = False
            told.append("cleared no_data")
        if self.out or not given or value != value:  # noqa: PLR0124 - NaN
            self.known = None
        else:
            told += self._change(value)
        if back and self.open:
            told.append("updated risk")
        alerts = self.bench(Score(self.now, risk=value, given=given))
        assert [f"{a.event} {a.kind}" for a in alerts] == told

    def _act(self, kind: str, expected: list[str], **more: Any) -> None:
        """Let an event happen, and compare what is told."""
        assert self.bench.act(kind, self.now, **more) == expected

    def _first(self) -> list[str]:
        """What any event brings to light: a shelf that has ended meanwhile."""
        told = self._expired()
        return [*told, "updated risk"] if told else []

    @rule()
    def acknowledge(self) -> None:
        told = self._first()
        names = []
        if self.open and not self.noted:
            names.append("acknowledged risk")
            self.noted = True
        self._act("acknowledge", told + names, rule="risk", by="ann")
        assert bool(self.bench.refused()) == (not names)

    @rule(length=st.integers(-5, 100))
    def shelve(self, length: int) -> None:
        told = self._first()
        until = self.now + length
        if length > 0:
            self.waiting = until
            if self.open:
                self.until = until
                told.append("shelved risk")
        self._act("shelve", told, rule="risk", until=iso(until))
        assert bool(self.bench.refused()) == (length <= 0)

    @rule()
    def unshelve(self) -> None:
        told = self._first()
        legal = self.waiting is not None or self.until is not None
        if self.until is not None:
            told += ["unshelved risk", "updated risk"]
        self.waiting = self.until = None
        self._act("unshelve", told, rule="risk")
        assert bool(self.bench.refused()) == (not legal)

    @rule(verdict=st.sampled_from(["true", "false"]))
    def feedback(self, verdict: str) -> None:
        told = self._first() + ["feedback risk"] * self.open
        self._act("feedback", told, rule="risk", verdict=verdict)
        assert bool(self.bench.refused()) == (not self.open)

    @rule(kind=st.sampled_from(["out_of_service", "return"]))
    def service(self, kind: str) -> None:
        told = self._first()
        names = ["risk"] * self.open + ["no_data"] * self.silent
        if kind == "return":
            legal = self.out or self.failed
            names *= self.out
        else:
            legal = not self.out
        if legal:
            self.out, self.known = kind == "out_of_service", None
            self.failed = False
            event = "suppressed" if self.out else "returned"
            told += [f"{event} {name}" for name in names]
            told += [f"updated {name}" for name in names if not self.out]
        known = len(self.bench.told)
        self.bench.act(kind, self.now)
        after = self.bench.told[known:]
        assert sorted(f"{a.event} {a.kind}" for a in after) == sorted(told)
        assert bool(self.bench.refused()) == (not legal)

    @rule(kind=RENEWING)
    def renew(self, kind: str) -> None:
        told = self._first() + ["cleared risk"] * self.open
        self.open, self.noted, self.lasted, self.until = False, False, None, None
        self.failed = not self.out and (self.failed or kind == "failure")
        self._act(kind, told)
        assert not self.bench.refused()
        if told:
            assert self.bench.told[-1].cleared_by == kind

    @rule()
    def fall_silent(self) -> None:
        told = [] if self.silent or self.out else ["raised no_data"]
        self.silent = self.silent or not self.out
        self.known = None
        assert self.bench.silent(self.now) == told

    @rule()
    def restart(self) -> None:
        self.bench.restart()

    @invariant()
    def what_is_told_fits_together(self) -> None:
        last: dict[str, tuple[int, str]] = {}
        for alert in self.bench.told:
            seq, state = last.get(alert.id, (0, "new"))
            assert alert.seq == seq + 1
            assert (alert.event == "raised") == (state == "new")
            assert alert.event == "feedback" or state != "cleared"
            last[alert.id] = (alert.seq, alert.state)
        kinds = {a.id: a.kind for a in self.bench.told}
        is_open = [kinds[i] for i, (_, state) in last.items() if state == "active"]
        assert sorted(is_open) == ["no_data"] * self.silent + ["risk"] * self.open

    @invariant()
    def the_last_word_tells_the_state(self) -> None:
        mine = [alert for alert in self.bench.told if alert.kind == "risk"]
        if self.open:
            last = mine[-1]
            assert bool(last.acknowledged) == self.noted
            assert bool(last.shelved) == (self.until is not None)
            assert last.out_of_service == self.out


OneAlarm.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestOneAlarm = OneAlarm.TestCase
