"""What templates may say about times, places and numbers."""

from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from flask import Flask, session, url_for
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from markupsafe import Markup

from booking.messages import wording
from booking.messages.hygiene import telephone_address, web_address
from booking.messages.languages import month_names, weekday_names
from booking.models import Clinic, Mode, Translated
from booking.services.correspondence import initials
from booking.web import fields
from booking.web.languages import page_language, texts_language
from booking.web.state import NoClinic, booking, clinic, now
from booking.web.zones import place

LOGO_HEIGHT, LOGO_WIDTH = 40, 160
"""The most that a logo takes of the header."""
HIDDEN_NAMES = "names_hidden"
MODES = {
    Mode.IN_PERSON: _l("In person, at the clinic"),
    Mode.VIDEO: _l("By video"),
    Mode.PHONE: _l("By phone"),
}
STATUSES = {
    "booked": "Booked",
    "arrived": "Arrived",
    "fulfilled": "Seen",
    "cancelled": "Cancelled",
    "noshow": "Did not come",
}
ANSWERS = {"ACCEPTED": "Accepted", "DECLINED": "Declined", "TENTATIVE": "Maybe"}
VERBS = {
    "book": "Booked",
    "reschedule": "Moved",
    "cancel": "Cancelled",
    "keep": "Kept",
    "arrive": "Arrived",
    "fulfil": "Seen",
    "miss": "Did not come",
    "unmark": "Back to booked",
    "wait": "Waits for an earlier time",
    "leave": "Waits no more",
    "offer": "Offered an earlier time",
    "readdress": "Address corrected",
    "ask_address": "Another address asked for",
    "keep_address": "Address kept",
    "phone": "Phone number changed",
    "wish_erasure": "Erasure asked for",
    "keep_data": "Erasure taken back",
    "erase": "Personal data erased",
    "override": "Booked by the desk, outside of the offer",
    "undo": "Taken back",
    "relocate": "Place changed",
}
KINDS = {
    "confirmed": "Confirmation",
    "rescheduled": "Change",
    "cancelled": "Cancellation",
    "reminder": "Reminder",
    "declined": "Question whether to keep it",
    "unchanged": "Answer to a proposal",
    "withdrawn": "Invitation withdrawn",
    "offered": "Offer of an earlier time",
    "confirm_address": "Question to a new address",
    "address_asked": "News of a new address",
    "phone_changed": "News of a new phone number",
}
VERDICTS = {
    "applied": "Noted",
    "proposed": "For staff to decide",
    "repeated": "Said before",
    "superseded": "A later answer counts",
    "older": "About an earlier time",
    "over": "The appointment was over",
    "no_answer": "Says neither yes nor no",
    "delegated": "Passed on to somebody else",
    "former": "Sent to a former address",
    "party_crasher": "Not from who was invited",
    "unknown": "Names nothing of ours",
    "bounced": "Not reached",
    "not_failed": "Delayed or delivered",
    "automatic": "Automatic",
    "message": "For staff to read",
    "unreadable": "For staff to look at",
}
AUDIENCES = {
    "patient": "to the patient",
    "practitioner": "to the practitioner",
    "staff": "to staff",
}
STATES = {
    "sent": "Sent",
    "waiting": "Waiting",
    "not reached": "Not reached",
    "not needed": "Not needed",
}


def install(app: Flask) -> None:
    """Teach the templates our words."""
    app.jinja_env.filters.update(
        clock=clock,
        day=day,
        date=date_text,
        month=month,
        month_name=month_name,
        event_title=event_title,
        said=said,
        weekday=weekday,
        minutes=minutes,
        instant=fields.utc_text,
        phone=phone,
        tel=telephone_address,
        mode=mode,
        place=place,
        map_link=map_link,
        wall=wall,
        wall_clock=wall_clock,
        initials=initials,
        person=person,
        web=web_address,
    )
    app.jinja_env.globals.update(
        zone_name=zone_name,
        zones_differ=wording.zones_differ,
        when=when,
        hours=hours,
        asset=_asset(app),
        the_clinic=the_clinic,
        lang_of=lang_of,
        logo_size=logo_size,
        now=now,
        names_hidden=names_hidden,
        demo=lambda: booking().settings.demo,
        STATUSES=STATUSES,
        ANSWERS=ANSWERS,
        VERBS=VERBS,
        KINDS=KINDS,
        VERDICTS=VERDICTS,
        AUDIENCES=AUDIENCES,
        STATES=STATES,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True


def clock(instant: datetime, zone: str) -> str:
    """`9:30 am`."""
    return wording.clock_text(instant, zone, language=page_language())


def day(instant: datetime, zone: str) -> str:
    """`Tuesday 24 November`; with the year when it is another."""
    return wording.day_text(instant, zone, today=_today(), language=page_language())


def date_text(each: date) -> str:
    """The same for a date."""
    return wording.date_text(each, today=_today(), language=page_language())


def month(each: date) -> str:
    """`November 2026`."""
    return wording.month_text(each, language=page_language())


def month_name(each: date) -> str:
    """`November`."""
    return month_names(page_language())[each.month - 1]


def weekday(number: int) -> str:
    """`Monday` for 0."""
    return weekday_names(page_language())[number]


def hours(start: datetime, end: datetime, zone: str) -> str:
    """`9:30 am to 10:15 am`."""
    return wording.hours_text(start, end, zone, language=page_language())


def when(start: datetime, end: datetime, zone: str) -> str:
    """The whole time on one line."""
    return wording.when_text(start, end, zone, language=page_language())


def zone_name(zone: str, instant: datetime) -> str:
    """`New York time`."""
    return wording.zone_name(zone, instant, language=page_language())


def minutes(length: timedelta) -> str:
    """`45 minutes`, `1 hour`, `1 hour 30 minutes`."""
    whole, rest = divmod(length // timedelta(minutes=1), 60)
    words = [ngettext("%(num)s hour", "%(num)s hours", whole)] if whole else []
    words += [ngettext("%(num)s minute", "%(num)s minutes", rest)] if rest else []
    return " ".join(words)


def event_title(title: str, language: str | None = None) -> str:
    """What a calendar will show; `language` is that of the appointment, if there is one."""
    return wording.title_text(title, language or page_language())


def said(whose: Translated, field: str) -> str:
    """A text that the clinic wrote, in the reader's language if it is there."""
    return whose.text(field, texts_language())


def lang_of(whose: Translated, field: str) -> Markup:
    """The attribute of an element whose text stands in another language than its page."""
    page, own = texts_language(), clinic().language
    foreign = page and page != own and not whose.has_text(field, page)
    return Markup(' lang="{}"').format(own) if foreign else Markup()


def phone(number: str) -> str:
    """A stored number as one reads it out."""
    return fields.phone_words(number, clinic().country)


def mode(each: str) -> str:
    """How one meets."""
    return str(MODES[Mode(each)])


def person(name: str) -> str:
    """A patient's name in a list; initials where the screen stands so that others see it."""
    return initials(name) if names_hidden() else name


def names_hidden() -> bool:
    """Whether this browser shows initials in lists, until it is asked for names."""
    return bool(session.get(HIDDEN_NAMES))


def wall(instant: datetime, zone: str) -> str:
    """`14:30`, as a time field wants it."""
    return f"{instant.astimezone(ZoneInfo(zone)):%H:%M}"


def wall_clock(each: time) -> str:
    """`2:30 pm`, of a time on the wall of no day in particular."""
    return clock(datetime.combine(date.min, each, UTC), "UTC")


def map_link(address: str) -> str:
    """A map of the address on a site that needs no account."""
    return f"https://www.openstreetmap.org/search?query={quote(address)}"


def logo_size(house: Clinic) -> tuple[int, int]:
    """Width and height of the logo in CSS pixels: in proportion, and not beyond the most."""
    width, height = house.logo_width or 1, house.logo_height or 1
    scale = min(LOGO_HEIGHT / height, LOGO_WIDTH / width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def the_clinic() -> object:
    """The clinic of the page, or nothing when that is what failed."""
    try:
        return clinic()
    except NoClinic:
        return None


def _today() -> date:
    return now().astimezone(clinic().zone).date()


def _asset(app: Flask) -> object:
    """Addresses of our files that change with their content, so that browsers may keep them."""
    folder, known = Path(app.static_folder or ""), dict[str, str]()

    def asset(name: str) -> str:
        if name not in known:
            known[name] = sha256((folder / name).read_bytes()).hexdigest()[:12]
        return url_for("static", filename=name, v=known[name])

    return asset
