"""The staff's pages of the schedule: who sees patients when, and what that offers.

A change of hours is shown before it is made: the same form is sent twice, and between the two
stands a page that says what would be offered.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from booking.domain.openings import WeeklyHours, local_day
from booking.domain.timeline import Span
from booking.domain.weeks import Rules, day_copied, week_copied
from booking.models import Appointment, Location, Practitioner
from booking.models.database import db, transaction
from booking.services import clinic_settings, closures, schedules
from booking.services.explanations import explanations
from booking.services.schedules import Act, ChangedMeanwhile, with_these, without
from booking.web import fields
from booking.web.forms import ButtonForm
from booking.web.gate import signed_in_name
from booking.web.schedule_forms import (
    DAYS,
    MONTHS,
    CopyDayForm,
    CopyWeekForm,
    ExtraForm,
    HoursForm,
    PractitionerForm,
    TimesForm,
    as_typed,
)
from booking.web.state import booking, clinic, now
from booking.web.trail import saw
from booking.web.translating import in_languages

bp = Blueprint("schedule", __name__, url_prefix="/staff/schedule")

FORESEEN = timedelta(days=14)
A_YEAR = 366
NOT_CARRIED = frozenset({"csrf_token", "save", "back", "seen", "first"})
"""What the page between the two posts says anew."""


@bp.get("/")
def page() -> ResponseReturnValue:
    """Everybody with their hours."""
    session = db.session()
    return render_template(
        "staff/schedule/page.html",
        practitioners=schedules.practitioners(session),
        hours=schedules.hours_by_practitioner(session),
        **_words(),
    )


@bp.get("/practitioners/new")
def practitioner_form() -> ResponseReturnValue:
    """The form for somebody new."""
    form = in_languages(PractitionerForm, clinic_settings.services(db.session()))
    return _practitioner_page(form, None)


@bp.post("/practitioners/new")
def practitioner_add() -> ResponseReturnValue:
    """Take somebody on: 303 to their week, which is empty yet."""
    form = in_languages(PractitionerForm, clinic_settings.services(db.session()))
    if not form.validate_on_submit():
        return _practitioner_page(form, None), 422
    with transaction() as session:
        made = clinic_settings.add_practitioner(session, form.details(), act=the_act())
        slug = made.slug
    flash("Added. Now add the hours: without them nothing is offered.")
    return redirect(url_for(".week", slug=slug), 303)


@bp.get("/practitioners/<slug>")
def week(slug: str) -> ResponseReturnValue:
    """One practitioner's hours, and what can be done with them."""
    session, whose = db.session(), _practitioner(slug)
    rows = schedules.hours_of(session, whose)
    others = [each for each in schedules.practitioners(session) if each.slug != slug]
    return render_template(
        "staff/schedule/week.html",
        whose=whose,
        weekly=[row for row in rows if not row.rule.is_extra],
        extra=[row for row in rows if row.rule.is_extra],
        copy_day=CopyDayForm(),
        copy_week=CopyWeekForm(others),
        button=ButtonForm(),
        **_words(),
    )


@bp.get("/practitioners/<slug>/details")
def details_form(slug: str) -> ResponseReturnValue:
    """What is on file of a practitioner, to be changed."""
    whose, offered = _practitioner(slug), clinic_settings.services(db.session())
    form = in_languages(
        PractitionerForm,
        offered,
        obj=whose,
        data={"services": [each.slug for each in offered if whose in each.resources]},
    )
    return _practitioner_page(form, whose)


@bp.post("/practitioners/<slug>/details")
def details(slug: str) -> ResponseReturnValue:
    """Change it."""
    whose, form = (
        _practitioner(slug),
        in_languages(PractitionerForm, clinic_settings.services(db.session())),
    )
    if not form.validate_on_submit():
        return _practitioner_page(form, whose), 422
    with transaction() as session:
        whom = _practitioner(slug)
        clinic_settings.change_practitioner(session, whom, form.details(), act=the_act())
    flash("Changed.")
    return redirect(url_for(".week", slug=slug), 303)


@bp.get("/practitioners/<slug>/hours/new")
def hours_form(slug: str) -> ResponseReturnValue:
    """The form for hours of every week."""
    return _hours_page(_practitioner(slug), HoursForm(_places()))


@bp.post("/practitioners/<slug>/hours/new")
def hours_add(slug: str) -> ResponseReturnValue:
    """Add them, once what they offer was seen."""
    return _typed(slug, HoursForm(_places()), None)


@bp.get("/practitioners/<slug>/extra/new")
def extra_form(slug: str) -> ResponseReturnValue:
    """The form for an opening on one date."""
    return _hours_page(_practitioner(slug), ExtraForm(_places()))


@bp.post("/practitioners/<slug>/extra/new")
def extra_add(slug: str) -> ResponseReturnValue:
    """Add it, once what it offers was seen."""
    return _typed(slug, ExtraForm(_places()), None)


@bp.get("/practitioners/<slug>/hours/<int(max=2147483647):hours>")
def hours_edit_form(slug: str, hours: int) -> ResponseReturnValue:
    """The form for hours that there are."""
    rule = _rule(slug, hours)
    kind = ExtraForm if rule.is_extra else HoursForm
    return _hours_page(_practitioner(slug), kind(_places(), data=as_typed(rule)), rule)


@bp.post("/practitioners/<slug>/hours/<int(max=2147483647):hours>")
def hours_edit(slug: str, hours: int) -> ResponseReturnValue:
    """Change them, once what that offers was seen."""
    rule = _rule(slug, hours)
    return _typed(slug, ExtraForm(_places()) if rule.is_extra else HoursForm(_places()), rule)


@bp.post("/practitioners/<slug>/hours/<int(max=2147483647):hours>/remove")
def hours_remove(slug: str, hours: int) -> ResponseReturnValue:
    """Take hours away, once what remains was seen."""
    return _decide(slug, without(_rule(slug, hours)))


@bp.post("/practitioners/<slug>/copy-day")
def copy_day(slug: str) -> ResponseReturnValue:
    """One day's hours on other days too, once what that offers was seen."""
    form = CopyDayForm()
    if not form.validate_on_submit():
        flash(form.faults()[0][1])
        return redirect(url_for(".week", slug=slug), 303)
    source, targets = int(form.source.data or 0), form.targets.numbers
    return _decide(slug, lambda rules: day_copied(rules, source, targets))


@bp.post("/practitioners/<slug>/copy-week")
def copy_week(slug: str) -> ResponseReturnValue:
    """Another practitioner's hours, once what they offer was seen."""
    others = [each for each in schedules.practitioners(db.session()) if each.slug != slug]
    form = CopyWeekForm(others)
    if not form.validate_on_submit():
        flash(form.faults()[0][1])
        return redirect(url_for(".week", slug=slug), 303)
    theirs = schedules.rules_of(db.session(), _practitioner(form.other.data or ""))
    return _decide(slug, lambda rules: week_copied(rules, theirs))


@bp.get("/why")
def why() -> ResponseReturnValue:
    """For a service and a day: what is on offer, and for every other time the reason."""
    session, house = db.session(), clinic()
    services = clinic_settings.services(session)
    asked = request.args.get("service")
    service = next((each for each in services if each.slug == asked), next(iter(services), None))
    today = now().astimezone(house.zone).date()
    day = fields.date_or_none(request.args.get("day")) or today
    found = explanations(session, house, service, day, now=now()) if service else []
    return render_template(
        "staff/schedule/why.html",
        services=services,
        service=service,
        day=day,
        explanations=found,
    )


def the_act() -> Act:
    """Who acts, and when."""
    return Act(signed_in_name(), now(), booking().house.keys)


def carried() -> list[tuple[str, str]]:
    """What was typed, for the second post."""
    return [each for each in request.form.items(multi=True) if each[0] not in NOT_CARRIED]


def shown(references: Sequence[str]) -> Sequence[Appointment]:
    """The appointments of these references, which staff are about to see."""
    for each in references:
        saw("appointment.read", each)
    return closures.appointments(db.session(), references) if references else []


def _typed(slug: str, form: HoursForm | ExtraForm, rule: WeeklyHours | None) -> ResponseReturnValue:
    """What becomes of a form of hours: wrong, to be gone over again, or to be decided on."""
    if not form.validate_on_submit():
        return _hours_page(_practitioner(slug), form, rule), 422
    if "back" in request.form:
        return _hours_page(_practitioner(slug), form, rule)
    return _decide(slug, with_these(form.rules(), instead=rule))


def _decide(slug: str, change: Callable[[Rules], Rules]) -> ResponseReturnValue:
    """Save what was foreseen, or foresee it."""
    if not ButtonForm().validate_on_submit():
        abort(400)
    if "save" not in request.form:
        return _preview(slug, change)
    try:
        with transaction() as session:
            seen = request.form.get("seen", "")
            schedules.change_hours(session, _practitioner(slug), change, seen=seen, act=the_act())
    except ChangedMeanwhile:
        return _preview(slug, change, stale=True), 409
    flash("Saved.")
    return redirect(url_for(".week", slug=slug), 303)


def _preview(slug: str, change: Callable[[Rules], Rules], *, stale: bool = False) -> str:
    """What would be offered over two weeks, with the form in it for the second post."""
    session, whose, house = db.session(), _practitioner(slug), clinic()
    rules = schedules.rules_of(session, whose)
    then = change(rules)
    today = now().astimezone(house.zone).date()
    changes = _first_of({*then} ^ {*rules}, today)
    first = fields.date_or_none(request.form.get("first")) or changes
    start = local_day(first, house.zone).start
    return render_template(
        "staff/schedule/preview.html",
        whose=whose,
        forecasts=schedules.forecast(
            session, house, whose, then, Span(start, start + FORESEEN), now=now()
        ),
        first=first,
        last=first + FORESEEN - timedelta(days=1),
        seen=schedules.fingerprint(rules, then),
        same=then == rules,
        stale=stale,
        carried=carried(),
        may_go_back="opens" in request.form,
        button=ButtonForm(),
    )


def _first_of(changed: Iterable[WeeklyHours], today: date) -> date:
    """The first day that is another by these rules; of months, it may be long after today."""
    days = (today + timedelta(days=ahead) for ahead in range(A_YEAR))
    return next((day for day in days if any(each.holds_on(day) for each in changed)), today)


def _hours_page(whose: Practitioner, form: TimesForm, rule: WeeklyHours | None = None) -> str:
    return render_template(
        "staff/schedule/hours.html",
        whose=whose,
        form=form,
        extra=isinstance(form, ExtraForm),
        fresh=rule is None,
    )


def _practitioner_page(form: PractitionerForm, whose: Practitioner | None) -> str:
    return render_template("staff/schedule/practitioner.html", form=form, whose=whose)


def _practitioner(slug: str) -> Practitioner:
    found = schedules.practitioner(db.session(), slug)
    if found is None:
        abort(404)
    return found


def _rule(slug: str, hours: int) -> WeeklyHours:
    """The rule of that number, if it is this practitioner's."""
    rows = schedules.hours_of(db.session(), _practitioner(slug))
    found = next((row.rule for row in rows if row.id == hours), None)
    if found is None:
        abort(404)
    return found


def _places() -> list[Location]:
    return list(schedules.locations(db.session()))


def _words() -> dict[str, object]:
    places = {each.id: each.name for each in schedules.locations(db.session())}
    return {"DAYS": DAYS, "MONTHS": MONTHS, "places": places}
