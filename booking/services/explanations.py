"""Why is nothing offered? The diary of a day, taken apart minute by minute."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from booking.domain.openings import local_day, openings
from booking.domain.public_holidays import public_holidays
from booking.domain.reasons import Explained, Layers, Reason, explain
from booking.domain.slots import bookable_window, grid_of, room_starts, starts_that_collide
from booking.domain.timeline import Span, Timeline
from booking.models import Clinic, HealthcareService, Practitioner
from booking.services.availability import Diary, load_diary

HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True)
class Explanation:
    """One practitioner's day."""

    practitioner: Practitioner
    spans: list[Explained]

    @property
    def offered(self) -> list[datetime]:
        """The beginnings on offer."""
        found = []
        for each in self.spans:
            if each.reason is None:
                minutes = Timeline.over(each.span.start, each.span.until, [each.span])
                found += list(minutes.instants())
        return found


def explanations(
    session: Session,
    clinic: Clinic,
    service: HealthcareService,
    day: date,
    *,
    now: datetime,
    anyway: bool = False,
) -> Sequence[Explanation]:
    """Why nothing of a service begins at each minute of a day, practitioner by practitioner.

    Args:
        anyway: Only what stands in the way of the desk when it insists.
    """
    rules = service.rules.relaxed if anyway else service.rules
    whole, window = local_day(day, clinic.zone), bookable_window(rules, now)
    if whole.until <= window.start or whole.start >= window.until:
        reason = Reason.NOTICE if whole.until <= window.start else Reason.HORIZON
        return [Explanation(each, [Explained(whole, reason)]) for each in service.practitioners]
    diary = load_diary(session, clinic, service, whole, now=now, anyway=anyway)
    is_holiday = day in public_holidays(clinic.country, clinic.region, day.year)
    # A holiday that is worked on is not among what is closed.
    holiday = [whole] if is_holiday and whole in diary.closed.get(None, ()) else []
    minutes = _timeline(diary, [whole])
    return [
        Explanation(each, explain(minutes, layers(diary, each.id, holiday)))
        for each in service.practitioners
    ]


def layers(diary: Diary, practitioner: int, holiday: Sequence[Span]) -> Layers:
    """What keeps appointments from beginning, reason by reason; what is left is on offer.

    It takes apart what `Diary.slots` puts together: a test holds the two to each other.
    """
    rules, everything = diary.rules, ~_timeline(diary, ())
    window = bookable_window(rules, diary.now)
    clinic_closed = _timeline(diary, diary.closed.get(None, ()))
    away = _timeline(diary, diary.closed.get(practitioner, ()))
    taken = _timeline(diary, diary.taken.get(practitioner, ()))
    door, opened, grid = _opened(diary, practitioner)
    hours = opened - clinic_closed - away
    return [
        (Reason.NOTICE, everything.window(None, window.start)),
        (Reason.HORIZON, everything.window(window.until, None)),
        (Reason.HOLIDAY, _timeline(diary, holiday)),
        (Reason.CLINIC_CLOSED, clinic_closed),
        (Reason.NO_HOURS, everything - door),
        (Reason.BREAK, door - opened),
        (Reason.AWAY, away),
        (Reason.FULL, _timeline(diary, diary.full_days)),
        (Reason.TAKEN, taken),
        (Reason.COLLIDES, starts_that_collide(rules, taken)),
        (Reason.TOO_SHORT, everything - hours.starts_of(rules.duration)),
        (Reason.STEP, everything - grid),
        (Reason.ROOM, everything - _with_a_room(diary, everything)),
    ]


def _opened(diary: Diary, practitioner: int) -> tuple[Timeline, Timeline, Timeline]:
    """The openings as if they had no breaks, the openings, and the steps in them."""
    first = diary.bounds.start.astimezone(diary.zone).date()
    last = (diary.bounds.until - HALF_A_DAY).astimezone(diary.zone).date()
    rules = diary.hours[practitioner]
    opened = openings(rules, first, last, diary.zone)
    door = openings([replace(each, breaks=()) for each in rules], first, last, diary.zone)
    grid = grid_of(opened, diary.rules.step, origin=diary.bounds.start, until=diary.bounds.until)
    return (
        _timeline(diary, [span for each in door for span in each.spans]),
        _timeline(diary, [span for each in opened for span in each.spans]),
        grid,
    )


def _with_a_room(diary: Diary, everything: Timeline) -> Timeline:
    if diary.rooms is None:
        return everything
    free = everything - everything
    for room in diary.rooms:
        taken = _timeline(diary, diary.taken.get(room, ()))
        closed = _timeline(diary, diary.closed.get(room, ()))
        free |= room_starts(diary.rules, taken=taken, closed=closed)
    return free


def _timeline(diary: Diary, spans: Sequence[Span]) -> Timeline:
    return Timeline.over(diary.bounds.start, diary.bounds.until, spans)
