"""Answers that were written before, for as long as what they say is the same.

A key holds all that an answer depends on; the version of an offer (`Remembered.version`) stands
for the times in it. So nothing has to be thrown away when something changes: it is asked for
under another key, and what nobody asks for any more makes room.
"""

from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from threading import Lock

from cachetools import LRUCache
from flask import Flask, current_app, request

from booking.models import HealthcareService
from booking.web.embedding import embedded
from booking.web.languages import page_language
from booking.web.state import clinic
from booking.web.times import Times

LETTERS = 8_000_000
"""How much text a process keeps, in characters."""


class Kept:
    """What one process has written lately, shared by its threads."""

    def __init__(self) -> None:
        self._answers: LRUCache[Hashable, str] = LRUCache(LETTERS, getsizeof=len)
        self._lock = Lock()

    def or_else(self, key: Hashable, write: Callable[[], str]) -> str:
        """What was written under this key, or what is written now."""
        with self._lock:
            found = self._answers.get(key)
        if found is None:
            found = write()
            with self._lock, suppress(ValueError):  # it is longer than all that may be kept
                self._answers[key] = found
        return found


def install(app: Flask) -> None:
    """Let a template keep the picker of what everybody is offered."""
    app.extensions["kept"] = Kept()
    app.jinja_env.globals["kept_picker"] = _kept_picker


def kept(key: Hashable, write: Callable[[], str]) -> str:
    """What this process has written under this key, or what is written now."""
    store: Kept = current_app.extensions["kept"]
    return store.or_else(key, write)


def _kept_picker(
    times: Times,
    service: HealthcareService,
    own: Mapping[str, str],
    *options: Hashable,
    caller: Callable[[], str],
) -> str:
    """The picker between the tags of the template; what is offered to one visitor is not kept."""
    if times.version is None:
        return caller()
    month, language = times.month, page_language()
    people = tuple(
        (each.slug, each.name, each.text("title", language)) for each in service.practitioners
    )
    page = language, embedded(), request.script_root, bool(request.args.get("whole"))
    shown = month.first, month.chosen, month.today, month.sunday_first, times.next_free
    words = clinic().timezone, clinic().phone, people
    key = "picker", times.version, times.query, shown, page, words, (*own.items(),), options
    return kept(key, caller)
