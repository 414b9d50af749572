"""What a partition sends: scores, alerts, rejects, and the audit of a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from stream.core.outcome import Outcome
from stream.core.readings import Tally
from stream.worker.alerting import Telling
from stream.worker.bus import Outbox
from stream.worker.quarantine import put_away
from stream.worker.state_topic import Position


@dataclass(frozen=True, slots=True)
class Outputs:
    """The topics that one partition of readings is turned into.

    Attributes:
        outbox: Sends messages and keeps their acknowledgements.
        topics: Names of the topics by setting.
        source: Topic and partition of the readings.
        telling: How alerts are put into words.
    """

    outbox: Outbox
    topics: dict[str, str]
    source: tuple[str, int]
    telling: Telling

    async def send(self, outcome: Outcome, now_ns: int) -> None:
        """Send what a batch came to.

        Args:
            outcome: What it came to.
            now_ns: The time of telling alerts.
        """
        send, partition = self.outbox.send, self.source[1]
        if outcome.messages:
            scores = self.topics["scores"]
            await self.outbox.send_many(scores, partition, outcome.messages)
        for alert in outcome.alerts:
            for told in self.telling.messages(alert, now_ns):
                topic = self.topics[told.setting]
                await send(topic, None, told.key, told.value, told.headers)
        for reject in outcome.rejects:
            quarantine = self.topics["quarantine"]
            await put_away(self.outbox, quarantine, partition, reject, self.source)

    async def audit(
        self, ledger: Outbox, first: int, position: Position, since: Tally
    ) -> None:
        """Say what became of the records since the last checkpoint, and wait for it.

        Partition, first and turn name a report: one that is repeated replaces it. There
        are no records, but a turn, when silent machines were released.

        Args:
            ledger: Sends it; nothing else may be under way in it.
            first: Offset of the first record it is about.
            position: Up to where it goes.
            since: What became of the readings.
        """
        source, partition = self.source
        told = {
            "schema": 1,
            "topic": source,
            "partition": partition,
            "first": first,
            "last": position.offset,
            "turn": position.turn,
            "records": since.records,
            "readings": since.readings,
            "values": since.values,
            "windows": since.windows,
        }
        key = f"{source}/{partition}".encode()
        value = msgspec.json.encode(told)
        await ledger.send(self.topics["audit"], 0, key, value)
        await ledger.acknowledged()
