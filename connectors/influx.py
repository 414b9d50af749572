"""Archive into InfluxDB 2: line protocol, written and acknowledged batch by batch.

Delivery: `write` returns after the server has answered 204 for every line it does
not report as refused. Nothing is kept back, retried or dropped behind the caller's
back, which is why influxdb-client's own batching is not used: it drops what it
cannot write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from connectors.sinks import Fatal, Refused, Retryable, SinkError, blank_lines

_MAX_LINES = 5_000
# Refusals of single lines; anything else of 4xx concerns the request as a whole.
_LINE_FAULTS = (400, 413, 422)
_BUSY = (408, 429)
# What the server says when it has dropped points: the count at the end.
_DROPPED = re.compile(r"dropped=(\d+)")
_REASON_CHARS = 300
_NS_PER_S = 10**9


class InfluxSink:
    """Lines into one bucket.

    Args:
        url: The server, such as http://127.0.0.1:8086.
        org: The organisation's name.
        bucket: The bucket's name.
        token: May write to the bucket.
        timeout_s: Wait for an answer before it counts as lost.
        batch_lines: Lines per request, 5,000 at most.
    """

    def __init__(
        self,
        *,
        url: str,
        org: str,
        bucket: str,
        token: str,
        timeout_s: float = 10.0,
        batch_lines: int = _MAX_LINES,
    ) -> None:
        self.url, self.org, self.bucket = url, org, bucket
        self.timeout_s = timeout_s
        self.batch_lines = min(batch_lines, _MAX_LINES)
        self._token = token
        self._client: Any = None
        self._api: Any = None

    def open(self) -> None:
        """Prepare the client; contacts nobody; safe to repeat."""
        if self._client is not None:
            return
        self._client = _client(self.url, self.org, self._token, self.timeout_s)
        self._api = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, lines: Sequence[str]) -> list[Refused]:
        """Write lines and wait until the server has them.

        Lines may be written again after any error: a point is known by its tags and
        time, so that a repetition changes nothing.

        Args:
            lines: Line protocol with times in ns, without line ends.

        Returns:
            The lines that the server will never take, by their place, ascending; all
            others are written.

        Raises:
            Retryable: The server is away or busy; some lines may be written.
            Fatal: Token, organisation, bucket or address are wrong.
        """
        self.open()
        refused = blank_lines(lines)
        places = [i for i, line in enumerate(lines) if line.strip()]
        for start in range(0, len(places), self.batch_lines):
            refused += self._write_batch(
                lines, places[start : start + self.batch_lines]
            )
        return sorted(refused)

    def _write_batch(self, lines: Sequence[str], places: list[int]) -> list[Refused]:
        reason = self._post("\n".join([lines[i] for i in places]))
        if reason is None:
            return []
        dropped = _DROPPED.search(reason)
        # Halving a batch of which every line is too old would ask for each of them.
        if len(places) == 1 or (dropped and int(dropped[1]) == len(places)):
            return [Refused(i, reason) for i in places]
        middle = len(places) // 2
        return [
            *self._write_batch(lines, places[:middle]),
            *self._write_batch(lines, places[middle:]),
        ]

    def _post(self, body: str) -> str | None:
        """Write once; returns why lines of it were refused, None if none was."""
        try:
            self._api.write(
                bucket=self.bucket, org=self.org, record=body, write_precision="ns"
            )
        except ApiException as error:
            if error.status in _LINE_FAULTS:
                return _message(error)
            raise self._explain(error) from error
        except HTTPError as error:
            text = f"InfluxDB at {self.url} does not answer: {_first_line(error)}"
            raise Retryable(text) from error
        return None

    def _explain(self, error: ApiException) -> SinkError:
        status, said = error.status, _message(error)
        where = f"InfluxDB at {self.url}"
        if status in _BUSY or status >= 500:
            text = f"{where} is busy ({status}): {said}"
            return Retryable(text, _retry_after_s(error.retry_after))
        sentences = {
            0: f"no secure connection to {where}: {said}",
            401: f"{where} does not know the token: check FORESHOCK_INFLUX__TOKEN",
            403: f"{where}: the token may not write to bucket {self.bucket}",
            404: f"{where} has no bucket {self.bucket} in organisation {self.org}",
        }
        return Fatal(sentences.get(status, f"{where} answered {status}: {said}"))

    def flush(self) -> None:
        """Nothing waits: `write` returns when the server has the lines."""

    def close(self) -> None:
        """Close the connections; safe to repeat, and `write` opens anew."""
        client, self._client, api, self._api = self._client, None, self._api, None
        if client is not None:
            api.close()
            client.close()

    def __enter__(self) -> Self:
        """Open."""
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def retention_ns(
    *, url: str, org: str, bucket: str, token: str, timeout_s: float = 10.0
) -> int | None:
    """How long a bucket keeps points.

    Returns:
        Nanoseconds; None if it keeps them for ever, or if the server does not tell
        us (a token that may only write is not told).
    """
    with _client(url, org, token, timeout_s) as client:
        try:
            found = client.buckets_api().find_bucket_by_name(bucket)
        except (ApiException, HTTPError):
            return None
    rules = found.retention_rules if found else []
    seconds = min((r.every_seconds for r in rules if r.every_seconds), default=0)
    return seconds * _NS_PER_S or None


def _client(url: str, org: str, token: str, timeout_s: float) -> Any:
    # The client's own retries stay off (its default): the caller decides.
    timeout_ms = max(1, round(timeout_s * 1000))
    return InfluxDBClient(
        url=url, token=token, org=org, timeout=timeout_ms, enable_gzip=True
    )


def _message(error: ApiException) -> str:
    message = error.message if error.message is not None else error.reason
    if isinstance(message, bytes):
        message = message.decode(errors="replace")
    return " ".join(str(message).split())[:_REASON_CHARS]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:_REASON_CHARS]


def _retry_after_s(header: str | None) -> float | None:
    """Seconds of a Retry-After header, which holds seconds or a date."""
    if header is None:
        return None
    if header.strip().isdigit():
        return float(header)
    try:
        moment = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
