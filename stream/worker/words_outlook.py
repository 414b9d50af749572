"""The words of what may come: risk, remaining life, and how rare a pattern is."""

from __future__ import annotations

import math

from stream.core.alert import Evidence
from stream.worker.catalogue import Speech

AXES = ("hours", "run_hours", "cycles")

_RAREST_MONTHS = 1_000
_SAME = 1e-6


def risk(evidence: Evidence, speech: Speech) -> list[str]:
    """The risk within the horizon, if there is one: never 0 and never 100 %."""
    chance = evidence.risk
    if chance is None or not math.isfinite(chance):
        return []
    if chance < 0.01:
        percent = speech.say("percent.under")
    elif chance > 0.99:
        percent = speech.say("percent.over")
    else:
        percent = speech.say("percent", n=round(100 * chance))
    if not 0 < evidence.horizon < math.inf:
        return [speech.say("risk.bare", percent=percent)]
    horizon = _unit(f"{evidence.horizon:.6g}", evidence.axis, speech)
    return [speech.say("risk", percent=percent, horizon=horizon)]


def remaining(evidence: Evidence, speech: Speech) -> list[str]:
    """The remaining life, if it is known: 5 to 95 %, and the median as most likely."""
    if evidence.rul is None or not all(map(math.isfinite, evidence.rul)):
        return []
    cap = evidence.cap if evidence.cap > 0 else math.inf
    low, mid, high = (_rounded(value, cap) for value in evidence.rul)
    exact = "likely" if 0 < mid < math.inf else "likely.bound"
    return [
        speech.say(
            _shape(low, mid, high),
            low=f"{low:.0f}",
            least=_amount(low, evidence, speech),
            mid=_amount(mid, evidence, speech),
            high=_amount(high, evidence, speech),
            cap=_unit(f"{evidence.cap:.6g}", evidence.axis, speech),
            likely=speech.say(exact, mid=_amount(mid, evidence, speech)),
        )
    ]


def rarity(evidence: Evidence, speech: Speech) -> list[str]:
    """How rarely a healthy machine looks like this.

    Told where nothing is known of the risk, or where the rule looks at the anomaly.
    """
    rate, value = evidence.anomaly, evidence.value
    if rate is None or not 0 <= rate < math.inf:
        return []
    looked_at = value is not None and math.isclose(value, rate, rel_tol=_SAME)
    if not looked_at and risk(evidence, speech):
        return []
    if rate < 1 / _RAREST_MONTHS:
        return [speech.say("unusual.never", n=_RAREST_MONTHS)]
    if rate < 2 / 3:
        return [speech.say("unusual.rare", n=_two_digits(1 / rate))]
    if rate < 1.5:
        return [speech.say("unusual.once")]
    return [speech.say("unusual.often", n=_two_digits(rate))]


def _rounded(value: float, cap: float) -> float:
    """A whole number; 0 stands for less than 1, infinity for the cap or more."""
    if value >= cap * (1 - _SAME):
        return math.inf
    if value < 1:
        return 0.0
    places = max(0, math.floor(math.log10(value)) - 2)
    return float(round(value / 10**places) * 10**places)


def _shape(low: float, mid: float, high: float) -> str:
    if low == high:
        return "rul.about" if 0 < mid < math.inf else "rul.plain"
    if mid == math.inf:
        return "rul.open" if low else "rul.likely"
    if high == math.inf:
        return "rul.beyond" if low else "rul.wide"
    return "rul.range" if low else "rul.upto"


def _amount(number: float, evidence: Evidence, speech: Speech) -> str:
    if number == math.inf:
        text = _unit(f"{evidence.cap:.6g}", evidence.axis, speech)
        return speech.say("number.over", n=text)
    if number == 0:
        return speech.say("number.under", n=_unit("1", evidence.axis, speech))
    return _unit(f"{number:.0f}", evidence.axis, speech)


def _unit(number: str, axis: str, speech: Speech) -> str:
    count = "one" if number == "1" else "many"
    return speech.say(f"unit.{axis}.{count}", n=number) if axis in AXES else number


def _two_digits(value: float) -> str:
    """Two digits that count: 2.3 is told as 2, 137 as 140."""
    places = max(0, math.floor(math.log10(value)) - 1)
    return f"{round(value / 10**places) * 10**places:.0f}"
