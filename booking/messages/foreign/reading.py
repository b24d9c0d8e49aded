"""One reading of a foreign calendar, from its address to busy times.

`apart` runs it as `python -m booking.messages.foreign.reading`.
"""

import json
import logging
import resource
import sys
from datetime import datetime
from zoneinfo import ZoneInfo

from .apart import CPU, MEMORY
from .busy import busy_spans
from .faults import CalendarFault, TooMuchWork
from .fetching import fetch
from .questions import Question, Reading


def read(question: Question) -> Reading | None:
    """Fetch a calendar and read it; None when it is still as it was.

    Raises:
        CalendarFault: in one of its kinds, if that cannot be done.
    """
    if question.kind == "caldav":
        from .dav import fetch_dav  # its library is heavy, and few calendars need it

        found = fetch_dav(
            question.address,
            since=question.since,
            until=question.until,
            known=question.etag,
            hosts=question.hosts,
        )
    else:
        found = fetch(
            question.address,
            etag=question.etag,
            last_modified=question.last_modified,
            hosts=question.hosts,
        )
    if found is None:
        return None
    spans = busy_spans(
        found.content,
        since=question.since,
        until=question.until,
        zone=ZoneInfo(question.timezone),
        ours=frozenset(question.ours),
        our_address=question.our_address,
    )
    return Reading(spans, found.etag, found.last_modified)


def main() -> None:
    """Answer the one question on standard input."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU, CPU + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    logging.disable()  # libraries would log addresses and what they stumble over
    asked = json.load(sys.stdin)
    asked |= {name: datetime.fromisoformat(asked[name]) for name in ("since", "until")}
    asked |= {name: tuple(asked[name]) for name in ("ours", "hosts")}
    json.dump(_answer(Question(**asked)), sys.stdout)


def _answer(question: Question) -> dict[str, object]:
    try:
        found = read(question)
    except CalendarFault as fault:
        return {"fault": type(fault).__name__}
    except (MemoryError, RecursionError):
        return {"fault": TooMuchWork.__name__}
    if found is None:
        return {"unchanged": True}
    return {
        "spans": [(each.start.timestamp(), each.until.timestamp()) for each in found.spans],
        "etag": found.etag,
        "last_modified": found.last_modified,
    }


if __name__ == "__main__":
    main()
