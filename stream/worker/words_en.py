"""English: every text that reaches people who look after machines."""

from __future__ import annotations

MESSAGES = {
    # How sentences and lists are put together.
    "join.sentences": " ",
    "join.comma": ", ",
    "join.last": " and ",
    "join.clauses": "; ",
    "label.foreign": "{name}",
    "time.day": "{hour:02}:{minute:02}",
    "time.date": "{year}-{month:02}-{day:02} {hour:02}:{minute:02}",
    # Who.
    "who.typed": "{type} {machine}",
    "who.untyped": "Machine {machine}",
    "who.says": "{who}: {what}",
    "who.updated": "{who}, still open, now of {severity} priority: {what}",
    "somebody": "somebody",
    # What is out of the ordinary.
    "sigma": "{sigma}",
    "sigma.over": "beyond {sigma}",
    "reason.first": "{sensor} ({sigma} sigma against its own normal)",
    "reason.next": "{sensor} ({sigma})",
    "reason.bare": "{sensor}",
    "since": " since {time}",
    "direction.above": "{above} above normal{since}",
    "direction.below": "{below} below normal{since}",
    "direction.both": "{above} above and {below} below normal{since}",
    "direction.apart": "out of step with the other signals: {sensors}",
    "unusual": "unusual behaviour",
    "unusual.rare": "a healthy machine looks like this about once in {n} months",
    "unusual.once": "a healthy machine looks like this about once a month",
    "unusual.often": "a healthy machine looks like this about {n} times a month",
    "unusual.never": "a healthy machine looks like this less than once in {n} months",
    "alarm.bare": "alarm on {kind}",
    # What it may come to.
    "percent": "{n} %",
    "percent.under": "under 1 %",
    "percent.over": "over 99 %",
    "risk": "{percent} risk of failure within {horizon}",
    "risk.bare": "{percent} risk of failure",
    "number.under": "under {n}",
    "number.over": "more than {n}",
    "likely": "most likely {mid}",
    "likely.bound": "most likely {mid}",
    "rul.plain": "remaining life {mid}",
    "rul.about": "remaining life about {mid}",
    "rul.range": "remaining life {low} to {high}, {likely}",
    "rul.beyond": "remaining life {low} to more than {cap}, {likely}",
    "rul.upto": "remaining life up to {high}, {likely}",
    "rul.wide": "remaining life {likely}, possibly {high}",
    "rul.open": "remaining life at least {least}, {likely}",
    "rul.likely": "remaining life {likely}",
    "unit.hours.one": "{n} h",
    "unit.hours.many": "{n} h",
    "unit.run_hours.one": "{n} running hour",
    "unit.run_hours.many": "{n} running hours",
    "unit.cycles.one": "{n} cycle",
    "unit.cycles.many": "{n} cycles",
    # Instruments and silence.
    "sensor.": "the transmitter of {sensor} has been at fault{since}",
    "sensor.no_data": "nothing has come from the transmitter of {sensor}{since}",
    "sensor.stuck": "the transmitter of {sensor} has been stuck{since}",
    "sensor.out_of_range": "the transmitter of {sensor} has been out of range{since}",
    "sensor.spiking": "the transmitter of {sensor} has shown spikes{since}",
    "sensor.noisy": "the transmitter of {sensor} has been noisy{since}",
    "sensor.drifting": "the transmitter of {sensor} has been drifting{since}",
    "sensor.told": "{fault}: its value is left out of the scores",
    "sensor.apart": "this is no fault of the machine",
    "silent": (
        "no reading has come{since}, so nothing is known of the machine; check its"
        " transmitters, gateway and network"
    ),
    # The end of an alarm.
    "kind.risk": "risk of failure",
    "kind.rul": "remaining life",
    "kind.anomaly": "unusual behaviour",
    "cleared": "the alarm on {kind}{opened} has ended: {cause}",
    "cleared.sensor": (
        "the report on the transmitter of {sensor}{opened} has ended: {cause}"
    ),
    "cleared.silent": "the report on missing readings{opened} has ended: {cause}",
    "opened": ", open since {time},",
    "cause.limit": "back within its limit",
    "cause.limit.sensor": "its signal is sound again and counts in the scores",
    "cause.limit.silent": "readings come again",
    "cause.failure": "the machine has failed",
    "cause.replacement": "the machine was replaced",
    "cause.maintenance": "the machine had maintenance",
    "cause.out_of_service": "the machine was taken out of service",
    "cause.return": "the machine was returned to service",
    "cause.other": "{cause}",
    # What people have done about it.
    "mark.acknowledged": "acknowledged by {by}{at}{why}",
    "mark.shelved": "shelved by {by}{until}{why}",
    "mark.at": " at {time}",
    "mark.until": " until {time}",
    "mark.why": " ({why})",
    "mark.out_of_service": "machine out of service",
    "mark.true": "judged a true alarm",
    "mark.false": "judged a false alarm",
    "mark.backfill": "found in a backlog of readings, so nobody is called",
    # What to do.
    "action": "Action: {action}",
    "mode": "Failure mode: {name} ({code})",
    "mode.bare": "Failure mode: {code}",
    # The pipeline itself.
    "pipeline": "The pipeline reports {kind} for machine {machine}",
    "pipeline.second_partition": (
        "Machine {machine} sends to partitions {partitions} of {topic}: it is refused,"
        " since scores from a part of its readings would be wrong. Let all producers"
        " place it in one partition by its key, or set input.repartition: true."
    ),
    "end": "{sentence}.",
    # Words of tables.
    "severity.critical": "critical",
    "severity.high": "high",
    "severity.medium": "medium",
    "severity.low": "low",
    "state.active": "active",
    "state.cleared": "cleared",
}
"""Key -> template. Names in braces are filled in; the same ones in all languages."""

GLOSSARY: dict[str, str] = {}
"""Names of sensors and types, or parts of them -> the same in this language."""
