"""What a run of the demo came to: figures as JSON, and as lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stream.core.alert import Alert
from stream.demo.baselines import Baseline
from stream.demo.board import Played
from stream.demo.fleet import Failure, Fleet, iso, time_of
from stream.demo.judge import EARLIEST, HOUR_NS, LATEST, Verdict, judge
from stream.demo.phrases import Phrases

_MEANS = (
    "failures",
    "foreseeable",
    "foreseen",
    "missed",
    "false_alarms",
    "healthy_machines",
    "false_alarms_per_machine_month",
    "readings_per_second",
)


@dataclass(frozen=True)
class Outcome:
    """One failure, and the first alarm that foresaw it.

    Attributes:
        failure: Which.
        at_ns: When the alarm was raised; None: no alarm foresaw it.
    """

    failure: Failure
    at_ns: int | None

    @property
    def lead_s(self) -> float | None:
        """From the alarm to the failure, s."""
        return None if self.at_ns is None else (self.failure.at_ns - self.at_ns) / 1e9

    @property
    def verdict(self) -> str:
        """``foreseen``, ``missed``, or ``sudden`` where nothing gave warning."""
        if not self.failure.foreseeable:
            return "sudden"
        return "missed" if self.at_ns is None else "foreseen"


@dataclass(frozen=True)
class Summary:
    """One run.

    Attributes:
        seed: Of the fleet.
        verdict: What was foreseen.
        outcomes: The failures in order of time.
        played: What streaming took.
        trained_s: What training took; None: the models were there.
        baselines: For comparison, at as many false alarms.
        alerts: Changes of alarms that were told.
        horizon_h: Of the risk.
    """

    seed: int
    verdict: Verdict
    outcomes: tuple[Outcome, ...]
    played: Played
    trained_s: float | None
    baselines: tuple[Baseline, ...]
    alerts: int
    horizon_h: float

    def to_json(self) -> dict[str, Any]:
        """Return plain values, what the user asks first foremost."""
        verdict = self.verdict.to_json()
        first = {
            name: verdict.pop(name)
            for name in (
                "failures",
                "foreseeable",
                "foreseen",
                "missed",
                "false_alarms",
                "healthy_machines",
                "median_lead_time_s",
            )
        }
        return {
            "seed": self.seed,
            **first,
            "readings_per_second": round(self.played.per_second, 1),
            "readings": self.played.readings,
            "alerts": self.alerts,
            "training_s": None if self.trained_s is None else round(self.trained_s, 1),
            "streaming_s": round(self.played.busy_s, 1),
            "horizon_h": self.horizon_h,
            **verdict,
            "by_failure": [_told(outcome) for outcome in self.outcomes],
            "baselines": [_compared(baseline) for baseline in self.baselines],
        }

    def lines(self, say: Phrases) -> list[tuple[str, str]]:
        """Return what it came to, as titles and values."""
        v = self.verdict
        lead = v.median_lead_time_s
        none = say("none")
        found = {
            "foreseen": say(
                "sum.foreseen.value", foreseen=v.foreseen, foreseeable=v.foreseeable
            ),
            "lead": say("sum.lead.value", hours=lead / 3600) if v.foreseen else none,
            "missed": ", ".join(self._which("missed", say)) or none,
            "sudden": ", ".join(self._which("sudden", say)) or none,
            "false": say(
                "sum.false.value",
                count=v.false_alarms,
                months=v.healthy_months,
                rate=v.false_alarms_per_machine_month,
            ),
            "driving": say(
                "sum.driving.value", named=v.driving_named, asked=v.driving_asked
            ),
            "faults": self._faults(say),
            "baselines": "; ".join(self._baselines(say)) or none,
            "rate": say(
                "sum.rate.value",
                readings=self.played.readings,
                rate=self.played.per_second,
            ),
        }
        return [(say(f"sum.{key}"), text) for key, text in found.items()]

    def _which(self, verdict: str, say: Phrases) -> list[str]:
        return [
            say(
                f"sum.{verdict}.value",
                machine=o.failure.machine,
                mechanism=say.known("mechanism", o.failure.mechanism),
            )
            for o in self.outcomes
            if o.verdict == verdict
        ]

    def _faults(self, say: Phrases) -> str:
        v = self.verdict
        text = say("sum.faults.value", named=v.sensor_faults_named, of=v.sensor_faults)
        kinds = [say.known("fault", kind) for kind in v.sensor_faults_missed]
        missed = [say("sum.faults.missed", kinds=", ".join(kinds))] if kinds else []
        return "; ".join([text, *missed])

    def _baselines(self, say: Phrases) -> list[str]:
        return [
            say(
                "sum.baselines.value",
                name=say.known("baseline", b.name),
                foreseen=b.foreseen,
                foreseeable=b.foreseeable,
                false=b.false_alarms,
            )
            for b in self.baselines
        ]


def outcomes(
    fleet: Fleet, alerts: Sequence[Alert], horizon_h: float
) -> tuple[Outcome, ...]:
    """Return for each failure the first alarm that foresaw it, as `judge` sees it."""
    earliest, latest = (int(x * horizon_h * HOUR_NS) for x in (EARLIEST, LATEST))
    raised = [
        (a.machine, time_of(a.time))
        for a in alerts
        if a.event == "raised" and a.subject == "machine"
    ]
    found = []
    for failure in fleet.failures:
        first = min(
            (
                at
                for machine, at in raised
                if machine == failure.machine
                and latest <= failure.at_ns - at <= earliest
            ),
            default=None,
        )
        found.append(Outcome(failure, first if failure.foreseeable else None))
    return tuple(found)


def summarise(
    fleet: Fleet,
    alerts: Sequence[Alert],
    played: Played,
    seed: int,
    horizon_h: float,
) -> Summary:
    """Judge a run, without baselines and training."""
    return Summary(
        seed=seed,
        verdict=judge(fleet, alerts, horizon_h),
        outcomes=outcomes(fleet, alerts, horizon_h),
        played=played,
        trained_s=None,
        baselines=(),
        alerts=len(alerts),
        horizon_h=horizon_h,
    )


def over_seeds(
    runs: Sequence[Summary], baselines: Sequence[Baseline], trained_s: float | None
) -> dict[str, Any]:
    """Return the figures of several runs, their means and 10th percentiles.

    The 10th percentile is one of the runs: the best of the worst tenth.
    """
    told = [run.to_json() for run in runs]
    of = sum(run.verdict.foreseeable for run in runs)
    asked = sum(run.verdict.driving_asked for run in runs)
    faults = sum(run.verdict.sensor_faults for run in runs)
    leads = [o.lead_s for run in runs for o in run.outcomes if o.lead_s is not None]
    caused = sum(run.verdict.cases_by_sensor_faults > 0 for run in runs)
    named = sum(run.verdict.sensor_faults_named for run in runs)
    driving = sum(run.verdict.driving_named for run in runs)
    return {
        "seeds": [run.seed for run in runs],
        "training_s": None if trained_s is None else round(trained_s, 1),
        "mean": {n: round(float(np.mean([t[n] for t in told])), 4) for n in _MEANS},
        "percentile_10": {
            n: float(np.quantile([t[n] for t in told], 0.1, method="lower"))
            for n in ("foreseen", "foreseeable")
        },
        "foreseen_share": _share(sum(run.verdict.foreseen for run in runs), of),
        "median_lead_time_s": float(np.median(leads)) if leads else None,
        "driving_sensor_named_share": _share(driving, asked),
        "sensor_faults_named_share": _share(named, faults),
        "runs_with_a_case_by_a_sensor_fault_share": _share(caused, len(runs)),
        "baselines": [_compared(baseline) for baseline in baselines],
        "runs": told,
    }


def _told(outcome: Outcome) -> dict[str, Any]:
    failure, at = outcome.failure, outcome.at_ns
    return {
        "machine": failure.machine,
        "time": iso(failure.at_ns),
        "mechanism": failure.mechanism,
        "driving_sensor": failure.driving,
        "verdict": outcome.verdict,
        "alarm": None if at is None else iso(at),
        "lead_time_s": outcome.lead_s,
    }


def _compared(baseline: Baseline) -> dict[str, Any]:
    of = baseline.foreseeable
    return {
        "method": baseline.name,
        "how": baseline.how,
        "on_rows": baseline.on_rows,
        "foreseen": baseline.foreseen,
        "foreseeable": of,
        "foreseen_share": _share(baseline.foreseen, of),
        "false_alarms": baseline.false_alarms,
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None
