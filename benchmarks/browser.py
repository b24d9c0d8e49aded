"""Somebody with a browser: cookies, forms and their hidden fields, a connection that is kept."""

import http.client
from http.cookies import SimpleCookie
from json import loads
from typing import Any
from urllib.parse import urlencode, urljoin

from lxml import html

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Browser:
    """One patient's. Files that a page brings along are left out: a browser keeps them."""

    def __init__(self, port: int, number: int) -> None:
        self.requests, self.path = 0, "/"
        self._line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._cookies: dict[str, str] = {}
        self._address = f"10.{number // 250 % 250}.{number % 250}.9"  # each from another network
        self._body = b""

    def get(self, path: str, **headers: str) -> int:
        """Fetch a page; gives its status."""
        return self._ask("GET", path, None, headers)

    def beside(self, path: str, fields: dict[str, str] | None = None) -> None:
        """What a page's script fetches or sends: the page stays."""
        page = self.path, self._body
        if fields is None:
            self.get(path, **{"X-Requested-With": "XMLHttpRequest"})
        else:
            self.post(path, fields)
        self.path, self._body = page

    def fields(self, form: str) -> dict[str, str]:
        """What the form holds already, as the browser would send it."""
        return {
            name: str(value)
            for name, value in html.fromstring(self._body).xpath(form)[0].form_values()
        }

    def post(self, path: str, fields: dict[str, str]) -> int:
        """Send a form; gives the status. Where it leads to is for `follow`."""
        return self._ask("POST", path, urlencode(fields).encode(), FORM)

    def follow(self) -> int:
        """Go where the last answer led; gives the status."""
        return self.get(self.path)

    def json(self) -> Any:
        """What the last answer says."""
        return loads(self._body)

    def pause(self) -> None:
        """Let go of the connection, before the server does; the next request opens another."""
        self._line.close()

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> int:
        ours = {"X-Forwarded-For": self._address, "Cookie": self._cookie()}
        self._line.request(method, path, body, headers | {k: v for k, v in ours.items() if v})
        answer = self._line.getresponse()
        self._body = answer.read()
        self.requests += 1
        for each in answer.headers.get_all("Set-Cookie") or ():
            self._cookies |= {name: crumb.value for name, crumb in SimpleCookie(each).items()}
        self.path = urljoin(path, answer.headers.get("Location", path))
        return answer.status

    def _cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._cookies.items())
