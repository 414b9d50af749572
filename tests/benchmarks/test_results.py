import json
import math
import os
from pathlib import Path
from typing import Any

import pytest

from benchmarks import results
from tests.benchmarks import made_up
from tests.benchmarks.made_up import RUN, spread

QUICK = {**RUN, "quick": True, "date": "2026-11-22T00:00:00Z"}


def measured(*parts: str, run: dict[str, Any] = RUN) -> dict[str, Any]:
    document: dict[str, Any] = {"schema": results.SCHEMA}
    for part in parts or results.PARTS:
        results.put(document, part, made_up.figures(part), run)
    return document


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"end_to_end.{name}.{key}"
            for name in (
                *("foreshock", "foreshock_default", "faust", "quix", "bytewax"),
                "limit",
            )
            for key in ("median", "low", "high")
        ),
        *(f"latency.{rate}.p99_ms" for rate in (1000, 10_000, 50_000)),
        "scale.machines_100000.readings_per_s.median",
        "scale.machines_100000.rss_mib.median",
        "recovery.machines_1000.seconds.median",
        "inference.tensorflow_cpu_1024.windows_per_s.median",
    ],
)
def test_figures_have_the_names_by_which_they_are_judged(path: str) -> None:
    found: Any = measured()
    for name in path.split("."):
        found = found[name]
    assert found > 0


def test_the_limit_is_copied_whichever_part_is_measured_first() -> None:
    for order in (("limit", "end_to_end"), ("end_to_end", "limit")):
        document = measured(*order)
        wanted = made_up.figures("limit")["readings_per_s"]
        assert document["end_to_end"]["limit"] == wanted


def test_a_part_that_is_measured_leaves_the_others_alone() -> None:
    document = measured()
    before = json.loads(json.dumps(document))
    results.put(document, "scale", {"machines_100": {"readings_per_s": 1.0}}, QUICK)
    for part in results.PARTS:
        assert (document[part] == before[part]) == (part != "scale")
    assert document["scale"] == {"run": QUICK, "machines_100": {"readings_per_s": 1.0}}


def test_what_a_quick_or_failed_run_displaces_is_kept_until_the_next_full_one() -> None:
    document = measured("recovery")
    full = document["recovery"]
    results.put(document, "recovery", {"machines_1": {"seconds": 1.0}}, QUICK)
    assert document["recovery"]["machines_1"] == {"seconds": 1.0}
    assert results.best(document, "recovery") == full
    results.put(document, "recovery", {"error": "no broker"}, RUN)
    assert document["recovery"] == {"run": RUN, "error": "no broker"}
    assert results.best(document, "recovery") == full
    results.put(document, "recovery", {"machines_2": {"seconds": 2.0}}, RUN)
    assert "full" not in document
    assert results.best(document, "recovery") == document["recovery"]


def test_a_failed_part_without_earlier_figures_has_none() -> None:
    document: dict[str, Any] = {}
    results.put(document, "limit", {"error": "no broker"}, RUN)
    assert results.best(document, "limit") is None
    assert results.best(document, "scale") is None


def test_inference_of_one_device_keeps_the_other_devices() -> None:
    document = measured("inference")
    results.take(document, made_up.gpu(), QUICK)
    section = document["inference"]
    assert section["run"] == RUN
    assert {"tensorflow_cpu_1024", "tensorflow_gpu_1024"} <= section.keys()
    assert section["matmul"].keys() == {
        *("tensorflow_cpu", "numpy_cpu", "tensorflow_gpu")
    }
    assert section["about"]["tensorflow_gpu"]["date"] == QUICK["date"]

    fewer = made_up.figures("inference")
    del fewer["tensorflow_cpu_32"]
    results.put(document, "inference", fewer, RUN)
    section = document["inference"]
    assert "tensorflow_cpu_32" not in section  # this run did not measure it
    assert section["tensorflow_gpu_1024"] == made_up.gpu()["tensorflow_gpu_1024"]
    assert section["about"]["tensorflow_gpu"]["chip"] == "A GPU"


def test_inference_of_a_device_outlives_a_failed_run() -> None:
    document = measured("inference")
    results.take(document, made_up.gpu(), RUN)
    results.put(document, "inference", {"error": "no backend"}, RUN)
    results.put(document, "inference", made_up.figures("inference"), RUN)
    assert "tensorflow_gpu_1024" in document["inference"]


def test_figures_taken_from_elsewhere_stand_alone_where_there_are_none() -> None:
    document: dict[str, Any] = {}
    results.take(document, made_up.gpu(), RUN)
    assert document["inference"]["tensorflow_gpu_1024"]["windows_per_s"]["median"] > 0


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "results" / "latest.json"
    document = {
        "schema": results.SCHEMA,
        "scale": {"a": 123456.789, "b": math.nan, "c": [1.23456789, 3], "d": spread(2)},
    }
    results.save(file, document)
    assert results.load(file) == {
        "schema": results.SCHEMA,
        "scale": {"a": 123457.0, "b": None, "c": [1.23457, 3], "d": spread(2)},
    }
    assert [path.name for path in file.parent.iterdir()] == ["latest.json"]


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert results.load(tmp_path / "none.json") == {"schema": results.SCHEMA}


def test_a_file_of_another_schema_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    file.write_text('{"schema": 2}')
    with pytest.raises(ValueError, match="expected schema 1, found 2"):
        results.load(file)


def test_a_run_says_where_and_when_it_was() -> None:
    about = results.describe(quick=True)
    assert about["quick"] is True
    assert about["date"].endswith("Z")
    assert about["machine"]["cores"] == len(os.sched_getaffinity(0))
    assert 0.1 < about["machine"]["memory_gib"] < 100_000
    assert {"foreshock", "python", "kafka broker", "tensorflow", "faust-streaming"} <= (
        about["versions"].keys()
    )
    assert len(about["load_before"]) == 3
