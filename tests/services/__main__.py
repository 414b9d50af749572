"""Start the servers for development, or only provide them.

python -m tests.services          start both, print how to use them, until Ctrl-C
python -m tests.services fetch    fetch and build what they need, and end
"""

import signal
import sys
from contextlib import ExitStack
from types import FrameType

from tests.services import alertmanager, influx, kafka
from tests.services.errors import Missing
from tests.services.influx import Influx


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    if arguments not in ([], ["fetch"]):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        fetch()
        if not arguments:
            serve()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 0


def fetch() -> None:
    """Fill the cache; what is there already costs nothing.

    Raises:
        Missing: something cannot be had.
    """
    for name, provide in (
        ("Kafka", kafka.fetch),
        ("InfluxDB", influx.fetch),
        ("Alertmanager", alertmanager.fetch),
    ):
        print(f"{name}: {provide()}", file=sys.stderr, flush=True)


def serve() -> None:
    """Run both servers until the process is interrupted or told to end."""
    # Both: a shell starts background jobs with SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)
    with ExitStack() as stack:
        broker = stack.enter_context(kafka.serve())
        database = stack.enter_context(influx.serve())
        print(usage(broker, database), flush=True)
        print("Ctrl-C stops them and drops their data.", file=sys.stderr, flush=True)
        signal.pause()


def usage(broker: str, database: Influx) -> str:
    """Return the lines that make the tests and the program use these servers."""
    tests = {
        kafka.ADDRESS: broker,
        f"{influx.ADDRESS}_URL": database.url,
        f"{influx.ADDRESS}_ORG": database.org,
        f"{influx.ADDRESS}_BUCKET": database.bucket,
        f"{influx.ADDRESS}_TOKEN": database.token,
    }
    program = {
        "FORESHOCK_KAFKA__BROKERS": broker,
        "FORESHOCK_INFLUX__URL": database.url,
        "FORESHOCK_INFLUX__ORG": database.org,
        "FORESHOCK_INFLUX__BUCKET": database.bucket,
        "FORESHOCK_INFLUX__TOKEN": database.token,
    }
    return "\n".join(
        [
            "# The tests use these servers instead of their own with:",
            *(f"export {name}={value}" for name, value in tests.items()),
            "# The program uses them with:",
            *(f"export {name}={value}" for name, value in program.items()),
        ]
    )


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
