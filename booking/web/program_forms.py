"""The forms about other programs: keys that they ask with, and addresses that are told."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from wtforms import BooleanField
from wtforms.validators import ValidationError

from booking.domain.openings import local_day
from booking.messages.foreign.address import address_of
from booking.messages.foreign.faults import BadAddress, CalendarFault
from booking.models import Event, Scope
from booking.services.api_keys import NewKey
from booking.services.webhooks import NewWebhook
from booking.web import schedule_fields as typed
from booking.web.forms import Checked, Form, Hidden, checked
from booking.web.schedule_forms import Pick, Ticks

SCOPES = {
    Scope.READ: "See appointments, with the patients’ names and contacts",
    Scope.WRITE: "Book, move and cancel appointments, and note attendance",
}
"""What a key may do, in words."""
NEVER = datetime(1, 1, 2, tzinfo=UTC)
EVENTS = {
    Event.BOOKED: "An appointment was booked",
    Event.RESCHEDULED: "An appointment was moved",
    Event.CANCELLED: "An appointment was cancelled",
    Event.ATTENDANCE: "Somebody arrived, was seen or did not come",
}
"""What an address can be told, in words."""
OVERLAPS = {
    "0": "Now",
    "60": "In one hour",
    "1440": "In one day",
    "10080": "In one week",
}
"""When the one before ends, by minutes."""


class KeyForm(Form):
    """A key that is to be made."""

    name = Checked("Name", [checked(typed.required, longest=40, what="The name")])
    scopes = Ticks("What it may do", {each.value: words for each, words in SCOPES.items()})
    expires = Checked("Last day", [checked(typed.optional_date)])

    def __init__(self, *, zone: ZoneInfo, today: date) -> None:
        super().__init__()
        self._zone, self._today = zone, today

    def validate_scopes(self, field: Ticks) -> None:
        """A key for nothing would be refused everywhere."""
        if not field.data:
            raise ValidationError("Tick what the key is for.")

    def validate_expires(self, field: Checked) -> None:
        """A day that is over would make a key that never opens."""
        if field.checked is not None and field.checked < self._today:
            raise ValidationError("Choose a day that is not over, or leave it empty.")

    def key(self) -> NewKey:
        """The key asked for, once the form is valid."""
        last = self.expires.checked
        return NewKey(
            name=self.name.checked,
            scopes=[Scope(each) for each in self.scopes.data],
            expires_at=local_day(last, self._zone).until if last else None,
        )


class WebhookForm(Form):
    """An address that is to be told."""

    address = Checked("Address")
    events = Ticks("What it is told", {each.value: words for each, words in EVENTS.items()})
    with_patient = BooleanField("Also tell the patient’s name, email address and phone number")

    def __init__(self, *, hosts: Collection[str]) -> None:
        super().__init__()
        self._hosts = hosts

    def validate_address(self, field: Checked) -> None:
        """Its shape; whether anybody is there is what a test is for."""
        text = (field.data or "").strip()
        try:
            if not text.startswith("http"):
                raise BadAddress
            address_of(text, hosts=self._hosts)
        except BadAddress:
            raise ValidationError("Enter an address that begins with https://.") from None
        except CalendarFault as fault:
            raise ValidationError(fault.text) from None
        field.checked = text

    def validate_events(self, field: Ticks) -> None:
        """An address that is told nothing is none."""
        if not field.data:
            raise ValidationError("Tick what the address is told.")

    def webhook(self) -> NewWebhook:
        """The address asked for, once the form is valid."""
        events = [Event(each) for each in self.events.data]
        return NewWebhook(self.address.checked, events, bool(self.with_patient.data))


class RenewForm(Form):
    """When the secret before is to end."""

    overlap = Pick("The one in use ends", OVERLAPS, default="1440")
    seen = Hidden()
    """When it was renewed last as far as the page knows."""

    @property
    def overlap_wanted(self) -> timedelta:
        """How long both work, once the form is valid."""
        return timedelta(minutes=int(self.overlap.data or "0"))

    @property
    def last(self) -> datetime:
        """When the page thinks that it was renewed last; what it never sent is no such time."""
        try:
            found = datetime.fromisoformat(self.seen.data or "")
            return found if found.tzinfo else NEVER
        except ValueError:
            return NEVER
