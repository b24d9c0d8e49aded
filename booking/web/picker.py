"""The picker of free times, kept as it was written while it would be written the same."""

from collections.abc import Callable, Hashable, Mapping

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
    page = language, (*carried().items(),), request.script_root, bool(request.args.get("whole"))
    shown = month.first, month.chosen, month.today, month.sunday_first, times.next_free
    clinics_day = now().astimezone(clinic().zone).date()  # dates of its year are written without
    words = clinic().timezone, clinic().phone, people, clinics_day
    key = "picker", times.version, times.query, shown, page, words, (*own.items(),), options
    return booking().texts.or_else(key, caller)
