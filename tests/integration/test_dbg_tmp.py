import sys, os, time
from tests.integration.test_partitions import *
from tests.integration.conftest import *
def test_dbg(tiny_plant, kcat):
    plant = tiny_plant(*OVERRIDES)
    topic = plant.settings.topics.readings
    first, second = pieces(2)
    by_kcat(kcat, plant.broker, topic, first)
    by_kafka_python(plant.broker, topic, second)
    os.environ["PYTHONPATH"]="/work/main"
    w=plant.worker("score", sys.executable, "/tmp/h/dbg.py", str(plant.config), "score", *plant.overrides)
    try:
        wait_until(lambda: bool(plant.audited()), lambda: "x", 25)
    except AssertionError: print(w.told[-9000:]); raise
