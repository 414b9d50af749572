"""How many floating-point operations the architecture asks for, per window.

Counted is what a textbook counts: two for each multiply-add of a matrix product or a
convolution, from the sizes that stand in the manifest. Not counted are biases,
activations, softmax, and everything before and after the networks. What a program
saves (a product that is shared by all steps) or adds (a matrix that is padded) shows in
its GFLOP/s alone, so that figures of different programs can be compared.

Formulas, with f the width of what goes in:

- LSTM of u units over s steps: its four gates are one (f + u) x 4u product a step:
  s * 8 * (f + u) * u.
- Convolution to c filters with k taps, s positions of output: 2 * s * k * f * c. Taps
  that fall on the padding count.
- Transposed convolution with k taps, s positions of *input*: 2 * s * k * f * c.
- Dense layer of c outputs: 2 * f * c.
"""

from __future__ import annotations

from itertools import pairwise

from models.networks_spec import AutoencoderSpec, LifeSpec
from models.trained import Trained


def lstm(steps: int, wide: int, units: int) -> int:
    """Operations of one LSTM layer."""
    return steps * 8 * (wide + units) * units


def product(wide: int, out: int, *, taps: int = 1, steps: int = 1) -> int:
    """Operations of one convolution; of a dense layer with one tap and one step."""
    return 2 * steps * taps * wide * out


def life(spec: LifeSpec) -> int:
    """Operations of one life network, one window."""
    extra = spec.static - spec.sensors
    steps, wide, total = spec.window, spec.sensors, 0
    if not spec.plain:
        wide *= 2  # readings beside their deviation from the own baseline
        if spec.block > 1:
            steps = -(-steps // spec.block)
            taps = 2 * spec.block
            total += product(wide, spec.filters, taps=taps, steps=steps)
            wide = spec.filters
        wide += extra
    for units in spec.units:
        total += lstm(steps, wide, units)
        wide = units
    if not spec.plain:
        wide += extra
    if spec.hidden:
        total += product(wide, spec.hidden)
        wide = spec.hidden
    return total + product(wide, spec.classes)


def autoencoder(spec: AutoencoderSpec) -> int:
    """Operations of the autoencoder, one window."""
    if spec.layers:
        widths = (spec.sensors, *spec.layers, spec.sensors)
        return sum(
            product(wide, out, taps=spec.taps, steps=spec.rows)
            for wide, out in pairwise(widths)
        )
    steps, taps = -(-spec.rows // spec.block), 2 * spec.block
    there = product(spec.sensors, spec.filters, taps=taps, steps=steps)
    code = product(steps * spec.filters, spec.code)
    return 2 * (there + code)  # and back again, by layers of the same sizes


def window(trained: Trained) -> int:
    """Operations of everything a bundle computes for one window.

    That is each member of the ensemble, the network for unknown age, the autoencoder
    and the whitening of its residual.
    """
    strange = trained.anomaly
    total = autoencoder(strange.spec)
    total += product(*strange.whitening.matrix.shape)
    if trained.life is not None:
        networks = len(trained.life.members) + (trained.life.ageless is not None)
        total += networks * life(trained.life.spec)
    return total
