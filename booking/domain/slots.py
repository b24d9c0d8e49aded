"""What is on offer: the slots that the rules of a service leave in open and free time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import reduce
from heapq import nsmallest
from operator import or_
from typing import NamedTuple

from booking.domain.openings import Opening, grid
from booking.domain.timeline import MINUTE, Span, Timeline

_NONE = timedelta()
_EVER = timedelta(days=366 * 10)


@dataclass(frozen=True, slots=True)
class BookingRules:
    """How a service is booked; all but the last two in whole minutes.

    Attributes:
        duration: How long an appointment is.
        step: The distance between offered starts, counted from the beginning of an opening.
        buffer_before, buffer_after: Time kept free around an appointment.
        minimum_notice: The least time from now to a start.
        booking_horizon: The most time from now to a start, itself included.
    """

    duration: timedelta
    step: timedelta
    buffer_before: timedelta
    buffer_after: timedelta
    minimum_notice: timedelta
    booking_horizon: timedelta

    def __post_init__(self) -> None:
        blocked = (self.duration, self.step, self.buffer_before, self.buffer_after)
        if any(each % MINUTE for each in blocked):
            raise ValueError("Durations, steps and buffers are in whole minutes.")
        if min(self.duration, self.step) <= _NONE:
            raise ValueError("A duration and a step are longer than nothing.")
        if min(*blocked, self.minimum_notice, self.booking_horizon) < _NONE:
            raise ValueError("Buffers, minimum notice and booking horizon are not negative.")

    @property
    def relaxed(self) -> "BookingRules":
        """The same at any minute that is to come, however soon or far."""
        return replace(self, step=MINUTE, minimum_notice=_NONE, booking_horizon=_EVER)


class Slot(NamedTuple):
    """A time on offer, and the resource ids, ascending, of the practitioners who have it free."""

    start: datetime
    end: datetime
    practitioners: tuple[int, ...]


def bookable_window(rules: BookingRules, now: datetime) -> Span:
    """From the earliest start to a minute after the latest; empty if no start fits between."""
    earliest = _whole_minute(now + rules.minimum_notice + MINUTE - timedelta.resolution)
    latest = _whole_minute(now + rules.booking_horizon)
    return Span(earliest, max(earliest, latest + MINUTE))


def grid_of(
    openings: Iterable[Opening], step: timedelta, *, origin: datetime, until: datetime
) -> Timeline:
    """The instants within the bounds that are on a step of one of the openings."""
    walked = (span for opening in openings for span in grid(opening, step))
    return Timeline.over(origin, until, walked, every=step)


def starts(rules: BookingRules, *, hours: Timeline, grid: Timeline, taken: Timeline) -> Timeline:
    """The instants at which an appointment may start, whenever that is (see `bookable_window`).

    Args:
        hours: When the practitioner sees patients, closures already taken away. An appointment
            lies within them, all of it; its buffers may reach out of them.
        grid: The instants on a step of the opening, which stay put as the day fills up.
        taken: Minutes already blocked, buffers included; no buffer reaches into them (law 1).
            What lies outside the bounds counts as free, so load a margin of the buffers and
            the duration on both sides of the days that are asked for.
    """
    return (hours.starts_of(rules.duration) & grid) - starts_that_collide(rules, taken)


def room_starts(rules: BookingRules, *, taken: Timeline, closed: Timeline) -> Timeline:
    """The instants from which a room is free, buffers included, and open for the appointment.

    What lies outside the bounds counts as free, as it does for ``starts``.
    """
    return (~closed).starts_of(rules.duration) - starts_that_collide(rules, taken)


def combine(
    by_practitioner: Mapping[int, Timeline], rooms: Sequence[Timeline] | None, duration: timedelta
) -> list[Slot]:
    """The slots that one practitioner or more has on offer, in order of time.

    Args:
        by_practitioner: The starts of each practitioner, by resource id.
        rooms: The starts of each room that would do, of which one is needed; absent if the
            service needs no room. When there is none that would do, nothing is on offer.
    """
    free = {each: _with_a_room(starts, rooms) for each, starts in sorted(by_practitioner.items())}
    if not free:
        return []
    anybody = reduce(or_, free.values())
    # A slot is looked up for each practitioner; to walk through what each has free makes as many
    # instants as there are practitioners and slots.
    looked_up = [(each, starts.eighths()) for each, starts in free.items()]
    found = []
    for minute in anybody.minutes():
        byte, bit = minute >> 3, minute & 7
        who = tuple(each for each, eighths in looked_up if eighths[byte] >> bit & 1)
        start = anybody.origin + minute * MINUTE
        found.append(Slot(start, start + duration, who))
    return found


def nearest(slots: Iterable[Slot], start: datetime, count: int) -> list[Slot]:
    """The slots that begin nearest to an instant, in order of time; the earlier of two as near."""
    return sorted(nsmallest(count, slots, key=lambda slot: (abs(slot.start - start), slot)))


def least_busy(
    candidates: Iterable[int],
    appointments_that_day: Mapping[int, int],
    last_chosen: Mapping[int, int],
) -> int:
    """The practitioner, by resource id, to whom the next appointment of the day goes.

    It is the one with the fewest appointments that day; of several, the one whose turn is
    longest ago; of several who never had a turn, the one with the lowest id.

    Args:
        last_chosen: A number that grows with each choice, by the practitioner chosen.
    """
    return min(
        candidates,
        key=lambda each: (
            appointments_that_day.get(each, 0),
            each in last_chosen,
            last_chosen.get(each, 0),
            each,
        ),
    )


def starts_that_collide(rules: BookingRules, taken: Timeline) -> Timeline:
    """The starts whose blocked span would reach into taken time."""
    return taken.spread(
        earlier=rules.duration + rules.buffer_after - MINUTE, later=rules.buffer_before
    )


def _with_a_room(offered: Timeline, rooms: Sequence[Timeline] | None) -> Timeline:
    if rooms is None:
        return offered
    any_room = offered - offered
    for room in rooms:
        any_room |= room
    return offered & any_room


def _whole_minute(instant: datetime) -> datetime:
    return instant.replace(second=0, microsecond=0)
