"""Foreshock: the data path (`core`), the worker, and the command line."""
