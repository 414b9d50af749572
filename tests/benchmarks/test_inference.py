import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import bundles, device, flops, inference, recurrent
from benchmarks.device import Missing
from benchmarks.rates import spread
from models import bundle as bundle_io
from models.bundle import Bundle
from models.networks_spec import AutoencoderSpec, LifeSpec

ROOT = Path(__file__).resolve().parents[2]
REST_OF_THE_PROJECT = (
    "aiokafka",
    "faust",
    "influxdb_client",
    "jinja2",
    "kafka",
    "matplotlib",
    "msgspec",
    "pydantic",
    "sklearn",
    "structlog",
    "typer",
    "yaml",
    "zstandard",
    "stream",
    "connectors",
)
WAYS = {
    "plain": LifeSpec(30, 14, 18, 26, block=1, hidden=0, plain=True),
    "shipped": LifeSpec(32, 6, 10, 52),
    "row by row": LifeSpec(20, 6, 10, 52, units=(16,), block=1),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    folder = tmp_path_factory.mktemp("bundle") / "reference"
    return bundle_io.load(bundles.reference(folder))


def test_the_reference_asks_for_what_one_counts_by_hand(reference: Bundle) -> None:
    first = 30 * 2 * (14 + 64) * 4 * 64  # 1,198,080
    second = 30 * 2 * (64 + 32) * 4 * 32  # 737,280
    classes = 2 * 32 * 26  # 1,664
    convolutions = 30 * 5 * 2 * (14 * 32 + 32 * 16 + 16 * 32 + 32 * 14)  # 576,000
    whitening = 2 * 14 * 14  # 392
    total = first + second + classes + convolutions + whitening
    assert flops.window(reference.trained) == total == 2_513_416


def _counted(model: Any) -> int:
    """Operations by the weights and shapes of what Keras built."""
    total = 0
    for layer in model.layers:
        kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
        each = sum(2 * math.prod(kernel.shape) for kernel in kernels)
        # Each kernel is applied once a step: of what comes out of a convolution, else
        # of what goes in; a dense layer has one.
        kind = type(layer).__name__
        of = layer.output if kind == "Conv1D" else layer.input
        total += each * (1 if kind == "Dense" or not each else of.shape[1])
    return total


@pytest.mark.parametrize("way", WAYS)
def test_a_life_network_asks_for_what_its_layers_do(way: str) -> None:
    from models import networks

    spec = WAYS[way]
    assert flops.life(spec) == _counted(networks.build_life(spec))


@pytest.mark.parametrize(
    "spec", [AutoencoderSpec(32, 6, rows=28), AutoencoderSpec(32, 6, layers=(8, 4, 8))]
)
def test_an_autoencoder_asks_for_what_its_layers_do(spec: AutoencoderSpec) -> None:
    from models import networks

    assert flops.autoencoder(spec) == _counted(networks.build_autoencoder(spec))


def test_rates_shares_and_names_of_a_run(reference: Bundle) -> None:
    found = inference.run(reference, device.find("cpu"), [8], 0.05)
    assert set(found) == {"tensorflow_cpu_8", "matmul", "about"}
    products = found["matmul"]["tensorflow_cpu"]["runs"]
    assert set(found["matmul"]) == {"tensorflow_cpu", "numpy_cpu"}
    for entry in (found["tensorflow_cpu_8"], found["tensorflow_cpu_8"]["predict"]):
        rates = entry["windows_per_s"]
        assert len(rates["runs"]) == inference.RUNS
        assert 0 < rates["low"] <= rates["median"] <= rates["high"]
        gflop = np.array(rates["runs"]) * 2_513_416 / 1e9
        assert entry["gflop_per_s"]["runs"] == pytest.approx(gflop, abs=2e-3)
        shares = entry["share_of_matmul"]["runs"]
        assert shares == pytest.approx(gflop / np.array(products), rel=0.02, abs=2e-5)
    about = found["about"]["tensorflow_cpu"]
    assert about["chip"]
    assert about["flop_per_window"] == 2_513_416
    assert about["bundle"] == {"name": "reference", "digest": reference.digest}
    assert "tensorflow_cpu_8" in inference.table(found)


def test_a_spread_is_median_low_high_and_the_runs() -> None:
    assert spread([3.04, 1.0, 9.0], 1) == {
        "median": 3.0,
        "low": 1.0,
        "high": 9.0,
        "runs": [3.0, 1.0, 9.0],
    }


def test_windows_are_full_and_such_as_the_bundle_knows(reference: Bundle) -> None:
    some = inference.windows(reference, 3)
    assert some.values.shape == (3, 30, 14)
    assert some.values.std() == pytest.approx(10.0, rel=0.1)
    assert (some.filled == 30).all()


@pytest.mark.parametrize(("cudnn", "kernels"), [(True, 2), (False, 0)])
def test_the_kernels_of_cudnn_are_seen_in_a_program(
    monkeypatch: pytest.MonkeyPatch, cudnn: bool, kernels: int
) -> None:
    import models.backend  # noqa: F401 - loads what is altered here

    # A program can be made for a GPU that is not there, only not run.
    rnn = sys.modules["keras.src.backend.tensorflow.rnn"]
    monkeypatch.setattr(rnn, "_is_gpu_available", lambda: True)
    assert recurrent.compiled(WAYS["plain"], 4, cudnn=cudnn).kernels == kernels


def test_without_a_gpu_neither_way_is_cudnns_and_both_agree() -> None:
    ways = [
        recurrent.compiled(WAYS["plain"], 4, cudnn=cudnn) for cudnn in (True, False)
    ]
    assert [way.kernels for way in ways] == [0, 0]
    left, right = (way.call() for way in ways)
    assert left == pytest.approx(right, abs=1e-5)


def test_a_gpu_that_is_not_there_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    with pytest.raises(Missing, match=r"sees no GPU: CUDA_VISIBLE_DEVICES hides"):
        device.find("gpu")


def test_a_backend_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "abacus")
    with pytest.raises(Missing, match=r"installed .*, found 'abacus'"):
        device.prepare("cpu")


def test_as_a_file_it_needs_keras_numpy_and_a_backend_alone(tmp_path: Path) -> None:
    out, script = tmp_path / "figures.json", ROOT / "benchmarks" / "inference.py"
    given = ["--batches", "8", "--seconds", "0.01", "--device", "cpu"]
    # What is None here cannot be imported.
    code = (
        "import runpy, sys\n"
        f"sys.modules |= dict.fromkeys({REST_OF_THE_PROJECT!r})\n"
        f"sys.path[0] = {str(script.parent)!r}\n"
        f"sys.argv[1:] = {[*given, '--json', str(out)]!r}\n"
        f"runpy.run_path({str(script)!r}, run_name='__main__')\n"
    )
    done = subprocess.run(  # noqa: S603 - the same Python
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text())["tensorflow_cpu_8"]["windows_per_s"]["low"] > 0


@pytest.mark.parametrize(
    ("option", "value"), [("--batches", "0"), ("--batches", "8,x"), ("--seconds", "0")]
)
def test_bad_options_are_refused(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        inference.main([option, value])
    assert f"argument {option}" in capsys.readouterr().err


def test_a_folder_without_a_bundle_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert inference.main(["--bundle", str(tmp_path)]) == 2
    assert "no bundle there" in capsys.readouterr().err
