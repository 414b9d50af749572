"""The words of an alarm: sentences that whoever looks after a machine understands.

A sentence says who, what is out of the ordinary, what it may come to, what people
have done about it, and what to do. Its rules:

- Sensors are named if they are among the first three reasons: above or below normal
  from 2 sigma on, else "out of step with the other signals".
- "Since" is the earliest `Reason.since` of the sensors that are named as above or
  below normal; without one it is left out. The date stands beside the time of day
  where it is not the day of the change that is told.
- Risk and remaining life are told side by side, as they are: both come from one
  distribution. Risk is never told as 0 or 100 %; a remaining life at the cap is
  "more than" the cap, one that rounds to nothing "under 1".
"""

from __future__ import annotations

import datetime as dt
import math
from types import MappingProxyType

from stream.core.alert import Alert, Mark, Reason
from stream.core.readings import FAULTS
from stream.worker.catalogue import LANGUAGES, Labels, Speech, clean
from stream.worker.failure_modes import FAILURE_MODES
from stream.worker.words_outlook import rarity, remaining, risk

__all__ = [
    "FAILURE_MODES",
    "LANGUAGES",
    "condition",
    "marks",
    "second_partition",
    "sentence",
    "term",
]

_NO_LABELS: Labels = MappingProxyType({})
_MOST_REASONS = 3
_NORMAL_SIGMA = 2.0
_MOST_SIGMA = 99.0
_FAULTS = frozenset(f"sensor.{fault}" for fault in FAULTS if fault)


def sentence(
    alert: Alert,
    language: str = "en",
    zone: dt.tzinfo = dt.UTC,
    labels: Labels = _NO_LABELS,
) -> str:
    """Tell a change of an alarm, with what people have done and what to do.

    Args:
        alert: The change, of any kind.
        language: One of `LANGUAGES`.
        zone: Times of day are in it; its name is not told.
        labels: Name of a sensor or machine type -> language -> what it is called.

    Returns:
        One line, never empty.

    Raises:
        ValueError: There are no words in that language.

    Example:
        >>> silent = Alert("i", "c", "P-3", "pump", "no_data", "sensor", "", "cleared",
        ...     2, "cleared", "low", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
        >>> sentence(silent)
        'Pump P-3: the report on missing readings, open since 00:00, has ended: \
readings come again.'
    """
    speech = Speech(language, zone, labels)
    done = marks(alert, language, zone)
    parts = [_told(alert, speech), _ended(done, speech)]
    if alert.state != "cleared":
        parts += [_mode(alert, speech), _action(alert, speech)]
    text = speech.say("join.sentences").join(filter(None, parts))
    return speech.tidy(text)


def condition(
    alert: Alert,
    language: str = "en",
    zone: dt.tzinfo = dt.UTC,
    labels: Labels = _NO_LABELS,
) -> str:
    """Tell what is wrong, as `sentence` does, without what is done about it."""
    speech = Speech(language, zone, labels)
    return speech.tidy(_told(alert, speech))


def marks(alert: Alert, language: str = "en", zone: dt.tzinfo = dt.UTC) -> str:
    """Tell what people have done about an alarm; empty if nothing."""
    speech, found = Speech(language, zone, _NO_LABELS), []
    if alert.acknowledged is not None:
        found.append(_mark("acknowledged", alert.acknowledged, alert.time, speech))
    if alert.shelved is not None:
        found.append(_mark("shelved", alert.shelved, alert.time, speech))
    if alert.out_of_service:
        found.append(speech.say("mark.out_of_service"))
    if alert.feedback in ("true", "false"):
        found.append(speech.say(f"mark.{alert.feedback}"))
    if alert.backfill and alert.state != "cleared":
        found.append(speech.say("mark.backfill"))
    return speech.tidy(speech.say("join.clauses").join(found))


def term(group: str, name: str, language: str = "en") -> str:
    """The word for a ``severity`` or a ``state``; one not known stands as it is."""
    speech = Speech(language, dt.UTC, _NO_LABELS)
    key = f"{group}.{name}"
    return speech.say(key) if speech.knows(key) else clean(name)


def second_partition(
    machine: str, partitions: tuple[int, ...], topic: str, language: str = "en"
) -> str:
    """Say that a machine is split, and what to do, to those who run the pipeline."""
    speech = Speech(language, dt.UTC, _NO_LABELS)
    where = speech.say("join.comma").join(map(str, partitions))
    return speech.say(
        "pipeline.second_partition", machine=machine, partitions=where, topic=topic
    )


def _told(alert: Alert, speech: Speech) -> str:
    if alert.subject == "pipeline":
        text = speech.say(
            "pipeline", kind=_plain(alert.kind), machine=clean(alert.machine) or "?"
        )
        return clean(alert.message) or _ended(text, speech)
    if alert.state == "cleared":
        clauses = [[_cleared(alert, speech)]]
    elif alert.subject == "sensor":
        clauses = _instrument(alert, speech)
    else:
        clauses = _machine(alert, speech)
    joined = [speech.say("join.clauses").join(c) for c in clauses if c]
    who = "who.updated" if alert.event == "updated" else "who.says"
    first = speech.say(
        who,
        who=_who(alert, speech),
        severity=term("severity", alert.severity, speech.language),
        what=joined[0],
    )
    later = [_ended(text, speech) for text in joined[1:]]
    return speech.say("join.sentences").join(
        [speech.say("end", sentence=first), *later]
    )


def _ended(text: str, speech: Speech) -> str:
    return speech.say("end", sentence=_capital(text)) if text else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _who(alert: Alert, speech: Speech) -> str:
    machine, name = clean(alert.machine) or "?", clean(alert.type)
    kind = speech.label(alert.type).strip() if name else ""
    foreign = kind.isascii() and speech.language != "en"
    # "Pump pump-07" reads well, "Pump Pump 7" does not.
    named = f"{machine} ".lower().startswith(f"{kind} ".lower())
    if named:
        return machine
    if not kind or foreign:
        return speech.say("who.untyped", machine=machine)
    return speech.say("who.typed", type=_capital(kind), machine=machine)


def _machine(alert: Alert, speech: Speech) -> list[list[str]]:
    evidence = alert.evidence
    reasons = _reasons(evidence.reasons, alert.time, speech)
    outlook = [*risk(evidence, speech), *remaining(evidence, speech)]
    rare = rarity(evidence, speech)
    if not reasons and rare:
        reasons = [speech.say("unusual")]
    if not reasons and not outlook:
        reasons = [speech.say("alarm.bare", kind=_kind(alert, speech))]
    return [part for part in (reasons, rare, outlook) if part]


def _reasons(reasons: list[Reason], time: str, speech: Speech) -> list[str]:
    above: list[str] = []
    below: list[str] = []
    apart, since = [], []
    for place, reason in enumerate(reasons[:_MOST_REASONS]):
        said = _reason(reason, speech, first=place == 0)
        sigma = reason.sigma
        if sigma is None or not abs(sigma) >= _NORMAL_SIGMA:
            apart.append(said)
            continue
        (above if sigma > 0 else below).append(said)
        if reason.since:
            since.append(reason.since)
    found = []
    if above or below:
        way = "both" if above and below else "above" if above else "below"
        told = speech.say(
            f"direction.{way}",
            above=speech.listed(above),
            below=speech.listed(below),
            since=_since(min(since, default=None), time, speech),
        )
        found.append(told)
    if apart:
        found.append(speech.say("direction.apart", sensors=speech.listed(apart)))
    return found


def _reason(reason: Reason, speech: Speech, *, first: bool) -> str:
    sensor, sigma = speech.label(reason.sensor), reason.sigma
    if sigma is None or math.isnan(sigma):
        return speech.say("reason.bare", sensor=sensor)
    key, shown = "sigma", f"{sigma:+.1f}"
    if abs(sigma) > _MOST_SIGMA:
        key, shown = "sigma.over", f"{math.copysign(_MOST_SIGMA, sigma):+.0f}"
    return speech.say(
        "reason.first" if first else "reason.next",
        sensor=sensor,
        sigma=speech.say(key, sigma=shown),
    )


def _since(since: str | None, time: str, speech: Speech, key: str = "since") -> str:
    at = speech.clock(since, beside=time)
    return speech.say(key, time=at) if at else ""


def _instrument(alert: Alert, speech: Speech) -> list[list[str]]:
    since = _since(alert.onset, alert.time, speech)
    if not alert.sensor:
        return [[speech.say("silent", since=since)]]
    fault = f"sensor.{alert.kind.rpartition('.')[2]}"
    told = speech.say(
        fault if fault in _FAULTS else "sensor.",
        sensor=speech.label(alert.sensor),
        since=since,
    )
    return [[speech.say("sensor.told", fault=told)], [speech.say("sensor.apart")]]


def _cleared(alert: Alert, speech: Speech) -> str:
    what = ""
    if alert.subject == "sensor":
        what = ".sensor" if alert.sensor else ".silent"
    cause = f"cause.{alert.cleared_by or 'limit'}"
    if cause == "cause.limit":
        cause += what
    elif not speech.knows(cause):
        cause = "cause.other"
    return speech.say(
        f"cleared{what}",
        kind=_kind(alert, speech),
        sensor=speech.label(alert.sensor),
        opened=_since(alert.onset, alert.time, speech, "opened"),
        cause=speech.say(cause, cause=_plain(alert.cleared_by)),
    )


def _kind(alert: Alert, speech: Speech) -> str:
    key = f"kind.{alert.kind}"
    return speech.say(key) if speech.knows(key) else speech.label(alert.kind)


def _mark(what: str, mark: Mark, time: str, speech: Speech) -> str:
    at = speech.clock(mark.at, beside=time)
    until = speech.clock(mark.until, beside=time)
    why = clean(mark.why)
    return speech.say(
        f"mark.{what}",
        by=speech.foreign(clean(mark.by) or speech.say("somebody")),
        at=speech.say("mark.at", time=at) if at else "",
        until=speech.say("mark.until", time=until) if until else "",
        why=speech.say("mark.why", why=why) if why else "",
    )


def _mode(alert: Alert, speech: Speech) -> str:
    code = clean(alert.failure_mode)
    if not code:
        return ""
    names = FAILURE_MODES.get(code)
    if names is None:
        return _ended(speech.say("mode.bare", code=code), speech)
    text = speech.say("mode", name=names[speech.language], code=code)
    return _ended(text, speech)


def _action(alert: Alert, speech: Speech) -> str:
    action = clean(alert.action).rstrip(".。")
    return _ended(speech.say("action", action=action), speech) if action else ""


def _plain(text: str) -> str:
    return clean(text.replace("_", " ")) or "?"
