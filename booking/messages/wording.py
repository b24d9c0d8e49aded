"""Times and places in words, for mails, calendars and pages alike."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from .facts import AppointmentFacts, ClinicFacts
from .hygiene import web_address

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July",
    "August", "September", "October", "November", "December",
)  # fmt: skip


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


def clock_text(instant: datetime, zone: str) -> str:
    """The wall clock, "9:30 am".

    In the hour that autumn repeats, the offset tells the two passes apart:
    "1:30 am (UTC−4)".
    """
    local = _local(instant, zone)
    clock = f"{local.hour % 12 or 12}:{local:%M} {'am' if local.hour < 12 else 'pm'}"
    if local.replace(fold=0).utcoffset() == local.replace(fold=1).utcoffset():
        return clock
    return f"{clock} ({_offset_text(local)})"


def day_text(instant: datetime, zone: str, *, today: date | None = None) -> str:
    """The day, "Tuesday 24 November 2026", without the year if `today` lies in it."""
    local = _local(instant, zone)
    day = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]}"
    return day if today and today.year == local.year else f"{day} {local.year}"


def hours_text(start: datetime, end: datetime, zone: str) -> str:
    """From when to when, "9:30 am to 10:15 am", naming the last day if it is another."""
    last_day = ""
    if _local(start, zone).date() != _local(end, zone).date():
        last_day = f"{day_text(end, zone)}, "
    return f"{clock_text(start, zone)} to {last_day}{clock_text(end, zone)}"


def zone_name(zone: str, instant: datetime) -> str:
    """The zone as people say it, "New York time"; those without a place say their offset."""
    local = _local(instant, zone)
    if "/" not in zone or zone.startswith("Etc/"):
        return _offset_text(local) if local.utcoffset() else "UTC"
    return f"{zone.rpartition('/')[2].replace('_', ' ')} time"


def when_text(start: datetime, end: datetime, zone: str) -> str:
    """The whole time, "Tuesday 24 November 2026, 9:30 am to 10:15 am, New York time"."""
    return _local_time(start, end, zone).text


def short_when(instant: datetime, zone: str) -> str:
    """Day and clock for a subject, "24 November, 9:30 am"."""
    local = _local(instant, zone)
    return f"{local.day} {_MONTHS[local.month - 1]}, {clock_text(instant, zone)}"


def zones_differ(a: str, b: str, instant: datetime) -> bool:
    """Whether the two wall clocks differ at that instant, however the zones are called."""
    return _local(instant, a).utcoffset() != _local(instant, b).utcoffset()


def local_times(clinic: ClinicFacts, appointment: AppointmentFacts) -> tuple[LocalTime, ...]:
    """The patient's time, and the clinic's if it differs; first the one to go by."""
    start, end = appointment.start, appointment.end
    if not zones_differ(clinic.timezone, appointment.patient_timezone, start):
        return (_local_time(start, end, appointment.patient_timezone),)
    yours = _local_time(start, end, appointment.patient_timezone, whose="Your time")
    ours = _local_time(start, end, clinic.timezone, whose="Clinic time")
    return (ours, yours) if appointment.mode == "in_person" else (yours, ours)


def where_text(appointment: AppointmentFacts) -> str:
    """Where to go, or how we meet, in a sentence or an address; a video link stands apart."""
    if appointment.mode == "phone":
        return "We will call you on the number you gave."
    if appointment.mode == "in_person":
        return appointment.location or "At the clinic"
    known = web_address(appointment.video_url)
    return "By video" if known else "By video. We will send you the link."


def _local(instant: datetime, zone: str) -> datetime:
    return instant.astimezone(UTC).astimezone(ZoneInfo(zone))


def _local_time(start: datetime, end: datetime, zone: str, *, whose: str = "") -> LocalTime:
    return LocalTime(
        whose=whose,
        day=day_text(start, zone),
        hours=hours_text(start, end, zone),
        zone=zone_name(zone, start),
    )


def _offset_text(local: datetime) -> str:
    """The offset, "UTC−4" or "UTC+5:30"."""
    offset = local.utcoffset() or timedelta()
    hours, minutes = divmod(abs(offset) // timedelta(minutes=1), 60)
    sign = "−" if offset < timedelta() else "+"
    return f"UTC{sign}{hours}" + (f":{minutes:02}" if minutes else "")
