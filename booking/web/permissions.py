"""Who may do what: the one table, from endpoint to permission and from role to permissions."""

from enum import StrEnum

from flask import Flask
from flask_security import current_user

from booking.models import Role


class Permission(StrEnum):
    """One thing that a role may do or not."""

    ACCOUNT = "account"
    """One's own account, and the way out."""
    SEE_DAY = "see_day"
    """Appointments: of everybody, or a clinician's own."""
    ACT = "act"
    """Book, move, cancel, attendance, notes."""
    SEE_MAIL = "see_mail"
    """Mails that came in; a clinician's are those about own appointments."""
    SCHEDULE = "schedule"
    """Hours, closures, services, rooms, texts."""
    CALENDARS = "calendars"
    """Feeds and calendars that are read; a clinician's own only."""
    PEOPLE = "people"
    PROGRAMS = "programs"
    """Keys of other programs, and addresses that are told of appointments."""
    AUDIT = "audit"
    NUMBERS = "numbers"
    EXPORT = "export"
    ERASE = "erase"
    """Personal data: how long they are kept, and those of one appointment."""


_OWN = frozenset(
    {
        Permission.ACCOUNT,
        Permission.SEE_DAY,
        Permission.ACT,
        Permission.SEE_MAIL,
        Permission.CALENDARS,
    }
)
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.SCHEDULER: frozenset(Permission)
    - {Permission.PEOPLE, Permission.PROGRAMS, Permission.AUDIT, Permission.ERASE},
    Role.CLINICIAN: _OWN,
    Role.AUDITOR: frozenset({Permission.ACCOUNT, Permission.AUDIT}),
}
"""What each role may do."""

NEEDED: dict[str, Permission] = {
    "account.end_one": Permission.ACCOUNT,
    "account.end_others": Permission.ACCOUNT,
    "account.page": Permission.ACCOUNT,
    "account.password": Permission.ACCOUNT,
    "answers.accept": Permission.ACT,
    "answers.decline": Permission.ACT,
    "answers.done": Permission.ACT,
    "answers.show": Permission.SEE_MAIL,
    "audit.page": Permission.AUDIT,
    "calendars.add": Permission.CALENDARS,
    "calendars.add_form": Permission.CALENDARS,
    "calendars.check": Permission.CALENDARS,
    "calendars.end": Permission.CALENDARS,
    "calendars.page": Permission.CALENDARS,
    "calendars.remove": Permission.CALENDARS,
    "calendars.renew": Permission.CALENDARS,
    "closures.choose_holidays": Permission.SCHEDULE,
    "closures.close": Permission.SCHEDULE,
    "closures.closure": Permission.SCHEDULE,
    "closures.closure_form": Permission.SCHEDULE,
    "closures.holiday_close": Permission.SCHEDULE,
    "closures.holiday_open": Permission.SCHEDULE,
    "closures.holidays": Permission.SCHEDULE,
    "closures.page": Permission.SCHEDULE,
    "closures.remove": Permission.SCHEDULE,
    "day.full_sheet": Permission.SEE_DAY,
    "day.full_sheet_form": Permission.SEE_DAY,
    "day.month": Permission.SEE_DAY,
    "day.page": Permission.SEE_DAY,
    "day.pulse": Permission.SEE_DAY,
    "day.sheet": Permission.SEE_DAY,
    "day.starts": Permission.ACT,
    "day.week": Permission.SEE_DAY,
    "desk.book_caller": Permission.ACT,
    "desk.caller": Permission.ACT,
    "desk.find": Permission.SEE_DAY,
    "desk.names": Permission.SEE_DAY,
    "desk.search": Permission.SEE_DAY,
    "desk.undo": Permission.ACT,
    "desk.write_note": Permission.ACT,
    "keys.end": Permission.PROGRAMS,
    "keys.make": Permission.PROGRAMS,
    "keys.make_form": Permission.PROGRAMS,
    "keys.page": Permission.PROGRAMS,
    "keys.renew": Permission.PROGRAMS,
    "keys.renew_form": Permission.PROGRAMS,
    "retention.one": Permission.ERASE,
    "retention.one_form": Permission.ERASE,
    "retention.rules": Permission.ERASE,
    "retention.rules_form": Permission.ERASE,
    "schedule.copy_day": Permission.SCHEDULE,
    "schedule.copy_week": Permission.SCHEDULE,
    "schedule.details": Permission.SCHEDULE,
    "schedule.details_form": Permission.SCHEDULE,
    "schedule.extra_add": Permission.SCHEDULE,
    "schedule.extra_form": Permission.SCHEDULE,
    "schedule.hours_add": Permission.SCHEDULE,
    "schedule.hours_edit": Permission.SCHEDULE,
    "schedule.hours_edit_form": Permission.SCHEDULE,
    "schedule.hours_form": Permission.SCHEDULE,
    "schedule.hours_remove": Permission.SCHEDULE,
    "schedule.page": Permission.SCHEDULE,
    "schedule.practitioner_add": Permission.SCHEDULE,
    "schedule.practitioner_form": Permission.SCHEDULE,
    "schedule.week": Permission.SCHEDULE,
    "schedule.why": Permission.SCHEDULE,
    "people.disable": Permission.PEOPLE,
    "people.enable": Permission.PEOPLE,
    "people.invite": Permission.PEOPLE,
    "people.invite_again": Permission.PEOPLE,
    "people.invite_form": Permission.PEOPLE,
    "people.page": Permission.PEOPLE,
    "people.reset_second_step": Permission.PEOPLE,
    "people.role": Permission.PEOPLE,
    "people.role_form": Permission.PEOPLE,
    "numbers.export": Permission.EXPORT,
    "numbers.page": Permission.NUMBERS,
    "second.add_app": Permission.ACCOUNT,
    "second.add_passkey": Permission.ACCOUNT,
    "second.app": Permission.ACCOUNT,
    "second.choose": Permission.ACCOUNT,
    "second.codes": Permission.ACCOUNT,
    "second.codes_kept": Permission.ACCOUNT,
    "second.new_codes": Permission.ACCOUNT,
    "second.passkey": Permission.ACCOUNT,
    "second.passkey_options": Permission.ACCOUNT,
    "second.picture": Permission.ACCOUNT,
    "second.remove_app": Permission.ACCOUNT,
    "second.remove_passkey": Permission.ACCOUNT,
    "clinic_numbers.change": Permission.SCHEDULE,
    "clinic_numbers.page": Permission.SCHEDULE,
    "look.change": Permission.SCHEDULE,
    "look.page": Permission.SCHEDULE,
    "look.put_logo": Permission.SCHEDULE,
    "look.remove_logo": Permission.SCHEDULE,
    "places.add": Permission.SCHEDULE,
    "places.add_form": Permission.SCHEDULE,
    "places.change": Permission.SCHEDULE,
    "places.change_form": Permission.SCHEDULE,
    "places.page": Permission.SCHEDULE,
    "rooms.add": Permission.SCHEDULE,
    "rooms.add_form": Permission.SCHEDULE,
    "rooms.change": Permission.SCHEDULE,
    "rooms.change_form": Permission.SCHEDULE,
    "rooms.page": Permission.SCHEDULE,
    "services.add": Permission.SCHEDULE,
    "services.add_form": Permission.SCHEDULE,
    "services.page": Permission.SCHEDULE,
    "services.rules": Permission.SCHEDULE,
    "services.rules_form": Permission.SCHEDULE,
    "security.logout": Permission.ACCOUNT,
    "security.static": Permission.ACCOUNT,
    "staff.address": Permission.ACT,
    "staff.address_form": Permission.ACT,
    "staff.appointment": Permission.SEE_DAY,
    "staff.attendance": Permission.ACT,
    "staff.cancel": Permission.ACT,
    "staff.cancel_form": Permission.ACT,
    "staff.handled": Permission.ACT,
    "staff.message": Permission.SEE_DAY,
    "staff.reschedule": Permission.ACT,
    "staff.reschedule_times": Permission.ACT,
    "staff.resend": Permission.ACT,
    "staff.upcoming": Permission.SEE_DAY,
    "steps.code": Permission.ACCOUNT,
    "steps.confirm": Permission.ACCOUNT,
    "steps.confirm_form": Permission.ACCOUNT,
    "steps.confirm_passkey": Permission.ACCOUNT,
    "steps.page": Permission.ACCOUNT,
    "steps.passkey": Permission.ACCOUNT,
    "texts.change": Permission.SCHEDULE,
    "texts.page": Permission.SCHEDULE,
    "texts.service_change": Permission.SCHEDULE,
    "texts.service_form": Permission.SCHEDULE,
    "waitlist.page": Permission.SEE_DAY,
    "waitlist.remove": Permission.ACT,
    "waitlist.skip": Permission.ACT,
    "webhooks.add": Permission.PROGRAMS,
    "webhooks.add_form": Permission.PROGRAMS,
    "webhooks.page": Permission.PROGRAMS,
    "webhooks.remove": Permission.PROGRAMS,
    "webhooks.renew": Permission.PROGRAMS,
    "webhooks.renew_form": Permission.PROGRAMS,
    "webhooks.resume": Permission.PROGRAMS,
    "webhooks.test": Permission.PROGRAMS,
}
"""What each endpoint that is not public needs; one without a line opens for nobody."""


def install(app: Flask) -> None:
    """Let templates ask, so that nobody is shown a way that is closed to them."""
    app.jinja_env.globals["may"] = may


def may(permission: str) -> bool:
    """Whether who is signed in has the permission."""
    return current_user.is_authenticated and permission in PERMISSIONS[Role(current_user.role)]


def may_open(endpoint: str) -> bool:
    """Whether who is signed in may open what the endpoint leads to, whatever the verb."""
    needed = NEEDED.get(endpoint)
    return needed is not None and may(needed)
