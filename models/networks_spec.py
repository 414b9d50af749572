"""Shapes of the networks: numbers that stand in the manifest, checked at birth."""

from __future__ import annotations

from dataclasses import dataclass

MAX_WIDTH = 4096


@dataclass(frozen=True)
class Blur:
    """How far training windows are moved at random, as standard deviations.

    Attributes:
        shift: of readings and own baseline alike, in z-scores.
        baseline: of the own baseline by itself, in z-scores.
        age: of the age, as a share of the longest training life.
    """

    shift: float = 0.6
    baseline: float = 0.1
    age: float = 0.03


@dataclass(frozen=True)
class LifeSpec:
    """Shape of the life network.

    Attributes:
        window: rows W of the sequence.
        sensors: features F of a row.
        static: width of the static input, F + 4.
        classes: outcomes of the softmax.
        units: LSTM widths, first to last.
        block: rows that the convolution takes together.
        filters: its width.
        hidden: width of the dense layer; 0 leaves it out.
        dropout: share dropped between the layers while training.
        blur: what hides the machine's identity while training.
        plain: whether the LSTM reads the normalised rows and nothing else: no
            deviation from the own baseline, no age.
    """

    window: int
    sensors: int
    static: int
    classes: int
    units: tuple[int, ...] = (64, 32)
    block: int = 5
    filters: int = 32
    hidden: int = 64
    dropout: float = 0.1
    blur: Blur = Blur()
    plain: bool = False

    def __post_init__(self) -> None:
        _bounded("life network", self.window, self.sensors, self.static, self.classes)
        _bounded("life network", *self.units, self.block, self.filters)
        _bounded("life network", self.hidden + 1)


@dataclass(frozen=True)
class AutoencoderSpec:
    """Shape of the autoencoder.

    Attributes:
        window: rows W of the sequence.
        sensors: features F of a row.
        rows: newest rows that it looks at, at most W.
        block: rows that the convolution takes together.
        filters: its width.
        code: numbers in the bottleneck.
        recent: newest rows over which the residual is averaged.
        layers: widths between input and output of a stack of plain convolutions over
            time, such as (32, 16, 32); empty: the block convolution and its code.
        taps: rows that each of these convolutions sees.
    """

    window: int
    sensors: int
    rows: int = 30
    block: int = 5
    filters: int = 24
    code: int = 6
    recent: int = 10
    layers: tuple[int, ...] = ()
    taps: int = 5

    def __post_init__(self) -> None:
        _bounded("autoencoder", self.window, self.sensors, self.rows, self.block)
        _bounded("autoencoder", self.filters, self.code, self.recent)
        _bounded("autoencoder", self.taps, *self.layers)
        if self.rows > self.window or self.recent > self.rows:
            msg = f"autoencoder: expected recent <= rows <= window, found {self}"
            raise ValueError(msg)

    @classmethod
    def fitting(cls, window: int, sensors: int) -> AutoencoderSpec:
        """The usual shape, or as much of it as a short window allows."""
        rows = min(cls.rows, window)
        return cls(
            window=window,
            sensors=sensors,
            rows=rows,
            block=min(cls.block, rows),
            recent=min(cls.recent, rows),
        )


def _bounded(what: str, *numbers: int) -> None:
    for number in numbers:
        if not 1 <= number <= MAX_WIDTH:
            msg = f"{what}: expected sizes within 1..{MAX_WIDTH}, found {number}"
            raise ValueError(msg)
