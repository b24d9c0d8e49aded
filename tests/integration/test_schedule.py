"""Opening hours as staff keep them: what is foreseen is what is offered once it is saved."""

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from booking.domain.openings import WeeklyHours
from booking.domain.timeline import Span
from booking.domain.weeks import in_order
from booking.models import AuditEntry, Clinic, HealthcareService, Location, Practitioner
from booking.models.database import db, transaction
from booking.services import schedules
from booking.services.availability import free_slots
from booking.services.schedules import Act, ChangedMeanwhile
from tests.builders import HOUSE, NEW_YORK, NOW, an_appointment, at, the_service
from tests.integration.test_queries import watched
from tests.pages import Page, page_of
from tests.visits import a_member_of_staff, get, sign_in

FORTNIGHT = Span(at("Mon 00:00"), at("Mon 00:00", week=2))
ACT = Act("desk@clinic.example", NOW, HOUSE.keys)
ADA = "/staff/schedule/practitioners/ada"
USUAL: dict[str, str | list[str]] = {
    "days": ["0"],
    "opens": "09:00",
    "closes": "12:00",
    "breaks": "",
    "place": "",
    "months": [str(each) for each in range(1, 13)],
    "valid_from": "",
    "valid_until": "",
}
"""Hours as they are typed."""
ODD, EVEN = ["1", "3", "5", "7", "9", "11"], ["2", "4", "6", "8", "10", "12"]


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def post(desk: FlaskClient, page: Page, path: str, **typed: str | list[str]) -> TestResponse:
    """Send a form of several boxes with a page's token."""
    token = page.form("").values()["csrf_token"]
    return desk.post(path, data=MultiDict({"csrf_token": token, **typed}))


def post_hours(desk: FlaskClient, path: str, **typed: str | list[str]) -> TestResponse:
    """Type hours, otherwise usual ones, and ask what they offer."""
    return post(desk, get(desk, path), path, **USUAL | typed)


def save(desk: FlaskClient, preview: TestResponse) -> TestResponse:
    """Press "Save" on the page that foresees."""
    page = page_of(preview)
    inputs = [each for each in page.form("").all("input") if each.get("type") == "hidden"]
    sent = MultiDict((each.get("name"), each.get("value")) for each in inputs)
    return desk.post(preview.request.path, data=MultiDict([*sent.items(multi=True), ("save", "y")]))


def offered(slug: str = "video", who: str = "ada", span: Span = FORTNIGHT) -> list[datetime]:
    """What is on offer now, by the one question of every page."""
    db.session.rollback()
    clinic, service = db.session.get_one(Clinic, 1), the_service(db.session(), slug)
    found = free_slots(db.session(), clinic, service, span, now=NOW, practitioners=[the(who).id])
    return [slot.start for slot in found]


def the(slug: str) -> Practitioner:
    return db.session.scalars(select(Practitioner).where(Practitioner.slug == slug)).one()


def change(whose: str, rules: tuple[WeeklyHours, ...]) -> list[schedules.Forecast]:
    """Foresee a whole week, then save it."""
    with transaction() as session:
        who, clinic = the(whose), session.get_one(Clinic, 1)
        before = schedules.rules_of(session, who)
        foreseen = schedules.forecast(session, clinic, who, rules, FORTNIGHT, now=NOW)
        seen = schedules.fingerprint(before, rules)
        schedules.change_hours(session, who, lambda _: rules, seen=seen, act=ACT)
        return foreseen


quarters = st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))
days = st.none() | st.dates(date(2026, 11, 16), date(2026, 12, 12))


@st.composite
def rules(draw: Callable[..., Any]) -> WeeklyHours:
    """A rule with every feature that rules have."""
    four = st.lists(quarters, min_size=4, max_size=4, unique=True)
    opens, pause, resume, closes = sorted(draw(four))
    return WeeklyHours(
        weekday=draw(st.integers(0, 6)),
        opens=opens,
        closes=closes,
        valid_from=draw(days),
        valid_until=draw(days),
        breaks=((pause, resume),) if draw(st.booleans()) else (),
        months=frozenset(draw(st.sampled_from([{11}, {12}, range(1, 13)]))),
        place=draw(st.sampled_from([None, 1, 2])),
    )


@pytest.mark.usefixtures("sqlite_app")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(week=st.lists(rules(), max_size=6))
def test_what_is_foreseen_is_what_is_offered_once_it_is_saved(week: list[WeeklyHours]) -> None:
    with transaction() as session:
        if session.get(Location, 2) is None:
            session.add(Location(id=2, name="Elsewhere", address="9 Hill Road, Albany, NY 12207"))
            an_appointment(session, "Tue 09:00")
    before = {slug: offered(slug) for slug in ("visit", "video", "call")}

    foreseen = change("ada", in_order(week))

    for each in foreseen:
        slug = each.service.slug
        if slug in before:
            then = [start for day in each.days for start in day.offered]
            gained = {start for day in each.days for start in day.gained}
            lost = {start for day in each.days for start in day.lost}
            assert then == offered(slug)
            assert gained == set(then) - set(before[slug])
            assert lost == set(before[slug]) - set(then)


def test_a_practitioner_with_other_hours_in_odd_and_even_months(desk: FlaskClient) -> None:
    form = get(desk, "/staff/schedule/practitioners/new")
    made = post(desk, form, form.address, name="Dr Cleo Dane", services=["video"], active="y")
    home = made.location
    week = ["0", "1", "2", "3", "4"]

    for months, opens in ((ODD, "09:00"), (EVEN, "14:00")):
        preview = post_hours(
            desk, f"{home}/hours/new", days=week, months=months, opens=opens, closes="17:00"
        )
        assert save(desk, preview).status_code == 303

    local = [each.astimezone(NEW_YORK) for each in offered("video", "dr-cleo-dane")]
    firsts = {each.month: min(x.time() for x in local if x.month == each.month) for each in local}
    assert firsts == {11: time(9), 12: time(14)}
    assert {each.month for each in local} == {11, 12}


def test_nothing_typed_is_lost_between_the_form_and_what_it_offers(desk: FlaskClient) -> None:
    typed = {"opens": "10:00", "breaks": "11:00-11:15", "valid_until": "2027-05-01"}
    preview = page_of(post_hours(desk, f"{ADA}/hours/new", days=["5"], months=ODD, **typed))
    inputs = [each for each in preview.form("").all("input") if each.get("type") == "hidden"]
    sent = MultiDict((each.get("name"), each.get("value")) for each in inputs)

    sent.add("back", "y")
    again = page_of(desk.post(f"{ADA}/hours/new", data=sent))

    form = again.form("")
    ticked = [each.get("id") for each in form.all("input") if "checked" in each.attributes]
    assert ticked == ["days-5", *(f"months-{each}" for each in ODD)]
    assert typed.items() <= form.values().items()


def test_looking_at_what_would_be_offered_saves_nothing(desk: FlaskClient) -> None:
    before = offered()

    preview = page_of(post_hours(desk, f"{ADA}/hours/new", days=["5"], opens="10:00"))

    assert "Saturday 28 November" in preview.text
    assert "8 times more, 0 times less" in preview.text
    assert offered() == before


@pytest.mark.usefixtures("app")
def test_hours_that_somebody_else_has_changed_are_not_changed_unseen() -> None:
    with transaction() as session:
        who = the("ada")
        before = schedules.rules_of(session, who)
        seen = schedules.fingerprint(before, ())
        schedules.change_hours(session, who, lambda _: (), seen=seen, act=ACT)

    with pytest.raises(ChangedMeanwhile), transaction() as session:
        schedules.change_hours(session, the("ada"), lambda _: (), seen=seen, act=ACT)


def test_the_page_says_that_somebody_else_was_faster(desk: FlaskClient) -> None:
    week = get(desk, ADA)
    other = the("ada")
    with transaction() as session:
        before = schedules.rules_of(session, other)
        then = before[1:]
        seen = schedules.fingerprint(before, then)
        preview = post(desk, week, week.form("/copy-day").get("action"), source="1", targets=["5"])
        schedules.change_hours(session, the("ada"), lambda _: then, seen=seen, act=ACT)

    answer = save(desk, preview)

    assert answer.status_code == 409
    assert "changed by somebody else" in page_of(answer).text
    assert save(desk, answer).status_code == 303


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"days": []}, "Tick one day or more."),
        ({"months": []}, "Tick one month or more."),
        ({"opens": "25:00"}, "Write a time from 00:00 to 23:59, like 09:30."),
        ({"closes": "09:00"}, "The end must be after the beginning"),
        ({"breaks": "8:00-9:30"}, "Breaks must lie within the hours."),
        ({"breaks": "noon"}, "Write breaks like 12:00-13:00"),
        ({"breaks": "13:00-12:00"}, "A break ends after it begins."),
        ({"place": "77"}, "Choose one of the list."),
        ({"valid_from": "2026-12-02", "valid_until": "2026-12-02"}, "add an extra opening"),
        ({"valid_from": "tomorrow"}, "Write a date"),
    ],
)
def test_what_makes_no_sense_is_said_where_it_stands(
    desk: FlaskClient, typed: dict[str, str | list[str]], sentence: str
) -> None:
    answer = post_hours(desk, f"{ADA}/hours/new", **typed)

    assert answer.status_code == 422
    assert any(sentence in each.text for each in page_of(answer).alerts())


def test_an_extra_opening_offers_its_date_and_no_other(desk: FlaskClient) -> None:
    before = set(offered())
    path = f"{ADA}/extra/new"
    preview = post_hours(desk, path, on="2026-12-05", opens="10:00", closes="11:00")

    save(desk, preview)

    new = {each.astimezone(NEW_YORK) for each in set(offered()) - before}
    assert new == {datetime(2026, 12, 5, 10, minute, tzinfo=NEW_YORK) for minute in (0, 30)}
    assert "Saturday 5 December" in get(desk, ADA).text


def test_the_preview_begins_when_the_change_does(desk: FlaskClient) -> None:
    """It is November: hours of even months change nothing for a week yet."""
    preview = page_of(post_hours(desk, f"{ADA}/hours/new", days="5", months=EVEN))

    assert "From Saturday 5 December to Friday 18 December" in preview.text
    assert "times more, 0 times less" in preview.text
    assert "In these two weeks nothing changes." not in preview.text


def test_hours_are_written_as_times_are_everywhere_and_one_sees_where_one_is(
    desk: FlaskClient,
) -> None:
    page = get(desk, "/staff/schedule/")

    assert "Monday 9:00 am–5:00 pm, without 12:00 pm–1:00 pm" in page.text
    here = [each.text for each in page.all("a", aria_current="page")]
    assert here == ["Schedule", "Opening hours"]


def test_hours_at_another_place_offer_calls_but_no_visit(desk: FlaskClient) -> None:
    with transaction() as session:
        session.add(Location(id=2, name="Elsewhere", address="9 Hill Road, Albany, NY 12207"))
    saturday = Span(at("Sat 00:00"), at("Sun 00:00"))

    path = f"{ADA}/extra/new"
    save(desk, post_hours(desk, path, on="2026-11-28", opens="10:00", place="2"))

    assert offered("visit", span=saturday) == []
    assert len(offered("video", span=saturday)) == 4
    assert "at Elsewhere" in get(desk, "/staff/schedule/").text


def test_hours_are_changed_removed_and_copied(desk: FlaskClient) -> None:
    week = get(desk, ADA)
    rows = [each.get("href") for each in week.all("a") if "/hours/" in each.get("href")]
    save(desk, post_hours(desk, next(each for each in rows if each[-1].isdigit()), opens="11:00"))
    week = get(desk, ADA)
    save(desk, post(desk, week, f"{ADA}/copy-day", source="0", targets=["1", "2", "3", "4"]))
    remove = next(each.get("action") for each in get(desk, ADA).all("form")
                  if each.get("action").endswith("/remove"))  # fmt: skip
    save(desk, post(desk, week, remove))

    with transaction() as session:
        found = [
            (each.weekday, each.opens.hour) for each in schedules.rules_of(session, the("ada"))
        ]
    assert found == [(1, 11), (2, 11), (3, 11), (4, 11)]


def test_a_colleagues_week_is_copied(desk: FlaskClient) -> None:
    week = get(desk, ADA)

    save(desk, post(desk, week, f"{ADA}/copy-week", other="ben"))

    with transaction() as session:
        assert schedules.rules_of(session, the("ada")) == schedules.rules_of(session, the("ben"))


def test_what_is_on_file_of_a_practitioner_is_changed(desk: FlaskClient) -> None:
    page = get(desk, f"{ADA}/details")

    post(desk, page, page.address, name="Ada Bell-Moss", title="PMHNP", email="",
         services=["call"], active="y")  # fmt: skip

    ada = the("ada")
    query = select(HealthcareService.slug).where(HealthcareService.resources.any(id=ada.id))
    assert (ada.name, ada.title, ada.email) == ("Ada Bell-Moss", "PMHNP", None)
    assert db.session.scalars(query).all() == ["call"]


def test_two_of_one_name_have_addresses_of_their_own(desk: FlaskClient) -> None:
    page = get(desk, "/staff/schedule/practitioners/new")
    for _ in range(2):
        post(desk, page, page.address, name="Ada", active="y")

    slugs = set(db.session.scalars(select(Practitioner.slug).where(Practitioner.name == "Ada")))

    assert slugs == {"ada-2", "ada-3"}


def test_each_change_leaves_a_line_in_the_audit_trail(desk: FlaskClient) -> None:
    week = get(desk, ADA)

    save(desk, post(desk, week, f"{ADA}/copy-week", other="ben"))

    query = select(AuditEntry.actor, AuditEntry.subject).where(AuditEntry.action == "hours.change")
    assert db.session.execute(query).all() == [("desk@clinic.example", "ada")]


@pytest.mark.parametrize("path", ["/staff/schedule/", ADA])
def test_a_page_takes_as_many_statements_however_many_hours_there_are(
    desk: FlaskClient, path: str
) -> None:
    with watched() as few:
        get(desk, path)
    change("ada", in_order(
        WeeklyHours(weekday=day, opens=time(hour), closes=time(hour, 30))
        for day in range(7) for hour in range(8, 20)
    ))  # fmt: skip

    with watched() as many:
        get(desk, path)

    assert len(many) <= len(few) <= 16


def test_who_is_not_active_is_kept_on_file_and_offers_nothing(desk: FlaskClient) -> None:
    page = get(desk, f"{ADA}/details")

    post(desk, page, page.address, name="Ada Bell", services=["visit", "video", "call"])

    with transaction() as session:
        clinic, service = session.get_one(Clinic, 1), the_service(session, "call")
        assert free_slots(session, clinic, service, FORTNIGHT, now=NOW) == []
    assert "Not active" in get(desk, "/staff/schedule/").text
