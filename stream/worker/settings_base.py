"""What every section of the settings shares: strict, frozen, all its faults at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

FAULTS = "faults"


class Fault(NamedTuple):
    """One thing wrong in a section.

    Attributes:
        path: Keys from the section to the setting, as written in the file.
        expected: What would have been right, completing "expected …".
        found: What stands there; None shows the setting's own value.
    """

    path: tuple[str, ...]
    expected: str
    found: str | None = None


class Section(BaseModel):
    """A mapping of the configuration file; knows its keys, refuses all others."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        validate_default=False,
        serialize_by_alias=False,
        hide_input_in_errors=True,
    )

    def faults(self) -> Iterator[Fault]:
        """Settings that are right one by one but not together."""
        yield from ()

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, value: Any) -> Any:
        # A section whose settings are all commented out reads as null.
        return {} if value is None else value

    @model_validator(mode="after")
    def _raise_faults(self) -> Self:
        found = list(self.faults())
        if found:
            raise PydanticCustomError(FAULTS, "{count} faults", _context(found))
        return self


def _context(found: list[Fault]) -> dict[str, Any]:
    # Tuples in a context would become lists of lists; keep the values themselves.
    return {"count": len(found), FAULTS: found}
