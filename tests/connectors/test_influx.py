"""InfluxDB: the sink contract on a real server and a scripted one, and all answers."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient

from connectors.influx import InfluxSink, retention_ns
from connectors.line_protocol import score_line, time_ns
from connectors.sinks import Fatal, Refused, Retryable
from tests.connectors.scripted_http import Answer, Asked, Script, scripted_server
from tests.contracts.sink import FIRST_NS, Kit, SinkContract, line, many, points
from tests.services import influx as influx_server
from tests.services.influx import Influx

_POINT = re.compile(r"score,machine=(.+),type=\S+ .* (\d+)", re.DOTALL)


TOKEN = "hunter2"  # noqa: S105 - no secret


def sink_of(
    url: str, server: Influx | None = None, timeout_s: float = 5.0
) -> InfluxSink:
    to = server or Influx(url, "o", "b", TOKEN)
    return InfluxSink(
        url=url, org=to.org, bucket=to.bucket, token=to.token, timeout_s=timeout_s
    )


def query(server: Influx, flux: str) -> list[dict[str, Any]]:
    client = InfluxDBClient(url=server.url, token=server.token, org=server.org)
    with client:
        tables = client.query_api().query(flux)
    # Times to the nanosecond come as text only.
    return [record.values for table in tables for record in table.records]


def everything(server: Influx) -> list[dict[str, Any]]:
    return query(
        server,
        f'from(bucket: "{server.bucket}")'
        " |> range(start: 0, stop: 2100-01-01T00:00:00Z)"
        " |> map(fn: (r) => ({r with at: string(v: int(v: r._time))}))",
    )


class _Unplugged:
    """Makes a sink's server unreachable for a while, by another port."""

    sink: InfluxSink | None = None

    @contextmanager
    def outage(self) -> Iterator[None]:
        assert self.sink is not None
        there, self.sink.url = self.sink.url, f"http://127.0.0.1:{closed_port()}"
        yield
        self.sink.close()
        self.sink.url = there


class RealKit(_Unplugged):
    def __init__(self, server: Influx) -> None:
        self.server = server

    def make(self) -> InfluxSink:
        self.sink = sink_of(self.server.url, self.server)
        return self.sink

    def stored(self) -> set[tuple[str, int]]:
        rows = everything(self.server)
        return {(row["machine"], int(row["at"])) for row in rows}


class ScriptedKit(_Unplugged):
    def __init__(self, script: Script) -> None:
        self.script = script

    def make(self) -> InfluxSink:
        self.sink = sink_of(self.script.url)
        return self.sink

    def stored(self) -> set[tuple[str, int]]:
        found = [_POINT.fullmatch(text) for text in self.script.written]
        return {
            (re.sub(r"\\([,= ])", r"\1", match[1]), int(match[2]))
            for match in found
            if match
        }


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def script() -> Iterator[Script]:
    with scripted_server() as script:
        yield script


class TestInfluxSinkOnAScriptedServer(SinkContract):
    @pytest.fixture
    def kit(self, script: Script) -> Kit:
        return ScriptedKit(script)


class TestInfluxSinkOnARealServer(SinkContract):
    @pytest.fixture
    def kit(self, influx_bucket: Influx) -> Kit:
        return RealKit(influx_bucket)


def test_the_request_is_what_influx_expects(script: Script) -> None:
    with sink_of(script.url) as sink:
        sink.write(many(3))
    (asked,) = script.asked
    assert asked.path == "/api/v2/write?org=o&bucket=b&precision=ns"
    assert asked.headers["Authorization"] == f"Token {TOKEN}"
    assert asked.headers["Content-Encoding"] == "gzip"
    assert asked.body.split("\n") == many(3)


def test_a_request_has_at_most_5000_lines(script: Script) -> None:
    with sink_of(script.url) as sink:
        sink.write(many(12_001))
        sink.batch_lines = 100
        sink.write(many(250))
    sizes = [asked.body.count("\n") + 1 for asked in script.asked]
    assert sizes == [5000, 5000, 2001, 100, 100, 50]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_busy_answers_are_retryable(script: Script, status: int) -> None:
    script.next.append(Answer(status, "come back"))
    with sink_of(script.url) as sink:
        with pytest.raises(Retryable, match=f"is busy \\({status}\\): come back") as e:
            sink.write(many(3))
        assert e.value.after_s is None
        assert sink.write(many(3)) == []
    assert script.written == many(3)


def test_retry_after_in_seconds_or_as_a_date(script: Script) -> None:
    later = datetime.now(UTC) + timedelta(seconds=90)
    for header in ("7", format_datetime(later, usegmt=True), "soon"):
        script.next.append(Answer(503, "busy", {"Retry-After": header}))
    waits = []
    with sink_of(script.url) as sink:
        for _ in range(3):
            with pytest.raises(Retryable) as caught:
                sink.write(many(1))
            waits.append(caught.value.after_s)
    assert waits[0] == 7.0
    assert waits[1] == pytest.approx(90, abs=5)
    assert waits[2] is None


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "does not know the token: check FORESHOCK_INFLUX__TOKEN"),
        (403, "the token may not write to bucket b"),
        (404, "has no bucket b in organisation o"),
        (405, "answered 405: no"),
        (301, "answered 301: no"),
    ],
)
def test_fatal_answers_say_what_must_change(
    script: Script, status: int, sentence: str
) -> None:
    script.next.append(Answer(status, "no"))
    with sink_of(script.url) as sink, pytest.raises(Fatal, match=sentence):
        sink.write(many(3))
    assert len(script.asked) == 1


def test_a_server_that_hangs_up_is_retryable(script: Script) -> None:
    script.next.append(Answer(hang_up=True))
    with sink_of(script.url) as sink, pytest.raises(Retryable, match="does not answer"):
        sink.write(many(1))


def test_a_server_that_never_answers_is_retryable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        sink = sink_of(url, timeout_s=0.2)
        with sink, pytest.raises(Retryable, match="does not answer"):
            sink.write(many(1))


def test_a_plain_server_is_no_secure_one(script: Script) -> None:
    url = script.url.replace("http:", "https:")
    with sink_of(url) as sink, pytest.raises(Fatal, match="no secure connection"):
        sink.write(many(1))


def refuse_bad(asked: Asked) -> Answer:
    bad = [text for text in asked.body.split("\n") if "bad" in text]
    return Answer(400, f"unable to parse {bad[0]!r}") if bad else Answer()


@pytest.mark.parametrize("status", [400, 413, 422])
def test_bad_lines_are_found_by_halving(script: Script, status: int) -> None:
    def judge(asked: Asked) -> Answer:
        answer = refuse_bad(asked)
        return Answer(status, answer.message) if answer.message else answer

    script.judge = judge
    lines = many(1000)
    for place in (0, 499, 500, 999):
        lines[place] = f"bad {place}"
    with sink_of(script.url) as sink:
        refused = sink.write(lines)
    assert refused == [
        Refused(place, f"unable to parse 'bad {place}'") for place in (0, 499, 500, 999)
    ]
    good = [text for text in lines if "bad" not in text]
    assert sorted(script.written) == sorted(good)
    # A bad line costs two questions for each halving, not one for each line.
    assert len(script.asked) < 4 * 2 * 10


def test_places_count_blank_lines_and_earlier_requests(script: Script) -> None:
    script.judge = refuse_bad
    lines = many(25)
    lines[3], lines[14], lines[24] = "", "bad 14", "bad 24"
    with sink_of(script.url) as sink:
        sink.batch_lines = 10
        assert [bad.place for bad in sink.write(lines)] == [3, 14, 24]


def test_a_batch_dropped_as_a_whole_is_not_halved(script: Script) -> None:
    said = "partial write: points beyond retention policy dropped=100"
    script.next.append(Answer(422, said))
    with sink_of(script.url) as sink:
        assert sink.write(many(100)) == [Refused(i, said) for i in range(100)]
    assert len(script.asked) == 1


def test_an_error_in_the_middle_of_halving_loses_nothing(script: Script) -> None:
    script.next += [Answer(400, "bad line"), Answer(), Answer(503, "busy")]
    script.judge = refuse_bad
    lines = [*many(7), "bad 7"]
    with sink_of(script.url) as sink:
        with pytest.raises(Retryable):
            sink.write(lines)
        assert [bad.place for bad in sink.write(lines)] == [7]
    assert set(script.written) == set(many(7))


def test_no_error_tells_the_token(script: Script) -> None:
    sink = sink_of(script.url)
    for status in (400, 401, 403, 404, 429, 500, 301):
        script.next.append(Answer(status, "no"))
        with sink:
            try:
                told = str(sink.write(many(1)))
            except (Fatal, Retryable) as error:
                told = f"{error} {error!r}"
        assert TOKEN not in told + repr(sink) + str(vars(sink).keys())


def test_real_refusals_are_isolated(influx_bucket: Influx) -> None:
    lines = many(200)
    lines[17] = "nonsense"
    lines[99] = line("m", 99).replace("risk=0.25", 'risk="text"')
    with sink_of(influx_bucket.url, influx_bucket) as sink:
        refused = sink.write(lines)
    assert [bad.place for bad in refused] == [17, 99]
    assert "unable to parse" in refused[0].reason
    assert "field type conflict" in refused[1].reason
    kept = points(200) - {("m", FIRST_NS + 17), ("m", FIRST_NS + 99)}
    assert RealKit(influx_bucket).stored() == kept


def test_real_errors_of_access(influx_bucket: Influx) -> None:
    server = influx_bucket
    cases = {
        "does not know the token": Influx(server.url, server.org, server.bucket, "x"),
        "has no bucket nope": Influx(server.url, server.org, "nope", server.token),
    }
    for sentence, other in cases.items():
        with sink_of(other.url, other) as sink, pytest.raises(Fatal, match=sentence):
            sink.write(many(1))


def test_points_beyond_a_buckets_retention_are_refused(influx_bucket: Influx) -> None:
    found = influx_server.call(
        influx_bucket, "GET", f"/api/v2/buckets?name={influx_bucket.bucket}"
    )
    hour = {
        "name": f"{influx_bucket.bucket}-hour",
        "orgID": found["buckets"][0]["orgID"],
        "retentionRules": [{"type": "expire", "everySeconds": 3600}],
    }
    made = influx_server.call(influx_bucket, "POST", "/api/v2/buckets", hour)
    short = Influx(
        influx_bucket.url, influx_bucket.org, str(hour["name"]), influx_bucket.token
    )
    try:
        with sink_of(short.url, short) as sink:
            refused = sink.write(many(5))
        told = retention_ns(
            url=short.url, org=short.org, bucket=short.bucket, token=short.token
        )
    finally:
        influx_server.call(influx_bucket, "DELETE", f"/api/v2/buckets/{made['id']}")
    assert [bad.place for bad in refused] == [0, 1, 2, 3, 4]
    assert "retention" in refused[0].reason
    assert told == 3600 * 10**9


def test_retention_is_unknown_without_an_answer(influx_bucket: Influx) -> None:
    def told(server: Influx) -> int | None:
        return retention_ns(
            url=server.url, org=server.org, bucket=server.bucket, token=server.token
        )

    assert told(replace(influx_bucket, token=TOKEN)) is None
    assert told(replace(influx_bucket, url=f"http://127.0.0.1:{closed_port()}")) is None
    # Known, and for ever.
    assert told(influx_bucket) is None


def test_a_score_reads_back_as_it_was(influx_bucket: Influx) -> None:
    score = {
        "machine": 'p,=" 7\\',
        "type": "pump",
        "id": 'a"b\\c\nd',
        "time": "2026-11-21T09:00:00.123456789Z",
        "risk": 1,
        "rul": {"p05": 1.5, "p50": None, "p95": 1e-7},
        "contributions": {'odd "name",=\\': 0.5},
        "model": {"name": "m 1"},
    }
    with sink_of(influx_bucket.url, influx_bucket) as sink:
        assert sink.write([score_line(score)]) == []
    rows = everything(influx_bucket)
    # Texts lose line ends, keys their quotes; a backslash at the end gets a blank.
    assert {row["_field"]: row["_value"] for row in rows} == {
        "risk": 1.0,
        "rul_p05": 1.5,
        "rul_p95": 1e-7,
        "id": 'a"b\\c d',
        "contribution_odd 'name',=/": 0.5,
    }
    assert {row["machine"] for row in rows} == {'p,=" 7\\ '}
    assert {row["model"] for row in rows} == {"m 1"}
    assert {int(row["at"]) for row in rows} == {time_ns(str(score["time"]))}
