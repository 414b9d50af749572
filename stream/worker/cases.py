"""Which notification follows from which alerts: pure, the same for the same alerts.

    nothing told --an alarm is loud--> told, open --all alarms cleared--> nothing told
                                        |      ^
                                        +------+  a loud alarm is graver than told

An alarm is *loud* if the receiver wants its subject, it is at least as grave as the
receiver wants, and nobody has silenced it: not found in a backlog, not shelved, not
acknowledged, its machine in service. All else of a case follows from the alerts read so
far, so that a worker that reads them from the start knows what has been told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

from connectors.notices import Step
from stream.core.alert import Alert
from stream.core.readings import SEVERITIES

_ENDED = 10_000
"""Alarms that have ended and are remembered, to know a repetition by."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a receiver wants to hear of.

    Attributes:
        subjects: Of ``machine``, ``sensor`` and ``pipeline``.
        min_severity: One of `SEVERITIES`; what is less grave is left out.
    """

    subjects: Collection[str]
    min_severity: str = SEVERITIES[-1]

    def subject(self, alert: Alert) -> bool:
        """Tell whether an alarm concerns the receiver at all."""
        return alert.subject in self.subjects

    def loud(self, alert: Alert) -> bool:
        """Tell whether an alarm is to be told."""
        silenced = (
            alert.backfill
            or alert.out_of_service
            or alert.shelved is not None
            or alert.acknowledged is not None
        )
        grave = rank(alert.severity) <= rank(self.min_severity)
        return self.subject(alert) and grave and not silenced


@dataclass(frozen=True, slots=True)
class Notification:
    """Something to tell.

    Attributes:
        step: What has happened to the case.
        case: Its id.
        face: The alert that first made the case loud; the same for the whole case.
        cause: The alert that the step follows from: its identity with ``step``.
        alert: The gravest alarm as it stands now; of a closed case, the last one.
    """

    step: Step
    case: str
    face: Alert
    cause: Alert
    alert: Alert


@dataclass(slots=True)
class _Case:
    """One case as a receiver sees it.

    Attributes:
        alarms: Newest alert of each alarm that is not cleared, by id.
        face: As in `Notification`; None: never loud so far.
        told: Rank of the gravest severity told; None: nothing is told, or it is closed.
        news: Whether it is an event that nobody will ever clear, and no state.
    """

    news: bool
    alarms: dict[str, Alert] = field(default_factory=dict)
    face: Alert | None = None
    told: int | None = None


class Cases:
    """The cases of one partition, for one receiver.

    Args:
        wanted: What the receiver wants to hear of.
    """

    def __init__(self, wanted: Wanted) -> None:
        """Start without a case."""
        self._wanted = wanted
        self._cases: dict[str, _Case] = {}
        self._ended: dict[str, None] = {}

    def push(self, alert: Alert, *, tell: bool = True) -> Notification | None:
        """Take in one alert.

        Args:
            alert: In the order of its partition; one that is repeated changes nothing.
                Without a case of its own its alarm stands for the case.
            tell: Whether it may be told; if not, `waiting` tells later what is left.

        Returns:
            What to tell; None: nothing.
        """
        name = alert.case_id or alert.id
        case = self._cases.get(name) or _Case(news=not alert.case_id)
        before = case.alarms.get(alert.id)
        if alert.id in self._ended or (before and alert.seq <= before.seq):
            return None
        self._cases[name] = case
        if alert.state == "cleared":
            case.alarms.pop(alert.id, None)
            self._end(alert.id)
        else:
            case.alarms[alert.id] = alert
            if case.face is None and self._wanted.loud(alert):
                case.face = alert
        found = self._judge(name, case, alert) if tell else None
        if not case.alarms:
            del self._cases[name]
        return found

    def _end(self, alarm: str) -> None:
        self._ended[alarm] = None
        if len(self._ended) > _ENDED:
            del self._ended[next(iter(self._ended))]

    def _judge(self, name: str, case: _Case, cause: Alert) -> Notification | None:
        if case.face is None:
            return None
        say = Notification("opened", name, case.face, cause, cause)
        if case.told is not None and not any(map(self._wanted.subject, _all(case))):
            case.told = None
            return replace(say, step="closed")
        loudest = self._loudest(case)
        if loudest is None:
            return None
        step: Step = "opened" if case.told is None else "rose"
        if case.told is not None and rank(loudest.severity) >= case.told:
            return None
        case.told = rank(loudest.severity)
        return replace(say, step=step, alert=loudest)

    def _loudest(self, case: _Case) -> Alert | None:
        loud = filter(self._wanted.loud, _all(case))
        return min(loud, key=lambda alert: rank(alert.severity), default=None)

    def waiting(self) -> list[Notification]:
        """Return what is open and has not been told; told from now on."""
        found = []
        for name, case in self._cases.items():
            if case.told is None and case.face is not None:
                found.append(self._judge(name, case, case.face))
        return [one for one in found if one is not None]

    def open(self) -> Iterator[Notification]:
        """Yield the cases that are told and still open, as they stand now."""
        for name, case in self._cases.items():
            if case.told is None or case.face is None or case.news:
                continue
            shown = self._loudest(case) or case.alarms.get(case.face.id, case.face)
            yield Notification("opened", name, case.face, case.face, shown)


def rank(severity: str) -> int:
    """Return the place of a severity, 0 for the gravest and for an unknown one."""
    return SEVERITIES.index(severity) if severity in SEVERITIES else 0


def _all(case: _Case) -> Collection[Alert]:
    return case.alarms.values()
