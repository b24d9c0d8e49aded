"""When an earlier time would suit."""

from datetime import date
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.validators import ValidationError

from booking.domain.waiting import ANY_DAY, ANY_PART, Wish
from booking.models import Appointment, WaitlistEntry
from booking.services.waitlist import Waiting, clock_of
from booking.web.fields import date_or_none
from booking.web.filters import weekday
from booking.web.forms import Checked, Form
from booking.web.month import PARTS
from booking.web.schedule_forms import Pick, Ticks
from booking.web.state import clinic, now


class WaitingForm(Form):
    """Days, times of day, with whom, and until when."""

    weekdays = Ticks(_l("On which days?"))
    parts = Ticks(_l("At what time of day?"))
    practitioner = Pick(_l("With whom?"))
    until_on = Checked(_l("Until which day?"))

    def __init__(self, appointment: Appointment, **more: Any) -> None:
        super().__init__(**more)
        zone = clock_of(appointment, clinic())
        self.weekdays.options = {str(each): weekday(each) for each in range(7)}
        self.parts.options = {str(int(part)): str(name) for part, name in PARTS.items()}
        names = {each.slug: each.name for each in appointment.service.practitioners}
        self.practitioner.options = {"": _("Anyone who is free")} | names
        self._last: date = appointment.start_at.astimezone(zone).date()
        self._today: date = now().astimezone(zone).date()

    @classmethod
    def of(
        cls, appointment: Appointment, entry: WaitlistEntry | None, **more: Any
    ) -> "WaitingForm":
        """The form as it is first shown: any time before the appointment, or what was said."""
        zone = clock_of(appointment, clinic())
        today, last = now().astimezone(zone).date(), appointment.start_at.astimezone(zone).date()
        weekdays, parts, until = ANY_DAY, ANY_PART, last
        whom = ""
        if entry is not None:
            weekdays, parts = entry.weekdays, entry.parts
            until = entry.until_on if today <= entry.until_on <= last else last
            whom = entry.practitioner.slug if entry.practitioner else ""
        return cls(
            appointment,
            data={
                "weekdays": _numbers(weekdays),
                "parts": _numbers(parts),
                "practitioner": whom,
                "until_on": until.isoformat(),
            },
            **more,
        )

    def validate_weekdays(self, field: Ticks) -> None:
        """Some day it must be."""
        if not field.data:
            raise ValidationError(_("Choose one day or more."))

    def validate_parts(self, field: Ticks) -> None:
        """Some time it must be."""
        if not field.data:
            raise ValidationError(_("Choose one time of day or more."))

    def validate_until_on(self, field: Checked) -> None:
        """From today until the appointment itself."""
        field.checked = date_or_none(field.data)
        if field.checked is None or not self._today <= field.checked <= self._last:
            raise ValidationError(_("Choose a day from today until your appointment."))

    def waiting(self, appointment: Appointment) -> Waiting:
        """What was said, once the form is valid."""
        wish = Wish(
            weekdays=sum(1 << each for each in self.weekdays.numbers),
            parts=sum(1 << each for each in self.parts.numbers),
            until_on=self.until_on.checked,
        )
        slug = self.practitioner.data
        known = {each.slug: each.id for each in appointment.service.practitioners}
        return Waiting(wish, known.get(slug or ""))


def _numbers(bits: int) -> list[str]:
    return [str(each) for each in range(bits.bit_length()) if bits >> each & 1]
