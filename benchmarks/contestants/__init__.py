"""The job by other stream processors: programs that run until SIGTERM.

    python -m benchmarks.contestants.quix --brokers HOST:PORT --source TOPIC
        --scores TOPIC --group ID --bundle FOLDER --sensors 14

Each is what its own documentation allows at its best, on its own connector to Kafka;
what they share (`work.py`, `windows.py`) is the part a user would write by hand, in
columns and micro-batches. None keeps durable state, and none raises alarms.
"""
