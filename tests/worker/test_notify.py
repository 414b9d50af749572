"""The notifier on a log in memory: whole Faust apps, no server."""

from __future__ import annotations

import asyncio
import random
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.faust_run import running
from connectors.memory_log import Log, drop_log, open_log
from connectors.notices import Declined, Notice, Unavailable
from stream.core.alert import Alert
from stream.worker import cases
from stream.worker.buses import memory_bus
from stream.worker.cases import Wanted
from stream.worker.notices import notice_of
from stream.worker.notify import NotifyRole, Route
from stream.worker.settings import Settings
from tests.worker.case_alerts import alert, cleared, wire
from tests.worker.tiny import tiny_settings

PATIENCE_S = 20.0
ALL = Wanted(("machine", "sensor", "pipeline"))


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not true():
            await asyncio.sleep(0.01)


@dataclass
class Desk:
    """A receiver: keeps what it takes, and is away when it is told to be."""

    taken: list[Notice] = field(default_factory=list)
    reminded: list[list[Notice]] = field(default_factory=list)
    away: threading.Event = field(default_factory=threading.Event)
    declines: set[str] = field(default_factory=set)
    remark: str | None = None
    asked: int = 0
    room: int = 1_000
    breaks: bool = False

    def send(self, notice: Notice) -> str | None:
        self.asked += 1
        if self.breaks:
            raise RuntimeError("a bug")
        if self.away.is_set() or len(self.taken) >= self.room:
            raise Unavailable("away", after_s=0.01)
        if notice.case in self.declines:
            raise Declined("never")
        self.taken.append(notice)
        return self.remark

    def remind(self, notices: Sequence[Notice]) -> None:
        if self.away.is_set():
            raise Unavailable("away")
        self.reminded.append(list(notices))

    def close(self) -> None:
        """Nothing is open."""

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(notice.case, notice.step) for notice in self.taken]


class Site:
    """A log with a topic of alerts, and notifiers on it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.settings: Settings = tiny_settings(folder)
        self.topic = self.settings.topics.alerts
        self.log: Log = open_log(name, self.settings.topics.partitions)
        self.log.create_topic(self.topic)
        self.name = name

    def role(self, desk: Desk, name: str = "desk", **other: Any) -> NotifyRole:
        own = {"first_s": 0.01, "longest_s": 0.02} | other
        route = Route(name, desk, ALL, **own)
        bus = memory_bus(self.name, self.settings.topics.partitions)
        # Batches of a few, so that there are several.
        bus = replace(bus, options=bus.options | {"broker_max_poll_records": 3})
        return NotifyRole(self.settings, bus, route, random.Random(0))

    def tell(self, *alerts: Alert) -> None:
        for one in alerts:
            self.write(one.machine, wire(one))

    def write(self, machine: str, value: bytes | None) -> None:
        self.log.append(self.topic, None, machine.encode(), value)

    def committed(self, name: str = "desk") -> dict[int, int]:
        offsets = self.log.group(f"tiny-notify-{name}").offsets
        return {number: at for (_, number), at in offsets.items()}

    def ends(self) -> dict[int, int]:
        return {n: p.end for n, p in enumerate(self.log.topic(self.topic))}

    def is_done(self, name: str = "desk") -> bool:
        return self.committed(name) == self.ends()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    name = f"t-{uuid.uuid4().hex}"
    yield Site(name, tmp_path)
    drop_log(name)


@asynccontextmanager
async def all_of(*roles: NotifyRole) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for role in roles:
            await stack.enter_async_context(running(role.app))
        yield


def of(case: str, alarm: str | None = None, **other: Any) -> Alert:
    return alert(alarm or case, case_id=case, machine=f"pump-{case}", **other)


def end_of(case: str, alarm: str | None = None, **other: Any) -> Alert:
    return cleared(alarm or case, case_id=case, machine=f"pump-{case}", **other)


async def test_a_case_is_told_once_and_all_is_committed(site: Site) -> None:
    desk = Desk()
    async with all_of(site.role(desk)):
        await until(site.is_done)
        site.tell(*(of("c1", f"a{n}") for n in range(100)), of("c2"))
        await until(site.is_done)
        assert sorted(desk.told) == [("c1", "opened"), ("c2", "opened")]
        site.tell(*(end_of("c1", f"a{n}") for n in range(100)))
        await until(site.is_done)
    assert sorted(desk.told) == [("c1", "closed"), ("c1", "opened"), ("c2", "opened")]


async def test_one_that_follows_another_knows_what_was_told(site: Site) -> None:
    first, second = Desk(), Desk()
    async with all_of(site.role(first)):
        await until(site.is_done)
        site.tell(of("c1", severity="medium"))
        await until(site.is_done)
    site.tell(of("c1", seq=2, severity="medium"), of("c1", "a2", severity="low"))
    async with all_of(site.role(second)):
        await until(site.is_done)
        assert second.told == []
        site.tell(of("c1", seq=3, severity="critical"))
        await until(lambda: bool(second.taken))
    assert (first.told, second.told) == ([("c1", "opened")], [("c1", "rose")])
    assert first.taken[0].fingerprint == second.taken[0].fingerprint


async def test_a_receiver_that_is_new_hears_what_is_open_and_not_the_past(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is over is not even remembered.
    monkeypatch.setattr(cases, "_ENDED", 1)
    desk = Desk()
    site.tell(*(one for n in range(9) for one in (of(f"p{n}"), end_of(f"p{n}"))))
    site.tell(of("c2"), of("c3", backfill=True))
    async with all_of(site.role(desk)):
        await until(site.is_done)
        assert desk.told == [("c2", "opened")]
        site.tell(end_of("c2"), of("c4"))
        await until(site.is_done)
    assert sorted(desk.told[1:]) == [("c2", "closed"), ("c4", "opened")]


async def test_a_receiver_that_is_away_holds_up_no_other_and_hears_it_after(
    site: Site,
) -> None:
    here, away = Desk(), Desk()
    away.away.set()
    async with all_of(site.role(here, "here"), site.role(away, "away")):
        await until(lambda: site.is_done("here") and site.is_done("away"))
        site.tell(of("c1"), of("c1", seq=2, severity="critical"), end_of("c1", seq=3))
        await until(lambda: site.is_done("here") and away.asked > 3)
        assert not site.is_done("away")
        away.away.clear()
        await until(lambda: site.is_done("away"))
    assert [n.key for n in away.taken] == [n.key for n in here.taken]
    assert [step for _, step in away.told] == ["opened", "rose", "closed"]
    assert len({n.fingerprint for n in away.taken + here.taken}) == 1


async def test_what_was_told_is_committed_although_the_rest_is_not(site: Site) -> None:
    first, second = Desk(room=2), Desk()
    steps = [of("c1"), of("c1", seq=2, severity="critical"), end_of("c1", seq=3)]
    async with all_of(site.role(first)):
        await until(site.is_done)
        site.tell(*steps)
        await until(lambda: 2 in site.committed().values() and first.asked > 3)
    async with all_of(site.role(second)):
        await until(site.is_done)
    assert first.told == [("c1", "opened"), ("c1", "rose")]
    assert second.told == [("c1", "closed")]


async def test_nothing_is_sent_once_partitions_are_handed_over(site: Site) -> None:
    desk = Desk(room=0)
    role = site.role(desk, first_s=600.0, longest_s=600.0)
    async with asyncio.timeout(PATIENCE_S), all_of(role):
        await until(site.is_done)
        site.tell(of("c1"))
        await until(lambda: desk.asked == 1)
        generation = role.app.consumer_generation_id
        notification = cases.Cases(ALL).push(of("c1"))
        assert notification is not None
        notice = notice_of(notification)
        sending = asyncio.create_task(role._deliver(notice, generation))
        await until(lambda: desk.asked == 2)
        await role.drain()
        # The long wait is cut short.
        assert not await sending
        assert not await role._deliver(notice, generation)
    assert (desk.asked, desk.taken) == (2, [])


async def test_a_worker_stops_while_its_receiver_is_away_and_loses_nothing(
    site: Site,
) -> None:
    away, back = Desk(), Desk()
    away.away.set()
    async with all_of(site.role(away)):
        await until(site.is_done)
        site.tell(of("c1"), end_of("c1"))
        await until(lambda: away.asked > 2)
    assert not site.is_done()
    async with all_of(site.role(back)):
        await until(site.is_done)
    assert back.told == [("c1", "opened"), ("c1", "closed")]


async def test_a_new_receiver_that_is_away_is_told_what_is_open_when_it_is_back(
    site: Site,
) -> None:
    away, back = Desk(), Desk()
    away.away.set()
    site.tell(of("c1"))
    async with all_of(site.role(away)):
        await until(lambda: away.asked > 2)
    async with all_of(site.role(back)):
        await until(site.is_done)
    assert back.told == [("c1", "opened")]


async def test_workers_share_partitions_and_lose_nothing_when_one_joins(
    site: Site,
) -> None:
    desks = [Desk(), Desk()]
    async with all_of(site.role(desks[0])):
        await until(site.is_done)
        site.tell(*(of(f"c{n}") for n in range(20)))
        async with all_of(site.role(desks[1])):
            site.tell(*(of(f"d{n}") for n in range(20)))
            site.tell(*(end_of(f"c{n}") for n in range(20)))
            await until(site.is_done)
        site.tell(*(end_of(f"d{n}") for n in range(20)))
        await until(site.is_done)
    told = {one for desk in desks for one in desk.told}
    names = [f"{kind}{n}" for kind in "cd" for n in range(20)]
    assert told == {(case, step) for case in names for step in ("opened", "closed")}


async def test_what_is_declined_or_no_alert_holds_up_nothing(site: Site) -> None:
    desk = Desk(declines={"c1"}, remark="1 of 2 refused")
    with structlog.testing.capture_logs() as logs:
        async with all_of(site.role(desk)):
            await until(site.is_done)
            site.tell(of("c1"))
            site.write("pump-c1", b"no alert")
            site.tell(of("c2"))
            await until(site.is_done)
    assert desk.told == [("c2", "opened")]
    events = [line["event"] for line in logs]
    for event in ("notice was declined", "not an alert", "not all were notified"):
        assert events.count(event) == 1


async def test_open_cases_are_said_again_also_after_a_start(site: Site) -> None:
    first, second = Desk(), Desk()
    async with all_of(site.role(first, remind=first.remind, remind_s=0.01)):
        await until(site.is_done)
        site.tell(of("c1"), of("c2"), of("c3"))
        await until(lambda: any(len(r) == 3 for r in first.reminded))
        site.tell(end_of("c1"))
        await until(lambda: len(first.reminded[-1]) == 2)
    async with all_of(site.role(second, remind=second.remind, remind_s=0.01)):
        await until(lambda: bool(second.reminded))
    assert {n.case for n in second.reminded[0]} == {"c2", "c3"}
    assert second.taken == []


async def test_reminders_that_nobody_takes_stop_nothing(site: Site) -> None:
    desk = Desk()
    with structlog.testing.capture_logs() as logs:
        async with all_of(site.role(desk, remind=desk.remind, remind_s=0.01)):
            await until(site.is_done)
            site.tell(of("c1"))
            await until(lambda: bool(desk.reminded))
            desk.away.set()
            wanted = "reminder was not taken"
            await until(lambda: any(line["event"] == wanted for line in logs))
            desk.away.clear()
            seen = len(desk.reminded)
            await until(lambda: len(desk.reminded) > seen)


async def test_a_bug_stops_the_worker_and_commits_nothing(site: Site) -> None:
    role = site.role(Desk(breaks=True))
    async with all_of(role):
        await until(site.is_done)
        site.tell(of("c1"))
        await until(lambda: role.app.crashed)
    assert not site.is_done()
    # Also where it shows before anything new comes.
    other = site.role(Desk(breaks=True), "other")
    async with all_of(other):
        await until(lambda: other.app.crashed)
