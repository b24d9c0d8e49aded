"""A web server on this machine that gives out calendars, and can be as nasty as it is told."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase

Raw = Callable[[BufferedIOBase], None]
"""Writes a whole answer by hand, status line and all."""


@dataclass
class Asked:
    """One request that arrived."""

    path: str
    headers: dict[str, str]


@dataclass
class CalendarServer:
    """What it answers by path, and what it was asked."""

    port: int = 0
    answers: dict[str, tuple[int, bytes, dict[str, str]] | Raw] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The name that a setting must hold for us to go there."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/a.ics", *, user: str = "") -> str:
        """The address of something on it."""
        return f"http://{user}{'@' if user else ''}{self.host}{path}"

    def serve(
        self, body: bytes = b"", status: int = 200, path: str = "/a.ics", **headers: str
    ) -> str:
        """Answer so from now on; `last_modified="…"` is the header Last-Modified."""
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        self.answers[path] = (status, body, named)
        return self.url(path)

    def serve_raw(self, path: str, write: Raw) -> str:
        """Answer by hand from now on."""
        self.answers[path] = write
        return self.url(path)


@contextmanager
def calendar_server() -> Iterator[CalendarServer]:
    """A running server."""
    found = CalendarServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            found.asked.append(Asked(self.path, dict(self.headers)))
            answer = found.answers.get(self.path, (404, b"", {}))
            if callable(answer):
                answer(self.wfile)
            else:
                self._give(*answer)

        do_PROPFIND = do_REPORT = do_GET  # noqa: N815 (the library's names)

        def _give(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            if headers.get("Etag") and self.headers["If-None-Match"] == headers["Etag"]:
                status, body = 304, b""
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    server = _Quiet(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Quiet(ThreadingHTTPServer):
    """Not disturbed by a visitor who has heard enough."""

    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_args: object) -> None:
        """Say nothing."""
