"""What one process remembers of the free times, and how it knows that they still hold.

Every change to what takes a resource's time gives it another version in its own transaction
(`TimeVersion`). A page reads the versions, one small query, and works out anew only what is of
another version. So what is remembered is exact, not merely fresh: whatever was taken before the
versions were read is not on offer. A booking remembers nothing: it looks, behind its locks.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from booking.domain.timeline import Timeline
from booking.models import OF_THE_CLINIC, Clinic, HealthcareService, TimeVersion
from booking.services.availability import (
    Diary,
    Offer,
    around,
    full_days,
    load_diary,
    wanted,
    whole_horizon,
)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The beginnings that one resource leaves to one service, and on what that rests."""

    of: Hashable
    runs_out: datetime | None
    """When a hold among what is taken comes to its end, which no version tells."""
    free: Timeline


@dataclass(frozen=True)
class Remembered:
    """An offer, and a value that is another as soon as the offer is."""

    offer: Offer
    version: Hashable


class Memory:
    """The timelines of one process: one for each service and resource, whatever their number.

    Threads share it: an entry is never changed, only replaced, and who replaces it with one that
    is older by a moment makes the next reader work it out again.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int], _Kept] = {}

    def offer(
        self,
        session: Session,
        clinic: Clinic,
        service: HealthcareService,
        *,
        now: datetime,
        practitioners: Sequence[int] | None = None,
    ) -> Remembered:
        """What a service offers over its whole horizon, to whoever holds nothing.

        The same as `load_diary` would find. The number of statements is fixed; what was
        remembered saves the reading of hours, closures and what is taken.

        Args:
            practitioners: Only these, by id; None for all who offer the service.
        """
        known = _versions(session)  # before all else: what changes from here on is another version
        span = whole_horizon(service, now)
        bounds = around(span, clinic.zone)
        asked, rooms = wanted(service, practitioners)
        common = (
            (service.rules, service.mode, service.location_id),
            (clinic.timezone, clinic.country, clinic.region),
            (bounds, known.get(OF_THE_CLINIC, 0)),
        )
        wants = {each: (common, known.get(each, 0)) for each in (*asked, *(rooms or ()))}
        kept = self._found(service.id, wants, now)
        missing = wants.keys() - kept.keys()
        if missing:
            diary = load_diary(
                session, clinic, service, span, now=now, practitioners=missing, rooms=missing
            )
            kept |= self._keep(service.id, {each: wants[each] for each in missing}, diary)
        full = full_days(session, service, bounds, clinic.zone)
        offer = Offer(
            duration=service.duration,
            span=span,
            practitioners={each: kept[each].free for each in asked},
            rooms=None if rooms is None else {each: kept[each].free for each in rooms},
            full=Timeline.over(bounds.start, bounds.until, full),
        )
        numbers = ((each, known.get(each, 0), kept[each].runs_out) for each in wants)
        return Remembered(offer, (service.id, common, rooms is None, (*numbers,), (*full,)))

    def _found(
        self, service: int, wants: Mapping[int, Hashable], now: datetime
    ) -> dict[int, _Kept]:
        found = ((each, self._kept.get((service, each))) for each in wants)
        return {
            each: kept
            for each, kept in found
            if kept is not None
            and kept.of == wants[each]
            and (kept.runs_out is None or kept.runs_out > now)
        }

    def _keep(self, service: int, wants: Mapping[int, Hashable], diary: Diary) -> dict[int, _Kept]:
        free = {**diary.offer.practitioners, **(diary.offer.rooms or {})}
        new = {each: _Kept(wants[each], diary.runs_out.get(each), free[each]) for each in wants}
        self._kept.update({(service, each): kept for each, kept in new.items()})
        return new


def _versions(session: Session) -> dict[int, int]:
    """The version of the clinic's hours and of each resource's time; absent where it is 0."""
    rows = session.execute(select(TimeVersion.resource_id, TimeVersion.version))
    return {row.resource_id: row.version for row in rows}
