"""In which language a page is: what its address asks for, what was chosen before, what was booked,
what the browser prefers; pages for staff are English.
"""

from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote, urlencode

from flask import Flask, g, has_request_context, request, session, url_for
from flask_babel import Babel, Domain, refresh
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from booking.messages.languages import (
    ENGLISH,
    LANGUAGES,
    catalog,
    direction,
    english_name,
    known_language,
)
from booking.models import Appointment
from booking.models.database import Busy, db, end_reading
from booking.services.links import token_digest
from booking.web.embedding import embedded

PATIENTS = frozenset({"public", "patient", "contact", "erasure", "earlier", "lost"})
"""The blueprints whose pages patients see."""
CHOSEN, CHOSEN_FOR = "language", "language_for"
"""What the cookie keeps: the choice, and of which appointment's pages it was made."""
TRAVELLING = {"start": "start", "practitioner": "practitioner", "timezone": "tz"}
"""What a form keeps of the address of its page, and how the address calls it."""


class Catalogs(Domain):  # type: ignore[misc]
    """Flask-Babel with the catalogs that mails are written from."""

    def get_translations(self) -> object:
        """The texts of the page's language."""
        return catalog(page_language())


class Languages(Babel):  # type: ignore[misc]
    """Flask-Babel that reads them."""

    @property
    def domain_instance(self) -> Catalogs:
        """The one domain there is."""
        return Catalogs()


def install(app: Flask) -> None:
    """Choose the language of each page, and tell templates about it."""
    Languages(app, locale_selector=page_language)
    app.before_request(_begin)
    app.jinja_env.globals.update(
        language=page_language,
        direction=lambda: direction(page_language()),
        other_languages=other_languages,
    )
    app.jinja_env.filters["english_name"] = english_name


def page_language() -> str:
    """The language of what is being answered; English where nobody asked anything."""
    if not has_request_context():
        return ENGLISH
    found: str | None = g.get("page_language")  # a page asks for it with each of its texts
    if found is None:
        found = g.page_language = _found() if _is_for_patients() else ENGLISH
    return found


def texts_language() -> str:
    """In which language the clinic's own texts are wanted; staff read them as they were written."""
    return page_language() if has_request_context() and _is_for_patients() else ""


def on_an_error(*, look: bool) -> None:
    """Be careful on the page of an error: a form may be what failed, or the database."""
    g.failed = True
    if not look:
        g.looked_up = None


def other_languages() -> Iterable[tuple[str, str, str]]:
    """Tag, name and address of the same page in each other language; nothing for staff."""
    if not _is_for_patients():
        return []
    here = page_language()
    return [(tag, name, _address(tag)) for tag, name in LANGUAGES.items() if tag != here]


def _begin() -> None:
    """Note what the address asks for; contexts that outlive a request start afresh."""
    for name in ("page_language", "looked_up", "failed"):
        g.pop(name, None)
    refresh()
    asked = request.args.get("lang")
    if asked in LANGUAGES and _is_for_patients():
        g.page_language = asked
        if not embedded():  # a frame stores nothing
            session[CHOSEN], session[CHOSEN_FOR] = asked, _whose()


def _is_for_patients() -> bool:
    """Whether patients see it; an address that leads nowhere is theirs, as a rule."""
    if request.endpoint is None:
        return not request.path.startswith(("/staff", "/api/", "/feeds/"))
    return request.blueprint in PATIENTS


def _found() -> str:
    chosen = session.get(CHOSEN)
    if chosen in LANGUAGES and (not _whose() or session.get(CHOSEN_FOR) == _whose()):
        return str(chosen)
    return _of_the_appointment() or str(chosen if chosen in LANGUAGES else _preferred())


def _preferred() -> str:
    return known_language(request.accept_languages.best_match([*LANGUAGES]))


def _whose() -> str:
    """Which appointment's page it is, in a way that opens nothing; empty for all other pages."""
    token = (request.view_args or {}).get("token", "")
    return sha256(f"language {token}".encode()).hexdigest()[:16] if token else ""


def _of_the_appointment() -> str | None:
    """In which language the appointment of this page was booked."""
    if not _whose():
        return None
    if "looked_up" not in g:
        digest = token_digest((request.view_args or {})["token"])
        query = select(Appointment.language).where(Appointment.link_digest == digest)
        try:
            g.looked_up = db.session.scalar(query)
        except (SQLAlchemyError, Busy):
            end_reading()
            g.looked_up = None
    return known_language(g.looked_up) if g.looked_up else None


def _address(tag: str) -> str:
    """This page in another language; after a wrong form its empty page, after an error `/`."""
    if request.endpoint is None or "failed" in g:
        return url_for("public.services", lang=tag)
    args = request.args.to_dict()
    if request.method == "POST":
        kept = {there: request.form.get(here, "") for here, there in TRAVELLING.items()}
        args |= {name: text for name, text in kept.items() if text}
    return f"{quote(request.path)}?{urlencode(args | {'lang': tag})}"
