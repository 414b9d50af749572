"""A stranger's producer and consumer, word for word from the README."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.integration.plant import ROOT, Plant, wait_until

BROKER = "127.0.0.1:9092"
TIME = "2026-11-21T09:00:00.123Z"


def block(heading: str) -> str:
    """Return the first Python block under a heading of the README."""
    text = (ROOT / "README.md").read_text()
    section = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    assert found is not None, heading
    return found[1]


def test_the_readme_s_producer_and_consumer_work(
    tiny_plant: Callable[..., Plant], tmp_path: Path
) -> None:
    # The tiny pump has another second sensor: one of two is missing.
    own = ("input.settle=100ms", "machine_types.pump.window.max_masked=0.5")
    plant = tiny_plant(*own)
    topics = plant.settings.topics
    worker = plant.worker()
    producer = block("Produce readings").replace(BROKER, plant.broker)
    assert TIME in producer
    assert '"foreshock.readings.v1"' in producer
    program = producer.replace("foreshock.readings.v1", topics.readings)
    for second in range(4):
        now = program.replace(TIME, TIME.replace("00.123", f"0{second}.123"))
        command = [sys.executable, "-W", "ignore", "-c", now]
        subprocess.run(command, check=True, timeout=60)  # noqa: S603 - our own README
    wait_until(lambda: len(plant.scores()) == 2, lambda: worker.told[-3000:])

    consumer = block("Consume scores").replace(BROKER, plant.broker)
    program = consumer.replace("foreshock.scores.v1", topics.scores)
    output = tmp_path / "consumer.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own README
            [sys.executable, "-u", "-W", "ignore", "-c", program], stdout=file
        )
    try:
        wait_until(lambda: output.read_text().count("pump-07") == 2, output.read_text)
    finally:
        process.kill()
        process.wait(10)
    assert "2026-11-21T09:00:01.123Z" in output.read_text()
    assert worker.stop() == 0
