"""The form of a service's rules; its limits are those of the clinic file."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from wtforms.validators import ValidationError

from booking.models import HealthcareService, Location, Mode, Resource, ResourceKind, Visibility
from booking.services import bounds
from booking.services.service_rules import ServiceRules
from booking.web import lengths
from booking.web import schedule_fields as typed
from booking.web.filters import MODES
from booking.web.forms import Checked, Form, checked
from booking.web.schedule_forms import Pick, Ticks

VISIBILITIES = {
    Visibility.PUBLIC.value: "Everybody, in the list of services",
    Visibility.LINK.value: "Who has its address",
    Visibility.STAFF.value: "Staff only",
}
LENGTHS = (
    "duration", "step", "buffer_before", "buffer_after", "minimum_notice", "change_cutoff",
)  # fmt: skip
A_NEW_ONE = {
    "mode": Mode.IN_PERSON.value,
    "visibility": Visibility.PUBLIC.value,
    "duration": "45 min",
    "step": "15 min",
    "buffer_before": "0 min",
    "buffer_after": "0 min",
    "minimum_notice": "12 h",
    "booking_horizon": "60",
    "change_cutoff": "2 h",
    "reminders": "2 d, 2 h",
}
"""What the form for another service suggests."""


def _length(label: str, within: bounds.Bounds, what: str) -> Checked:
    return Checked(label, [checked(lengths.length, within=within, what=what)])


class RulesForm(Form):
    """How a service is met and found, and when it can be booked.

    A new one has a name besides; everything else that is said of it is written afterwards.
    """

    name = Checked("Name", [checked(typed.required, longest=bounds.NAME, what="The name")])
    mode = Pick("How you meet", {each.value: words for each, words in MODES.items()})
    location = Pick("Place")
    video_url = Checked("Video link", [checked(typed.optional_https, what="The video link")])
    visibility = Pick("Who can find it", VISIBILITIES)
    position = Pick("Where it stands in the list")
    duration = _length("Length", bounds.DURATION, "The length")
    step = _length("A beginning every", bounds.STEP, "The distance between beginnings")
    buffer_before = _length("Kept free before", bounds.BUFFER, "The time kept free before")
    buffer_after = _length("Kept free after", bounds.BUFFER, "The time kept free after")
    minimum_notice = _length("Shortest notice", bounds.NOTICE, "The notice")
    booking_horizon = Checked(
        "Days ahead",
        [checked(lengths.number, within=bounds.HORIZON_DAYS, what="The number of days ahead")],
    )
    change_cutoff = _length("Change until", bounds.CUTOFF, "The time until when it can be changed")
    daily_cap = Checked(
        "Most a day",
        [checked(lengths.optional_number, within=bounds.DAILY_CAP, what="The number a day")],
    )
    practitioners = Ticks("Practitioners")
    rooms = Ticks("Rooms")
    reminders = Checked("Reminders", [checked(lengths.reminders)])

    def __init__(
        self,
        places: Sequence[Location],
        resources: Sequence[Resource],
        others: Sequence[HealthcareService],
        *,
        fresh: bool,
        **more: Any,
    ) -> None:
        super().__init__(**more)
        if not fresh:
            del self.name
        self.location.options = {"": "No place"} | {str(each.id): each.name for each in places}
        after = {str(n): f"After {each.name}" for n, each in enumerate(others, start=2)}
        self.position.options = {"1": "First"} | after
        self.practitioners.options = _named(resources, ResourceKind.PRACTITIONER)
        self.rooms.options = _named(resources, ResourceKind.ROOM)

    def validate_location(self, field: Pick) -> None:
        """In person one needs to know where."""
        if self.mode.data == Mode.IN_PERSON and not field.data:
            raise ValidationError("Choose the place: patients come there in person.")

    def validate_video_url(self, field: Checked) -> None:
        """A call by video needs its room."""
        if self.mode.data == Mode.VIDEO and not field.checked:
            raise ValidationError("Enter the link of the video room.")

    def rules(self) -> ServiceRules:
        """The rules, once the form is valid."""
        return ServiceRules(
            **{name: self[name].checked for name in (*LENGTHS, "daily_cap", "reminders")},
            mode=Mode(self.mode.data or ""),
            location=int(self.location.data) if self.location.data else None,
            video_url=self.video_url.checked,
            visibility=Visibility(self.visibility.data or ""),
            position=int(self.position.data or 1),
            booking_horizon=timedelta(days=self.booking_horizon.checked),
            practitioners=tuple(sorted(self.practitioners.data or ())),
            rooms=tuple(sorted(self.rooms.data or ())),
        )


def as_typed(rules: ServiceRules) -> dict[str, Any]:
    """Rules as the form would have them typed."""
    return {name: lengths.length_text(getattr(rules, name)) for name in LENGTHS} | {
        "mode": rules.mode.value,
        "location": str(rules.location or ""),
        "video_url": rules.video_url or "",
        "visibility": rules.visibility.value,
        "position": str(rules.position),
        "booking_horizon": str(rules.booking_horizon.days),
        "daily_cap": str(rules.daily_cap or ""),
        "practitioners": list(rules.practitioners),
        "rooms": list(rules.rooms),
        "reminders": lengths.reminders_text(rules.reminders),
    }


def in_words(form: RulesForm, name: str, stored: dict[str, Any] | None = None) -> str:
    """What a field holds, as one reads it; of other values where they are given."""
    field, value = form[name], (stored or {}).get(name, form[name].data)
    if isinstance(field, Ticks):
        return ", ".join(name for each, name in field.options.items() if each in value) or "None"
    if isinstance(field, Pick):
        return str(field.options.get(value, value))
    return value or "None"


def _named(resources: Sequence[Resource], kind: ResourceKind) -> dict[str, str]:
    return {
        each.slug: each.name if each.active else f"{each.name} (not in use)"
        for each in resources
        if each.kind == kind
    }
