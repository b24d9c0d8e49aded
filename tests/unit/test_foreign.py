"""Calendars as Google, Outlook, Apple, Nextcloud and others write them, and as no one should."""

from collections.abc import Iterable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from booking.domain.timeline import Span
from booking.messages.foreign.busy import busy_spans
from booking.messages.foreign.faults import CalendarFault, NotACalendar, TooLarge, TooMuchWork
from booking.messages.invitation import PRODUCT
from tests.effort import cpu_of, effort

NEW_YORK = ZoneInfo("America/New_York")
SINCE, UNTIL = datetime(2026, 10, 20, tzinfo=UTC), datetime(2027, 3, 20, tzinfo=UTC)
"""The window holds both changes of the clock: 1 November 2026 and 14 March 2027."""


def calendar(*lines: str, head: str = "PRODID:-//Example//Calendar//EN") -> bytes:
    """A calendar of these lines; those of one text are one after the other."""
    inner = "\n".join(lines)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\n{head}\n{inner}\nEND:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


def event(*lines: str, uid: str = "one@example") -> str:
    """An event of these lines."""
    return "\n".join(
        ["BEGIN:VEVENT", f"UID:{uid}", "DTSTAMP:20261001T000000Z", *lines, "END:VEVENT"]
    )


def busy(
    raw: bytes, *, since: datetime = SINCE, until: datetime = UNTIL, ours: Iterable[str] = ()
) -> list[str]:
    """The busy times as a clock in New York shows them: `11-24 09:00 to 10:00`."""
    spans = busy_spans(
        raw,
        since=since,
        until=until,
        zone=NEW_YORK,
        ours=frozenset(ours),
        our_address="desk@clinic.example",
    )
    return [shown(span) for span in spans]


def shown(span: Span) -> str:
    start, end = span.start.astimezone(NEW_YORK), span.until.astimezone(NEW_YORK)
    last = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%m-%d %H:%M}"
    return f"{start:%m-%d %H:%M} to {last}"


BERLIN_OF_EXCHANGE = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""
OF_ITS_OWN_MAKING = BERLIN_OF_EXCHANGE.replace("W. Europe Standard Time", "Customized Time Zone")
NINE_TO_TEN = "DTSTART:20261124T140000Z\nDTEND:20261124T150000Z"
ONE_HOUR = ["11-24 09:00 to 10:00"]

SHAPES: dict[str, tuple[bytes, list[str]]] = {
    "Google: one event in UTC, with the zone of the calendar": (
        calendar(
            event("DTSTART:20261124T140000Z", "DTEND:20261124T150000Z", "STATUS:CONFIRMED"),
            head="PRODID:-//Google Inc//Google Calendar//EN\nX-WR-TIMEZONE:America/New_York",
        ),
        ONE_HOUR,
    ),
    "Google: a secret address that shows free and busy only": (
        calendar(event(NINE_TO_TEN, "SUMMARY:Busy")),
        ONE_HOUR,
    ),
    "Google: each week through the end of summer time": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20261021T090000",
                "DTEND;TZID=America/New_York:20261021T100000",
                "RRULE:FREQ=WEEKLY;UNTIL=20261111T045959Z",
            )
        ),
        ["10-21 09:00 to 10:00", "10-28 09:00 to 10:00", "11-04 09:00 to 10:00"],
    ),
    "each week through the beginning of summer time": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20270310T090000",
                "DTEND;TZID=America/New_York:20270310T100000",
                "RRULE:FREQ=WEEKLY;COUNT=2",
            )
        ),
        ["03-10 09:00 to 10:00", "03-17 09:00 to 10:00"],
    ),
    "Google: repeated in UTC, meant by the calendar's own clock": (
        calendar(
            event(
                "DTSTART:20261028T130000Z",
                "DTEND:20261028T140000Z",
                "RRULE:FREQ=WEEKLY;COUNT=2",
            ),
            head="X-WR-TIMEZONE:America/New_York",
        ),
        ["10-28 09:00 to 10:00", "11-04 09:00 to 10:00"],
    ),
    "Google: one of a series moved, one cancelled, one taken out": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20261123T090000",
                "DTEND;TZID=America/New_York:20261123T100000",
                "RRULE:FREQ=DAILY;COUNT=4",
                "EXDATE;TZID=America/New_York:20261125T090000",
            ),
            event(
                "DTSTART;TZID=America/New_York:20261124T150000",
                "DTEND;TZID=America/New_York:20261124T160000",
                "RECURRENCE-ID;TZID=America/New_York:20261124T090000",
                "SEQUENCE:1",
            ),
            event(
                "DTSTART;TZID=America/New_York:20261126T090000",
                "DTEND;TZID=America/New_York:20261126T100000",
                "RECURRENCE-ID:20261126T140000Z",
                "STATUS:CANCELLED",
            ),
        ),
        ["11-23 09:00 to 10:00", "11-24 15:00 to 16:00"],
    ),
    "a series long over, of which one was moved to these days": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20200106T090000",
                "DTEND;TZID=America/New_York:20200106T100000",
                "RRULE:FREQ=WEEKLY;UNTIL=20200301",
            ),
            event(
                "DTSTART;TZID=America/New_York:20261124T090000",
                "DTEND;TZID=America/New_York:20261124T100000",
                "RECURRENCE-ID;TZID=America/New_York:20200113T090000",
            ),
        ),
        ONE_HOUR,
    ),
    "a rule of timed events that ends with a day": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20261123T190000",
                "DTEND;TZID=America/New_York:20261123T200000",
                "RRULE:FREQ=DAILY;UNTIL=20261124",
            )
        ),
        ["11-23 19:00 to 20:00", "11-24 19:00 to 20:00"],
    ),
    "Outlook: a zone by its Windows name, tentative": (
        calendar(
            BERLIN_OF_EXCHANGE,
            event(
                "DTSTART;TZID=W. Europe Standard Time:20261124T150000",
                "DTEND;TZID=W. Europe Standard Time:20261124T160000",
                "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE",
            ),
        ),
        ONE_HOUR,
    ),
    "Outlook: a Windows name that nothing explains": (
        calendar(
            event(
                "DTSTART;TZID=Eastern Standard Time:20261124T090000",
                "DTEND;TZID=Eastern Standard Time:20261124T100000",
                "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
            )
        ),
        ONE_HOUR,
    ),
    "Exchange: a zone of its own making, on both sides of its summer": (
        calendar(
            OF_ITS_OWN_MAKING,
            event(
                "DTSTART;TZID=Customized Time Zone:20261020T150000",
                "DTEND;TZID=Customized Time Zone:20261020T160000",
                "RRULE:FREQ=WEEKLY;COUNT=2",
            ),
        ),
        ["10-20 09:00 to 10:00", "10-27 10:00 to 11:00"],
    ),
    "Exchange: free by its own mark, though OPAQUE": (
        calendar(event(NINE_TO_TEN, "TRANSP:OPAQUE", "X-MICROSOFT-CDO-BUSYSTATUS:FREE")),
        [],
    ),
    "Outlook: a whole day away, with a time of its own": (
        calendar(
            event(
                "DTSTART;VALUE=DATE:20261124",
                "DTEND;VALUE=DATE:20261125",
                "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
                "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
            )
        ),
        ["11-24 00:00 to 11-25 00:00"],
    ),
    "Apple: a zone with a prefix, a travel time, an alarm, folded in the middle of a word": (
        calendar(
            event(
                "X-APPLE-TRAVEL-DURATION;VALUE=DURATION:PT30M",
                'DTSTART;TZID="/freeassociation.sourceforge.net/America/New_York":2026',
                " 1124T090000",
                "DTEND;TZID=/freeassociation.sourceforge.net/America/New_York:20261124T100000",
                "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:-PT15M\nDTSTART:20261130T000000Z\nEND:VALARM",
            )
        ),
        ONE_HOUR,
    ),
    "Apple: floating, by the clock of whoever reads it": (
        calendar(event("DTSTART:20261124T090000", "DTEND:20261124T100000")),
        ONE_HOUR,
    ),
    "floating in a calendar that names its zone": (
        calendar(
            event("DTSTART:20261124T150000", "DTEND:20261124T160000"),
            head="X-WR-TIMEZONE:Europe/Berlin",
        ),
        ONE_HOUR,
    ),
    "Apple: from this one on an hour later": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20261123T090000",
                "DTEND;TZID=America/New_York:20261123T100000",
                "RRULE:FREQ=DAILY;COUNT=3",
            ),
            event(
                "DTSTART;TZID=America/New_York:20261124T100000",
                "DTEND;TZID=America/New_York:20261124T110000",
                "RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=America/New_York:20261124T090000",
            ),
        ),
        ["11-23 09:00 to 10:00", "11-24 10:00 to 11:00", "11-25 10:00 to 11:00"],
    ),
    "Nextcloud: a vacation of days, and a day without an end": (
        calendar(
            event("DTSTART;VALUE=DATE:20261221", "DTEND;VALUE=DATE:20261224", uid="vacation"),
            event("DTSTART;VALUE=DATE:20261230", uid="day"),
        ),
        ["12-21 00:00 to 12-24 00:00", "12-30 00:00 to 12-31 00:00"],
    ),
    "a vacation that began long before": (
        calendar(event("DTSTART;VALUE=DATE:20260901", "DTEND;VALUE=DATE:20261025")),
        ["10-19 20:00 to 10-25 00:00"],
    ),
    "Google: a birthday, transparent all day each year": (
        calendar(event("DTSTART;VALUE=DATE:19801124", "RRULE:FREQ=YEARLY", "TRANSP:TRANSPARENT")),
        [],
    ),
    "all day each year, and it counts": (
        calendar(event("DTSTART;VALUE=DATE:19801124", "RRULE:FREQ=YEARLY")),
        ["11-24 00:00 to 11-25 00:00"],
    ),
    "a day in the week in which the clock goes back has 25 hours": (
        calendar(event("DTSTART;VALUE=DATE:20261101", "DURATION:P1D")),
        ["11-01 00:00 to 11-02 00:00"],
    ),
    "a length instead of an end": (
        calendar(event("DTSTART:20261124T140000Z", "DURATION:PT1H")),
        ONE_HOUR,
    ),
    "hours across the change of the clock are hours": (
        calendar(event("DTSTART;TZID=America/New_York:20261031T220000", "DURATION:PT8H")),
        ["10-31 22:00 to 11-01 05:00"],
    ),
    "days across the change of the clock are days": (
        calendar(event("DTSTART;TZID=America/New_York:20261031T220000", "DURATION:P1D")),
        ["10-31 22:00 to 11-01 22:00"],
    ),
    "no end and no length takes no time": (calendar(event("DTSTART:20261124T140000Z")), []),
    "an end before the beginning takes no time": (
        calendar(event("DTSTART:20261124T140000Z", "DTEND:20261124T130000Z")),
        [],
    ),
    "cancelled": (calendar(event(NINE_TO_TEN, "STATUS:CANCELLED")), []),
    "dates of repetition, one with a length of its own": (
        calendar(
            event(
                NINE_TO_TEN,
                "RDATE:20261125T140000Z",
                "RDATE;VALUE=PERIOD:20261126T140000Z/PT2H",
            )
        ),
        [*ONE_HOUR, "11-25 09:00 to 10:00", "11-26 09:00 to 11:00"],
    ),
    "an exception by day takes out that day": (
        calendar(event(NINE_TO_TEN, "RRULE:FREQ=DAILY;COUNT=2", "EXDATE;VALUE=DATE:20261125")),
        ONE_HOUR,
    ),
    "a time that the clock skips": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20270314T023000",
                "DTEND;TZID=America/New_York:20270314T033000",
            )
        ),
        [],
    ),
    "a time that the clock shows twice": (
        calendar(
            event(
                "DTSTART;TZID=America/New_York:20261101T013000",
                "DTEND;TZID=America/New_York:20261101T023000",
            )
        ),
        ["11-01 01:30 to 02:30"],
    ),
    "free and busy times alone": (
        calendar(
            "BEGIN:VFREEBUSY\nUID:fb\nFREEBUSY;FBTYPE=FREE:20261123T140000Z/PT1H\n"
            "FREEBUSY;FBTYPE=BUSY-UNAVAILABLE:20261124T140000Z/20261124T143000Z,"
            "20261124T143000Z/PT30M\nFREEBUSY:20261125T140000Z/PT1H\nEND:VFREEBUSY"
        ),
        [*ONE_HOUR, "11-25 09:00 to 10:00"],
    ),
    "two at once are one, two in a row too": (
        calendar(
            event("DTSTART:20261124T140000Z", "DTEND:20261124T144000Z", uid="a"),
            event("DTSTART:20261124T143000Z", "DTEND:20261124T145000Z", uid="b"),
            event("DTSTART:20261124T145000Z", "DTEND:20261124T150000Z", uid="c"),
        ),
        ONE_HOUR,
    ),
    "two calendars in one stream, each with its own clock": (
        calendar(
            event("DTSTART:20261124T090000", "DTEND:20261124T100000"),
            head="X-WR-TIMEZONE:America/New_York",
        )
        + calendar(
            event("DTSTART:20261125T150000", "DTEND:20261125T160000"),
            head="X-WR-TIMEZONE:Europe/Berlin",
        ),
        [*ONE_HOUR, "11-25 09:00 to 10:00"],
    ),
    "a zone that means nothing is that of the practitioner": (
        calendar(
            event("DTSTART;TZID=Nowhere:20261124T090000", "DTEND;TZID=Nowhere:20261124T100000")
        ),
        ONE_HOUR,
    ),
    "a zone named like a folder of the time zone data": (
        calendar(
            event("DTSTART;TZID=America:20261124T090000", "DTEND;TZID=America:20261124T100000"),
            head="X-WR-TIMEZONE:../../etc/passwd",
        ),
        ONE_HOUR,
    ),
    "a leap second, a byte-order mark, and lines that end with LF": (
        b"\xef\xbb\xbf"
        + calendar(event("DTSTART:20261124T140000Z", "DTEND:20261124T145960Z")).replace(b"\r", b""),
        ["11-24 09:00 to 09:59"],
    ),
    "events without a name are each their own": (
        calendar(
            event(NINE_TO_TEN, uid=""),
            event("DTSTART:20261125T140000Z", "DTEND:20261125T150000Z", uid=""),
        ),
        [*ONE_HOUR, "11-25 09:00 to 10:00"],
    ),
    "one that is damaged beside one that is not": (
        calendar(
            event("DTSTART:tomorrow", uid="damaged"),
            event("DTEND:20261124T150000Z", uid="endless"),
            event(NINE_TO_TEN, "RRULE:FREQ=SOMETIMES", uid="odd"),
            event("DTSTART:20261399T140000Z", "DTEND:20261124T150000Z", uid="thirteen"),
            event(NINE_TO_TEN, uid="whole"),
        ),
        ONE_HOUR,
    ),
    "nothing at all": (calendar(), []),
    "what does not concern time": (
        calendar("BEGIN:VTODO\nUID:t\nDUE:20261124T140000Z\nEND:VTODO", 'X-NOTE;X=":":a:b'),
        [],
    ),
}


@pytest.mark.parametrize(("raw", "expected"), SHAPES.values(), ids=SHAPES)
def test_busy_times_are_read_as_they_are_meant(raw: bytes, expected: list[str]) -> None:
    assert busy(raw) == expected


OURS = {
    "known by its name": event(NINE_TO_TEN, uid="ours"),
    "known by its organizer": event(
        NINE_TO_TEN, "ORGANIZER;CN=Quiet Harbor:MAILTO:desk@Clinic.example"
    ),
    "repeated by somebody, and still ours": event(NINE_TO_TEN, "RRULE:FREQ=DAILY", uid="ours"),
}


@pytest.mark.parametrize("ours", OURS.values(), ids=OURS)
def test_an_appointment_of_ours_does_not_block_itself(ours: str) -> None:
    other = event("DTSTART:20261125T140000Z", "DTEND:20261125T150000Z", uid="other")

    assert busy(calendar(ours, other), ours=["ours"]) == ["11-25 09:00 to 10:00"]


def test_our_own_feed_is_no_calendar_of_somebody_else() -> None:
    assert busy(calendar(event(NINE_TO_TEN), head=f"PRODID:{PRODUCT}")) == []


def test_busy_times_are_cut_to_what_was_asked() -> None:
    raw = calendar(event("DTSTART;VALUE=DATE:20261124", "RRULE:FREQ=DAILY"))
    since, until = datetime(2026, 11, 24, 17, tzinfo=UTC), datetime(2026, 11, 25, 17, tzinfo=UTC)

    assert busy(raw, since=since, until=until) == ["11-24 12:00 to 11-25 12:00"]


def test_two_zones_of_one_name_keep_their_own_clocks() -> None:
    early = OF_ITS_OWN_MAKING
    late = early.replace("+0200", "+0300").replace("+0100", "+0200")
    meeting = event(
        "DTSTART;TZID=Customized Time Zone:20261124T150000",
        "DTEND;TZID=Customized Time Zone:20261124T160000",
    )

    assert busy(calendar(early, meeting)) == ONE_HOUR
    assert busy(calendar(late, meeting)) == ["11-24 08:00 to 09:00"]


def series(rule: str, start: str = "DTSTART:20260101T140000Z", *more: str) -> bytes:
    return calendar(event(start, "DURATION:PT1H", f"RRULE:{rule}", *more))


ZONE_OF_SECONDS = OF_ITS_OWN_MAKING.replace("FREQ=YEARLY;INTERVAL=1", "FREQ=SECONDLY")
DAWN_OF_TIME = "DTSTART:00010101T140000Z"
BOMBS: dict[str, tuple[bytes, type[CalendarFault]]] = {
    "each second": (series("FREQ=SECONDLY"), TooMuchWork),
    "each minute": (series("freq=minutely;interval=1"), TooMuchWork),
    "each second of each day": (
        series(
            "FREQ=DAILY;BYHOUR={0};BYMINUTE={1};BYSECOND={1}".format(
                ",".join(map(str, range(24))), ",".join(map(str, range(60)))
            )
        ),
        TooMuchWork,
    ),
    "each hour for two thousand years": (series("FREQ=HOURLY", DAWN_OF_TIME), TooMuchWork),
    "each day for two thousand years": (series("FREQ=DAILY", DAWN_OF_TIME), TooMuchWork),
    "each day in years of weekdays": (
        series("FREQ=YEARLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", DAWN_OF_TIME),
        TooMuchWork,
    ),
    "a thousand daily events since 1990": (
        calendar(
            *(
                event("DTSTART:19900101T140000Z", "RRULE:FREQ=DAILY", uid=f"{number}")
                for number in range(1000)
            )
        ),
        TooMuchWork,
    ),
    "a list of days without end": (
        series("FREQ=YEARLY;BYYEARDAY=" + ",".join(["1"] * 5000)),
        TooMuchWork,
    ),
    "a flood of dates": (
        calendar(event(NINE_TO_TEN, "RDATE:" + ",".join(["20261125T140000Z"] * 60_000))),
        TooMuchWork,
    ),
    "many floods of dates": (
        calendar(event(NINE_TO_TEN, *["RDATE:" + ",".join(["20261125T140000Z"] * 3000)] * 40)),
        TooMuchWork,
    ),
    "a zone that changes each second": (
        calendar(ZONE_OF_SECONDS, event("DTSTART;TZID=Customized Time Zone:20261124T090000")),
        TooMuchWork,
    ),
    "components in components": (
        b"BEGIN:VCALENDAR\n" + b"BEGIN:VEVENT\n" * 50_000 + b"END:VEVENT\n" * 50_000,
        TooMuchWork,
    ),
    "events without number": (calendar(*["BEGIN:VEVENT\nEND:VEVENT"] * 70_000), TooMuchWork),
    "busy each minute of a month": (
        calendar(
            "BEGIN:VFREEBUSY",
            *["FREEBUSY:" + ",".join(["20261124T140000Z/PT1M"] * 2500)] * 20,
            "END:VFREEBUSY",
        ),
        TooMuchWork,
    ),
    "50 MB": (b"BEGIN:VCALENDAR\n" + b"X" * 50_000_000, TooLarge),
    "a page": (b"<!doctype html><title>Sign in</title>", NotACalendar),
    "a card": (b"BEGIN:VCARD\r\nEND:VCARD\r\n", NotACalendar),
    "nothing": (b"", NotACalendar),
    "one that breaks off": (calendar(event(NINE_TO_TEN))[:-20], NotACalendar),
    "ends that do not match": (b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR\n", NotACalendar),
    "nothing but damage": (calendar(event("DTSTART:tomorrow")), NotACalendar),
}


ORDINARY = calendar(*[event(NINE_TO_TEN)] * 2000)
"""A full diary: what reading costs on this machine, at this moment."""


@pytest.mark.parametrize(("raw", "fault"), BOMBS.values(), ids=BOMBS)
def test_what_is_no_diary_is_refused_before_it_costs_anything(
    raw: bytes, fault: type[CalendarFault]
) -> None:
    def refused() -> None:
        with pytest.raises(fault):
            busy(raw)

    assert cpu_of(refused) < 8 * cpu_of(lambda: busy(ORDINARY))


ODD_VALUES = (
    "RRULE:FREQ=DAILY;INTERVAL=0",
    "RRULE:FREQ=DAILY;COUNT=99999999999999999999",
    "RRULE:FREQ=DAILY;INTERVAL=999999999",
    "RRULE:FREQ=DAILY;UNTIL=soon",
    "RRULE:FREQ=DAILY;BYDAY=XX",
    "RRULE:",
    "RRULE:FREQ=DAILY;BYSETPOS=400",
    "RRULE:FREQ=YEARLY;BYEASTER=1",
    "RDATE:never",
    "RDATE;VALUE=PERIOD:20261124T140000Z/P99999999999W",
    "EXDATE;TZID=:,,,",
    "RECURRENCE-ID:x",
    "DURATION:P999999999999D",
    "SEQUENCE:much",
    "RRULE:FREQ=DAILY\nRRULE:FREQ=DAILY;COUNT=-1",
)


@pytest.mark.parametrize("odd", ODD_VALUES)
def test_an_odd_value_spoils_no_more_than_its_own_event(odd: str) -> None:
    spoilt = event("DTSTART:20261123T140000Z", odd, uid="odd")

    found = busy(calendar(spoilt, event(NINE_TO_TEN)))

    assert ONE_HOUR[0] in found


def test_a_real_diary_of_many_years_is_read_in_a_moment() -> None:
    years = [
        event(
            f"DTSTART;TZID=America/New_York:{2018 + number % 8}{number % 12 + 1:02}15T090000",
            "DURATION:PT1H",
            *(["RRULE:FREQ=WEEKLY;BYDAY=MO,WE"] if number % 50 == 0 else []),
            "DESCRIPTION:" + "Agenda and notes. " * 10,
            uid=f"{number}",
        )
        for number in range(4000)
    ]
    found: list[object] = []

    cost = effort(lambda: found.extend(busy(calendar(*years))))

    assert len(found) == 43
    assert cost < 60
