"""The models of a plant: loaded, held against the settings, and warmed up."""

from __future__ import annotations

from collections.abc import Iterable

from models import bundle as bundles
from models.errors import BundleError
from stream.core.scoring import Scorer
from stream.errors import UserError
from stream.worker.layouts import layout_of
from stream.worker.settings import Settings


def load(settings: Settings, name: str) -> bundles.Bundle:
    """Load one machine type's bundle and make sure that it fits.

    Raises:
        UserError: if it is missing, altered, or made for other sensors, units, windows
            or another life axis.
    """
    path = settings.bundle_of(name)
    try:
        bundle = bundles.load(path)
    except BundleError as error:
        hint = "; train one with: foreshock train CONFIG" if not path.exists() else ""
        raise UserError(f"machine type {name!r}: {error}{hint}") from error
    wanted, found = layout_of(settings, name), bundle.trained.layout
    for what in (
        "sensors",
        "units",
        "settings",
        "window",
        "baseline_rows",
        "axis",
        "horizon",
        "cap",
    ):
        expected, given = getattr(wanted, what), getattr(found, what)
        if expected != given:
            raise UserError(
                f"machine type {name!r}: the bundle {path} was trained with {what}"
                f" {_short(given)}, the settings say {_short(expected)}: train anew, or"
                " put the settings back"
            )
    return bundle


def scorers_of(settings: Settings, names: Iterable[str] | None = None) -> list[Scorer]:
    """Return a compiled model for each machine type.

    Args:
        settings: The plant's.
        names: The types; None: all, in the order of the settings.

    Raises:
        UserError: as `load`.
    """
    wanted = settings.machine_types if names is None else names
    loaded = [load(settings, name) for name in wanted]
    scorers = [bundle.predictor() for bundle in loaded]
    for scorer in scorers:
        scorer.warm_up()
    return list(scorers)


def _short(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text or "none"
