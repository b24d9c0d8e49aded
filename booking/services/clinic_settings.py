"""What the clinic has, as staff keep it: who sees patients, and what of."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session, selectinload

from booking.domain.translations import Translations
from booking.models import HealthcareService, Practitioner, Resource
from booking.services.schedules import Act

LONGEST_SLUG = 60
FORM = "new"
"""Where the form for another stands: nobody is called so."""


@dataclass(frozen=True)
class PractitionerDetails:
    """What staff say of a practitioner."""

    name: str
    title: str | None
    email: str | None
    wants_invitations: bool
    active: bool
    services: Collection[str]
    """The slugs of the services that the practitioner offers."""
    translations: Translations = field(default_factory=dict)


def services(session: Session) -> Sequence[HealthcareService]:
    """All services, with who and what they take."""
    query = select(HealthcareService).order_by(HealthcareService.position, HealthcareService.id)
    return session.scalars(query.options(selectinload(HealthcareService.resources))).all()


def add_practitioner(session: Session, details: PractitionerDetails, *, act: Act) -> Practitioner:
    """Take somebody on; without hours nothing is offered yet."""
    made = Practitioner(slug=free_slug(session, details.name), name=details.name, version=0)
    session.add(made)
    _describe(session, made, details)
    act.note(session, "practitioner.add", made.slug)
    return made


def change_practitioner(
    session: Session, whom: Practitioner, details: PractitionerDetails, *, act: Act
) -> None:
    """Change what is on file; coming appointments stay, also of who is not active any more."""
    _describe(session, whom, details)
    act.note(session, "practitioner.change", whom.slug)


def _describe(session: Session, whom: Practitioner, details: PractitionerDetails) -> None:
    whom.name, whom.title, whom.email = details.name, details.title, details.email
    whom.wants_invitations, whom.active = details.wants_invitations, details.active
    whom.translations = details.translations
    session.flush()
    for service in services(session):
        if (service.slug in details.services) == (whom in service.resources):
            continue
        if whom in service.resources:
            service.resources.remove(whom)
        else:
            service.resources.append(whom)
    session.flush()


def free_slug(
    session: Session, name: str, column: InstrumentedAttribute[str] = Resource.slug
) -> str:
    """A name for addresses, made from the real one; with a number if somebody has it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-") or FORM
    taken = {FORM, *session.scalars(select(column).where(column.startswith(stem)))}
    numbered = (f"{stem}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (stem, *numbered) if each not in taken)
