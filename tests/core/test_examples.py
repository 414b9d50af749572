"""The examples in the core's docstrings run as they stand."""

import doctest
import importlib
import pkgutil

import pytest

from stream import core

MODULES = [module.name for module in pkgutil.iter_modules(core.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(f"stream.core.{name}")
    assert doctest.testmod(module).failed == 0


def test_there_are_examples() -> None:
    module = importlib.import_module("stream.core.encode")
    assert doctest.testmod(module).attempted > 0
