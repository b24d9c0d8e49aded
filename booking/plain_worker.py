"""Gunicorn's worker, but what is no request of HTTP is answered by our headers and not quoted."""

from contextlib import suppress
from http import HTTPStatus
from typing import Any

from gunicorn.http.errors import (
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import ThreadWorker

from booking.web import gate

UNREADABLE = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
}
BARE = (
    ("Connection", "close"),
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Robots-Tag", "noindex"),
    *gate.ALWAYS.items(),
)
"""The headers of an answer that no page of ours makes."""


class PlainWorker(ThreadWorker):  # type: ignore[misc]
    """Threads, as gunicorn has them."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Refuse what could not be read; everything else is gunicorn's."""
        ours = (InvalidResponseHeader, InvalidResponseHeaderName)
        if not isinstance(exc, ParseException) or isinstance(exc, ours):
            super().handle_error(req, client, addr, exc)
            return
        status = UNREADABLE.get(type(exc), HTTPStatus.BAD_REQUEST)
        head = [f"HTTP/1.1 {status} {status.phrase}", *(f"{name}: {each}" for name, each in BARE)]
        body = f"{status.phrase}\n"
        answer = "\r\n".join([*head, f"Content-Length: {len(body)}", "", body])
        with suppress(OSError):
            write_nonblock(client, answer.encode())
