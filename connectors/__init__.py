"""Bytes and points: Kafka, Faust transports, the log in memory, InfluxDB."""
