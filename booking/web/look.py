"""The clinic's colour and logo: what every page draws with, and the staff's page of them."""

from functools import lru_cache
from hashlib import sha256

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.colours import DARK, LIGHT, Accent, Colour, Theme, accent_of, contrast
from booking.domain.pictures import NoPicture
from booking.models import Clinic, Logo
from booking.models.database import db, transaction
from booking.services import look
from booking.web.clinic_forms import ColourForm, LogoForm
from booking.web.forms import ButtonForm
from booking.web.schedule import the_act
from booking.web.state import clinic

bp = Blueprint("look", __name__)
bp.add_app_template_global(lambda: shades_address(), "shades_address")

THEMES = (LIGHT, DARK)


@bp.get("/look/<colour>.css")
def colours(colour: str) -> ResponseReturnValue:
    """A stylesheet with the shades of the clinic's colour; of no other."""
    if colour != (clinic().accent or "").removeprefix("#").lower():
        abort(404)
    return Response(_sheet(colour), content_type="text/css; charset=utf-8")


@bp.get("/look/logo/<digest>")
def logo(digest: str) -> ResponseReturnValue:
    """The logo, under a name that changes with it."""
    found = db.session.get(Logo, 1) if digest == clinic().logo_digest else None
    if found is None:
        abort(404)
    return Response(found.content, content_type=found.media_type)


@bp.get("/staff/schedule/look/")
def page() -> ResponseReturnValue:
    """Colour and logo, with what can be read of them."""
    return _page(ColourForm(obj=clinic()))


@bp.post("/staff/schedule/look/")
def change() -> ResponseReturnValue:
    """Show what becomes of a colour, then draw with it."""
    form = ColourForm()
    if not form.validate_on_submit():
        return _page(form), 422
    if "save" not in request.form:
        return _page(form)
    with transaction() as session:
        look.change_colour(session, session.get_one(Clinic, 1), form.accent.checked, act=the_act())
    flash("Saved.")
    return redirect(url_for(".page"), 303)


@bp.post("/staff/schedule/look/logo")
def put_logo() -> ResponseReturnValue:
    """Show the picture that was sent; 422 with a sentence if it is none."""
    form = LogoForm()
    sent = request.files.get("logo")
    content = sent.read() if sent else b""
    try:
        with transaction() as session:
            look.put_logo(session, session.get_one(Clinic, 1), content, act=the_act())
    except look.TooLarge:
        return _page(ColourForm(obj=clinic()), form.refused("The file is larger than 100 kB.")), 422
    except NoPicture:
        sentence = "Choose a picture: a PNG or JPEG file of at most 4,000 pixels a side."
        return _page(ColourForm(obj=clinic()), form.refused(sentence)), 422
    flash("Saved.")
    return redirect(url_for(".page"), 303)


@bp.post("/staff/schedule/look/logo/remove")
def remove_logo() -> ResponseReturnValue:
    """Show the name alone."""
    with transaction() as session:
        look.remove_logo(session, session.get_one(Clinic, 1), act=the_act())
    flash("Saved.")
    return redirect(url_for(".page"), 303)


def shades_address() -> str:
    """Where the shades of the clinic's colour are; another address once they are computed anew."""
    colour = (clinic().accent or "").removeprefix("#").lower()
    version = sha256(_sheet(colour).encode()).hexdigest()[:12]
    return url_for("look.colours", colour=colour, v=version)


@lru_cache(maxsize=8)
def _sheet(colour: str) -> str:
    light, dark = (_variables(accent_of(Colour.read(colour), each)) for each in THEMES)
    return (
        f"@layer tokens{{:root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}}}\n"
    )


def _variables(accent: Accent) -> str:
    shades = {
        "accent": accent.accent,
        "accent-strong": accent.strong,
        "on-accent": accent.on_accent,
        "mist": accent.mist,
        "mist-strong": accent.mist_strong,
    }
    return "".join(f"--{name}:{shade};" for name, shade in shades.items())


def _page(form: ColourForm, logo_form: LogoForm | None = None) -> str:
    chosen = form.accent.checked or _stored(form)
    return render_template(
        "staff/schedule/look.html",
        form=form,
        logo_form=logo_form or LogoForm(),
        button=ButtonForm(),
        chosen=chosen,
        shades=[_shown(chosen, theme) for theme in THEMES] if chosen else [],
        house=clinic(),
    )


def _stored(form: ColourForm) -> Colour | None:
    stored = clinic().accent
    return Colour.read(stored) if stored and not form.is_submitted() else None


def _shown(chosen: Colour, theme: Theme) -> dict[str, object]:
    """What becomes of a colour in a theme, in figures."""
    accent = accent_of(chosen, theme)
    return {
        "theme": theme.name,
        "accent": accent.accent,
        "kept": accent.accent == chosen,
        "link": contrast(accent.accent, theme.paper),
        "button": contrast(accent.on_accent, accent.accent),
    }
