"""A Kafka broker of one process (KRaft), from its jars."""

import base64
import os
import shutil
import socket
import struct
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.services import cache, java, packages
from tests.services.errors import Missing
from tests.services.process import ATTEMPTS, HOST, free_ports, running, scratch

VERSION = "4.1.1"
ENTRY = f"kafka-{VERSION}"
ADDRESS = "FORESHOCK_TEST_KAFKA"
HEAP = "-Xmx448m"

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>foreshock</groupId><artifactId>kafka</artifactId><version>1</version>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId>
<version>{VERSION}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId>
<artifactId>log4j-slf4j-impl</artifactId><version>2.25.2</version></dependency>
</dependencies></project>
"""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

# Small everywhere: one broker, few internal partitions, no waiting for more consumers.
_SETTINGS = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
listeners=PLAINTEXT://{host}:{broker},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{broker}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


def fetch() -> Path:
    """Return the folder of Kafka's jars, fetching them with Maven if needed."""
    return cache.provide(ENTRY, _copy_jars)


def _copy_jars(into: Path) -> None:
    maven = packages.program("mvn", "maven", "Kafka")
    home = {} if shutil.which("java") else {"JAVA_HOME": str(java.find().parents[1])}
    with tempfile.TemporaryDirectory() as folder:
        pom = Path(folder) / "pom.xml"
        pom.write_text(_POM)
        packages.build(
            "Kafka",
            [maven, "-q", "-B", "-f", pom, _COPY, f"-DoutputDirectory={into}"],
            env=home,
        )


@contextmanager
def serve() -> Iterator[str]:
    """Yield `host:port` of a broker: the one named by the environment, else our own.

    Raises:
        Missing: there is none, or it does not answer.
    """
    named = os.environ.get(ADDRESS)
    if named:
        if not answers(named):
            why = f"{ADDRESS}={named} does not answer"
            raise Missing("Kafka", why, f"start it, or unset {ADDRESS}")
        yield named
        return
    with ExitStack() as stack:
        yield _start(stack)


def _start(stack: ExitStack) -> str:
    jars = cache.entry(ENTRY)
    if jars is None:
        raise Missing("Kafka", f"its jars are not in {cache.folder()}")
    program = [str(java.find()), HEAP, "-Dorg.apache.logging.log4j.level=WARN"]
    program += ["-cp", f"{jars}/*"]
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with ExitStack() as started:
                address = _start_once(started, program)
                stack.push(started.pop_all())
                return address
        except Missing:
            if attempt == ATTEMPTS:
                raise
    raise AssertionError


def _start_once(stack: ExitStack, program: list[str]) -> str:
    home = stack.enter_context(scratch("kafka"))
    broker, controller = free_ports(2)
    settings = home / "server.properties"
    settings.write_text(
        _SETTINGS.format(
            host=HOST, broker=broker, controller=controller, data=home / "data"
        )
    )
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    tool = [*program, "kafka.tools.StorageTool", "format", "-t", cluster]
    packages.build("Kafka", [*tool, "-c", settings])
    address = f"{HOST}:{broker}"
    stack.enter_context(
        running(
            "Kafka",
            [*program, "kafka.Kafka", str(settings)],
            home / "server.log",
            lambda: answers(address),
        )
    )
    return address


def answers(address: str) -> bool:
    """Tell whether a broker answers that it takes part in its cluster.

    A Metadata request (version 1, no topics) is answered with the live brokers, and
    their number stands first. An open port alone would be too early.
    """
    first = address.split(",", maxsplit=1)[0]
    host, _, port = first.rpartition(":")
    name = b"foreshock-ready"
    request = struct.pack(f">hhih{len(name)}si", 3, 1, 0, len(name), name, 0)
    try:
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(12)
    except (OSError, ValueError):
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0
