"""Closing a time: nobody in it is forgotten, and nothing happens without a decision."""

from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from booking.domain.timeline import Span
from booking.models import Appointment, AuditEntry, Closure
from booking.models.database import db, transaction
from booking.services import closures
from booking.services.appointments import reschedule_appointment
from booking.services.closures import Decision, NewClosure, Undecided
from booking.services.schedules import Act
from tests.builders import HOUSE, NOW, Mailbox, an_appointment, at
from tests.integration.test_queries import watched
from tests.integration.test_schedule import offered, post
from tests.pages import Page, page_of
from tests.visits import a_member_of_staff, a_reference, deliver, get, sign_in

ACT = Act("desk@clinic.example", NOW, HOUSE.keys)
NEW = "/staff/schedule/closures/new"
PAGE = "/staff/schedule/closures/"
AFTERNOON = {"who": "ada", "first": "2026-11-24", "opens": "13:00", "last": "", "closes": "",
             "reason": "Dentist"}  # fmt: skip
HOURS = ("13:00", "14:30", "16:00")
TUESDAY = Span(at("Tue 00:00"), at("Wed 00:00"))


@pytest.fixture
def desk(client: FlaskClient) -> FlaskClient:
    """A browser in which a member of staff is signed in."""
    a_member_of_staff()
    sign_in(client)
    return client


def three_appointments() -> list[str]:
    """Three of Ada's on the afternoon, among others that it does not concern."""
    for start, who in (("Tue 10:00", "ada"), ("Wed 14:00", "ada"), ("Wed 10:30", "ben")):
        a_reference(start, practitioner=who, service="video")
    return [a_reference(f"Tue {hour}", service="video") for hour in HOURS]


def the_question(desk: FlaskClient, **typed: str) -> Page:
    """The second of the two pages: what becomes of the appointments."""
    return page_of(post(desk, get(desk, NEW), NEW, **AFTERNOON | typed))


def decide(desk: FlaskClient, page: Page, **said: str) -> int:
    """Answer it; the status of what comes back."""
    inputs = [each for each in page.form("").all("input") if each.get("type") == "hidden"]
    sent = MultiDict((each.get("name"), each.get("value")) for each in inputs)
    sent.update({name.replace("_", "-", 1) if "decide" in name else name: what
                 for name, what in said.items()})  # fmt: skip
    return desk.post(NEW, data=sent).status_code


def statuses() -> dict[str, str]:
    """What has become of everybody."""
    db.session.rollback()
    return {each.reference: each.status for each in db.session.scalars(select(Appointment))}


def how_many_closures() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Closure)) or 0


def test_an_afternoon_with_three_appointments_is_closed_on_two_pages(
    sqlite_app: Flask, desk: FlaskClient, mailbox: Mailbox
) -> None:
    three = three_appointments()
    deliver(sqlite_app)
    before = len(mailbox.mails)

    question = the_question(desk)
    done = decide(desk, question, for_all="cancel")

    assert "3 appointments lie in this time" in question.heading
    assert question.text.count("(212) 555-0123 – leave no message") == 3
    assert done == 303
    assert {each for each, status in statuses().items() if status == "cancelled"} == set(three)
    assert offered("video", span=Span(at("Tue 13:00"), at("Tue 23:00"))) == []
    deliver(sqlite_app)
    told = [mail for mail in mailbox.mails[before:] if mail.recipient == "sam@mail.example"]
    assert len(told) == 3


@pytest.mark.parametrize(("what", "told"), [("keep", False), ("cancel", True)])
def test_that_somebody_is_told_is_said_only_where_somebody_was_cancelled(
    desk: FlaskClient, what: str, told: bool
) -> None:
    three_appointments()

    decide(desk, the_question(desk), for_all=what)

    assert ("told by email" in get(desk, f"{PAGE}1").text) is told


def test_each_appointment_is_decided_on_by_itself(desk: FlaskClient) -> None:
    first, second, third = three_appointments()

    done = decide(desk, the_question(desk), **{
        f"decide_{first}": "keep", f"decide_{second}": "cancel", f"decide_{third}": "keep",
    })  # fmt: skip

    assert done == 303
    found = statuses()
    assert [found[each] for each in (first, second, third)] == ["booked", "cancelled", "booked"]


def test_nothing_is_closed_as_long_as_one_is_undecided(desk: FlaskClient) -> None:
    first, second, _ = three_appointments()

    done = decide(
        desk, the_question(desk), **{f"decide_{first}": "keep", f"decide_{second}": "keep"}
    )

    assert done == 422
    assert how_many_closures() == 0
    assert set(statuses().values()) == {"booked"}


def test_who_books_between_the_question_and_the_answer_is_asked_about(desk: FlaskClient) -> None:
    a_reference("Tue 13:00", service="video")
    question = the_question(desk)
    late = a_reference("Tue 15:00", service="video")

    done = decide(desk, question, for_all="cancel")

    assert done == 422
    assert how_many_closures() == 0
    assert statuses()[late] == "booked"


def test_a_time_without_appointments_is_closed_at_once_and_opened_again(desk: FlaskClient) -> None:
    before = offered("video", span=TUESDAY)
    answer = post(desk, get(desk, NEW), NEW, **AFTERNOON | {"who": "", "opens": ""})
    closed = offered("video", span=TUESDAY)

    page = get(desk, answer.location)
    post(desk, page, f"{answer.location}/remove")

    assert "the whole clinic" in page.heading
    assert closed == []
    assert offered("video", span=TUESDAY) == before != []


def test_nothing_typed_is_lost_on_the_way_back(desk: FlaskClient) -> None:
    three_appointments()
    inputs = [
        each for each in the_question(desk).form("").all("input") if each.get("type") == "hidden"
    ]
    sent = MultiDict((each.get("name"), each.get("value")) for each in inputs)

    page = page_of(desk.post(NEW, data=MultiDict([*sent.items(multi=True), ("back", "y")])))

    assert page.form("").values().items() >= AFTERNOON.items()
    assert how_many_closures() == 0


def test_who_has_no_address_stands_among_those_to_call(desk: FlaskClient) -> None:
    reference = a_reference("Tue 14:00", service="video")
    with transaction() as session:
        found = session.scalars(select(Appointment)).one()
        found.patient_email = ""
        session.flush()
        wanted = NewClosure("ada", Span(at("Tue 13:00"), at("Tue 18:00")), "")
        made = closures.close(session, wanted, {reference: Decision.KEEP}, HOUSE, act=ACT)
        number = made.id

    page = get(desk, f"/staff/schedule/closures/{number}")

    assert [each.text for each in page.all("span", class_="tag warn")] == ["Call"]


@pytest.mark.usefixtures("app")
def test_a_room_that_is_closed_asks_about_who_was_to_be_in_it() -> None:
    with transaction() as session:
        an_appointment(session, "Tue 14:00", service="visit")
        an_appointment(session, "Tue 15:30", service="video")

    with pytest.raises(Undecided) as question, transaction() as session:
        closures.close(session, NewClosure("blue", TUESDAY, ""), {}, HOUSE, act=ACT)

    assert len(question.value.references) == 1


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Tuesday 24 November, 1:00 pm to the end of the day"),
        ({"closes": "14:00"}, "Tuesday 24 November, 1:00 pm to 2:00 pm"),
        ({"opens": ""}, "Tuesday 24 November, all day"),
        ({"opens": "", "last": "2026-11-25"}, "Tuesday 24 November to Wednesday 25 November"),
        ({"last": "2026-11-25", "closes": "09:00"},
         "Tuesday 24 November, 1:00 pm to Wednesday 25 November, 9:00 am"),
    ],
)  # fmt: skip
def test_a_closure_is_said_in_words_that_nobody_has_to_work_out(
    desk: FlaskClient, typed: dict[str, str], words: str
) -> None:
    post(desk, get(desk, NEW), NEW, **AFTERNOON | typed)

    assert words in get(desk, PAGE).text
    assert words in get(desk, f"{PAGE}1").text


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"first": ""}, "Write a date"),
        ({"closes": "12:00"}, "The end must be after the beginning."),
        ({"last": "2026-11-23"}, "The end must be after the beginning."),
        ({"who": "nobody"}, "Choose one of the list."),
        ({"opens": "one"}, "Write a time"),
    ],
)
def test_a_closure_that_makes_no_sense_is_not_made(
    desk: FlaskClient, typed: dict[str, str], sentence: str
) -> None:
    answer = post(desk, get(desk, NEW), NEW, **AFTERNOON | typed)

    assert answer.status_code == 422
    assert any(sentence in each.text for each in page_of(answer).alerts())
    assert how_many_closures() == 0


def test_a_closure_and_what_it_cancels_are_in_the_audit_trail(desk: FlaskClient) -> None:
    three = three_appointments()

    decide(desk, the_question(desk), for_all="cancel")

    query = select(AuditEntry.action, AuditEntry.subject)
    found = {tuple(row) for row in db.session.execute(query)}
    assert ("closure.add", "ada") in found
    assert {("appointment.cancel", each) for each in three} <= found


def test_the_list_takes_as_many_statements_however_much_is_closed(desk: FlaskClient) -> None:
    def closed(days: range) -> None:
        with transaction() as session:
            for week in days:
                span = Span(at("Tue 00:00", week=week), at("Wed 00:00", week=week))
                session.add(Closure(starts_at=span.start, ends_at=span.until, reason=""))

    closed(range(1))
    with watched() as few:
        get(desk, "/staff/schedule/closures/")
    closed(range(2, 12))

    with watched() as many:
        get(desk, "/staff/schedule/closures/")

    assert len(many) <= len(few) <= 12


HOLIDAYS = "/staff/schedule/closures/holidays"
THANKSGIVING = Span(at("Thu 00:00"), at("Fri 00:00"))


def test_a_public_holiday_is_worked_on_and_closed_again(desk: FlaskClient) -> None:
    before = offered("video", span=THANKSGIVING)
    page = get(desk, HOLIDAYS)

    post(desk, page, f"{HOLIDAYS}/2026-11-26/open")
    worked = offered("video", span=THANKSGIVING)
    post(desk, page, f"{HOLIDAYS}/2026-11-26/close")

    assert "Thanksgiving" in page.text
    assert before == offered("video", span=THANKSGIVING) == []
    assert len(worked) == 14


def test_a_holiday_with_an_appointment_is_not_closed_silently(desk: FlaskClient) -> None:
    page = get(desk, HOLIDAYS)
    post(desk, page, f"{HOLIDAYS}/2026-11-26/open")
    a_reference("Thu 10:00", service="video")

    answer = post(desk, page, f"{HOLIDAYS}/2026-11-26/close")

    page = get(desk, answer.location)
    assert "appointments are booked on that day" in page.text
    question = page_of(desk.post(NEW, data=page.form("").values()))
    assert question.heading == "1 appointment lies in this time"
    assert "Open" in [each.text for each in get(desk, HOLIDAYS).all("span", class_="tag")]
    assert set(statuses().values()) == {"booked"}


@pytest.mark.parametrize("day", ["2026-11-27", "soon"])
def test_only_a_public_holiday_can_be_worked_on(desk: FlaskClient, day: str) -> None:
    answer = post(desk, get(desk, HOLIDAYS), f"{HOLIDAYS}/{day}/open")

    assert answer.status_code == 404


def test_the_holidays_of_another_region_and_of_another_country_can_be_kept(
    desk: FlaskClient,
) -> None:
    page = get(desk, HOLIDAYS)
    assert "Thanksgiving" in page.text

    odd = post(desk, page, HOLIDAYS, country="DE", region="NY")
    chosen = post(desk, page_of(odd), HOLIDAYS, country="DE", region="BY")

    assert "Choose a state or region of Germany." in page_of(odd).text
    assert "Bayern" in page_of(odd).text
    assert chosen.status_code == 303
    page = get(desk, HOLIDAYS)
    assert "Thanksgiving" not in page.text
    assert "Epiphany" in page.text
    assert len(offered("video", span=THANKSGIVING)) == 14
    [changed] = db.session.scalars(
        select(AuditEntry.fields).where(AuditEntry.action == "clinic.change")
    )
    assert set(changed.split()) == {"country", "region"}


def test_a_day_that_becomes_a_holiday_stays_open_for_who_is_booked_on_it(
    desk: FlaskClient,
) -> None:
    """The eighth of December is one in Austria."""
    eighth = Span(at("Tue 00:00", week=2), at("Wed 00:00", week=2))
    page = get(desk, HOLIDAYS)
    post(desk, page, HOLIDAYS, country="AT", region="")
    assert offered("video", span=eighth) == []
    post(desk, page, HOLIDAYS, country="US", region="NY")
    with transaction() as session:
        made = an_appointment(session, "Tue 10:00", service="video")
        reschedule_appointment(session, made, eighth.start + timedelta(hours=10), HOUSE, now=NOW)
    before = offered("video", span=eighth)

    answer = post(desk, page, HOLIDAYS, country="AT", region="")

    assert "People are booked on Tuesday 8 December" in get(desk, answer.location).text
    assert offered("video", span=eighth) == before != []


def test_the_day_leads_to_closing_some_of_it_with_who_and_when_filled_in(desk: FlaskClient) -> None:
    day = get(desk, "/staff/day/?on=2026-11-24")

    form = get(desk, day.link("Close a time of Ada Bell")).form("").values()
    why = get(desk, day.link("Why is nothing offered?"))

    assert (form["who"], form["first"]) == ("ada", "2026-11-24")
    assert "Tuesday 24 November" in why.text
