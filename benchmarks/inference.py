"""Windows per second and GFLOP/s of the models, against the device's matrix product.

    python benchmarks/inference.py [--bundle DIR] [--batches 32,256,1024,4096]
        [--seconds 1] [--device cpu|gpu|auto] [--json FILE]

It needs this checkout, Keras, numpy and one of TensorFlow and JAX, nothing else, so
that it can be taken to a machine with a GPU; KERAS_BACKEND chooses where both are.
`taskset -c 0 python benchmarks/inference.py` shows what one core does.

Measured are, per batch size, the bare compiled call of that one shape (arrays in,
arrays out: on a GPU the way there and back is part of it), and `predict` on as many
windows (features, networks in the shapes the worker uses, calibration). On a GPU, the
life network alone is computed in two ways besides: by cuDNN and by XLA. Runs take
turns with the matrix product, so that a share compares neighbours in time.
"""

# ruff: noqa: E402 - run as a file, it has to find the checkout before it imports from it

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # run as a file: its folder is on the path in place of the checkout
    sys.path[0] = str(ROOT)

import numpy as np

from benchmarks import bundles, device, flops, recurrent
from benchmarks.device import Device, Missing
from benchmarks.rates import Case, Figures, spread
from models import bundle as bundle_io
from models.bundle import Bundle
from models.errors import BundleError
from models.windows import WindowArrays

BATCHES = (32, 256, 1024, 4096)
QUICK_BATCHES = (32, 256, 1024)
RUNS = 5
LONGEST_S = 1800.0
"""A child process that takes longer hangs."""


def windows(bundle: Bundle, n: int) -> WindowArrays:
    """Return n full windows as that bundle's machines would send them.

    Readings scatter by their usual standard deviation, each window in one of the
    operating regimes; nothing is missing.
    """
    spec, rng = bundle.trained.features, np.random.default_rng(3)
    regime = np.arange(n) % len(spec.mean)
    boxes = spec.regimes
    # The middle of a box is in it, whatever its edges.
    settings = 0.5 * np.array(boxes.low) + 0.5 * np.array(boxes.high)

    def rows(count: int) -> Any:
        made = np.zeros((n, count, len(bundle.sensors)))
        inverse = spec.inverse[regime][:, None]
        sigma = np.divide(1.0, inverse, out=np.zeros_like(inverse), where=inverse > 0)
        noise = rng.normal(size=(n, count, len(spec.columns)))
        made[:, :, list(spec.columns)] = spec.mean[regime][:, None] + sigma * noise
        made[:, :, list(boxes.columns)] = settings[regime][:, None]
        return made.astype(np.float32)

    times = np.arange(bundle.window, dtype=np.int64) * 1_000_000_000
    return WindowArrays(
        values=rows(bundle.window),
        filled=np.full(n, bundle.window, np.int32),
        times_ns=np.tile(times, (n, 1)),
        baseline=rows(bundle.baseline_rows),
        n_base=np.full(n, bundle.baseline_rows, np.int32),
        age=np.full(n, float(bundle.window)),
    )


def run(
    bundle: Bundle, where: Device, batches: Sequence[int], seconds: float
) -> Figures:
    """Measure one bundle.

    Args:
        bundle: what is computed.
        where: as `device.find` gave it.
        batches: windows per call.
        seconds: length of each of the `RUNS` runs of each case, at least.

    Returns:
        For each batch size "BACKEND_DEVICE_BATCH": figures of the compiled call,
        "predict" in it: those of `predict`, and on a GPU "life_cudnn", "life_xla":
        those of the life network alone. "matmul": GFLOP/s of the matrix product, as
        "BACKEND_DEVICE" and "numpy_cpu". "about": what it was that was measured, as
        "BACKEND_DEVICE".
    """
    cases = _cases(bundle, where, batches)
    product, flop = device.matrix_product(where)
    products = {where.name: Case(product, 1, flop)}
    if where.kind == "cpu":
        plain, flop = device.numpy_product()
        products["numpy_cpu"] = Case(plain, 1, flop)
    everything = [
        *products.values(),
        *(c for some in cases.values() for c in some.values()),
    ]
    for case in everything:
        case.call()  # what is done at the first use only is not measured
    for turn in range(RUNS):
        print(f"{where.name}: run {turn + 1} of {RUNS}", flush=True)
        for case in everything:
            case.time(seconds)
    gflops = {name: [r * c.flop / 1e9 for r in c.rates] for name, c in products.items()}
    found: Figures = {}
    for name, some in cases.items():
        parts = {part: case.figures(gflops[where.name]) for part, case in some.items()}
        found[name] = parts.pop("call") | parts
    found["matmul"] = {name: spread(runs, 1) for name, runs in gflops.items()}
    found["about"] = {where.name: _about(bundle, where)}
    return found


def _cases(
    bundle: Bundle, where: Device, batches: Sequence[int]
) -> dict[str, dict[str, Case]]:
    """What is timed, by batch and part."""
    predictor, flop = bundle.predictor(), flops.window(bundle.trained)
    print(f"{where.name}: compiling", flush=True)
    predictor.warm_up()
    spec, cases = bundle.trained.features, {}
    for size in batches:
        some = windows(bundle, size)
        # Should the windows not be such as get an estimate, the figures mean nothing.
        assert not predictor.predict(some).why.any()
        rng = np.random.default_rng(4)
        shapes = (size, spec.window, len(spec.columns)), (size, spec.static_width)
        arrays = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
        cases[f"{where.name}_{size}"] = {
            "call": Case(_bound(predictor.compiled(size), *arrays), size, flop),
            "predict": Case(_bound(predictor.predict, some), size, flop),
        } | _ways(bundle, where, size)
    return cases


def _ways(bundle: Bundle, where: Device, size: int) -> dict[str, Case]:
    """On a GPU, the life network by cuDNN and by XLA."""
    if where.kind == "cpu" or bundle.trained.life is None:
        return {}
    spec, ways = bundle.trained.life.spec, {}
    for name, cudnn in (("life_cudnn", True), ("life_xla", False)):
        way = recurrent.compiled(spec, size, cudnn=cudnn)
        kernels = {"cudnn_kernels": way.kernels}
        ways[name] = Case(way.call, size, flops.life(spec), kernels)
    return ways


def _bound(call: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    return lambda: call(*arguments)


def _about(bundle: Bundle, where: Device) -> Figures:
    about: Figures = {
        "chip": where.chip,
        "threads": device.threads(),
        "versions": device.versions(where.backend),
        "bundle": {"name": bundle.name, "digest": bundle.digest},
        "flop_per_window": flops.window(bundle.trained),
    }
    if where.kind == "gpu":
        about["memory_mib"] = device.memory_mib(where)
        about["tensor_float_32"] = device.tensor_float_32()
    return about | ({"why_no_gpu": where.why} if where.why else {})


@contextmanager
def reference_or(folder: Path | None) -> Iterator[Bundle]:
    """The bundle in a folder; the reference bundle where none is named."""
    if folder is not None:
        yield bundle_io.load(folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield bundle_io.load(bundles.reference(Path(scratch) / "reference"))


def table(found: Figures) -> str:
    """The figures as lines of text; medians."""
    lines = [f"{name}: {about['chip']}" for name, about in found["about"].items()]
    lines += [
        f"{name} matrix product: {figure['median']:,.0f} GFLOP/s"
        for name, figure in found["matmul"].items()
    ]
    lines.append(f"{'':28}{'windows/s':>12}{'GFLOP/s':>10}{'of matmul':>11}")
    for name, entry in found.items():
        if name in {"about", "matmul"}:
            continue
        lines.append(_line(name, entry))
        parts = {part: e for part, e in entry.items() if "windows_per_s" in e}
        lines += [_line(f"  {part}", e) for part, e in parts.items()]
    return "\n".join(lines)


def _line(name: str, entry: Figures) -> str:
    rates, gflop, share = (
        entry[key]["median"]
        for key in ("windows_per_s", "gflop_per_s", "share_of_matmul")
    )
    return f"{name:28}{rates:12,.0f}{gflop:10,.1f}{share:11.1%}"


def measure(bench: object, *, quick: bool, more: Sequence[Path] = ()) -> Figures:
    """Measure each backend and device there is, each in a process of its own.

    A process has one backend, and knows its devices from its start.

    Args:
        bench: the servers of this run; nothing of them is needed.
        quick: fewer and shorter runs.
        more: folders of further bundles; their figures are under the bundle's name.

    Returns:
        As `run`, of all processes together.
    """
    del bench
    found: Figures = {}
    for folder in (None, *more):
        part: Figures = {}
        for backend in device.installed():
            for name, figures in _devices(backend, folder, quick=quick).items():
                nested = name in {"about", "matmul"}
                part[name] = part.get(name, {}) | figures if nested else figures
        if folder is None:
            found |= part
        else:
            found[bundle_io.load(folder).name] = part
    return found


def _devices(backend: str, folder: Path | None, *, quick: bool) -> Figures:
    """The figures of a backend on the GPU, if there is one, and on the CPU."""
    found = _child(backend, folder, "auto", quick=quick)
    if f"{backend}_gpu" not in found["about"]:
        return found
    cpu = _child(backend, folder, "cpu", quick=quick)
    both = {name: found[name] | cpu[name] for name in ("about", "matmul")}
    return found | cpu | both


def _child(backend: str, folder: Path | None, kind: str, *, quick: bool) -> Figures:
    batches = QUICK_BATCHES if quick else BATCHES
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "figures.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--device", kind]
        command += ["--batches", ",".join(map(str, batches)), "--json", str(out)]
        command += ["--seconds", "0.2" if quick else "1"]
        command += [] if folder is None else ["--bundle", str(folder)]
        environment = os.environ | {"KERAS_BACKEND": backend}
        subprocess.run(command, env=environment, check=True, timeout=LONGEST_S)
        figures: Figures = json.loads(out.read_text())
    return figures


def _batches(text: str) -> tuple[int, ...]:
    sizes = tuple(int(part) for part in text.split(","))
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"expected sizes of at least 1, found {text}")
    return sizes


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 600:
        raise argparse.ArgumentTypeError(f"expected 0 to 600 seconds, found {text}")
    return seconds


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a command; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--bundle", type=Path, help="its folder; else the reference")
    parser.add_argument("--batches", type=_batches, default=BATCHES, help="sizes")
    parser.add_argument("--seconds", type=_seconds, default=1.0, help="of each run")
    parser.add_argument("--device", choices=("cpu", "gpu", "auto"), default="auto")
    parser.add_argument("--json", type=Path, help="file for the figures")
    given = parser.parse_args(arguments)
    try:
        device.prepare(given.device)
        with reference_or(given.bundle) as bundle:
            where = device.find(given.device)
            if where.why:
                print(f"{where.name}, no GPU: {where.why}", flush=True)
            found = run(bundle, where, given.batches, given.seconds)
    except (Missing, BundleError) as problem:
        print(problem, file=sys.stderr)
        return 2
    print(table(found))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
