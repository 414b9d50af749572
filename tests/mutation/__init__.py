"""Defects planted into copies of the core, to see that the tests catch them."""
