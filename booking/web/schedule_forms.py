"""The forms of the schedule: they check shape; what they hold becomes rules or details."""

from collections.abc import Collection, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from wtforms import BooleanField, Field
from wtforms.form import BaseForm
from wtforms.validators import ValidationError

from booking.domain.openings import ALL_MONTHS, WeeklyHours, local_day
from booking.domain.timeline import Span
from booking.models import Clinic, HealthcareService, Location, Practitioner, Resource
from booking.services.clinic_settings import PractitionerDetails
from booking.services.closures import NewClosure
from booking.services.texts import ClinicTexts, ServiceTexts
from booking.web import fields
from booking.web import schedule_fields as typed
from booking.web.forms import Checked, Form, checked
from booking.web.translating import TextsForm

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WEEKDAYS = {str(number): name for number, name in enumerate(DAYS)}
YEAR = {str(number): name for number, name in enumerate(MONTHS, start=1)}


class Ticks(Field):
    """Some of several boxes; what is none of them is dropped."""

    def __init__(self, label: str, options: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(label, **more)
        self.options = options or {}

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        """What was sent; what is none of the boxes is dropped when they are known."""
        self.data = list(valuelist)

    def pre_validate(self, form: BaseForm) -> None:  # noqa: ARG002 (WTForms' signature)
        """Keep the boxes that are ours, in their order."""
        self.data = [each for each in self.options if each in (self.data or ())]

    @property
    def numbers(self) -> frozenset[int]:
        """What was ticked, where boxes are numbered."""
        return frozenset(int(each) for each in self.data or ())


class Pick(Checked):
    """One of several."""

    def __init__(self, label: str, options: dict[str, str] | None = None, **more: Any) -> None:
        super().__init__(label, **more)
        self.options = options or {}
        self.told = ""

    def pre_validate(self, form: BaseForm) -> None:  # noqa: ARG002 (WTForms' signature)
        """Only what was offered."""
        if (self.data or "") not in self.options:
            raise ValidationError(self.told or _("Choose one of the list."))


class TimesForm(Form):
    """From when to when, with breaks, and where."""

    opens = Checked("From", [checked(typed.clock)])
    closes = Checked("Until", [checked(typed.clock)])
    breaks = Checked("Breaks", [checked(typed.breaks)])
    place = Pick("Where")

    def __init__(self, places: Sequence[Location], **more: Any) -> None:
        super().__init__(**more)
        self.place.options = {"": "Anywhere"} | {str(each.id): each.name for each in places}

    def validate_closes(self, field: Checked) -> None:
        """The times make sense together."""
        opens, closes = self.opens.checked, field.checked
        if opens is not None and closes is not None:
            fault = typed.fault_of(opens, closes, ())
            if fault:
                raise ValidationError(fault)

    def validate_breaks(self, field: Checked) -> None:
        """A break cuts something out."""
        opens, closes = self.opens.checked, self.closes.checked
        if opens is not None and closes is not None and not self.closes.errors:
            fault = typed.fault_of(opens, closes, field.checked)
            if fault:
                raise ValidationError(fault)

    def _rule(self, weekday: int, **more: Any) -> WeeklyHours:
        return WeeklyHours(
            weekday=weekday,
            opens=self.opens.checked,
            closes=self.closes.checked,
            breaks=self.breaks.checked,
            place=int(self.place.data) if self.place.data else None,
            **more,
        )


class HoursForm(TimesForm):
    """A weekly rule, on one day of the week or several."""

    days = Ticks("Days", WEEKDAYS)
    valid_from = Checked("First day", [checked(typed.optional_date)])
    valid_until = Checked("Last day", [checked(typed.optional_date)])
    months = Ticks("Months", YEAR, default=[str(each) for each in sorted(ALL_MONTHS)])

    def validate_days(self, field: Ticks) -> None:
        """One at least."""
        if not field.data:
            raise ValidationError("Tick one day or more.")

    def validate_months(self, field: Ticks) -> None:
        """One at least."""
        if not field.data:
            raise ValidationError("Tick one month or more.")

    def validate_valid_until(self, field: Checked) -> None:
        """Not before it begins; a single day is an extra opening, which has a form of its own."""
        first, last = self.valid_from.checked, field.checked
        if first and last and last <= first:
            raise ValidationError(
                "The last day must be after the first. For one day, add an extra opening."
            )

    def rules(self) -> list[WeeklyHours]:
        """The rule for each of the days, once the form is valid."""
        return [
            self._rule(
                each,
                valid_from=self.valid_from.checked,
                valid_until=self.valid_until.checked,
                months=self.months.numbers,
            )
            for each in sorted(self.days.numbers)
        ]


class ExtraForm(TimesForm):
    """An opening on one date."""

    on = Checked("Date", [checked(fields.date_in)])

    def rules(self) -> list[WeeklyHours]:
        """The rule, once the form is valid."""
        day: date = self.on.checked
        return [self._rule(day.weekday(), valid_from=day, valid_until=day)]


def as_typed(rule: WeeklyHours) -> dict[str, Any]:
    """A rule as one of the two forms would have it typed."""
    times = {
        "opens": f"{rule.opens:%H:%M}",
        "closes": f"{rule.closes:%H:%M}",
        "breaks": typed.breaks_text(rule.breaks),
        "place": str(rule.place or ""),
    }
    if rule.valid_from is not None and rule.is_extra:
        return times | {"on": rule.valid_from.isoformat()}
    return times | {
        "days": [str(rule.weekday)],
        "months": [str(each) for each in sorted(rule.months)],
        "valid_from": rule.valid_from.isoformat() if rule.valid_from else "",
        "valid_until": rule.valid_until.isoformat() if rule.valid_until else "",
    }


class CopyDayForm(Form):
    """One day's hours on other days too."""

    source = Pick("Copy the hours of", WEEKDAYS)
    targets = Ticks("To", WEEKDAYS)

    def validate_targets(self, field: Ticks) -> None:
        """One at least, other than the source."""
        if not set(field.data or ()) - {self.source.data}:
            raise ValidationError("Tick one day or more, other than the one that is copied.")


class CopyWeekForm(Form):
    """Another practitioner's hours."""

    other = Pick("Copy the week of")

    def __init__(self, others: Collection[Practitioner], **more: Any) -> None:
        super().__init__(**more)
        self.other.options = {each.slug: each.name for each in others}


class PractitionerForm(TextsForm):
    """Who somebody is, and what they offer."""

    of = Practitioner

    name = Checked("Name", [checked(typed.required, longest=100, what="The name")])
    title = Checked("Title", [checked(typed.optional_line, longest=100, what="The title")])
    email = Checked("Email address", [checked(typed.optional_email)])
    wants_invitations = BooleanField("Put appointments into their own calendar by email")
    active = BooleanField("Sees patients", default=True)
    services = Ticks("Services")

    def __init__(self, services: Sequence[HealthcareService], **more: Any) -> None:
        super().__init__(**more)
        self.services.options = {each.slug: each.name for each in services}

    def details(self) -> PractitionerDetails:
        """What to store, once the form is valid."""
        return PractitionerDetails(
            name=self.name.checked,
            title=self.title.checked,
            email=self.email.checked,
            wants_invitations=self.wants_invitations.data,
            active=self.active.data,
            services=self.services.data or [],
            translations=self.translations,
        )


class ClosureForm(Form):
    """What is closed, and from when to when."""

    who = Pick("What is closed")
    first = Checked("First day", [checked(fields.date_in)])
    opens = Checked("From", [checked(typed.optional_clock)])
    last = Checked("Last day", [checked(typed.optional_date)])
    closes = Checked("Until", [checked(typed.optional_clock)])
    reason = Checked("Reason", [checked(fields.plain_text, longest=200, what="The reason")])

    def __init__(self, resources: Sequence[Resource], zone: ZoneInfo, **more: Any) -> None:
        super().__init__(**more)
        self._zone = zone
        names = {each.slug: each.name for each in resources}
        self.who.options = {"": "The whole clinic"} | names

    def validate_closes(self, field: Checked) -> None:
        """It ends after it begins; a last day that is none has its own sentence."""
        if self.first.checked is None or self.first.errors or self.last.errors:
            return
        if self.opens.errors or field.errors:
            return
        if self._ends() <= self._begins():
            raise ValidationError("The end must be after the beginning.")

    def wanted(self) -> NewClosure:
        """The closure, once the form is valid."""
        span = Span(self._begins(), self._ends())
        return NewClosure(self.who.data or None, span, self.reason.checked)

    def _begins(self) -> datetime:
        return self._instant(self.first.checked, self.opens.checked or time())

    def _ends(self) -> datetime:
        last = self.last.checked or self.first.checked
        if self.closes.checked in (None, time()):
            return local_day(last, self._zone).until
        return self._instant(last, self.closes.checked)

    def _instant(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self._zone).astimezone(UTC)


class ClinicTextsForm(TextsForm):
    """How the clinic calls itself, and whom it names in a crisis."""

    of = Clinic

    name = Checked("Name", [checked(typed.required, longest=100, what="The name")])
    neutral_name = Checked(
        "Neutral name", [checked(typed.required, longest=100, what="The neutral name")]
    )
    phone = Checked("Phone", [checked(typed.required, longest=32, what="The phone number")])
    crisis_text = Checked(
        "Sentence for a crisis", [checked(typed.required, longest=300, what="The sentence")]
    )
    crisis_phone = Checked(
        "Number for a crisis", [checked(typed.required, longest=32, what="The number")]
    )

    def texts(self) -> ClinicTexts:
        """What to store, once the form is valid."""
        return ClinicTexts(
            name=self.name.checked,
            neutral_name=self.neutral_name.checked,
            phone=self.phone.checked,
            crisis_text=self.crisis_text.checked,
            crisis_phone=self.crisis_phone.checked,
            translations=self.translations,
        )


class ServiceTextsForm(TextsForm):
    """What is said of a service."""

    of = HealthcareService

    name = Checked("Name", [checked(typed.required, longest=100, what="The name")])
    summary = Checked("Summary", [checked(fields.plain_text, longest=300, what="The summary")])
    event_title = Checked(
        "Title in calendars", [checked(typed.required, longest=60, what="The title")]
    )
    preparation = Checked(
        "Preparation", [checked(fields.several_lines, longest=2000, what="The preparation")]
    )

    def texts(self) -> ServiceTexts:
        """What to store, once the form is valid."""
        return ServiceTexts(
            name=self.name.checked,
            summary=self.summary.checked,
            event_title=self.event_title.checked,
            preparation=self.preparation.checked,
            translations=self.translations,
        )
