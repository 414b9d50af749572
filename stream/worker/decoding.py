"""Decoding that no record can stop."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from stream.core.decode import Decoded
from stream.core.pipeline import Pipeline
from stream.core.readings import RawRecord, Reject

_log = structlog.get_logger()


def decode(pipeline: Pipeline, records: Sequence[RawRecord]) -> Decoded:
    """Decode; a record that trips us up is quarantined, and costs itself alone."""
    try:
        return pipeline.decode(records)
    except Exception:  # noqa: BLE001 - whatever it is, it costs its record alone
        _log.exception("decoding failed: records are taken one by one")
    good, bad = [], []
    for record in records:
        try:
            pipeline.decode([record])
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a bug of ours
            bad.append(Reject(record, "internal_error", type(error).__name__))
        else:
            good.append(record)
    decoded = pipeline.decode(good)
    decoded.rejects += bad
    decoded.tally.records += len(bad)
    decoded.tally.bump(decoded.tally.readings, "quarantined.internal_error", len(bad))
    return decoded
