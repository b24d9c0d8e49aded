"""Answers that come in two halves, so that a test that looks too early is found.

    TEST_HALVES=0.5 bin/test tests/browser

lets half a second pass within every page, script and stylesheet. ``TEST_HALVES_AT`` (``<main``,
``</body``) has pages halved there, instead of in their middle.
"""

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

from flask import Flask

PAUSE = float(os.environ.get("TEST_HALVES", "0"))
AT = os.environ.get("TEST_HALVES_AT", "").encode()


def in_halves(app: Flask) -> Flask:
    """The same app; its answers come late if that was asked for."""
    if PAUSE:
        at_once = app.wsgi_app

        def late(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            return _halved(at_once(environ, start_response))

        app.wsgi_app = late  # type: ignore[method-assign]
    return app


def _halved(parts: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for part in parts:
            middle = part.find(AT) if AT and AT in part else len(part) // 2
            yield part[:middle]
            time.sleep(PAUSE)
            yield part[middle:]
    finally:
        getattr(parts, "close", lambda: None)()
