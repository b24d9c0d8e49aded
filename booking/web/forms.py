"""The forms: they check shape and end in a request; they never query and never act."""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from secrets import token_urlsafe
from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import BooleanField, HiddenField, StringField
from wtforms.validators import StopValidation, ValidationError
from wtforms.widgets import HiddenInput, TextArea

from booking.domain.typos import probably_meant
from booking.messages.foreign.address import address_of
from booking.messages.foreign.faults import CalendarFault
from booking.models import CalendarKind
from booking.services.busy import NewCalendar
from booking.services.contact_changes import Calls
from booking.services.requests import BookingRequest, PatientDetails
from booking.web import fields
from booking.web.languages import page_language

SESSION_ENDED = _l("This page was open for a long time. Nothing is lost: press the button again.")


class Form(FlaskForm):  # type: ignore[misc]
    """A form whose every fault is a sentence, the expired page included."""

    def faults(self) -> list[tuple[str, str]]:
        """Field id and sentence of each fault, in the order of the page.

        A time is chosen from links, not in a field: the way to it is the page itself.
        """
        found = []
        for field in self:
            if field.errors:
                expired = field.id == "csrf_token"
                shown = "main" if field.id == "start" else field.id
                found.append((shown, str(SESSION_ENDED if expired else field.errors[0])))
        return found


def checked(check: Callable[..., Any], **options: Any) -> Callable[[FlaskForm, "Checked"], None]:
    """A validator that lets `check` turn what was typed into what is stored."""

    def validate(_form: FlaskForm, field: Checked) -> None:
        try:
            field.checked = check(field.data or "", **options)
        except ValueError as error:
            raise StopValidation(str(error)) from None

    return validate


class Hidden(HiddenField):
    """A field that nobody reads: its label is not made of its name, nor looked up for it."""

    def __init__(self, label: str = "", **options: Any) -> None:
        super().__init__(label, **options)


class Checked(StringField):
    """A text field that keeps, beside what was typed, what it was understood as."""

    checked: Any = None


class Written(Form):
    """How a patient's address is checked, wherever it is typed."""

    email_asked: Hidden

    def validate_email(self, field: Checked) -> None:
        """An address that looks mistyped is asked about once; pressed again, it is right."""
        meant = probably_meant(field.checked) if field.checked else None
        if meant is None or self.email_asked.data == field.checked:
            return
        self.email_asked.data = field.checked
        sentence = _(
            "Did you mean %(meant)s? Correct the address, or press the button again if it is right."
        )
        raise ValidationError(sentence % {"meant": meant})


class Reachable(Written):
    """The same with a number."""

    _country: str
    phone_needed: bool

    def validate_phone(self, field: Checked) -> None:
        """A call needs a number; otherwise it is the patient's choice."""
        text = (field.data or "").strip()
        if not text and not self.phone_needed:
            field.checked = None
            return
        if not text:
            raise ValidationError(_("Enter the phone number that we can call you on."))
        try:
            field.checked = fields.phone_number(text, self._country)
        except ValueError as error:
            raise ValidationError(str(error)) from None


class BookingForm(Reachable):
    """Who would like to come."""

    start = Checked(_l("Time"), [checked(fields.instant)])
    practitioner = Hidden()
    timezone = Hidden()
    key = Hidden(default=lambda: token_urlsafe(24))
    name = Checked(_l("Your name"), [checked(fields.person_name)])
    email = Checked(_l("Email address"), [checked(fields.email_address)])
    phone = Checked(_l("Phone number"))
    may_leave_message = BooleanField(_l("You may leave a voice message on this number"))
    may_text = BooleanField(_l("You may send a text message to this number"))
    email_consent = BooleanField(_l("Send the details of my appointment to this email address"))
    email_asked = Hidden()
    call_name = Checked(
        _l("When we call, ask for"), [checked(fields.plain_text, longest=120, what=_l("This name"))]
    )
    event_title = Checked(_l("Name of the event"), [checked(fields.own_title)])
    carer_name = Checked(
        _l("Name of who books"), [checked(fields.plain_text, longest=120, what=_l("This name"))]
    )
    carer_phone = Checked(_l("Phone number of who books"))

    def __init__(self, *, country: str, phone_needed: bool, default_timezone: str) -> None:
        super().__init__()
        self._country, self._default_timezone = country, default_timezone
        self.phone_needed = phone_needed

    def validate_carer_phone(self, field: Checked) -> None:
        """Nobody needs one; one that is there is right, and somebody's."""
        text = (field.data or "").strip()
        field.checked = None
        if not text:
            return
        if not (self.carer_name.data or "").strip():
            raise ValidationError(_("Enter the name of who books, or leave this number empty."))
        checked(fields.phone_number, country=self._country)(self, field)

    @property
    def has_choices(self) -> bool:
        """Whether what most people leave alone was filled in, and so must be seen."""
        names = (self.call_name, self.event_title, self.carer_name, self.carer_phone)
        return any(each.data or each.errors for each in names)

    def validate_email_consent(self, field: BooleanField) -> None:
        """Without it there is no invitation, and nobody would learn of a change."""
        if not field.data:
            raise ValidationError(_("Tick this box so that we can send you the details."))

    def validate_key(self, field: Hidden) -> None:
        """Too short a key could be shared by two people."""
        if not 16 <= len(field.data or "") <= 64:
            field.data = token_urlsafe(24)

    def request(self) -> BookingRequest:
        """The wish, once the form is valid."""
        zone = fields.zone_of(self.timezone.data, self._default_timezone)
        return BookingRequest(
            start=self.start.checked,
            practitioner=self.practitioner.data or None,
            patient=PatientDetails(
                name=self.name.checked,
                email=self.email.checked,
                phone=self.phone.checked,
                timezone=zone.key,
                may_leave_message=bool(self.may_leave_message.data and self.phone.checked),
                may_text=bool(self.may_text.data and self.phone.checked),
                call_name=self.call_name.checked,
                carer_name=self.carer_name.checked,
                carer_phone=self.carer_phone.checked,
                event_title=self.event_title.checked,
                language=page_language(),
            ),
            key=self.wish_key,
        )

    @property
    def wish_key(self) -> str:
        """What the wish is known by: the same form sent twice books once."""
        return f"form:{self.key.data}"


class ContactForm(Reachable):
    """Where the patient is written to and called from now on."""

    email = Checked(_l("Email address"), [checked(fields.email_address)])
    email_asked = Hidden()
    phone = Checked(_l("Phone number"))
    may_leave_message = BooleanField(_l("You may leave a voice message on this number"))
    may_text = BooleanField(_l("You may send a text message to this number"))

    def __init__(self, *, country: str, phone_needed: bool) -> None:
        super().__init__()
        self._country, self.phone_needed = country, phone_needed

    def calls(self) -> Calls:
        """The number and what is allowed there, once the form is valid."""
        return Calls(self.phone.checked, self.may_leave_message.data, self.may_text.data)


class LostForm(Written):
    """Where the mail went that is lost."""

    email = Checked(_l("Email address"), [checked(fields.email_address)])
    email_asked = Hidden()


class RescheduleForm(Form):
    """Which time instead."""

    start = Checked(_l("Time"), [checked(fields.instant)], widget=HiddenInput())
    practitioner = Hidden()

    @property
    def wanted(self) -> datetime:
        """The start asked for, once the form is valid."""
        found: datetime = self.start.checked
        return found


class CancelForm(Form):
    """An optional reason; it stays with the staff."""

    reason = Checked(
        _l("Reason (optional)"),
        [checked(fields.several_lines, longest=500, what=_l("The reason"))],
        widget=TextArea(),
    )


class CallerForm(Form):
    """Somebody on the telephone, and the time that they want, by the clinic's clock."""

    service = StringField("Service")
    practitioner = StringField("Practitioner")
    day = Checked("Day", [checked(fields.day_of_form)])
    time = Checked("Time", [checked(fields.time_of_form)])
    name = Checked("Name", [checked(fields.person_name)])
    phone = Checked("Phone number")
    email = Checked("Email address")
    may_leave_message = BooleanField("We may leave a voice message on this number")
    anyway = BooleanField("Book it although it is not on offer")
    key = Hidden(default=lambda: token_urlsafe(24))

    def __init__(self, *, country: str, timezone: ZoneInfo, **data: object) -> None:
        super().__init__(**data)
        self._country, self._zone = country, timezone

    def validate_phone(self, field: Checked) -> None:
        """Without an address a number is the only way to reach somebody."""
        text = (field.data or "").strip()
        if text:
            checked(fields.phone_number, country=self._country)(self, field)
        elif not (self.email.data or "").strip():
            raise ValidationError("Enter a phone number or an email address.")

    def validate_email(self, field: Checked) -> None:
        """Not everybody has one."""
        if (field.data or "").strip():
            checked(fields.email_address)(self, field)

    def validate_practitioner(self, field: StringField) -> None:
        """Outside of the offer nobody is chosen for us."""
        if self.anyway.data and not field.data:
            raise ValidationError("Choose who sees the patient.")

    def take(self, start: datetime) -> None:
        """That time, which is on offer, instead of what was typed."""
        local = start.astimezone(self._zone)
        self.day.data, self.time.data = f"{local:%Y-%m-%d}", f"{local:%H:%M}"
        self.anyway.data = False

    @property
    def start(self) -> datetime:
        """The instant that is meant, once the form is valid."""
        local = datetime.combine(self.day.checked, self.time.checked, self._zone)
        return local.astimezone(UTC)

    def request(self) -> BookingRequest:
        """The wish, once the form is valid."""
        return BookingRequest(
            start=self.start,
            practitioner=self.practitioner.data or None,
            patient=PatientDetails(
                name=self.name.checked,
                email=self.email.checked or "",
                phone=self.phone.checked,
                timezone=self._zone.key,
                may_leave_message=bool(self.may_leave_message.data and self.phone.checked),
            ),
            key=f"desk:{self.key.data}",
        )


class NoteForm(Form):
    """What staff write down."""

    text = Checked(
        "Note",
        [checked(fields.note_text)],
        widget=TextArea(),
    )


class AddressForm(Form):
    """Where the patient is written to from now on."""

    email = Checked("Email address", [checked(fields.email_address)])


class CalendarForm(Form):
    """A calendar of a practitioner's own that is to be read."""

    name = Checked("Name", [checked(fields.calendar_name)])
    kind = Checked("How it is read", [checked(fields.calendar_kind)], default=CalendarKind.ICS)
    address = Checked("Address")

    def __init__(self, *, hosts: Collection[str]) -> None:
        super().__init__()
        self._hosts = hosts

    def validate_address(self, field: Checked) -> None:
        """Its shape; whether a calendar is there is found out by reading it."""
        try:
            address_of(field.data or "", hosts=self._hosts)
        except CalendarFault as fault:
            raise ValidationError(fault.text) from None

    def calendar(self) -> NewCalendar:
        """The calendar asked for, once the form is valid."""
        return NewCalendar(self.kind.checked, self.name.checked, (self.address.data or "").strip())


class ButtonForm(Form):
    """A button: nothing to fill in, but proof that it was ours."""
