"""A small HTTP server that answers as told and remembers what it was asked."""

from __future__ import annotations

import gzip
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """One answer; the body of an error is InfluxDB's JSON with `message`."""

    status: int = 204
    message: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    # Closes the connection in place of an answer.
    hang_up: bool = False


@dataclass
class Asked:
    """One request as it came: path with query, headers, body without compression."""

    path: str
    headers: dict[str, str]
    body: str


class Script:
    """What the server answers: first what stands in `next`, then by `judge`."""

    def __init__(self) -> None:
        self.next: deque[Answer] = deque()
        self.judge: Callable[[Asked], Answer] = lambda asked: Answer()
        self.asked: list[Asked] = []
        self.written: list[str] = []
        self.url = ""

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        answer = self.next.popleft() if self.next else self.judge(asked)
        if answer.status == 204 and not answer.hang_up:
            self.written += asked.body.split("\n")
        return answer


@contextmanager
def scripted_server(port: int = 0) -> Iterator[Script]:
    """Serve on a port of 127.0.0.1, by default a free one, until the end."""
    script = Script()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body of an answer in one packet.
        wbufsize = -1

        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(size)
            if self.headers.get("Content-Encoding") == "gzip":
                raw = gzip.decompress(raw)
            asked = Asked(self.path, dict(self.headers), raw.decode())
            answer = script.answer(asked)
            if answer.hang_up:
                self.close_connection = True
                return
            body = b""
            if answer.message:
                body = json.dumps({"message": answer.message}).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
