"""How much work a repetition would be, judged before it is done (RFC 5545 §3.3.10)."""

from datetime import date, timedelta

from .faults import TooMuchWork

MOST_STEPS = 250_000
"""Steps of all repetitions of a calendar together: less than a second of work. A daily event since
2005 takes 8,000."""
MOST_TIMES_A_DAY = 96
MOST_NUMBERS = 400
"""Values of one BY list: the days of a year, and some."""

_LENGTH = {
    "YEARLY": timedelta(days=365),
    "MONTHLY": timedelta(days=28),
    "WEEKLY": timedelta(days=7),
    "DAILY": timedelta(days=1),
    "HOURLY": timedelta(hours=1),
}
_STEPS = {"YEARLY": 10, "MONTHLY": 3, "WEEKLY": 2, "DAILY": 1, "HOURLY": 1}
"""What one round of the rule costs, with few days in it."""
_DAYS = {"YEARLY": 366, "MONTHLY": 31, "DAILY": 1, "HOURLY": 1}


def steps_of(rule: str, begins: date, until: date) -> int:
    """About how many steps the rule takes from its beginning to `until`; 0 if it ended before.

    Raises:
        TooMuchWork: if it repeats each minute or second, or many times a day.
        ValueError: if it is no rule.
    """
    parts = _parts(rule)
    freq = parts.get("FREQ", "")
    if freq in ("SECONDLY", "MINUTELY") or _times_a_day(parts) > MOST_TIMES_A_DAY:
        raise TooMuchWork
    rounds = max(0, (until - begins) // _length(freq, parts)) + 1
    if "COUNT" in parts and not any(name.startswith("BY") for name in parts):
        rounds = min(rounds, _number(parts["COUNT"]))
    return rounds * _days_a_round(freq, parts) * _times_a_day(parts)


def last_day(rule: str) -> date | None:
    """The day of its UNTIL; None if it has none.

    Raises:
        ValueError: if that is no date.
    """
    until = _parts(rule).get("UNTIL")
    return date.fromisoformat(until[:8]) if until else None


def _parts(rule: str) -> dict[str, str]:
    pairs = (each.partition("=") for each in rule.upper().strip().strip(";").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _length(freq: str, parts: dict[str, str]) -> timedelta:
    if freq not in _LENGTH:
        raise ValueError("no frequency")
    interval = _number(parts.get("INTERVAL", "1"))
    if interval < 1:
        raise ValueError("no interval")
    return _LENGTH[freq] * min(interval, 10_000)


def _times_a_day(parts: dict[str, str]) -> int:
    times = 1
    for name in ("BYHOUR", "BYMINUTE", "BYSECOND"):
        times *= len(_values(parts, name)) or 1
    return times


def _days_a_round(freq: str, parts: dict[str, str]) -> int:
    """About how many days one round of the rule goes through."""
    lists = {name: _values(parts, name) for name in parts if name.startswith("BY")}
    if any(len(each) > MOST_NUMBERS for each in lists.values()):
        raise TooMuchWork
    weekdays = lists.get("BYDAY", [])
    if freq == "WEEKLY":
        return max(_STEPS[freq], len(weekdays))
    every = any(each[:1].isalpha() for each in weekdays)  # each Monday, not the first
    dense = every or any(len(each) > 7 for each in lists.values())
    return _DAYS[freq] if dense else _STEPS[freq]


def _values(parts: dict[str, str], name: str) -> list[str]:
    return [each for each in parts.get(name, "").split(",") if each]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise ValueError("no number")
    return int(text)
