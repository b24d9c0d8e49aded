"""Another program on this machine that is told of appointments, as helpful as it is told to be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Heard:
    """One request that arrived."""

    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it answers, and what it heard."""

    port: int = 0
    status: int = 204
    location: str = ""
    heard: list[Heard] = field(default_factory=list)

    @property
    def host(self) -> str:
        """The name that a setting must hold for us to go there."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook?key=abc"


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A running one."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.heard.append(Heard(headers, body))
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
