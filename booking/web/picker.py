"""The picker of free times, kept as it was written while it would be written the same."""

from collections.abc import Callable, Mapping

from flask import Flask, request

from booking.models import HealthcareService
from booking.web.embedding import carried
from booking.web.languages import page_language
from booking.web.state import booking, clinic, now
from booking.web.times import Times


def install(app: Flask) -> None:
    """Let a template keep the picker of what everybody is offered."""
    app.jinja_env.globals["kept_picker"] = _kept_picker


def _kept_picker(
    times: Times,
    service: HealthcareService,
    own: Mapping[str, str],
    page: str,
    pick: str,
    remote: bool,
    more_days: int,
    caller: Callable[[], str],
) -> str:
    """The picker between the tags of the template; what is offered to one visitor is not kept.

    Its key is all that it shows. So a booking makes those anew that showed its time, or the last
    of its day, and no others.
    """
    if not times.for_all:
        return caller()
    month, language, whole = times.month, page_language(), bool(request.args.get("whole"))
    people = tuple(
        (each.slug, each.name, each.text("title", language)) for each in service.practitioners
    )
    address = page, pick, request.script_root, (*own.items(),), (*carried().items(),)
    free = (*month.by_day,), month.starts(more_days, whole=whole)
    shown = month.first, month.chosen, month.today, month.sunday_first, times.next_free, free
    clinics_day = now().astimezone(clinic().zone).date()  # dates of its year are written without
    words = language, clinic().timezone, clinic().phone, people, clinics_day
    key = "picker", times.query, shown, words, address, (remote, more_days, whole)
    return booking().texts.or_else(key, caller)
