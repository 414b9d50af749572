"""Lists of checks, one per kind of plug-in, that every plug-in of the kind passes."""

import pytest

# Their asserts explain themselves as those of tests do.
pytest.register_assert_rewrite(
    "tests.contracts.bus",
    "tests.contracts.transport_delivery",
    "tests.contracts.transport_group",
)
