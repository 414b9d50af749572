"""The data path as pure functions of arrays: no clock, files, network or logging.

Start with `pipeline.py`, the one file that knows the order of the steps.
"""
