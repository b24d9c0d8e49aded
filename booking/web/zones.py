"""The time zones that a visitor chooses from."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from booking.messages.languages import city, zone_today
from booking.web.languages import page_language

COMMON = (
    (_l("United States and Canada"), (
        "America/New_York", "America/Chicago", "America/Denver", "America/Phoenix",
        "America/Los_Angeles", "America/Anchorage", "Pacific/Honolulu", "America/Halifax",
        "America/St_Johns", "America/Toronto", "America/Vancouver", "America/Puerto_Rico",
    )),
    (_l("Central and South America"), (
        "America/Mexico_City", "America/Bogota", "America/Lima", "America/Caracas",
        "America/Santiago", "America/Sao_Paulo", "America/Argentina/Buenos_Aires",
    )),
    (_l("Europe and Africa"), (
        "Atlantic/Reykjavik", "Europe/London", "Europe/Dublin", "Europe/Lisbon", "Europe/Madrid",
        "Europe/Paris", "Europe/Berlin", "Europe/Rome", "Europe/Stockholm", "Europe/Warsaw",
        "Europe/Athens", "Europe/Kyiv", "Europe/Istanbul", "Africa/Casablanca", "Africa/Lagos",
        "Africa/Johannesburg", "Africa/Cairo", "Africa/Nairobi",
    )),
    (_l("Asia and Pacific"), (
        "Asia/Jerusalem", "Asia/Dubai", "Asia/Tehran", "Asia/Karachi", "Asia/Kolkata",
        "Asia/Kathmandu", "Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore", "Asia/Hong_Kong",
        "Asia/Shanghai", "Asia/Manila", "Asia/Seoul", "Asia/Tokyo", "Australia/Perth",
        "Australia/Adelaide", "Australia/Brisbane", "Australia/Sydney", "Australia/Lord_Howe",
        "Pacific/Auckland", "Pacific/Chatham", "Pacific/Apia",
    )),
)  # fmt: skip
"""One place for each clock that many people live by; the address takes any IANA zone."""


def zone_choices(chosen: str, clinics: str) -> dict[str, list[tuple[str, str]]]:
    """Groups of (key, place), the zone in use always among them."""
    first = dict.fromkeys((clinics, chosen))
    known = {zone_today(key) for key in first}
    groups = {_("Here"): [(key, place(key)) for key in first]}
    for name, keys in COMMON:
        groups[str(name)] = sorted(
            ((key, place(key)) for key in keys if key not in known), key=_place
        )
    return groups


def place(key: str) -> str:
    """The zone as people say it: `New York`."""
    return city(key, page_language())


def _place(choice: tuple[str, str]) -> str:
    return choice[1]
