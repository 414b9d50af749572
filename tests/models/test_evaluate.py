"""Evaluation: the agreed names, honest values, baselines beside, one page."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models import baselines, evaluate, report
from models.bundle import Bundle
from models.metrics import Tree, flat
from models.options import Examples
from models.windows import WindowArrays
from tests.models.fleet import LAYOUT, SENSORS, fleet

NAMES = {
    "rul.rmse_capped",
    "rul.rmse_uncapped",
    "rul.nasa_score",
    "failure.f1",
    "failure.precision",
    "failure.recall",
    "failure.accuracy",
    "failure.pr_auc",
    "interval.coverage",
    "interval.mean_width",
}


@pytest.fixture(scope="module")
def test_set() -> Examples:
    """Machines that stop before they fail; one of them after 3 rows."""
    some = fleet(10, seed=21)
    stop = np.array([3, 60, 40, 30, 55, 20, 44, 35, 50, 41])
    start = np.flatnonzero(np.diff(some.machine, prepend=-1))
    seen = np.arange(len(some.life)) - start[some.machine]
    return some.take(np.flatnonzero(seen < stop[some.machine]))


@pytest.fixture(scope="module")
def found(bundle: Bundle, examples: Examples, test_set: Examples) -> Tree:
    return evaluate.evaluate(bundle, examples, test_set, draws=60)


def test_the_agreed_names_stand_everywhere(found: Tree) -> None:
    assert set(flat(found)) >= NAMES
    for part in (
        found["cross_validated"],
        found["baselines"]["boosting"],
        found["baselines"]["pca"],
    ):
        assert set(flat(part)) >= NAMES
    assert found["baselines"]["boosting"]["interval"]["coverage"] is None
    assert found["baselines"]["pca"]["rul"]["rmse_capped"] is None
    assert found["rul"]["rmse_capped"] > 0


def test_it_is_plain_json(found: Tree) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_one_prediction_per_machine_none_dropped(
    found: Tree, test_set: Examples, bundle: Bundle
) -> None:
    rows = found["machines"]
    assert [row["machine"] for row in rows] == list(test_set.names)
    last = test_set.windows.take(test_set.last())
    assert last.filled[0] == 3
    said = bundle.predictor().predict(last)
    assert [row["p50"] for row in rows] == said.rul[:, 1].tolist()
    assert [row["risk"] for row in rows] == said.risk.tolist()
    error = np.minimum([row["truth"] for row in rows], LAYOUT.cap) - said.rul[:, 1]
    wanted = float(np.sqrt(np.mean(error**2)))
    assert found["rul"]["rmse_capped"] == pytest.approx(wanted)


def test_bootstrap_intervals_hold_the_figures(found: Tree) -> None:
    for part in (found, found["cross_validated"]):
        low, high = part["bootstrap"]["rul"]["rmse_capped"]
        assert low <= part["rul"]["rmse_capped"] <= high


def test_without_test_machines_the_twin_remains(
    bundle: Bundle, examples: Examples
) -> None:
    found = evaluate.evaluate(bundle, examples, None, draws=60)
    assert found["rul"]["rmse_capped"] is None
    assert found["cross_validated"]["rul"]["rmse_capped"] > 0
    page = report.render(found, bundle, examples.names)
    assert "cross-validated" in page


def test_a_machine_without_estimate_counts_as_beyond_the_cap(
    bundle: Bundle, examples: Examples, test_set: Examples
) -> None:
    values = test_set.windows.values.copy()
    last = test_set.last()
    values[last[4], -1, 0] = 50.0
    strange = replace(test_set, windows=replace(test_set.windows, values=values))
    found = evaluate.evaluate(bundle, examples, strange, draws=20)
    assert found["machines"][4]["p50"] is None
    assert len(found["machines"]) == 10
    assert found["rul"]["rmse_capped"] > 0


def test_seeds_are_summarised(found: Tree) -> None:
    other = {**found, "rul": dict.fromkeys(found["rul"], 2.0)}
    both = evaluate.summarise(
        [{**found, "rul": dict.fromkeys(found["rul"], 1.0)}, other]
    )
    assert both["count"] == 2
    assert both["rul"]["rmse_capped"]["mean"] == 1.5
    assert both["rul"]["rmse_capped"]["sd"] == pytest.approx(0.5**0.5)


def test_the_page_loads_nothing_and_escapes_everything(
    found: Tree, bundle: Bundle, examples: Examples
) -> None:
    nasty = "<script>alert(1)</script>"
    about = {**found["bundle"], "version": nasty, "notes": [nasty]}
    page = report.render({**found, "bundle": about}, bundle, examples.names)
    assert nasty not in page
    assert "&lt;script&gt;" in page
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert page.count("<img") == 4


def test_boosting_features_are_those_that_were_frozen(examples: Examples) -> None:
    from tests.models.test_features import SPEC

    taken = examples.windows.take(np.array([30]))
    table = baselines.boosting_table(SPEC, taken)
    assert table.shape == (1, 3 * 6 + 1)
    from models.features import normalise

    scores = normalise(SPEC, taken.values)[0][0].astype(np.float64)
    own = normalise(SPEC, taken.baseline)[0][0].mean(axis=0)
    assert table[0, :3] == pytest.approx(scores[-1])
    assert table[0, 3:6] == pytest.approx(scores[-5:].mean(axis=0))
    assert table[0, 15:18] == pytest.approx(scores.mean(axis=0) - own, abs=1e-6)
    assert table[0, 18] == 31


def test_boosting_reads_real_rows_only() -> None:
    from tests.models.test_features import SPEC

    some = fleet(1, seed=5).windows.take(np.array([2]))
    table = baselines.boosting_table(SPEC, some)
    other = WindowArrays(
        some.values.copy(),
        some.filled,
        some.times_ns,
        some.baseline,
        some.n_base,
        some.age,
    )
    other.values[0, :9, 1:4] += 3.0
    assert baselines.boosting_table(SPEC, other).tolist() == table.tolist()


def test_pca_tells_a_broken_correlation() -> None:
    rng = np.random.default_rng(0)
    common = rng.normal(size=(500, 1))
    rows = common + rng.normal(size=(500, 3)) * 0.05
    found = baselines.fit_pca(rows)
    assert (found.score(rows) > 1).mean() == pytest.approx(0.015, abs=0.012)
    odd = np.array([[1.0, 1.0, -1.0], [9.0, 9.0, 9.0]])
    assert (found.score(odd) > 1).all()


def test_the_report_of_the_bundle_names_its_sensors(bundle: Bundle) -> None:
    assert bundle.manifest["layout"]["sensors"] == list(SENSORS)


def test_a_written_page_is_one_file(
    found: Tree, bundle: Bundle, examples: Examples, tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(report.render(found, bundle, examples.names))
    assert (tmp_path / "page.html").stat().st_size > 50_000
