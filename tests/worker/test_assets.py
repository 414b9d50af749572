"""The asset register: files, the topic, and what a worker makes of both."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from connectors.memory_log import Log
from connectors.memory_reader import MemoryReader
from stream import histories
from stream.errors import ConfigError, UserError
from stream.worker.assets import Assets, machine_of, types_of
from stream.worker.elsewhere import Elsewhere
from stream.worker.plant import type_of
from stream.worker.settings import Settings
from stream.worker.settings_assets import Asset, read_entry, write_entry
from tests.worker.tiny import reading, tiny_settings

YAML = """
pump-1: {type: pump, site: Kiel, line: 2, commissioned: 2021-03-31, criticality: A}
pump-2: {criticality: low, commissioned: "2021-03-31T02:00:00+02:00"}
fan of old: {type: fan, site: Kiel, commissioned: 2021-03-31T00:00:00Z}
fan-3:
"""
LIST = """
- {machine: pump-1, type: pump, site: Kiel, line: 2, commissioned: 2021-03-31,
   criticality: a}
- {machine: pump-2, criticality: C, commissioned: 2021-03-31T02:00:00+02:00}
- {machine: fan of old, type: fan, site: Kiel, commissioned: 2021-03-31}
- machine: fan-3
"""
CSV = """\ufeffMachine,type,site,line,commissioned,criticality
pump-1,pump,Kiel,2,2021-03-31,high
pump-2,,,,2021-03-31T00:00:00Z,low

fan of old,fan,Kiel,,2021-03-31,
fan-3,,,,,
"""
NEW = datetime(2021, 3, 31, tzinfo=UTC)
FOUND = [
    Asset("pump-1", "pump", "Kiel", "2", NEW, "high"),
    Asset("pump-2", None, None, None, NEW, "low"),
    Asset("fan of old", "fan", "Kiel", None, NEW, None),
    Asset("fan-3"),
]


def settings_with(folder: Path, name: str, text: str | bytes) -> Settings:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tiny_settings(folder, f"assets.file={file}")


@pytest.mark.parametrize(
    ("name", "text"), [("a.yaml", YAML), ("a.yml", LIST), ("a.CSV", CSV)]
)
def test_all_kinds_of_files_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    assets = Assets(settings_with(tmp_path, name, text))
    assert [assets.of(asset.machine) for asset in FOUND] == FOUND
    assert len(assets) == 4
    assert assets.of("pump-9") is None


def test_what_others_ask_of_it(tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "a.yaml", YAML)
    assets = Assets(settings)
    place = {"site": "Kiel", "line": "2"}
    assert assets.place("pump-1") == place
    assert assets.about("pump-1") == place | {"criticality": "high"}
    assert assets.about("pump-2") == {"criticality": "low"}
    assert assets.place("pump-9") == assets.about("pump-9") == {}
    # The register first, then the pattern of the name, then nothing.
    find = type_of(settings, assets)
    names = ["fan of old", "pump-2", "pump-9", "boiler-1"]
    assert [find(name) for name in names] == [1, 0, 0, None]
    assert [type_of(settings)(name) for name in names] == [None, 0, 0, None]
    assert [types_of(settings)(name) for name in names] == ["fan", "pump", "pump", None]


def test_without_a_file_there_is_nothing(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path)
    assert len(Assets(settings)) == 0
    assert Assets(settings).type_of("pump-1") == "pump"
    (tmp_path / "empty.yaml").write_text("")
    empty = tiny_settings(tmp_path, f"assets.file={tmp_path / 'empty.yaml'}")
    assert len(Assets(empty)) == 0


async def test_a_look_at_other_partitions_knows_registered_machines(
    tmp_path: Path,
) -> None:
    settings, log = settings_with(tmp_path, "a.yaml", YAML), Log()
    log.create_topic("readings", 2)
    for name in ("fan of old", "boiler-1"):
        log.append("readings", 1, None, reading(name, 0, temperature=1))
    looks = [
        Elsewhere(MemoryReader(log), settings, "readings", "g", assets)
        for assets in (Assets(settings), None)
    ]
    found = [[one async for one in look.machines(0)] for look in looks]
    assert found == [[[("fan of old", 1)]], []]


HISTORY = "machine,time,temperature\n" + "".join(
    f"{name},2026-01-01T00:00:{second:02}Z,20\n"
    for name in ("fan-1", "fan of old")
    for second in range(0, 60, 10)
)


def test_a_history_is_cut_by_the_registers_types(tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_text(HISTORY)
    dataset = ["dataset.kind=csv", f"dataset.path={tmp_path / 'h.csv'}"]
    (tmp_path / "a.csv").write_text("machine,type\nfan of old,fan\nfan-1,pump\n")
    plain = tiny_settings(tmp_path, *dataset)
    told = tiny_settings(tmp_path, *dataset, f"assets.file={tmp_path / 'a.csv'}")
    for settings, name in ((plain, "fan-1"), (told, "fan of old")):
        history = histories.load(settings, "fan", "train")
        cut = histories.cut(settings, "fan", history, 100)
        assert {cut.names[m] for m in cut.windows.machine.tolist()} == {name}


@pytest.mark.parametrize(
    ("name", "text", "sentences"),
    [
        (
            "a.yaml",
            "pump-1: {type: turbine}\npump-2: {criticality: D, line: [1]}\n",
            [
                "machines.pump-2.line: expected text (put it in quotes), found [1]"
                " (a.yaml:2)",
                "machines.pump-2.criticality: expected one of 'high', 'medium' or"
                " 'low', found 'D' (a.yaml:2)",
            ],
        ),
        (
            "a.yaml",
            "pump-1:\n  site: Kiel\n  type: turbine\nboiler-1: {}\n",
            [
                "machines.pump-1.type: expected one of the machine types pump, fan,"
                " found 'turbine' (a.yaml:3)",
                "machines.boiler-1.type: expected one of the machine types pump, fan,"
                " since no pattern fits the name, found nothing (a.yaml:4)",
            ],
        ),
        (
            "a.yaml",
            "pump-1: {sit: Kiel}\n",
            ["machines.pump-1.sit: unknown setting; did you mean site? (a.yaml:1)"],
        ),
        (
            "a.yaml",
            "pump-1: {}\npump-1: {}\n",
            ["a.yaml:2: pump-1 stands twice, first in line 1"],
        ),
        (
            "a.yaml",
            "- {machine: pump-1}\n- {site: Kiel}\n- {machine: 7}\n- x\n"
            "- {machine: pump-1}\n",
            [
                "a.yaml:2: machine: expected a name, found nothing",
                "a.yaml:3: machine: expected a name, found 7; put it in quotes",
                "a.yaml:4: expected a mapping of fields",
                "a.yaml:5: pump-1 stands twice, first in line 1",
            ],
        ),
        ("a.yaml", "pump-1", ["a.yaml:1: expected a mapping or a list of records"]),
        (
            "a.yaml",
            "pump-1: {commissioned: 2021-03-31T00:00:00}\n"
            "pump-2: {commissioned: 2201-03-31}\npump-3: {commissioned: 2021}\n",
            [
                f"machines.pump-{n}.commissioned: expected a date such as 2021-03-31,"
                f" or a time with an offset, of 1900 to 2100, found {found}"
                f" (a.yaml:{n})"
                for n, found in [
                    (1, "2021-03-31 00:00:00"),
                    (2, "2201-03-31"),
                    (3, "2021"),
                ]
            ],
        ),
        (
            "a.csv",
            "machine,criticality,commissioned\npump-1,urgent,new\n",
            [
                "machines.pump-1.commissioned: expected a date such as 2021-03-31, or a"
                " time with an offset, of 1900 to 2100, found 'new' (a.csv:2)",
                "machines.pump-1.criticality: expected one of 'high', 'medium' or"
                " 'low', found 'urgent' (a.csv:2)",
            ],
        ),
        (
            "a.csv",
            "machine,site\npump-1\npump-2,Kiel,2\n,Kiel\npump-3,Kiel\npump-3,Kiel\n",
            [
                "a.csv:2: expected 2 cells, as the header has, found 1",
                "a.csv:3: expected 2 cells, as the header has, found 3",
                "a.csv:4: machine: expected a name, found nothing",
                "a.csv:6: pump-3 stands twice, first in line 5",
            ],
        ),
        (
            "a.csv",
            "machine;site\n",
            [
                "a.csv:1: expected columns of machine, type, site, line, commissioned,"
                " criticality, separated by commas, found 'machine;site'"
            ],
        ),
        ("a.csv", "machine,site,site\n", ["a.csv:1: column site stands twice"]),
        (
            "a.csv",
            "site\nKiel\n",
            ["a.csv:1: expected a header with the column machine, found none"],
        ),
        (
            "a.csv",
            'machine,site\npump-1,"Ki"el\n',
            ["a.csv:2: not valid CSV: ',' expected after '\"'"],
        ),
        (
            "a.csv",
            b"machine,site\npump-1,K\xfcl\n",
            ["a.csv:2: expected text in UTF-8"],
        ),
        (
            "a.txt",
            "machine\n",
            ["a.txt: expected a name that ends in .yaml, .yml or .csv"],
        ),
    ],
)
def test_a_bad_file_is_refused_with_all_its_faults(
    tmp_path: Path, name: str, text: str | bytes, sentences: list[str]
) -> None:
    settings = settings_with(tmp_path, name, text)
    with pytest.raises(ConfigError) as caught:
        Assets(settings)
    said = [fault.replace(f"{tmp_path}/", "") for fault in caught.value.faults]
    assert said == sentences


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path, "assets.file=nowhere.csv")
    with pytest.raises(ConfigError, match=r"nowhere.csv: cannot read .* no such file"):
        Assets(settings)


def test_of_a_thousand_faults_some_are_said(tmp_path: Path) -> None:
    rows = "".join(f"boiler-{n}\n" for n in range(1000))
    settings = settings_with(tmp_path, "a.csv", f"machine\n{rows}")
    with pytest.raises(ConfigError) as caught:
        Assets(settings)
    assert len(caught.value.faults) == 51
    assert caught.value.faults[-1] == "and 950 faults more"


def test_what_is_published_is_read_again(tmp_path: Path) -> None:
    settings = tiny_settings(tmp_path)
    for asset in FOUND:
        value = write_entry(asset)
        assert json.loads(value)["machine"] == asset.machine
        read = read_entry(
            asset.machine, value, settings.machine_types, settings.type_of
        )
        assert read == asset


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (b"", "expected JSON"),
        (b"[]", "expected a mapping"),
        (b'{"machine": "pump-2"}', "expected the record's key"),
        (b'{"site": 1.5}', r"machines.pump-1.site: expected text"),
        (b'{"type": "turbine"}', "expected one of the machine types pump, fan"),
    ],
)
def test_a_bad_entry_says_why(tmp_path: Path, value: bytes, why: str) -> None:
    settings = tiny_settings(tmp_path)
    with pytest.raises(ValueError, match=why):
        read_entry("pump-1", value, settings.machine_types, settings.type_of)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (b"pump-1", "pump-1"),
        (b"pump-1\x000", None),
        (b"\0reported\0pump-1", None),
        (b"\xff", None),
        (b"", None),
        (None, None),
    ],
)
def test_claims_are_no_entries(key: bytes | None, name: str | None) -> None:
    assert machine_of(key) == name


class Topic:
    """The register's topic, and a worker that follows it."""

    def __init__(self, folder: Path) -> None:
        file = folder / "a.yaml"
        file.write_text(YAML)
        self.settings = tiny_settings(
            folder, f"assets.file={file}", "assets.topic=true"
        )
        self.log = Log()
        self.name = self.settings.topics.machines
        self.log.create_topic(self.name, 2)

    def write(self, name: str, **fields: Any) -> None:
        self.put(name.encode(), json.dumps(fields).encode())

    def put(self, key: bytes, value: bytes | None) -> None:
        self.log.append(self.name, None, key, value)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Assets]:
        assets = Assets(self.settings)
        following = asyncio.create_task(assets.follow(MemoryReader(self.log)))
        async with asyncio.timeout(10):
            await assets.ready()
        try:
            yield assets
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following

    async def seen(self, assets: Assets, name: str, site: str | None) -> None:
        async with asyncio.timeout(10):
            while assets.place(name).get("site") != site:
                await asyncio.sleep(0.01)


async def test_the_topic_beats_the_file_and_is_followed(tmp_path: Path) -> None:
    topic = Topic(tmp_path)
    for number in range(8):
        topic.put(b"pump-1\x00%d" % number, b'{"machine": "pump-1"}')
    topic.write("pump-1", type="pump", site="Bonn")
    topic.write("pump-5", site="Bonn")
    topic.put(b"pump-6", b"junk")
    async with topic.worker() as assets:
        assert assets.place("pump-1") == {"site": "Bonn"}
        assert assets.place("pump-5") == {"site": "Bonn"}
        assert assets.of("pump-6") is None
        assert assets.of("fan of old") == FOUND[2]
        assert len(assets) == 5
        topic.write("pump-1", type="pump", site="Ulm", criticality="B")
        await topic.seen(assets, "pump-1", "Ulm")
        assert assets.about("pump-1") == {"site": "Ulm", "criticality": "medium"}
        # Taken off the topic: the file holds again.
        topic.put(b"pump-1", None)
        await topic.seen(assets, "pump-1", "Kiel")


async def test_a_type_that_changes_waits_for_the_next_start(tmp_path: Path) -> None:
    topic = Topic(tmp_path)
    topic.write("pump-1", type="fan", site="a")
    with structlog.testing.capture_logs() as logs:
        async with topic.worker() as assets:
            # As it stood at the start: the topic beats the file.
            assert assets.type_of("pump-1") == "fan"
            topic.write("pump-1", type="pump", site="b")
            await topic.seen(assets, "pump-1", "b")
            assert assets.type_of("pump-1") == "fan"
            # Its name fits a pattern, so that it may be at work by now.
            topic.write("pump-7", type="fan", site="c")
            await topic.seen(assets, "pump-7", "c")
            assert assets.type_of("pump-7") == "pump"
            # Unknown so far, and refused: nothing is in its way.
            topic.write("old pump", type="pump", site="d")
            await topic.seen(assets, "old pump", "d")
            assert assets.type_of("old pump") == "pump"
    assert [log["machine"] for log in logs] == ["pump-1", "pump-7"]
    assert {"type": "fan", "registered": "pump"}.items() <= logs[0].items()
    async with topic.worker() as assets:
        types = [assets.type_of(name) for name in ("pump-1", "pump-7", "old pump")]
        assert types == ["pump", "fan", "pump"]


async def test_without_the_topic_nothing_is_followed(tmp_path: Path) -> None:
    assets = Assets(tiny_settings(tmp_path))
    async with asyncio.timeout(10):
        await assets.follow(MemoryReader(Log()))
        await assets.ready()


async def test_a_topic_that_is_not_there_is_said(tmp_path: Path) -> None:
    assets = Assets(tiny_settings(tmp_path, "assets.topic=true"))
    with pytest.raises(UserError, match=r"no topic 'foreshock\.machines\.v1'"):
        await assets.follow(MemoryReader(Log()))
