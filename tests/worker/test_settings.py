"""Where settings come from, which source wins, and what never shows."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.worker.settings import ConfigError, Settings, load_settings

PLANT = """
kafka:
  brokers: [file:9092]
machine_types:
  Pump:
    match: ["pump-*", "P?"]
    life: {horizon: 10, cap: 100}
    sensors:
      motor.temp: {unit: Cel, range: [null, 200]}
      T24: {unit: "[degR]", role: setting}
    window: {length: 5min, max_rows: 300}
    rows: {every: 1s}
  fan:
    match: fan-*
    life: {horizon: 10, cap: 100, axis: hours}
    sensors: {rpm: {unit: "{rpm}"}}
    window: {rows: 7}
"""
SASL = PLANT.replace(
    "kafka:",
    "kafka:\n  security: {protocol: SASL_SSL, mechanism: PLAIN, username: u}",
)
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load(
        text: str = PLANT,
        *overrides: str,
        secrets: dict[str, str] | None = None,
        **env: str,
    ) -> Settings:
        file = tmp_path / "plant.yaml"
        file.write_text(text)
        folder = tmp_path / "secrets"
        folder.mkdir(exist_ok=True)
        for name, secret in (secrets or {}).items():
            (folder / name).write_text(secret)
        return load_settings(
            file, overrides, {"FORESHOCK_SECRETS_DIR": str(folder)} | env
        )

    return load


def faults(load: Load, *args: str, **kwargs: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load(*args, **kwargs)
    return caught.value.faults


def test_defaults_and_units(load: Load) -> None:
    settings = load()
    assert settings.kafka.session_timeout_s == 10.0
    assert settings.kafka.fetch_max_bytes == 16 * 1024 * 1024
    assert settings.limits.forget_after_ns == 30 * 86_400 * 10**9
    assert settings.input.future_tolerance_ns == 300 * 10**9
    assert settings.influx.directory == Path("lines")
    pump, fan = settings.machine_types.values()
    assert pump.window.length_ns == 300 * 10**9
    assert (pump.window.capacity, fan.window.capacity) == (300, 7)
    assert (pump.rows.hold_ns, fan.rows.hold_ns) == (3 * 10**9, None)
    assert pump.sensors["motor.temp"].range == (None, 200.0)


def test_each_source_beats_the_next(load: Load) -> None:
    name = "FORESHOCK_KAFKA__BROKERS"
    assert load().kafka.brokers == ("file:9092",)
    low = load(secrets={name: "secret:9092\n"})
    assert low.kafka.brokers == ("secret:9092",)
    middle = load(secrets={name: "secret:9092"}, **{name: "env:1,env:2"})
    assert middle.kafka.brokers == ("env:1", "env:2")
    high = load(
        PLANT, "kafka.brokers=[set:1]", "kafka.brokers=set:2", **{name: "env:1"}
    )
    assert high.kafka.brokers == ("set:2",)


def test_the_environment_finds_keys_whatever_their_case(load: Load) -> None:
    settings = load(FORESHOCK_MACHINE_TYPES__PUMP__SENSORS__T24__UNIT="K")
    assert settings.machine_types["Pump"].sensors["T24"].unit == "K"


def test_set_reaches_keys_with_dots_in_quotes(load: Load) -> None:
    settings = load(PLANT, 'machine_types.Pump.sensors."motor.temp".unit=K')
    assert settings.machine_types["Pump"].sensors["motor.temp"].unit == "K"


def test_null_unsets_and_lists_are_yaml(load: Load) -> None:
    settings = load(
        PLANT,
        "machine_types.Pump.rows.every=null",
        "machine_types.fan.sensors.rpm.range=[0, 10]",
        "topics.retention=null",
    )
    assert settings.machine_types["Pump"].rows.every_ns is None
    assert settings.machine_types["fan"].sensors["rpm"].range == (0.0, 10.0)
    assert settings.topics.retention_ns is None


def test_other_variables_with_the_prefix_are_no_settings(load: Load) -> None:
    load(FORESHOCK_DATA="/somewhere", FORESHOCK_TEST_KAFKA="h:1", HOME="/root")


@pytest.mark.parametrize(
    ("overrides", "env", "sentence"),
    [
        (["kafka"], {}, "--set: expected section.key=value, found 'no ='"),
        (["kafka=1"], {}, "--set: expected section.key=value, found 'kafka'"),
        (["a..b=1"], {}, "--set: expected section.key=value, found 'a..b'"),
        (
            ["kafka.brokers=[h:1"],
            {},
            "kafka.brokers: expected a list or a mapping in YAML (--set)",
        ),
        (
            ["state.intervall=1s"],
            {},
            "state.intervall: unknown setting; did you mean interval? (--set)",
        ),
        (
            [],
            {"FORESHOCK_KAFAK__BROKERS": "h:1"},
            "kafak: unknown setting; did you mean kafka?"
            " (environment FORESHOCK_KAFAK__BROKERS)",
        ),
        (
            [],
            {"FORESHOCK_STATE__INTERVAL": "soon"},
            "state.interval: expected a duration with a unit, such as 500ms, 10s, 5min,"
            " 1h30min or 30d, found 'soon' (environment FORESHOCK_STATE__INTERVAL)",
        ),
        (
            [],
            {"FORESHOCK_STATE____INTERVAL": "1s"},
            "FORESHOCK_STATE____INTERVAL: expected FORESHOCK_SECTION__KEY",
        ),
    ],
)
def test_bad_sources_are_named(
    load: Load, overrides: list[str], env: dict[str, str], sentence: str
) -> None:
    assert faults(load, PLANT, *overrides, **env) == (sentence,)


def test_a_missing_secrets_folder_is_named_only_if_it_was_asked_for(
    tmp_path: Path,
) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT)
    load_settings(file, (), {})
    with pytest.raises(ConfigError, match="FORESHOCK_SECRETS_DIR: expected a folder"):
        load_settings(file, (), {"FORESHOCK_SECRETS_DIR": str(tmp_path / "nowhere")})


def test_an_unreadable_secret_file_is_named(load: Load, tmp_path: Path) -> None:
    load()
    secret = tmp_path / "secrets" / "FORESHOCK_INFLUX__TOKEN"
    secret.write_bytes(b"\xff\xfe")
    assert "expected a readable secret file in UTF-8" in faults(load)[0]
    secret.write_bytes(b"x" * 70_000)
    assert "expected a secret of at most 64 KiB" in faults(load)[0]


def test_secrets_come_from_the_environment_or_files_to_the_letter(load: Load) -> None:
    name = "FORESHOCK_KAFKA__SECURITY__PASSWORD"
    for secret in ("hunter2", "null", "[1, 2]", "123"):
        by_env = load(SASL, **{name: secret}).kafka.security.password
        by_file = load(SASL, secrets={name: f"{secret}\n"}).kafka.security.password
        assert by_env is not None
        assert by_file is not None
        assert by_env.get_secret_value() == by_file.get_secret_value() == secret


def test_the_environment_beats_a_secret_file(load: Load) -> None:
    name = "FORESHOCK_INFLUX__TOKEN"
    token = load(secrets={name: "old"}, **{name: "new"}).influx.token
    assert token is not None
    assert token.get_secret_value() == "new"


@pytest.mark.parametrize(
    "path", ["influx.token", "kafka.security.password", "kafka.security.key_password"]
)
def test_set_takes_no_secrets(load: Load, path: str) -> None:
    (sentence,) = faults(load, PLANT, f"{path}=hunter2")
    assert sentence.startswith(f"{path}: expected the secret in the environment")
    assert sentence.endswith("found it in --set")


def test_a_secret_shows_nowhere(load: Load) -> None:
    names = ("INFLUX__TOKEN", "KAFKA__SECURITY__PASSWORD")
    env = {f"FORESHOCK_{name}": "hunter2" for name in names}
    settings = load(SASL, **env)
    shown = [repr(settings), str(settings), settings.model_dump_json()]
    shown += [repr(settings.influx), str(settings.model_dump(mode="json"))]
    assert not [text for text in shown if "hunter2" in text]


@pytest.mark.parametrize(
    "env",
    [
        # A secret where none is wanted, spelled wrongly, and of a wrong shape.
        {"FORESHOCK_KAFKA__SECURITY__PASSWORD": "hunter2"},
        {"FORESHOCK_KAFKA__SECURITY__PASWORD": "hunter2"},
        {"FORESHOCK_INFLUX__TOKEN__X": "hunter2"},
        {"FORESHOCK_INFLUX__URL": "http://u:hunter2@h"},
        {"FORESHOCK_KAFKA__BROKERS": "u:hunter2@h:9092"},
    ],
)
def test_no_error_tells_a_secret(load: Load, env: dict[str, str]) -> None:
    assert "hunter2" not in "\n".join(faults(load, PLANT, **env))


def test_missing_secrets_are_told_when_asked(load: Load) -> None:
    overrides = ("influx.url=http://h:8086", "influx.org=o", "influx.bucket=b")
    settings = load(SASL, *overrides)
    assert settings.missing_secrets() == ["kafka.security.password", "influx.token"]
    env = {"FORESHOCK_INFLUX__TOKEN": "t", "FORESHOCK_KAFKA__SECURITY__PASSWORD": "p"}
    assert load(SASL, *overrides, **env).missing_secrets() == []


def test_all_faults_come_at_once(load: Load) -> None:
    found = faults(
        load, PLANT.replace("horizon: 10", "horizon: 200"), "state.interval=x", "z.y=1"
    )
    assert [sentence.partition(":")[0] for sentence in found] == [
        "state.interval",
        "machine_types.Pump.life.horizon",
        "machine_types.fan.life.horizon",
        "z",
    ]


def test_the_first_type_that_fits_takes_the_machine(load: Load) -> None:
    settings = load(PLANT.replace("match: fan-*", 'match: "*"'))
    assert settings.type_of("pump-7") == "Pump"
    assert settings.type_of("P7") == "Pump"
    assert settings.type_of("p7") == "fan"
    assert load().type_of("PUMP-7") is None


def test_a_type_has_its_own_data_set_or_the_common_one(load: Load) -> None:
    common = "dataset: {kind: cmapss, subset: FD002}\n"
    own = "    dataset: {kind: csv, path: fans.csv}\n"
    settings = load(common + PLANT + own)
    pump, fan = settings.dataset_of("Pump"), settings.dataset_of("fan")
    assert pump is not None
    assert fan is not None
    assert (pump.kind, fan.kind) == ("cmapss", "csv")
    assert load().dataset_of("fan") is None
    assert settings.bundle_of("fan") == Path("bundles/fan")


def test_yaml_merges_mappings_and_own_keys_win(load: Load) -> None:
    text = PLANT.replace(
        "  fan:\n    match: fan-*\n    life: {horizon: 10, cap: 100, axis: hours}",
        "  fan:\n    <<: {match: fan-*, allowed_lateness: 2s}\n"
        "    life: &life {horizon: 10, cap: 100}\n    allowed_lateness: 3s",
    )
    assert load(text).machine_types["fan"].allowed_lateness_ns == 3 * 10**9


def test_an_empty_section_takes_its_defaults(load: Load) -> None:
    assert load("topics:\ninflux:\n" + PLANT).topics.partitions == 4


def test_the_file_must_be_text_of_sensible_size(tmp_path: Path) -> None:
    file = tmp_path / "plant.yaml"
    file.write_bytes(b"app: {}\nkafka: \xff\n")
    with pytest.raises(ConfigError, match=r"plant.yaml:2: expected text in UTF-8"):
        load_settings(file, (), {})
    file.write_bytes(b"#" * (5 << 20))
    with pytest.raises(ConfigError, match="expected a configuration of at most 4 MiB"):
        load_settings(file, (), {})
    with pytest.raises(ConfigError, match="no such file or directory"):
        load_settings(tmp_path / "other.yaml", (), {})


def test_the_process_environment_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "plant.yaml"
    file.write_text(PLANT)
    monkeypatch.setenv("FORESHOCK_STATE__INTERVAL", "3s")
    assert load_settings(str(file)).state.interval_s == 3.0


def test_settings_cannot_be_changed(load: Load) -> None:
    settings = load()
    with pytest.raises(ValueError, match="frozen"):
        settings.kafka.session_timeout_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize("name", ["cmapss", "plant", "csv"])
def test_the_configurations_we_ship_are_fine(name: str) -> None:
    file = Path(__file__).parents[2] / "configs" / f"{name}.yaml"
    settings = load_settings(file, (), {})
    json.dumps(settings.model_dump(mode="json"), allow_nan=False)


@pytest.mark.parametrize("name", ["cmapss", "plant", "csv"])
def test_the_configurations_we_ship_say_every_common_setting(name: str) -> None:
    import yaml

    file = Path(__file__).parents[2] / "configs" / f"{name}.yaml"
    written = yaml.safe_load(file.read_text())
    for section in set(Settings.model_fields) - {"machine_types", "dataset"}:
        model = type(getattr(load_settings(file, (), {}), section))
        keys = {f.alias or key for key, f in model.model_fields.items()}
        assert keys - {"token"} == set(written[section]), section


def test_settings_need_neither_tensorflow_nor_faust() -> None:
    code = (
        "import sys; import stream.worker.settings;"
        "heavy = {'tensorflow', 'keras', 'faust', 'kafka'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
