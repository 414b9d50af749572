"""Windows as this package receives them: a protocol, and the same as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class Windows(Protocol):
    """What this package reads of a batch of windows; all aligned on axis 0.

    Attributes:
        values: (n, W, S) float32, raw engineering units, NaN where absent.
        filled: (n,) int32, real rows, 1..W; the first one is repeated on the left.
        times_ns: (n, W) int64, UTC nanoseconds.
        baseline: (n, B, S) float32, the machine's own first rows.
        n_base: (n,) int32, how many of them exist, 0..B; the rest is garbage.
        age: (n,) float64, rows or cycles since the machine was new, NaN unknown.

    Windows may also have `outside`, (n, S) bool: a value outside the instrument's range
    came in place of one of the newest rows' values. It is read where it exists.
    """

    @property
    def values(self) -> Floats:
        """Raw engineering values, (n, W, S)."""

    @property
    def filled(self) -> npt.NDArray[np.int32]:
        """Real rows, (n,)."""

    @property
    def times_ns(self) -> npt.NDArray[np.int64]:
        """Times of the rows, (n, W)."""

    @property
    def baseline(self) -> Floats:
        """Own first rows, (n, B, S)."""

    @property
    def n_base(self) -> npt.NDArray[np.int32]:
        """How many of them exist, (n,)."""

    @property
    def age(self) -> Doubles:
        """Rows or cycles seen, (n,)."""


@dataclass(frozen=True)
class WindowArrays:
    """Windows as plain arrays; see `Windows` for shapes and units."""

    values: Floats
    filled: npt.NDArray[np.int32]
    times_ns: npt.NDArray[np.int64]
    baseline: Floats
    n_base: npt.NDArray[np.int32]
    age: Doubles
    outside: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, windows: Windows) -> WindowArrays:
        """The same arrays, not copied."""
        given: dict[str, Any] = {
            f.name: getattr(windows, f.name, None) for f in fields(cls)
        }
        return cls(**given)

    def take(self, index: npt.NDArray[Any]) -> WindowArrays:
        """A selection by indices, mask or slice."""
        given: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        parts: dict[str, Any] = {
            name: None if part is None else part[index] for name, part in given.items()
        }
        return WindowArrays(**parts)

    def __len__(self) -> int:
        return len(self.filled)
