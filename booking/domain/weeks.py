"""A week of opening hours as it would be after a change: the copies that staff ask for."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from booking.domain.openings import WeeklyHours

Rules = tuple[WeeklyHours, ...]


def facts(rule: WeeklyHours) -> tuple[Any, ...]:
    """All that a rule says, such that rules can be put in order: by day, then by time."""
    return (
        rule.weekday,
        rule.opens,
        rule.closes,
        rule.valid_from or date.min,
        rule.valid_until or date.max,
        sorted(rule.months),
        rule.breaks,
        rule.place or 0,
    )


def in_order(rules: Iterable[WeeklyHours]) -> Rules:
    """Each rule once, by day and time."""
    return tuple(sorted(set(rules), key=facts))


def day_copied(rules: Iterable[WeeklyHours], source: int, targets: Collection[int]) -> Rules:
    """The week with one day's hours on other days too, in place of what those had.

    Extra openings belong to their date: they are neither copied nor replaced.
    """
    kept, copied = [], []
    for rule in rules:
        if rule.is_extra or rule.weekday == source or rule.weekday not in targets:
            kept.append(rule)
        if not rule.is_extra and rule.weekday == source:
            copied += [replace(rule, weekday=each) for each in targets]
    return in_order(kept + copied)


def week_copied(rules: Iterable[WeeklyHours], others: Iterable[WeeklyHours]) -> Rules:
    """Another practitioner's week, with one's own extra openings."""
    own = [rule for rule in rules if rule.is_extra]
    return in_order([*own, *(rule for rule in others if not rule.is_extra)])
