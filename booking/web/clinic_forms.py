"""The forms of rooms, places and the clinic's habits; their limits are those of the clinic file."""

from collections.abc import Sequence
from typing import Any

from wtforms import BooleanField, FileField

from booking.domain.colours import Colour
from booking.domain.public_holidays import countries, regions
from booking.messages.languages import country_name
from booking.models import FeedShows, Location
from booking.services import bounds
from booking.services.clinic_numbers import ClinicNumbers
from booking.services.places import PlaceDetails
from booking.services.retention import Rules
from booking.services.rooms import RoomDetails
from booking.web import fields, lengths
from booking.web import schedule_fields as typed
from booking.web.forms import Checked, Form, checked
from booking.web.schedule_forms import Pick
from booking.web.translating import TextsForm

FEEDS_SHOW = {
    FeedShows.APPOINTMENT.value: "The service’s neutral title",
    FeedShows.INITIALS.value: "The patient’s initials",
    FeedShows.SERVICE.value: "Initials and the name of the service",
}


class RoomForm(Form):
    """A room."""

    name = Checked("Name", [checked(typed.required, longest=bounds.NAME, what="The name")])
    location = Pick("Place")
    active = BooleanField("In use", default=True)

    def __init__(self, places: Sequence[Location], **more: Any) -> None:
        super().__init__(**more)
        named = {str(each.id): each.name for each in places}
        self.location.options = {"": "No place in particular"} | named

    def details(self) -> RoomDetails:
        """What to store, once the form is valid."""
        return RoomDetails(
            name=self.name.checked,
            location_id=int(self.location.data) if self.location.data else None,
            active=bool(self.active.data),
        )


class PlaceForm(TextsForm):
    """A place."""

    of = Location

    name = Checked("Name", [checked(typed.required, longest=bounds.NAME, what="The name")])
    address = Checked(
        "Address", [checked(typed.required, longest=bounds.ADDRESS, what="The address")]
    )
    directions = Checked(
        "Directions",
        [checked(fields.several_lines, longest=bounds.DIRECTIONS, what="The directions")],
    )

    def details(self) -> PlaceDetails:
        """What to store, once the form is valid."""
        return PlaceDetails(
            name=self.name.checked,
            address=self.address.checked,
            directions=self.directions.checked,
            translations=self.translations,
        )


class ClinicNumbersForm(Form):
    """What holds for the whole clinic."""

    appointments_per_contact = Checked(
        "Coming appointments for one person",
        [checked(lengths.number, within=bounds.PER_CONTACT, what="The number of appointments")],
    )
    proposals_welcome = BooleanField("Let calendar apps propose another time")
    decline_cancels = BooleanField("A “no” from a calendar cancels by itself")
    staff_email = Checked("Email address of the front desk", [checked(typed.optional_email)])
    feed_shows = Pick("What a subscribed calendar shows", FEEDS_SHOW)
    exit_url = Checked(
        "Where “Exit this page” leads", [checked(typed.https, what="The address of the exit")]
    )

    def numbers(self) -> ClinicNumbers:
        """What to store, once the form is valid."""
        return ClinicNumbers(
            appointments_per_contact=self.appointments_per_contact.checked,
            exit_url=self.exit_url.checked,
            staff_email=self.staff_email.checked,
            feed_shows=FeedShows(self.feed_shows.data or ""),
            proposals_welcome=bool(self.proposals_welcome.data),
            decline_cancels=bool(self.decline_cancels.data),
        )


class HolidaysForm(Form):
    """Whose public holidays are kept."""

    country = Pick("Country", {each: country_name(each) for each in countries()})
    region = Pick("State or region")

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        country = self.country.data or ""
        known = regions(country) if country in countries() else {}
        self.region.options = {"": "The whole country", **known}
        self.region.told = f"Choose a state or region of {country_name(country)}."


class RetentionForm(Form):
    """How long personal data are kept."""

    erase_after_days = Checked(
        "Erase them by themselves after",
        [checked(lengths.optional_number, within=bounds.ERASE_AFTER_DAYS, what="The first number")],
    )
    erase_on_wish_after_days = Checked(
        "Erase them when the patient asks after",
        [checked(lengths.number, within=bounds.ERASE_ON_WISH_DAYS, what="The second number")],
    )

    def rules(self) -> Rules:
        """What to store, once the form is valid."""
        return Rules(self.erase_after_days.checked, self.erase_on_wish_after_days.checked)


def colour(text: str) -> Colour | None:
    """A colour, or nothing.

    Raises:
        ValueError: with a sentence that says what to write.
    """
    if not text.strip():
        return None
    try:
        return Colour.read(text)
    except ValueError:
        raise ValueError("Write the colour as # and six digits, such as #1f5f58.") from None


class ColourForm(Form):
    """The clinic's own colour."""

    accent = Checked("Colour", [checked(colour)])


class LogoForm(Form):
    """A picture to show beside the name."""

    logo = FileField("Logo")

    def refused(self, sentence: str) -> "LogoForm":
        """The same, with what is wrong about what was sent."""
        self.logo.errors = [sentence]
        return self
