"""What pages are made of, shown with the product's own parts; in the demo only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flask import Blueprint, abort, current_app, render_template
from flask.typing import ResponseReturnValue
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from booking.domain.colours import DARK, LIGHT, SHAPES, TEXT, Colour, contrast
from booking.models import HealthcareService, Mode, Visibility
from booking.models.database import db
from booking.web.forms import ButtonForm, CancelForm, LostForm
from booking.web.state import booking, clinic, now
from booking.web.times import read_query, times
from booking.web.zones import zone_choices

bp = Blueprint("styleguide", __name__)

PAIRS = (
    ("ink", "paper", TEXT),
    ("ink", "card", TEXT),
    ("ink", "mist", TEXT),
    ("soft", "paper", TEXT),
    ("soft", "card", TEXT),
    ("accent", "paper", TEXT),
    ("accent", "card", TEXT),
    ("accent", "mist", TEXT),
    ("accent-strong", "mist", TEXT),
    ("accent-strong", "mist-strong", TEXT),
    ("soft", "mist", TEXT),
    ("soft", "mist-strong", SHAPES),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("warn", "card", TEXT),
    ("warn", "warn-mist", TEXT),
    ("edge", "card", SHAPES),
    ("edge", "paper", SHAPES),
    ("focus", "paper", TEXT),
    ("focus", "card", SHAPES),
)
"""Which token stands on which, and the contrast that it needs."""


@dataclass(frozen=True)
class Pair:
    """One colour on another, measured."""

    above: str
    below: str
    least: float
    light: float
    dark: float


@bp.get("/styleguide")
def page() -> ResponseReturnValue:
    """Colours with their contrast, type, spacing, and every part in its states."""
    if not booking().settings.demo:
        abort(404)
    service = _a_service()
    query = read_query(MultiDict(), service)
    wrong = LostForm(prefix="wrong-")
    wrong.email.errors = ["Enter your email address."]
    return render_template(
        "public/styleguide.html",
        tokens=tokens(_stylesheet()),
        pairs=list(pairs(_stylesheet())),
        service=service,
        times=times(service, query),
        zones=zone_choices(query.zone.key, clinic().timezone),
        remote=service.mode != Mode.IN_PERSON,
        form=LostForm(),
        area=CancelForm(),
        wrong=wrong,
        button=ButtonForm(),
        start=now(),
    )


def tokens(sheet: str) -> dict[str, dict[str, Colour]]:
    """The colours of each theme, as they stand in the stylesheet."""
    layer = sheet[sheet.index("@layer tokens {") : sheet.index("@layer base {")]
    light, _, dark = layer.partition("prefers-color-scheme: dark")
    return {LIGHT.name: _colours(light), DARK.name: _colours(light) | _colours(dark)}


def pairs(sheet: str) -> Iterator[Pair]:
    """Every pair that pages draw, measured in both themes."""
    light, dark = tokens(sheet).values()
    for above, below, least in PAIRS:
        yield Pair(
            above,
            below,
            least,
            contrast(light[above], light[below]),
            contrast(dark[above], dark[below]),
        )


def _colours(part: str) -> dict[str, Colour]:
    found = re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part)
    return {name: Colour.read(text) for name, text in found}


def _stylesheet() -> str:
    return Path(current_app.static_folder or "", "style.css").read_text(encoding="utf-8")


def _a_service() -> HealthcareService:
    query = select(HealthcareService).where(HealthcareService.visibility == Visibility.PUBLIC)
    found = db.session.scalar(query.order_by(HealthcareService.position).limit(1))
    if found is None:
        abort(404)
    return found
