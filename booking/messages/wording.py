"""Times and places in words, for mails, calendars and pages alike."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from .facts import AppointmentFacts, ClinicFacts
from .hygiene import web_address
from .languages import ENGLISH, city, month_names, translator, weekday_names


@dataclass(frozen=True, kw_only=True)
class LocalTime:
    """One time as one wall clock shows it."""

    whose: str
    """Whose clock it is, "Your time"; empty where everybody's clock says the same."""

    day: str
    hours: str
    zone: str

    @property
    def text(self) -> str:
        """The whole on one line."""
        line = f"{self.day}, {self.hours}, {self.zone}"
        return f"{self.whose}: {line}" if self.whose else line


def clock_text(instant: datetime, zone: str, *, language: str = ENGLISH) -> str:
    """The wall clock, "9:30 am".

    In the hour that autumn repeats, the offset tells the two passes apart:
    "1:30 am (UTC−4)".
    """
    local, _ = _local(instant, zone), translator(language)
    time = f"{local.hour % 12 or 12}:{local:%M}"
    clock = _("%(time)s am", time=time) if local.hour < 12 else _("%(time)s pm", time=time)
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return clock
    return f"{clock} ({_offset_text(local)})"


def day_text(
    instant: datetime, zone: str, *, today: date | None = None, language: str = ENGLISH
) -> str:
    """The day, "Tuesday 24 November 2026", without the year if `today` lies in it."""
    return date_text(_local(instant, zone).date(), today=today, language=language)


def date_text(each: date, *, today: date | None = None, language: str = ENGLISH) -> str:
    """The same for a date."""
    _ = translator(language)
    weekday = weekday_names(language)[each.weekday()]
    month = month_names(language)[each.month - 1]
    if today and today.year == each.year:
        return _("%(weekday)s %(day)s %(month)s", weekday=weekday, day=each.day, month=month)
    return _(
        "%(weekday)s %(day)s %(month)s %(year)s",
        weekday=weekday,
        day=each.day,
        month=month,
        year=each.year,
    )


def month_text(each: date, *, language: str = ENGLISH) -> str:
    """The month, "November 2026"."""
    month, _ = month_names(language)[each.month - 1], translator(language)
    return _("%(month)s %(year)s", month=month, year=each.year)


def hours_text(start: datetime, end: datetime, zone: str, *, language: str = ENGLISH) -> str:
    """From when to when, "9:30 am to 10:15 am", naming the last day if it is another."""
    last = clock_text(end, zone, language=language)
    if _local(start, zone).date() != _local(end, zone).date():
        last = f"{day_text(end, zone, language=language)}, {last}"
    first, _ = clock_text(start, zone, language=language), translator(language)
    return _("%(start)s to %(end)s", start=first, end=last)


def zone_name(zone: str, instant: datetime, *, language: str = ENGLISH) -> str:
    """The zone as people say it, "New York time"; those without a place say their offset."""
    local, _ = _local(instant, zone), translator(language)
    if "/" not in zone or zone.startswith("Etc/"):
        return _offset_text(local) if local.utcoffset() else "UTC"
    return _("%(place)s time", place=city(zone, language))


def when_text(start: datetime, end: datetime, zone: str, *, language: str = ENGLISH) -> str:
    """The whole time, "Tuesday 24 November 2026, 9:30 am to 10:15 am, New York time"."""
    return _local_time(start, end, zone, language).text


def short_when(instant: datetime, zone: str, *, language: str = ENGLISH) -> str:
    """Day and clock for a subject, "24 November, 9:30 am"."""
    local, _ = _local(instant, zone), translator(language)
    month = month_names(language)[local.month - 1]
    day = _("%(day)s %(month)s", day=local.day, month=month)
    return f"{day}, {clock_text(instant, zone, language=language)}"


def zones_differ(a: str, b: str, instant: datetime) -> bool:
    """Whether the two wall clocks differ at that instant, however the zones are called."""
    return _local(instant, a).utcoffset() != _local(instant, b).utcoffset()


def local_times(clinic: ClinicFacts, appointment: AppointmentFacts) -> tuple[LocalTime, ...]:
    """The patient's time, and the clinic's if it differs; first the one to go by."""
    start, end = appointment.start, appointment.end
    mine, language = appointment.patient_timezone, appointment.language
    if not zones_differ(clinic.timezone, mine, start):
        return (_local_time(start, end, mine, language),)
    _ = translator(language)
    yours = _local_time(start, end, mine, language, whose=_("Your time"))
    ours = _local_time(start, end, clinic.timezone, language, whose=_("Clinic time"))
    return (ours, yours) if appointment.mode == "in_person" else (yours, ours)


def where_text(appointment: AppointmentFacts) -> str:
    """Where to go, or how we meet, in a sentence or an address; a video link stands apart."""
    _ = translator(appointment.language)
    if appointment.mode == "phone":
        return _("We will call you on the number you gave.")
    if appointment.mode == "in_person":
        return appointment.location or _("At the clinic")
    known = web_address(appointment.video_url)
    return _("By video") if known else _("By video. We will send you the link.")


def title_text(title: str, language: str) -> str:
    """What the event is called; the title that nobody chose is in the patient's language."""
    _ = translator(language)
    return _("Appointment") if title == "Appointment" else title


def _local(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(UTC).astimezone(ZoneInfo(zone))


def _local_time(
    start: datetime, end: datetime, zone: str, language: str, *, whose: str = ""
) -> LocalTime:
    return LocalTime(
        whose=whose,
        day=day_text(start, zone, language=language),
        hours=hours_text(start, end, zone, language=language),
        zone=zone_name(zone, start, language=language),
    )


def _offset_text(local: datetime) -> str:
    """The offset, "UTC−4" or "UTC+5:30"."""
    offset = local.utcoffset() or timedelta()
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = "−" if offset < timedelta() else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")
