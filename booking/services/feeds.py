"""The secret addresses under which calendars of practitioners and rooms can be subscribed to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from secrets import token_bytes

from sqlalchemy import or_ as either
from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload, raiseload

from booking.domain.lifecycle import Status
from booking.domain.openings import local_day
from booking.messages.facts import StaffEventFacts
from booking.messages.feed import FORMAT, FeedFacts
from booking.models import (
    Appointment,
    Clinic,
    Feed,
    FeedShows,
    HealthcareService,
    Practitioner,
    Resource,
    ResourceKind,
)
from booking.services.correspondence import clinic_facts, initials, staff_url
from booking.services.links import NONCE_BYTES, Keys, token_digest

PAST = timedelta(days=30)
"""How far back a feed reaches; ahead it holds all that is booked."""
CANCELLED_STAY = timedelta(days=7)
"""How long a cancelled appointment is shown as such: calendars that miss it would keep it."""


@dataclass(frozen=True)
class View:
    """A feed as it is asked for: on which day of the clinic, under which addresses of ours."""

    feed: Feed
    clinic: Clinic
    today: date
    keys: Keys
    base_url: str
    mail_from: str

    @property
    def name(self) -> str:
        """What a calendar app lists it under."""
        return f"{self.clinic.neutral_name}: {self.feed.resource.name}"


def resources(session: Session) -> Sequence[Resource]:
    """All that a feed can be of: practitioners, then rooms, by name."""
    query = select(Resource).where(Resource.active).order_by(Resource.kind, Resource.name)
    return session.scalars(query).all()


def practitioner(session: Session, slug: str) -> Practitioner | None:
    """Who is called so, if they see patients."""
    query = select(Practitioner).where(Practitioner.slug == slug, Practitioner.active)
    return session.scalar(query)


def feeds(session: Session) -> dict[int, Feed]:
    """The feeds that there are, by resource."""
    return {each.resource_id: each for each in session.scalars(select(Feed))}


def renew_feed(session: Session, slug: str, *, keys: Keys, now: datetime) -> Feed | None:
    """Give a practitioner or room an address, or another one; the one before ends at once.

    None if nobody is called so.
    """
    query = select(Resource).where(Resource.slug == slug)
    resource = session.scalar(query.with_for_update(of=Resource, key_share=True))
    if resource is None:
        return None
    feed = session.get(Feed, resource.id) or Feed(resource_id=resource.id, version=0)
    feed.nonce, feed.changed_at = token_bytes(NONCE_BYTES), now
    feed.version += 1
    feed.digest = token_digest(keys.feed_token(feed.nonce, feed.version))
    session.add(feed)
    session.flush()
    return feed


def end_feed(session: Session, slug: str) -> None:
    """End the address; where there is none, nothing is to be done."""
    query = select(Feed).join(Feed.resource).where(Resource.slug == slug)
    for feed in session.scalars(query):
        session.delete(feed)


def feed_by_token(session: Session, token: str) -> Feed | None:
    """The feed that an address opens now, with whose it is; None for every other string."""
    query = select(Feed).where(Feed.digest == token_digest(token))
    return session.scalar(query.options(joinedload(Feed.resource)))


def token_of_feed(feed: Feed, keys: Keys) -> str | None:
    """The token that opens it; None once its secret is known no more, though it still opens it."""
    token = keys.feed_token(feed.nonce, feed.version, feed.digest)
    return token if token_digest(token) == feed.digest else None


def version_of(view: View) -> str:
    """A tag of what the feed shows: the same while it is the same, and no counter in sight.

    It changes with each change of an appointment in it, with what the clinic lets it show, with
    the day (since its window moves on), and with how it is written.
    """
    resource, clinic = view.feed.resource, view.clinic
    parts = (
        FORMAT,
        resource.id,
        view.feed.version,
        resource.version,
        str(clinic.feed_shows),
        clinic.timezone,
        view.today.isoformat(),
        view.base_url,
        view.mail_from,
        view.name,
    )
    return view.keys.digest("feed-version", repr(parts).encode()).hex()[:32]


def facts_of_feed(session: Session, view: View) -> FeedFacts:
    """What the feed holds, in one statement whatever the history."""
    today = local_day(view.today, view.clinic.zone).start
    is_room = view.feed.resource.kind == ResourceKind.ROOM
    taken = Appointment.room_id if is_room else Appointment.practitioner_id
    query = (
        select(Appointment)
        .where(
            taken == view.feed.resource_id,
            Appointment.start_at >= today - PAST,
            either(
                Appointment.status != Status.CANCELLED,
                Appointment.updated_at >= today - CANCELLED_STAY,
            ),
        )
        .order_by(Appointment.start_at, Appointment.id)
        .options(
            joinedload(Appointment.service).options(
                raiseload(HealthcareService.resources), raiseload(HealthcareService.location)
            ),
            joinedload(Appointment.room),
        )
    )
    clinic = clinic_facts(view.clinic, view.mail_from)
    return FeedFacts(
        clinic, view.name, tuple(_events(session.scalars(query), view, is_room=is_room))
    )


def _events(
    appointments: Iterator[Appointment], view: View, *, is_room: bool
) -> Iterator[StaffEventFacts]:
    for each in appointments:
        yield StaffEventFacts(
            uid=each.uid,
            sequence=each.sequence,
            start=each.start_at,
            end=each.end_at,
            created_at=each.created_at,
            updated_at=each.updated_at,
            title=_title(each, FeedShows(view.clinic.feed_shows)),
            location=each.room.name if each.room and not is_room else "",
            staff_url=staff_url(each, view.base_url),
            cancelled=each.status == Status.CANCELLED,
        )


def _title(appointment: Appointment, shows: FeedShows) -> str:
    if shows == FeedShows.APPOINTMENT:
        return appointment.service.event_title
    short = initials(appointment.patient_name)
    return short if shows == FeedShows.INITIALS else f"{short}, {appointment.service.name}"
