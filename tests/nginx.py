"""A real nginx with the configuration that we give away, on free ports."""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ports import free_port

CONFIGURATION = Path(__file__).parent.parent / "deploy" / "nginx.conf"
BINARY = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PATIENCE = 20.0
AROUND = """
daemon off;
{user}
pid {folder}/pid;
error_log {folder}/log/start.log emerg;
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/booking.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running nginx."""

    folder: Path
    plain: int
    secure: int

    def line(self, address: str = "127.0.0.1") -> ssl.SSLSocket:
        """A connection by TLS, from one of this machine's many addresses."""
        context = ssl.create_default_context(cafile=str(self.folder / "fullchain.pem"))
        raw = socket.create_connection(
            ("127.0.0.1", self.secure), timeout=PATIENCE, source_address=(address, 0)
        )
        return context.wrap_socket(raw, server_hostname="localhost")

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        address: str = "127.0.0.1",
        **headers: str,
    ) -> tuple[http.client.HTTPResponse, bytes]:
        """Ask once by TLS."""
        connection = http.client.HTTPConnection("localhost", self.secure)
        connection.sock = self.line(address)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer, answer.read()
        finally:
            connection.close()

    def ask_plainly(self, path: str) -> http.client.HTTPResponse:
        """Ask without TLS, by a name that is not ours."""
        connection = http.client.HTTPConnection("127.0.0.1", self.plain, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Host": "elsewhere.example"})
            answer = connection.getresponse()
            answer.read()
            return answer
        finally:
            connection.close()

    def logged(self) -> str:
        return "".join(path.read_text() for path in (self.folder / "log").iterdir())


def require() -> None:
    """Leave a test out where there is no nginx, but never in a run that must have it."""
    if BINARY is None or shutil.which("openssl") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("nginx or openssl is missing")
        pytest.skip("there is no nginx or no openssl")


@contextmanager
def before(port: int, folder: Path, secure: int) -> Iterator[Proxy]:
    """An nginx before the service on that port."""
    proxy = Proxy(folder, free_port(), secure)
    (folder / "log").mkdir(parents=True)
    _certify(folder)
    (folder / "booking.conf").write_text(_placed(CONFIGURATION.read_text(), proxy, port))
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder, user=user))
    said = folder / "said"
    with said.open("w") as output:
        process = subprocess.Popen(
            [BINARY or "nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "early"],
            stderr=output,
        )
    try:
        _wait_for(process, proxy, said)
        yield proxy
    finally:
        process.terminate()
        process.wait(PATIENCE)
    assert "[warn]" not in said.read_text()


def _placed(text: str, proxy: Proxy, port: int) -> str:
    """The configuration with ports and folders of a test, and nothing else changed."""
    text = re.sub(r"\n\s+listen \[::\][^;]*;", "", text)
    changes = {
        "listen 80 ": f"listen 127.0.0.1:{proxy.plain} ",
        "listen 443 ": f"listen 127.0.0.1:{proxy.secure} ",
        "https://book.example.org": f"https://localhost:{proxy.secure}",
        "book.example.org": "localhost",
        "127.0.0.1:8000": f"127.0.0.1:{port}",
        "/etc/ssl/booking": str(proxy.folder),
        "/var/log/nginx": f"{proxy.folder}/log",
    }
    for before_, after in changes.items():
        assert before_ in text, before_
        text = text.replace(before_, after)
    return text


def _certify(folder: Path) -> None:
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=localhost"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"),
        ),
        check=True,
        capture_output=True,
    )


def _wait_for(process: subprocess.Popen[bytes], proxy: Proxy, said: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, said.read_text()
        with suppress(OSError):
            proxy.line().close()
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not answer")
