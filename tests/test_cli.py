"""The command line without servers: help, versions, errors, `config check`."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from stream import cli, cli_config, cli_scores, cli_worker
from stream.errors import ForeshockError, InputError, OutsideError, UserError

ROOT = Path(__file__).parents[1]
CMAPSS = str(ROOT / "configs" / "cmapss.yaml")
PLANT = str(ROOT / "configs" / "plant.yaml")
BAD = str(ROOT / "tests" / "worker" / "bad_configs" / "two_faults.yaml")

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def wide_and_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("FORESHOCK_SECRETS_DIR", raising=False)


def started(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-m", "stream.cli", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command_with_examples(capsys: Capture) -> None:
    assert cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    names = ["config", "topics", "replay", "train", "evaluate", "worker", "scores"]
    assert [name for name in names if f" {name} " not in text] == []
    commands = [[n] for n in names[2:]] + [["config", "check"], ["topics", "create"]]
    for command in commands:
        assert cli.run([*command, "--help"]) == 0
        text = capsys.readouterr().out
        assert f"foreshock {' '.join(command)} " in text.split("Examples")[1], command


def test_help_loads_nothing_heavy_and_is_fast() -> None:
    code = (
        "import sys; from stream.cli import run; run(['--help']);"
        "heavy = {'tensorflow', 'keras', 'faust', 'kafka', 'aiokafka', 'numpy',"
        " 'influxdb_client', 'pydantic', 'sklearn', 'matplotlib'};"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    start = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("heavy: []\n")
    # Usually 0.2 s; a machine busy with other tests takes longer.
    assert time.perf_counter() - start < 5


def test_config_check_needs_no_frameworks() -> None:
    code = (
        f"import sys; from stream.cli import run; run(['config', 'check', {CMAPSS!r}]);"
        "heavy = {'tensorflow', 'keras', 'faust', 'kafka', 'influxdb_client'};"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.endswith("heavy: []\n")


def test_version(capsys: Capture) -> None:
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out == f"foreshock {version('foreshock')}\n"


def test_exit_codes_reach_the_shell() -> None:
    assert started("config", "check", CMAPSS).returncode == 0
    refused = started("config", "check", BAD)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Traceback" not in refused.stderr


def test_config_check_tells_what_was_understood(capsys: Capture) -> None:
    assert cli.run(["config", "check", PLANT]) == 0
    text = capsys.readouterr().out
    for part in (
        "pump-*, P-[0-9]*",
        "5 + 1 settings",
        "every 1s",
        "5min, up to 300 rows, stride 10",
        "horizon 168, cap 1000 hours",
        "one per message",
        "120 rows, stride 6",
        "plant.quarantine.v1",
        "4 partitions x 1 at 127.0.0.1:9092 (PLAINTEXT)",
        "archive: files in lines/plant",
        "bundles: bundles/plant/<machine type>",
    ):
        assert part in text
    assert text.endswith(f"{PLANT}: fine\n")


def test_config_check_in_json(capsys: Capture) -> None:
    assert cli.run(["config", "check", CMAPSS, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert document["missing_secrets"] == []
    window = document["settings"]["machine_types"]["turbofan"]["window"]
    assert (window["rows"], window["stride"]) == (60, 1)


def test_config_check_in_json_tells_the_faults_too(capsys: Capture) -> None:
    assert cli.run(["config", "check", BAD, "--json"]) == 2
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert document["ok"] is False
    assert len(document["faults"]) == 2
    assert said.err == "foreshock: " + "\n".join(document["faults"]) + "\n"


def test_config_check_takes_overrides_and_names_missing_secrets(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    influx = ["influx.url=http://h:8086", "influx.org=o", "influx.bucket=b"]
    arguments = ["config", "check", CMAPSS]
    for override in influx:
        arguments += ["--set", override]
    assert cli.run(arguments) == 0
    said = capsys.readouterr()
    assert "note: influx.token is not set yet" in said.err
    assert "archive: http://h:8086, bucket b" in said.out
    monkeypatch.setenv("FORESHOCK_INFLUX__TOKEN", "hunter2")
    assert cli.run([*arguments, "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["missing_secrets"] == []
    assert "hunter2" not in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["repaly"],
            "foreshock: No such command 'repaly'. Did you mean 'replay'?"
            " (see foreshock --help)",
        ),
        (
            ["config", "check"],
            "foreshock: Missing argument 'FILE'. (see foreshock config check --help)",
        ),
        (
            ["config", "check", "nowhere.yaml"],
            "foreshock: nowhere.yaml: cannot read the configuration: no such file or"
            " directory",
        ),
        (
            ["replay", CMAPSS, "--speed", "0"],
            "foreshock: --speed: expected a number above 0, found 0",
        ),
        (
            ["replay", PLANT],
            "foreshock: machine type 'pump': expected a dataset to learn from, found"
            " none; set dataset, or machine_types.pump.dataset",
        ),
        (
            ["topics", "create", CMAPSS, "--set", "kafka.brokers=127.0.0.1:1"],
            "foreshock: no Kafka broker answers at 127.0.0.1:1 (connection refused)",
        ),
        (
            [
                *("topics", "create", CMAPSS, "--set", "kafka.security.username=u"),
                *("--set", "kafka.security.mechanism=PLAIN"),
                *("--set", "kafka.security.protocol=SASL_SSL"),
            ],
            "foreshock: kafka.security.password: expected the secret in the environment"
            " variable FORESHOCK_KAFKA__SECURITY__PASSWORD or in a secret file of that"
            " name, found nothing",
        ),
    ],
)
def test_every_error_is_one_sentence(
    capsys: Capture, arguments: list[str], sentence: str
) -> None:
    code = cli.run(arguments)
    said = capsys.readouterr()
    assert said.err == f"{sentence}\n"
    assert said.out == ""
    assert code == (1 if "answers" in sentence else 2)


def test_an_option_that_does_not_exist_is_a_sentence(capsys: Capture) -> None:
    assert cli.run(["replay", CMAPSS, "--fast"]) == 2
    text = capsys.readouterr().err
    assert text.startswith("foreshock: No such option: --fast")
    assert text.count("\n") == 1


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    def fail(error: BaseException) -> None:
        def load(*_: object) -> None:
            raise error

        monkeypatch.setattr(cli_config, "settings_from", load)

    return fail


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UserError("wrong"), 2, "foreshock: wrong\n"),
        (
            InputError("no [bold]such[/bold] row"),
            2,
            "foreshock: no [bold]such[/bold] row\n",
        ),
        (OutsideError("away"), 1, "foreshock: away\n"),
        (ForeshockError("x"), 1, "foreshock: x\n"),
        (KeyboardInterrupt(), 130, "foreshock: interrupted\n"),
        (
            ZeroDivisionError("by\nzero"),
            1,
            "foreshock: unexpected error, ZeroDivisionError: by"
            " (foreshock --debug … shows where)\n",
        ),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    capsys: Capture,
    failing: Callable[[BaseException], None],
    error: BaseException,
    code: int,
    sentence: str,
) -> None:
    failing(error)
    assert cli.run(["config", "check", CMAPSS]) == code
    assert capsys.readouterr().err == sentence


def test_debug_shows_where(
    capsys: Capture, failing: Callable[[BaseException], None]
) -> None:
    failing(ZeroDivisionError("by zero"))
    assert cli.run(["--debug", "config", "check", CMAPSS]) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert "foreshock: unexpected error, ZeroDivisionError: by zero" in text


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} -m stream.cli config check {CMAPSS} --json | head -c 9"
    done = subprocess.run(  # noqa: S602 - a pipe is what is under test
        f"set -o pipefail; {command}",
        shell=True,
        executable="/bin/bash",
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (10**9, "1s"),
        (90 * 10**9, "90s"),
        (300 * 10**9, "5min"),
        (7_200 * 10**9, "2h"),
        (86_400 * 10**9, "1d"),
        (500_000_000, "500ms"),
    ],
)
def test_durations_are_shown_short(ns: int, text: str) -> None:
    assert cli_config.duration(ns) == text


def test_a_score_as_a_line() -> None:
    score = {
        "machine": "pump-07",
        "time": "2026-11-21T09:00:00.123Z",
        "risk": 0.12345,
        "rul": {"p05": 10.0, "p50": 20.55, "p95": 125.0},
        "anomaly": 0.5,
        "health": 88.0,
        "contributions": {"T24": 0.25, "P2": 0.7, "Nf": 0.05},
        "why": None,
    }
    assert cli_scores.line(score).split() == [
        "2026-11-21T09:00:00.123Z",
        "pump-07",
        "0.123",
        "20.6",
        "10.0",
        "to",
        "125.0",
        "0.500",
        "88",
        "P2",
        "70%,",
        "T24",
        "25%",
    ]
    nothing = {"machine": "pump-07", "risk": None, "rul": None, "why": "min_context"}
    assert cli_scores.line(nothing).split() == [
        "-",
        "pump-07",
        "-",
        "-",
        "-",
        "to",
        "-",
        "-",
        "-",
        "min_context",
    ]


def test_roles_of_a_worker() -> None:
    role = cli_worker.Role
    assert cli_worker._roles(None, repartition=False) == ("score", "archive")
    told = cli_worker._roles(None, repartition=False, notify=True)
    assert told == ("score", "archive", "notify")
    assert cli_worker._roles(None, repartition=True) == (
        "score",
        "archive",
        "repartition",
    )
    only = [role.ARCHIVE, role.SCORE, role.ARCHIVE]
    assert cli_worker._roles(only, repartition=True) == ("archive", "score")


def test_processes_of_a_worker_share_its_options(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[tuple[list[list[str]], list[Path]]] = []

    def run_all(commands: list[list[str]], alive: list[Path]) -> int:
        asked.append((commands, alive))
        return 0

    monkeypatch.setattr("stream.worker.processes.run_all", run_all)
    alive = tmp_path / "alive"
    given = ["worker", PLANT, "--only", "score", "--processes", "2"]
    member = ["--set", "kafka.static_member_id=w"]
    assert cli.run([*given, *member, "--alive", str(alive)]) == 0
    assert cli.run(given) == 0
    (commands, files), (plain, none) = asked
    assert none == []
    start = [sys.executable, "-m", "stream.cli", "worker", PLANT, "--only=score"]
    assert plain == [start, start]
    assert files == [alive, tmp_path / "alive.0", tmp_path / "alive.1"]
    assert commands == [
        [
            *start,
            "--set=kafka.static_member_id=w",
            f"--set=kafka.static_member_id=w-{n}",
            f"--alive={alive}.{n}",
        ]
        for n in range(2)
    ]


@pytest.mark.parametrize(
    ("device", "chip", "told"),
    [
        ("auto", "", "computed_by=CPU"),
        ("auto", "H100", "computed_by=H100"),
        ("gpu", "", "reason=no driver"),
    ],
)
def test_a_worker_says_what_computes(
    monkeypatch: pytest.MonkeyPatch, device: str, chip: str, told: str
) -> None:
    from stream.worker import app, bundles
    from stream.worker.settings import load_settings

    found: list[str] = []

    class Log:
        def info(self, event: str, **given: str) -> None:
            found.extend(f"{name}={value}" for name, value in given.items())

        warning = info

    monkeypatch.setattr(app, "_log", Log())
    monkeypatch.setattr("models.backend.gpu", lambda: chip)
    monkeypatch.setattr("models.backend.why_no_gpu", lambda: "no driver")
    monkeypatch.setattr(bundles, "scorers_of", lambda settings: [])
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "2")
    settings = load_settings(PLANT, [f"compute.device={device}"], {})
    assert app._scorers(settings) == []
    assert found == [told]
