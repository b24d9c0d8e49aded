"""What a person may type: one checked way into the system for each kind of value.

Each function returns the value as it will be stored, or raises `ValueError` with a sentence
that says what to do. Forms and the API use the same ones.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from flask_babel import gettext as _

from booking.messages.languages import LANGUAGES
from booking.models import CalendarKind

LONGEST_ADDRESS = 254
"""RFC 5321 §4.5.3.1.3, less the angle brackets."""

EARLIEST, LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)

FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp", "Co", "Cn"})
"""Control characters, lone surrogates, line and paragraph separators, unassigned."""
BIDI_CONTROLS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
)

LEADS_AWAY = re.compile(
    r"[^\W\d_]:\S|//|\\\\|@|www\.|[^\W\d_][.\u3002\uff0e\uff61][^\W\d_]{2}|(?:\d[^\w]*){6}",
    re.IGNORECASE,
)
"""What mail programs and calendars make a link of, or what could be dialled."""


def plain_text(text: str, *, longest: int, what: str) -> str:
    """One line of text that can go anywhere: NFC, no controls, no encoded words (RFC 2047)."""
    text = unicodedata.normalize("NFC", text.strip()) if _encodable(text) else text
    if len(text) > longest:
        raise ValueError(_too_long(what, longest))
    if any(_forbidden(each) for each in text) or "=?" in text:
        sentence = _("%(what)s has a character that we cannot use. Type it again, without pasting.")
        raise ValueError(sentence % {"what": what})
    return text


def several_lines(text: str, *, longest: int, what: str) -> str:
    """Text of several lines; the line ends are the only control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    checked = "\n".join(plain_text(line, longest=longest, what=what) for line in lines).strip()
    if len(checked) > longest:
        raise ValueError(_too_long(what, longest))
    return checked


def own_title(text: str) -> str:
    """What somebody calls the event in their own calendar: words that lead nowhere.

    The address may be another's: who types it shall have no way to make the clinic's mail tell
    its owner where to click or whom to call.
    """
    title = plain_text(text, longest=60, what=_("The name of the event"))
    if LEADS_AWAY.search(title):
        raise ValueError(_("Use words only: no links, no email addresses and no phone numbers."))
    return title


def person_name(text: str) -> str:
    """A name as its owner writes it."""
    name = plain_text(text, longest=120, what=_("Your name"))
    if not name:
        raise ValueError(_("Enter your name."))
    return name


def email_address(text: str) -> str:
    """One plain address (RFC 5321): no display name, no comment, no quotes, no literal."""
    text = text.strip()
    if not text:
        raise ValueError(_("Enter your email address."))
    try:
        if len(text) > LONGEST_ADDRESS or not text.isascii() or "=?" in text:
            raise EmailNotValidError
        found = validate_email(text, check_deliverability=False, test_environment=True, strict=True)
        return found.ascii_email or text  # as mail servers write it, `xn--` and all
    except EmailNotValidError:
        sentence = _("Enter an email address in the right form, like name@example.com.")
        raise ValueError(sentence) from None


def phone_number(text: str, country: str) -> str:
    """A telephone number as people type it, in E.164; `country` is that of national numbers."""
    try:
        number = phonenumbers.parse(text.strip()[:40], country)
    except phonenumbers.NumberParseException:
        number = None
    if number is None or len(text) > 40 or not phonenumbers.is_possible_number(number):
        raise ValueError(
            _("Enter a phone number in full, like (212) 456-7890, or with + and the country code.")
        )
    if number.extension:  # left out, it would be somebody else who answers
        raise ValueError(_("We cannot dial an extension. Enter a number without one."))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phone_words(number: str, country: str) -> str:
    """A stored number as one would read it out, without the prefix at home."""
    try:
        parsed = phonenumbers.parse(number, country)
    except phonenumbers.NumberParseException:
        return number
    home = phonenumbers.region_code_for_number(parsed) == country
    style = phonenumbers.PhoneNumberFormat
    return phonenumbers.format_number(parsed, style.NATIONAL if home else style.INTERNATIONAL)


def calendar_name(text: str) -> str:
    """What staff call a calendar."""
    name = plain_text(text, longest=100, what="The name")
    if not name:
        raise ValueError("Enter a name, so that it can be told from others.")
    return name


def device_name(text: str) -> str:
    """What somebody calls the device that has their passkey."""
    name = plain_text(text, longest=60, what="The name")
    if not name:
        raise ValueError("Enter a name, so that you know it again.")
    return name


def calendar_kind(text: str) -> CalendarKind:
    """How a calendar is read."""
    try:
        return CalendarKind(text)
    except ValueError:
        raise ValueError("Choose how the calendar is read.") from None


def timezone_name(text: str) -> str:
    """An IANA time zone."""
    if text not in _zones():
        raise ValueError(_("Choose a time zone from the list."))
    return text


def language(text: str) -> str:
    """One of the languages that patients are written to in."""
    if text not in LANGUAGES:
        raise ValueError(f"Choose one of: {', '.join(LANGUAGES)}.")
    return text


def instant(text: str) -> datetime:
    """An instant as RFC 3339 writes it, on a whole minute, with its offset."""
    if not 16 <= len(text) <= 35 or text[10:11] not in "Tt":
        raise ValueError(_("Choose a time again."))
    try:
        found = datetime.fromisoformat(text.upper())
        if found.tzinfo is None or not EARLIEST < found.astimezone(UTC) < LATEST:
            raise ValueError
    except (ValueError, OverflowError):
        raise ValueError(_("Choose a time again.")) from None
    return found.astimezone(UTC)


def instant_or_none(text: str | None) -> datetime | None:
    """The same for an address that somebody may have edited: anything else is not there."""
    try:
        return instant(text or "")
    except ValueError:
        return None


def date_in(text: str, *, form: str = "%Y-%m-%d") -> date:
    """A date of the years that we can mean."""
    try:
        found = datetime.strptime(text, form).date()  # noqa: DTZ007 (a date on the wall)
        if not EARLIEST.year <= found.year < LATEST.year:
            raise ValueError
    except ValueError:
        raise ValueError("Write a date from 2000 to 2199 as YYYY-MM-DD.") from None
    return found


def date_or_none(text: str | None, *, form: str = "%Y-%m-%d") -> date | None:
    """The same for an address that somebody may have edited: anything else is not there."""
    try:
        return date_in(text or "", form=form)
    except ValueError:
        return None


def day_of_form(text: str) -> date:
    """A day as a date field sends it."""
    try:
        return date_in(text)
    except ValueError:
        raise ValueError("Choose a day.") from None


def time_of_form(text: str) -> time:
    """A time on the wall as a time field sends it."""
    try:
        return datetime.strptime(text.strip()[:5], "%H:%M").time()  # noqa: DTZ007 (on the wall)
    except ValueError:
        raise ValueError("Enter a time, like 14:30.") from None


def note_text(text: str) -> str:
    """A note that says something."""
    note = several_lines(text, longest=2000, what="The note")
    if not note:
        raise ValueError("Write something, or leave the page.")
    return note


def utc_text(when: datetime) -> str:
    """An instant as our links and the API write it: `2026-11-24T14:30:00Z`."""
    utc = when if when.tzinfo is UTC else when.astimezone(UTC)
    return f"{utc.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def zone_of(name: str | None, otherwise: str) -> ZoneInfo:
    """The named zone, or the other one when the name is none that we know."""
    return ZoneInfo(name if name in _zones() else otherwise)


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(each for each in available_timezones() if "/" in each or each == "UTC")


def _too_long(what: str, longest: int) -> str:
    sentence: str = _("%(what)s can have up to %(longest)s characters. Shorten it.")
    return sentence % {"what": what, "longest": longest}


def _encodable(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _forbidden(character: str) -> bool:
    return character in BIDI_CONTROLS or unicodedata.category(character) in FORBIDDEN_CATEGORIES
